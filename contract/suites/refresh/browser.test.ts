// Two tabs of one site in a real browser, with its own Web Locks and BroadcastChannel. Runs where WEIR_TEST_CHROMIUM
// names a Chromium, or `chromium` is in the PATH.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import type { Server } from "bun"
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core"
import { startTestServer, type TestServer, testAdminToken, testApiKey } from "../../../packages/server/src/testing.ts"
import { startEndpoint, type TokenEndpoint } from "./endpoint.ts"

const executablePath = process.env.WEIR_TEST_CHROMIUM || Bun.which("chromium")
if (executablePath === null) console.log("Chromium is not here, so no tabs were tried in a browser.")

const html = `<!doctype html><meta charset="utf-8"><title>tab</title>
<script type="module">
  import { tokenEndpoint, WeirClient } from "/sdk.js"
  window.connect = async (apiKey, baseUrl, user, shareTokens) => {
    window.client = new WeirClient({ apiKey, baseUrl, shareTokens })
    await window.client.connect({ id: user }, tokenEndpoint("/token?user=" + user))
  }
  window.read = () => window.client.operations.users.query({ filter_conditions: {}, limit: 1 }).then(() => "read")
  window.isReady = true
</script>`

describe.skipIf(executablePath === null)("tabs in a browser", () => {
  let weir: TestServer
  let endpoint: TokenEndpoint
  let site: Server<undefined>
  let browser: Browser
  let context: BrowserContext

  beforeAll(async () => {
    const entry = join(import.meta.dir, "../../../packages/sdk-client/src/index.ts")
    const { outputs } = await Bun.build({ entrypoints: [entry], target: "browser", format: "esm" })
    const script = await outputs[0]?.text()
    weir = await startTestServer()
    endpoint = await startEndpoint()
    site = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch(request) {
        const { pathname, search } = new URL(request.url)
        if (pathname === "/sdk.js") return new Response(script, { headers: { "content-type": "text/javascript" } })
        if (pathname === "/token") return fetch(endpoint.url + search, { method: "POST" })
        return new Response(html, { headers: { "content-type": "text/html" } })
      },
    })
    browser = await chromium.launch({
      executablePath: executablePath as string,
      args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
      timeout: 20_000,
    })
    // Pages of one context share their origin's locks and channels, as tabs do.
    context = await browser.newContext()
  }, 30_000)

  afterAll(async () => {
    await browser?.close()
    await site?.stop(true)
    await endpoint?.close()
    await weir?.close()
  })

  async function open(user: string, shareTokens: boolean): Promise<Page> {
    const page = await context.newPage()
    await page.goto(`http://127.0.0.1:${site.port}/`)
    await page.waitForFunction("window.isReady")
    await page.evaluate(`connect(${[testApiKey, weir.url, user, shareTokens].map((v) => JSON.stringify(v)).join()})`)
    return page
  }

  /** Ends what the user had, has all pages read, and answers how often the endpoint was asked for it. */
  async function refresh(user: string, pages: Page[]): Promise<number> {
    const admin = { as: `Bearer ${testAdminToken}`, apiKey: null, authType: null }
    const { body } = await weir.call("GET", "/api/admin/v1/apps", admin)
    const asked = endpoint.asked
    endpoint.age = 0
    const before = new Date(Date.now() - 5_000).toISOString()
    const path = `/api/admin/v1/apps/${body.apps[0].id}/revocations`
    await weir.call("POST", path, { ...admin, body: { user_id: user, before } })
    expect(await Promise.all(pages.map((page) => page.evaluate("read()")))).toEqual(pages.map(() => "read"))
    for (const page of pages) await page.waitForFunction(`client.connectionState === "online"`)
    return endpoint.asked - asked
  }

  test("one tab asks for the new token, the other is handed it", async () => {
    endpoint.age = 10
    endpoint.delayMs = 100
    const pages = [await open("tabs", true), await open("tabs", true)]
    expect(await refresh("tabs", pages)).toBe(1)
    expect(endpoint.atOnce).toBe(1)
    const stored = await Promise.all(
      pages.map((page) =>
        page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"),
      ),
    )
    expect(stored).toEqual(pages.map(() => `[{},{},""]`))
    await Promise.all(pages.map((page) => page.close()))
  }, 20_000)

  test("told not to share, each asks for itself", async () => {
    endpoint.age = 10
    endpoint.delayMs = 0
    const pages = [await open("alone", false), await open("alone", false)]
    expect(await refresh("alone", pages)).toBe(2)
    await Promise.all(pages.map((page) => page.close()))
  }, 20_000)
})
