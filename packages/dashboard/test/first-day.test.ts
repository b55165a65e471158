// The first day of an operator, from the printed link to the audit log, in a real browser before a real node. Each
// step goes on where the last one ended.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout } from "bun:test"
import type { Page } from "playwright-core"
import { createToken, createWebhookVerifier, createWeirServer, type WeirServer } from "../../sdk-server/src/index.ts"
import { connect } from "../../server/src/testing.ts"
import { until } from "../../server/test/node-process.ts"
import { judge } from "./judge.ts"
import { type Sender, startSender } from "./sender.ts"
import { stepsOf } from "./steps.ts"
import { chromiumPath, field, goTo, heading, owner, section, setUp, startWalk, type Walk } from "./walk.ts"

setDefaultTimeout(60_000)

describe.skipIf(chromiumPath === null)("the first day of an operator", () => {
  let walk: Walk
  let page: Page
  /** Of the app that the operator makes. */
  let app: { id: string; apiKey: string; secret: string }
  let weir: WeirServer
  /** Of the request that was refused after the revocation. */
  let decision: string

  beforeAll(async () => {
    walk = await startWalk({ WEIR_WEBHOOK_ALLOW_PRIVATE: "true" })
    page = await walk.open()
  })
  afterAll(() => walk?.close())

  const step = stepsOf(
    () => walk,
    () => [page],
  )
  const fill = (label: string, value: string) => field(page, label).fill(value)
  const press = (name: string | RegExp) => page.getByRole("button", { name, exact: typeof name === "string" }).click()
  const shown = (text: string | RegExp) => page.getByText(text).first().waitFor()

  step("the printed link makes the first account, once", async () => {
    await page.goto(walk.setupUrl)
    await heading(page, "Welcome to Weir")
    expect(await judge(page)).toEqual([])
    await setUp(page, walk)
    await page.getByText(owner.name).first().waitFor({ state: "attached" })
    const late = await walk.open()
    await late.goto(walk.setupUrl)
    await heading(late, "Log in to Weir")
    await late.context().close()
  })

  step("an app is made, and its key and secret are shown this once", async () => {
    await page.getByRole("link", { name: "New app" }).first().click()
    await fill("Name", "Harbour")
    await press("Create app")
    await heading(page, "Harbour")
    const [apiKey = "", secret = ""] = await section(page, "Credentials").locator("code").allTextContents()
    expect(secret).toMatch(/^weir_sk_|^[a-z0-9]{64}$/)
    await page.getByRole("link", { name: "Open the app" }).click()
    await page.waitForURL(/\/dashboard\/apps\/\d+$/)
    const id = /\d+$/.exec(page.url())?.[0] ?? ""
    app = { id, apiKey, secret }
    weir = createWeirServer({ apiKey, apiSecret: secret, baseUrl: walk.origin })
    await weir.users.upsert([
      { id: "jessica", name: "Jessica Moore" },
      { id: "sam", name: "Sam Okafor" },
      { id: "alex", name: "Alex Lindqvist" },
    ])
    await weir.channels.getOrCreate("messaging", "general", {
      data: { created_by_id: "jessica", members: ["jessica", "sam", "alex"] },
    })
    await page.reload()
    await page.getByRole("main").waitFor()
    expect(await page.getByText(secret).count()).toBe(0)
  })

  step("a secret is rotated to the end while tokens of both are in use, and nobody is refused", async () => {
    const { origin } = walk
    const { apiKey, secret } = app
    const senders: Sender[] = []
    const start = (more: { secret: string; kid?: string; userId: string; client: string }): Sender => {
      const sender = startSender({ origin, apiKey, ...more })
      senders.push(sender)
      return sender
    }
    try {
      const old = start({ secret, userId: "jessica", client: "harbour-web-2.4.0" })
      await goTo(page, "Keys")
      await page.getByRole("link", { name: "Rotate" }).click()
      await fill("Name", "spring")
      await press("Create the secret")
      await heading(page, "Make spring active")
      const [next = "", kid = ""] = await section(page, "Make spring active").locator("code").allTextContents()
      expect([next.length > 40, kid.length > 0]).toEqual([true, true])
      await press("Make it active")
      await heading(page, /^Wait until /)

      const fresh = start({ secret: next, kid, userId: "sam", client: "harbour-web-2.5.0" })
      await until("both are sent with", () => old.sent >= 5 && fresh.sent >= 5)
      await shown(/^It would end \d+ tokens of 1 user/)
      await old.stop()
      // Its tokens live for seconds. Nothing bounds how long one may live that was never seen, so the page is not sure.
      await shown(/^0 tokens of 0 users not expired yet/)
      await press("Continue anyway")
      await heading(page, /^Dry run: revoke /)
      await shown("It would end 0 tokens of 0 users and 0 open sockets")
      const oldKid = (await page.getByRole("definition").first().textContent()) ?? ""
      await press("Continue to revoke")
      await page.getByLabel(`Type ${oldKid} to confirm`).fill(oldKid)
      await press("Revoke for good")
      await heading(page, "Done")
      await shown(/ is revoked$/)
      await shown("Holds since")
      const after = fresh.sent
      await until("the new secret goes on", () => fresh.sent >= after + 5)

      expect(senders.flatMap(({ refusals }) => refusals)).toEqual([])
      // Not because the gate forgot to look: the old secret is over.
      const late = start({ secret, userId: "jessica", client: "harbour-web-2.4.0" })
      await until("the old secret is refused", () => late.refusals.length > 0)
      expect({ sent: late.sent, refusal: late.refusals[0] }).toEqual({
        sent: 0,
        refusal: expect.stringMatching(/^401 .*"code":43/),
      })
      app = { ...app, secret: next }
      weir = createWeirServer({ apiKey, apiSecret: next, kid, baseUrl: origin })
    } finally {
      await Promise.all(senders.map((sender) => sender.stop()))
    }
  })

  step("a token is made and explained; an expired and a foreign one are told from it", async () => {
    await goTo(page, "Token workshop")
    await fill("User id", "alex")
    await press("Create the token")
    await shown("Token: copy it now")
    await page.getByRole("button", { name: "Inspect it" }).click()
    await shown("It would be let in now")
    await shown("Alex Lindqvist (alex)")

    const inspect = async (token: string): Promise<void> => {
      await fill("Token", token)
      await press("Inspect")
      await shown("It would be refused now")
    }
    const hourAgo = Math.floor(Date.now() / 1_000) - 3_600
    await inspect(createToken(app.secret, "alex", { issuedAt: hourAgo, expiresIn: 60 }))
    await shown(/^The token expired 59 minutes ago/)
    await shown("spring")
    await inspect(createToken("k".repeat(64), "alex", { expiresIn: 60 }))
    await shown("no secret of this app")
  })

  step("a user is revoked while their socket is open: it closes, and a receipt says when", async () => {
    const token = createToken(app.secret, "alex", { expiresIn: 600 })
    const socket = await connect(walk.node.url, "alex", { token, apiKey: app.apiKey })
    expect(socket.first.type).toBe("connection.ok")
    await goTo(page, "Users")
    await page.getByRole("row", { name: /Alex Lindqvist/ }).click()
    await heading(page, "Alex Lindqvist")
    await section(page, "Open sockets").getByRole("row").nth(1).waitFor()
    await press("Revoke")
    await press("See what would end")
    await shown("1 open socket over all nodes")
    await press("Revoke now")
    await shown("It holds on every node")
    await shown("Holds since")
    // «Come back with a new token».
    expect((await socket.closed).code).toBe(4_040)
    const dialog = page.getByRole("dialog", { name: "Revoke alex" })
    expect(await dialog.getByRole("definition").allTextContents()).toContain("1")
    await dialog.getByRole("button", { name: "Close" }).last().click()
    await heading(page, "Alex Lindqvist")
    await section(page, "Open sockets").getByText("No socket is open.").waitFor()

    const refused = await fetch(`${walk.origin}/api/v2/users?api_key=${app.apiKey}&payload=%7B%7D`, {
      headers: { authorization: token, "stream-auth-type": "jwt" },
    })
    decision = refused.headers.get("x-decision-id") ?? ""
    expect([refused.status, decision]).toEqual([401, expect.stringMatching(/^[0-9a-f-]{36}$/)])
  })

  step(
    "a refusal is explained: in the stream, by its id, and as a question asked before anybody is refused",
    async () => {
      await goTo(page, "Refusals")
      await page
        .getByRole("row", { name: /alex.*QueryUsers/ })
        .first()
        .click()
      const drawer = page.getByRole("dialog", { name: "Refusal" })
      await drawer
        .getByText(/revoked/)
        .first()
        .waitFor()
      await drawer.getByRole("link", { name: "Open on its own page" }).click()
      await heading(page, "Why it was refused")
      await goTo(page, "Access check")
      await page.getByLabel("Decision id").fill(decision)
      await press("Look up")
      await page.waitForURL(`**/why/${decision}`)
      await heading(page, "Why it was refused")

      await goTo(page, "Access check")
      await fill("User id", "sam")
      await fill("Channel, as type:id", "messaging:general")
      await fill("Action", "delete")
      await page
        .getByRole("option", { name: /delete.*channel/i })
        .first()
        .click()
      await press("Check access")
      await shown("Not allowed")
      await section(page, "Checks in order").getByRole("listitem").first().waitFor()
    },
  )

  step("a webhook is made and tested; what failed is read, and sent again once the receiver is well", async () => {
    let secret = ""
    let isWell = false
    const taken: string[] = []
    const faults: unknown[] = []
    const receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request) {
        if (!isWell) return new Response("the disk is full", { status: 500 })
        await createWebhookVerifier({ secrets: [secret] })
          .verify(await request.text(), request.headers)
          .then(
            ({ type }) => taken.push(type),
            (error) => faults.push(error),
          )
        return new Response()
      },
    })
    try {
      await goTo(page, "Webhooks")
      await press("New webhook")
      await fill("Address", `http://127.0.0.1:${receiver.port}/weir`)
      await press("Create webhook")
      secret =
        (await page
          .getByRole("alert", { name: /^Signing secret/ })
          .locator("code")
          .textContent()) ?? ""
      await page.getByRole("link", { name: "Open the webhook" }).click()
      await press("Send a test")
      await press("Send")
      await shown(/^Failed: .*status 500/)
      await page.getByRole("link", { name: "See the whole delivery" }).click()
      await heading(page, "message.new")
      await shown("the disk is full")

      isWell = true
      await press("Try now")
      await press("Send again")
      await press("Done")
      await section(page, "Attempts")
        .getByText(/^Delivered, status 200/)
        .waitFor()
      expect({ taken, faults }).toEqual({ taken: ["message.new"], faults: [] })
    } finally {
      await receiver.stop(true)
    }
  })

  step("the audit log holds every step of the day, and its chain is whole", async () => {
    await goTo(page, "Deployment audit")
    await press("Check the chain")
    await shown("The chain is whole")
    const actions = await page.locator("tbody tr td:nth-child(3)").allTextContents()
    expect(actions.toReversed()).toEqual([
      "operator.joined",
      "operator.logged_in",
      "app.created",
      "secret.created",
      "secret.updated",
      "secret.updated",
      "secret.revoked",
      "token.minted",
      "revocation.created",
      "hook.created",
      "delivery.tested",
      "delivery.replayed",
    ])
  })
})
