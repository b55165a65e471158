// StreamChat in a real browser: two pages of one site chat through a Weir on another origin, and neither can hold the
// secret. Runs where Chromium is: WEIR_TEST_CHROMIUM, or `chromium` in the PATH.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import type { Server } from "bun"
import { type Browser, chromium, type Page } from "playwright-core"
import { startTestServer, type TestServer, testApiKey, testApiSecret, userToken } from "../../server/src/testing.ts"

const executablePath = process.env.WEIR_TEST_CHROMIUM || Bun.which("chromium")
if (executablePath === null) console.log("Chromium is not here, so nothing was tried in a browser.")

const launchArguments = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]

const html = `<!doctype html><meta charset="utf-8"><title>chat</title>
<script type="module">
  import { StreamChat } from "/chat.js"
  window.heard = []
  window.StreamChat = StreamChat
  window.connect = async (key, baseURL, user) => {
    const token = async () => (await fetch("/token?user=" + user)).text()
    window.chat = new StreamChat(key, { baseURL })
    window.chat.on("message.new", ({ message }) => window.heard.push(message.user.id + ": " + message.text))
    const { me } = await window.chat.connectUser({ id: user }, token)
    return me.id
  }
  window.isReady = true
</script>`

describe.skipIf(executablePath === null)("in a browser", () => {
  let weir: TestServer
  let site: Server<undefined>
  let browser: Browser
  /** A page that is only refused things. */
  let refused: Page

  beforeAll(async () => {
    const entry = join(import.meta.dir, "../src/index.ts")
    const { outputs } = await Bun.build({ entrypoints: [entry], target: "browser", format: "esm" })
    const script = await outputs[0]?.text()
    weir = await startTestServer()
    site = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch(request) {
        const { pathname, searchParams } = new URL(request.url)
        if (pathname === "/chat.js") return new Response(script, { headers: { "content-type": "text/javascript" } })
        if (pathname === "/token") return new Response(userToken(searchParams.get("user") ?? ""))
        return new Response(html, { headers: { "content-type": "text/html" } })
      },
    })
    browser = await chromium.launch({
      executablePath: executablePath as string,
      args: launchArguments,
      timeout: 20_000,
    })
    refused = await open()
  }, 30_000)

  afterAll(async () => {
    await browser?.close()
    await site?.stop(true)
    await weir?.close()
  })

  async function open(): Promise<Page> {
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${site.port}/`)
    await page.waitForFunction("window.isReady")
    return page
  }

  const connect = (page: Page, user: string) =>
    page.evaluate(`connect(${JSON.stringify(testApiKey)}, ${JSON.stringify(weir.url)}, ${JSON.stringify(user)})`)

  test("two pages chat through a server on another origin", async () => {
    const users = { ann: { id: "ann" }, bob: { id: "bob" } }
    await weir.call("POST", "/api/v2/users", { body: { users } })
    const [ann, bob] = await Promise.all([open(), open()])
    expect(await Promise.all([connect(ann, "ann"), connect(bob, "bob")])).toEqual(["ann", "bob"])
    const members = JSON.stringify({ members: ["ann", "bob"] })
    await ann.evaluate(`chat.channel("messaging", "page", ${members}).watch().then(() => {})`)
    await bob.evaluate(`chat.channel("messaging", "page").watch().then(() => {})`)
    await ann.evaluate(`chat.channel("messaging", "page").sendMessage({ text: "Lunch?" }).then(() => {})`)
    await bob.waitForFunction("heard.length === 1")
    await bob.evaluate(`chat.channel("messaging", "page").sendMessage({ text: "At noon." }).then(() => {})`)
    for (const page of [ann, bob]) {
      await page.waitForFunction("heard.length === 2")
      expect(await page.evaluate("heard")).toEqual(["ann: Lunch?", "bob: At noon."])
    }
    await Promise.all([ann.close(), bob.close()])
  })

  test("a refusal from another origin can be read, with its code", async () => {
    await connect(refused, "eve")
    const refusal = await refused.evaluate(
      `chat.channel("messaging", "page").watch().catch(({ status, code, decisionId }) => [status, code, typeof decisionId])`,
    )
    expect(refusal).toEqual([403, 17, "string"])
    const forged = await refused.evaluate(
      `new StreamChat("nobodyskey00", { baseURL: ${JSON.stringify(weir.url)} })
        .connectUser({ id: "eve" }, () => fetch("/token?user=eve").then((answer) => answer.text()))
        .catch(({ status, code }) => [status, code])`,
    )
    expect(forged).toEqual([401, 2])
  })

  test("a page is refused the secret, and has no way to make tokens", async () => {
    const tried = (code: string) =>
      refused.evaluate(`(() => { try { return ${code} } catch (error) { return error.message } })()`)
    const secret = JSON.stringify(testApiSecret)
    expect(await tried(`new StreamChat("k", ${secret})`)).toContain("must not reach a browser")
    expect(await tried(`StreamChat.getInstance("k", ${secret})`)).toContain("must not reach a browser")
    expect(await tried(`new StreamChat("k").createToken("ann")`)).toBe(
      "tokens can only be created server-side using the API Secret",
    )
  })
})
