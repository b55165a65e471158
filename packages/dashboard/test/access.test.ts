// Who comes in, and how far: an operator of a lesser role, and an owner with an authenticator, recovery codes and a
// passkey. In a real browser before a real node; each step goes on where the last one ended.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout } from "bun:test"
import type { Page } from "playwright-core"
import { codeOf, stepNow } from "../../server/test/operator-page.ts"
import { judge } from "./judge.ts"
import { stepsOf } from "./steps.ts"
import {
  chromiumPath,
  enterPassword,
  field,
  fillAccount,
  goTo,
  heading,
  logOut,
  owner,
  section,
  setUp,
  startWalk,
  type Walk,
} from "./walk.ts"

setDefaultTimeout(60_000)

const viewer = { name: "Vera Viewer", email: "vera@example.com", password: owner.password } as const

describe.skipIf(chromiumPath === null)("who comes in, and how far", () => {
  let walk: Walk
  let page: Page
  let vera: Page
  /** What the authenticator app scanned. */
  let uri: string
  let recoveryCodes: readonly string[]

  beforeAll(async () => {
    walk = await startWalk()
    page = await walk.open()
    vera = await walk.open()
    await setUp(page, walk)
  })
  afterAll(() => walk?.close())

  const step = stepsOf(
    () => walk,
    () => [page, vera],
  )
  const press = (name: string, on = page) => on.getByRole("button", { name, exact: true }).click()
  const dialog = (name: string) => page.getByRole("dialog", { name })
  /** Opens the page of one's own account. */
  async function openAccount(): Promise<void> {
    await page.getByRole("button", { name: /^Account of / }).click()
    await page.getByRole("menuitem", { name: "Account and security" }).click()
    await heading(page, "Account and security")
  }
  const isIn = () => heading(page, "Apps")
  const isOut = () => page.getByRole("alert", { name: "Not logged in" }).getByText(/code/i).waitFor()

  step("somebody who is invited joins by the link, with a lesser role", async () => {
    await goTo(page, "Team")
    await press("Invite somebody")
    await field(page, "Email").fill(viewer.email)
    await press("Create the link")
    const link = (await dialog("Hand this link over").locator("code").textContent()) ?? ""
    expect(new URL(link).origin).toBe(walk.origin)
    await press("I have copied it")

    await vera.goto(link)
    await vera.getByText(`${owner.email} invites ${viewer.email} as viewer.`).waitFor()
    expect(await judge(vera)).toEqual([])
    await fillAccount(vera, viewer)
    await press("Join", vera)
    await heading(vera, "Apps")
    await vera.getByRole("link", { name: /default/ }).click()
    await heading(vera, "default")
  })

  step("case 57: what her role does not allow is refused by the server, and said by the page", async () => {
    const app = /\/apps\/(\d+)/.exec(vera.url())?.[1]
    expect(await vera.getByRole("navigation").getByRole("link", { name: "Audit" }).count()).toBe(0)
    await vera.goto(`${walk.origin}/dashboard/apps/${app}/audit`)
    await heading(vera, "Your role does not open this page")
    await vera.goto(`${walk.origin}/dashboard/apps/${app}/keys`)
    await vera.getByRole("heading", { name: "Keys", exact: true }).waitFor()
    expect(await vera.getByRole("button", { name: "New key" }).count()).toBe(0)

    // With her own cookie and from her own page, past everything that the page would not have offered.
    const ask = (method: string, path: string, body?: object) =>
      vera.evaluate(
        async ([method, address, body]) => {
          const headers = { "x-weir-dashboard": "1", ...(body ? { "content-type": "application/json" } : {}) }
          const response = await fetch(address as string, { method: method as string, headers, body: body ?? null })
          return [response.status, (await response.json()).code]
        },
        [method, `/api/admin/v1${path}`, body === undefined ? null : JSON.stringify(body)] as const,
      )
    expect(await ask("GET", "/apps")).toEqual([200, undefined])
    expect({
      app: await ask("POST", "/apps", { name: "Hers" }),
      key: await ask("POST", `/apps/${app}/keys`, { label: "hers" }),
      token: await ask("POST", `/apps/${app}/tokens`, { kind: "user", user_id: "jessica" }),
      revocation: await ask("POST", `/apps/${app}/revocations`, { user_id: "jessica" }),
      invite: await ask("POST", "/team/invites", { email: "other@example.com", role: "owner" }),
      audit: await ask("GET", "/audit"),
    }).toEqual({
      app: [403, 17],
      key: [403, 17],
      token: [403, 17],
      revocation: [403, 17],
      invite: [403, 17],
      audit: [403, 17],
    })
  })

  step(
    "case 55: who lost their password sets a new one by a link that says so, works once, and lets them in",
    async () => {
      // The list was read before she came.
      await page.reload()
      await press(`Change ${viewer.name}`)
      await page.getByRole("menuitem", { name: "Create a link for a new password" }).click()
      await press("Create the link")
      const link = (await dialog("Hand this link over").locator("code").textContent()) ?? ""
      await press("I have copied it")

      await logOut(vera)
      await vera.goto(link)
      await heading(vera, "Set a new password")
      await vera.getByText(`For ${viewer.email}.`).waitFor()
      expect(await judge(vera)).toEqual([])
      expect(await vera.getByText("Join").count()).toBe(0)
      expect(await field(vera, "Your name").count()).toBe(0)
      await field(vera, "New password").fill("another boat upon the lake")
      await press("Set the password", vera)
      await heading(vera, "Apps")

      await logOut(vera)
      await vera.goto(link)
      await heading(vera, "One-time link")
      await vera.getByRole("alert", { name: "This link does not open anything" }).waitFor()
      await enterPassword(vera, walk, viewer.email, "another boat upon the lake")
      await heading(vera, "Apps")
    },
  )

  step("an authenticator is set up, and ten recovery codes are shown", async () => {
    await openAccount()
    await section(page, "Authenticator").getByRole("button", { name: "Set up" }).click()
    await field(page, "Password").last().fill(owner.password)
    await press("Go on")
    const scan = dialog("Scan, then enter a code")
    const secret = (await scan.locator("code").textContent()) ?? ""
    uri = `otpauth://totp/weir?secret=${secret}`
    await scan.getByLabel("Digit 1 of 6").pressSequentially(codeOf(uri, stepNow()))
    const kept = dialog("Keep these recovery codes")
    await kept.getByRole("listitem").nth(9).waitFor()
    recoveryCodes = await kept.getByRole("listitem").allTextContents()
    expect(new Set(recoveryCodes).size).toBe(10)
    await press("I have kept them")
    await section(page, "Authenticator").getByText("on", { exact: true }).waitFor()
  })

  step("case 55: the login asks for a code, takes each once, and a recovery code once", async () => {
    await logOut(page)
    const offer = async (label: string, code: string): Promise<void> => {
      await field(page, label).fill(code)
      await press("Log in")
    }
    const [app, recovery] = ["Code from your authenticator", "Recovery code"] as const
    // The code of now was used to set it up; the one of the next step is taken as well (RFC 6238 §5.2).
    const timeStep = stepNow() + 1
    expect(await judge(page)).toEqual([])
    await enterPassword(page, walk, owner.email, owner.password)
    await field(page, app).waitFor()
    expect(await judge(page)).toEqual([])
    await offer(app, codeOf(uri, timeStep))
    await isIn()
    await logOut(page)

    await enterPassword(page, walk, owner.email, owner.password)
    await offer(app, codeOf(uri, timeStep))
    await isOut()
    await press("Use a recovery code instead")
    await offer(recovery, recoveryCodes[0] ?? "")
    await isIn()
    await logOut(page)

    await enterPassword(page, walk, owner.email, owner.password)
    await press("Use a recovery code instead")
    await offer(recovery, recoveryCodes[0] ?? "")
    await isOut()
    await offer(recovery, recoveryCodes[1] ?? "")
    await isIn()
  })

  step("a passkey is added and logs in by itself", async () => {
    const devTools = await page.context().newCDPSession(page)
    await devTools.send("WebAuthn.enable")
    const { authenticatorId } = await devTools.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    })
    await openAccount()
    await press("Add a passkey")
    await field(page, "Name").fill("Laptop")
    await press("Go on")
    await section(page, "Passkeys")
      .getByRole("row", { name: /Laptop/ })
      .waitFor()
    const { credentials } = await devTools.send("WebAuthn.getCredentials", { authenticatorId })
    expect(credentials.map(({ rpId }) => rpId)).toEqual(["localhost"])

    await logOut(page)
    await press("Use a passkey")
    await isIn()
    await page.getByRole("button", { name: `Account of ${owner.name}` }).waitFor()
  })
})
