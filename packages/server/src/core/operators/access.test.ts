// Logging in: what is refused, what is counted, what a session is worth and how it ends.

import { Database as SqliteFile } from "bun:sqlite"
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { SQL } from "bun"
import { asAdmin, type DatabaseKind, databaseKinds, startOn, startWatched } from "../../../test/fixtures.ts"
import {
  addTotp,
  codeOf,
  goodPassword,
  joinAs,
  logIn,
  type OperatorPage,
  openPage,
  setUpOwner,
  stepNow,
  tokenOf,
} from "../../../test/operator-page.ts"
import { type ManualClock, manualClock } from "../../base/clock.ts"
import { type Answer, createPostgresDatabase, type TestServer } from "../../testing.ts"
import { limits } from "./limits.ts"

// Each login is an Argon2 hash, and some of these tests make dozens.
setDefaultTimeout(60_000)

const sessionCookie = "__Host-weir_session"
/** An answer without what differs from call to call. */
const words = ({ status, body: { duration: _, ...rest } }: Answer) => ({ status, rest })

for (const kind of databaseKinds) {
  describe(`login on ${kind}`, () => {
    let server: TestServer
    let owner: OperatorPage
    beforeAll(async () => {
      server = await startOn(kind)
      const page = openPage(server.url, "owner@example.com")
      expect((await page.access("GET", "state")).body).toMatchObject({
        setup_needed: true,
        sso: null,
        secure_context_needed: false,
        version: expect.any(String),
      })
    })
    afterAll(() => server.close())

    test("the first account: by the printed link, with a good password, once", async () => {
      const page = openPage(server.url, "first@example.com")
      const token = tokenOf(server.server.setupPath ?? "")
      const setup = (change: object) =>
        page.access("POST", "setup", {
          token,
          name: "Olga",
          email: "owner@example.com",
          password: goodPassword,
          ...change,
        })
      for (const change of [
        { token: "x".repeat(43) },
        { token: "x".repeat(5_000) },
        { token: 1 },
        { name: " " },
        { name: "x".repeat(101) },
        { email: "nobody" },
        { email: "a@b@c" },
        { password: "elevenchars" },
        { password: "x".repeat(129) },
        { password: "aaaaaaaaaaaaaaaa" },
        { password: "123456789012345" },
        { password: "abcdefghijklmnop" },
        { password: "Password2026!!" },
        { password: "owner@example.com1" },
        { password: "correct horse battery staple" },
      ]) {
        const answer = await setup(change)
        expect({ change, status: answer.status }).toEqual({ change, status: 400 })
        expect(page.cookies.size).toBe(0)
      }
      owner = await setUpOwner(server)
      const again = await setup({ email: "thief@example.com" })
      expect(again.status).toBe(400)
      expect((await page.access("GET", "state")).body.setup_needed).toBe(false)
      const { body } = await owner.admin("GET", "/team")
      expect(body.operators).toHaveLength(1)
    })

    test("case 56: the session's cookie is the browser's alone: __Host-, Secure, HttpOnly, SameSite=Strict", async () => {
      const page = openPage(server.url, "owner@example.com")
      expect((await logIn(page)).status).toBe(200)
      const [cookie = ""] = page.setCookies.filter((set) => set.startsWith(sessionCookie))
      expect(cookie).toMatch(/; Secure(;|$)/)
      expect(cookie).toMatch(/; HttpOnly(;|$)/)
      expect(cookie).toMatch(/; SameSite=Strict(;|$)/)
      expect(cookie).toMatch(/; Path=\/(;|$)/)
      expect(cookie).not.toMatch(/Domain/i)
      expect(cookie).toMatch(/; Max-Age=604800(;|$)/)
    })

    test("case 56: a session is new at each login, and the one before it is over", async () => {
      const page = openPage(server.url, "owner@example.com")
      // Somebody put a cookie of their own choice into the browser beforehand.
      page.cookies.set(sessionCookie, "chosen.c2lnbmVk")
      await logIn(page)
      const first = page.cookies.get(sessionCookie) as string
      expect(first).not.toContain("chosen")
      await logIn(page)
      const second = page.cookies.get(sessionCookie) as string
      expect(second).not.toBe(first)
      const old = openPage(server.url, "owner@example.com")
      old.cookies.set(sessionCookie, first)
      expect((await old.admin("GET", "/me")).status).toBe(401)
      expect((await page.admin("GET", "/me")).status).toBe(200)
      expect((await page.access("POST", "auth/sign-out", {})).status).toBe(200)
      old.cookies.set(sessionCookie, second)
      expect((await old.admin("GET", "/me")).status).toBe(401)
    })

    test("case 56: a cookie that was changed, cut or signed by somebody else is none", async () => {
      const page = openPage(server.url, "owner@example.com")
      await logIn(page)
      const good = page.cookies.get(sessionCookie) as string
      const [token = "", signature = ""] = decodeURIComponent(good).split(".")
      for (const forged of [
        token,
        `${token}.`,
        `${token}.${signature.slice(0, -2)}`,
        `${token}x.${signature}`,
        `${token.toLowerCase()}.${signature}`,
        `.${signature}`,
        "%",
        `${token}.${Buffer.alloc(32).toString("base64")}`,
      ]) {
        page.cookies.set(sessionCookie, forged.includes("%") ? forged : encodeURIComponent(forged))
        expect({ forged, status: (await page.admin("GET", "/me")).status }).toEqual({ forged, status: 401 })
      }
      // Two of one name: which is meant?
      page.cookies.set(sessionCookie, `${good}; ${sessionCookie}=${good}`)
      expect((await page.admin("GET", "/me")).status).toBe(401)
      page.cookies.set(sessionCookie, good)
      expect((await page.admin("GET", "/me")).status).toBe(200)
    })

    test("case 56: no other page may use the session: not by form, by fetch, nor from a neighbour's origin", async () => {
      const page = openPage(server.url, "owner@example.com")
      await logIn(page)
      const foreign: Record<string, string>[] = [
        { "x-weir-dashboard": "" },
        { "x-weir-dashboard": "0" },
        { origin: "https://evil.example" },
        { origin: "null" },
        { origin: server.url.replace("127.0.0.1", "localhost") },
        { origin: server.url.replace(/\d+$/, "1") },
        { origin: `${server.url}.evil.example` },
        { origin: server.url.replace("127.0.0.1", "127.0.0.1@evil.example") },
        { "sec-fetch-site": "same-site" },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "none" },
      ]
      for (const headers of foreign) {
        for (const answer of [
          await page.admin("GET", "/me", undefined, headers),
          await page.admin("POST", "/apps", { name: "theirs" }, headers),
          await page.access("POST", "auth/sign-out", {}, headers),
          await page.access("POST", "auth/sign-in/email", { email: page.email, password: goodPassword }, headers),
        ]) {
          expect({ headers, status: answer.status, code: answer.body.code }).toEqual({ headers, status: 403, code: 17 })
        }
      }
      const form = { "content-type": "application/x-www-form-urlencoded" }
      expect((await page.access("POST", "auth/sign-out", "a=b", form)).status).toBe(400)
      expect((await page.access("POST", "auth/sign-out", "{}", { "content-type": "text/plain" })).status).toBe(400)
      // Scripts have no cookies and browsers' older versions no such headers: the page's own header is enough for them.
      const bare = { origin: "", "sec-fetch-site": "" }
      expect((await page.admin("GET", "/me", undefined, bare)).status).toBe(200)
      const names = new Set(["access-control-allow-credentials"])
      const { headers } = await page.access("GET", "state")
      expect([...headers.keys()].filter((name) => names.has(name) || name === "access-control-allow-origin")).toEqual(
        [],
      )
    })

    test("the login is asked for by allow-list: nobody signs up, no endpoint of the library is open by itself", async () => {
      for (const [method, path] of [
        ["POST", "auth/sign-up/email"],
        ["POST", "auth/delete-user"],
        ["POST", "auth/change-email"],
        ["POST", "auth/update-user"],
        ["POST", "auth/set-password"],
        ["POST", "auth/request-password-reset"],
        ["POST", "auth/reset-password"],
        ["POST", "auth/link-social"],
        ["POST", "auth/unlink-account"],
        ["GET", "auth/get-access-token"],
        ["GET", "auth/account-info"],
        ["GET", "auth/error"],
        ["GET", "auth/ok"],
        ["GET", "auth/callback/sso"],
        ["GET", "auth/callback/google"],
        ["POST", "auth/two-factor/send-otp"],
        ["POST", "auth/two-factor/verify-otp"],
        ["POST", "auth//sign-in/email"],
        ["POST", "auth/sign-in/email/"],
        ["GET", "auth/sign-in/email"],
        ["GET", "nothing"],
      ] as const) {
        const answer = await owner.access(method, path, method === "POST" ? {} : undefined)
        expect({ path, status: answer.status, code: answer.body.code }).toEqual({ path, status: 404, code: 16 })
      }
    })

    test("bad bodies are refused by their form, never a fault of the server", async () => {
      const bodies = [
        null,
        0,
        "",
        [],
        "x",
        {},
        { email: 1 },
        { email: {}, password: [] },
        { email: "a@b.c", password: "x".repeat(2_000) },
        "{",
        `{"a":${"[".repeat(5_000)}`,
        { code: { $ne: 1 } },
        { response: 1 },
        { response: { id: 1 } },
        { response: { id: "x", response: {} } },
        { id: "\u0000" },
        { token: "\u0000" },
        { email: "\u0000@b.c", password: goodPassword },
      ]
      const paths = [
        "setup",
        "invite/read",
        "invite/accept",
        "step-up",
        "auth/sign-in/email",
        "auth/sign-in/social",
        "auth/two-factor/verify-totp",
        "auth/two-factor/verify-backup-code",
        "auth/two-factor/enable",
        "auth/two-factor/disable",
        "auth/passkey/verify-authentication",
        "auth/passkey/verify-registration",
        "auth/passkey/delete-passkey",
        "auth/passkey/update-passkey",
        "auth/revoke-session",
        "auth/change-password",
      ]
      const page = openPage(server.url, "owner@example.com")
      await logIn(page)
      for (const path of paths) {
        for (const body of bodies) {
          const { status, body: said } = await page.access("POST", path, body)
          if (status < 400 || status >= 500)
            throw new Error(`${path} ${JSON.stringify(body)}: ${status} ${JSON.stringify(said)}`)
          expect(said.message).toMatch(/^Login failed with error: ".+"$/s)
        }
      }
      const large = await page.access("POST", "auth/sign-in/email", {
        email: "a@b.co",
        password: "x".repeat(limits.bodyBytesMax),
      })
      expect({ status: large.status, code: large.body.code }).toEqual({ status: 413, code: 22 })
    }, 30_000)

    test("sessions are listed and ended by the operator; another password ends the others", async () => {
      const page = await joinAs(server, "viewer", "many@example.com")
      const others = [openPage(server.url, page.email), openPage(server.url, page.email)] as const
      for (const other of others) await logIn(other)
      const { body } = await page.access("GET", "auth/list-sessions")
      expect(body.sessions).toHaveLength(3)
      expect(JSON.stringify(body)).not.toContain(page.cookies.get(sessionCookie)?.split(".")[0] as string)
      // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
      expect(body.sessions.filter(({ current }: any) => current)).toHaveLength(1)
      const [newest] = body.sessions
      expect(newest).toMatchObject({ current: false, address: expect.stringMatching(/127\.0\.0\.1/) })
      expect((await page.access("POST", "auth/revoke-session", { id: newest.id })).body).toEqual({ sessions_ended: 1 })
      expect((await others[1].admin("GET", "/me")).status).toBe(401)
      expect((await others[0].admin("GET", "/me")).status).toBe(200)
      // Nobody ends the session of somebody else.
      const theirs = (await owner.access("GET", "auth/list-sessions")).body.sessions[0].id
      expect((await page.access("POST", "auth/revoke-session", { id: theirs })).body).toEqual({ sessions_ended: 0 })
      const change = { currentPassword: goodPassword, newPassword: "eight red kites over it" }
      const bad = await page.access("POST", "auth/change-password", { ...change, currentPassword: "no" })
      expect(bad.status).toBe(400)
      expect((await page.access("POST", "auth/change-password", { ...change, newPassword: "short" })).status).toBe(400)
      expect((await page.access("POST", "auth/change-password", change)).body).toEqual({ sessions_ended: 1 })
      expect((await others[0].admin("GET", "/me")).status).toBe(401)
      expect((await page.admin("GET", "/me")).status).toBe(200)
      expect((await logIn(others[0])).status).toBe(401)
      expect((await logIn(others[0], change.newPassword)).status).toBe(200)
    })

    test("every step is in the audit log, without a password or a token", async () => {
      const page = await joinAs(server, "viewer", "watched@example.com")
      await logIn(page, "a wrong password for it")
      await logIn(page)
      await page.access("POST", "step-up", { password: goodPassword })
      await page.access("POST", "auth/sign-out", {})
      const { body } = await owner.admin("GET", "/audit?limit=50")
      const text = JSON.stringify(body)
      for (const secret of [goodPassword, "a wrong password", "argon2"]) expect(text).not.toContain(secret)
      const actions = body.entries.map(({ action, actor }: { action: string; actor: string }) => `${action} ${actor}`)
      for (const expected of [
        "operator.invited admin token",
        "operator.joined watched@example.com",
        "operator.logged_in watched@example.com",
        "operator.login_failed unknown",
        "operator.stepped_up watched@example.com",
        "operator.logged_out watched@example.com",
      ]) {
        expect(actions).toContain(expected)
      }
      expect((await owner.admin("GET", "/audit/verify")).body).toMatchObject({ whole: true })
    })

    describe("second factor", () => {
      let page: OperatorPage
      let uri: string
      let usedStep: number
      let recoveryCodes: string[]
      beforeAll(async () => {
        page = await joinAs(server, "admin", "careful@example.com")
        const before = page.cookies.get(sessionCookie)
        ;({ uri, usedStep, recoveryCodes } = await addTotp(page))
        // Case 56: the session is another one once the second factor is there.
        expect(page.cookies.get(sessionCookie)).not.toBe(before)
        expect(new URL(uri).searchParams.get("issuer")).toBe("Weir")
      })

      /** The first half of a login, by a browser of its own. */
      const begin = async (): Promise<OperatorPage> => {
        const fresh = openPage(server.url, page.email)
        const answer = await logIn(fresh)
        expect(answer.body.twoFactorRedirect).toBe(true)
        expect(fresh.cookies.has(sessionCookie)).toBe(false)
        expect((await fresh.admin("GET", "/me")).status).toBe(401)
        return fresh
      }
      const enter = (who: OperatorPage, code: string, more: object = {}) =>
        who.access("POST", "auth/two-factor/verify-totp", { code, ...more })

      test("case 55: a code counts once, in its own step and the one before and after", async () => {
        const first = await begin()
        for (const wrong of ["000000", "12345", "1234567", "", "abcdef"]) {
          if ([0, 1, 2, 3].some((later) => codeOf(uri, usedStep + later) === wrong)) continue
          const { status } = await enter(await begin(), wrong)
          expect({ wrong, status }).toEqual({ wrong, status: 401 })
        }
        // The one that the second factor was added with, and those of the next steps.
        expect((await enter(first, codeOf(uri, usedStep))).status).toBe(401)
        expect((await enter(first, codeOf(uri, usedStep + 1))).status).toBe(200)
        expect((await first.admin("GET", "/me")).body.has_totp).toBe(true)
        const second = await begin()
        expect((await enter(second, codeOf(uri, usedStep + 1))).status).toBe(401)
        // A later one uses up those before it.
        expect((await enter(second, codeOf(uri, usedStep + 2))).status).toBe(200)
        expect((await enter(await begin(), codeOf(uri, usedStep + 1))).status).toBe(401)
      })

      test("case 55: one code at many doors at once opens one", async () => {
        const other = await joinAs(server, "viewer", "racing@example.com")
        const totp = await addTotp(other)
        const doors = []
        for (let n = 0; n < 4; n++) {
          const door = openPage(server.url, other.email)
          await logIn(door)
          doors.push(door)
        }
        const code = codeOf(totp.uri, stepNow())
        const answers = await Promise.all(doors.map((door) => enter(door, code)))
        expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401])
      })

      test("case 55: recovery codes are kept as hashes, count once, and new ones end the old", async () => {
        const [first = "", second = ""] = recoveryCodes
        expect(recoveryCodes).toHaveLength(limits.recoveryCodesCount)
        const use = (who: OperatorPage, code: string) =>
          who.access("POST", "auth/two-factor/verify-backup-code", { code })
        const in1 = await begin()
        expect((await use(in1, "aaaaa-bbbbb")).status).toBe(401)
        expect((await use(in1, first.replace("-", ""))).status).toBe(200)
        expect((await use(await begin(), first)).status).toBe(401)
        const both = await Promise.all([use(await begin(), second), use(await begin(), second)])
        expect(both.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1)
        const made = await in1.access("POST", "auth/two-factor/generate-backup-codes", { password: goodPassword })
        expect(made.status).toBe(200)
        expect((await use(await begin(), recoveryCodes[2] as string)).status).toBe(401)
        expect((await use(await begin(), made.body.backupCodes[0])).status).toBe(200)
      })

      test("a fresh login is proved by password and code together", async () => {
        const fresh = openPage(server.url, page.email)
        await logIn(fresh)
        expect((await page.access("POST", "step-up", { password: goodPassword })).status).toBe(400)
        expect((await page.access("POST", "step-up", { password: goodPassword, code: "000000" })).status).toBe(400)
      })

      test("case 55: too many wrong codes in a row shut the second factor, whoever asks", async () => {
        const other = await joinAs(server, "viewer", "guessed@example.com")
        const totp = await addTotp(other)
        let tries = 0
        while (tries < limits.totpFailuresMax) {
          const door = openPage(server.url, other.email)
          await logIn(door)
          for (let n = 0; n < 4 && tries < limits.totpFailuresMax; n++, tries++) {
            expect((await enter(door, "000000")).status).toBe(401)
          }
        }
        const door = openPage(server.url, other.email)
        await logIn(door)
        const shut = await enter(door, codeOf(totp.uri, stepNow()))
        expect({ status: shut.status, after: shut.headers.get("retry-after") }).toEqual({ status: 429, after: "900" })
      })

      test("a trusted device is not asked again, and no other is", async () => {
        const other = await joinAs(server, "viewer", "trusting@example.com")
        const totp = await addTotp(other)
        const device = openPage(server.url, other.email)
        await logIn(device)
        expect((await enter(device, codeOf(totp.uri, stepNow()), { trustDevice: true })).status).toBe(200)
        await device.access("POST", "auth/sign-out", {})
        const again = await logIn(device)
        expect({ status: again.status, asked: again.body.twoFactorRedirect }).toEqual({ status: 200, asked: undefined })
        const elsewhere = openPage(server.url, other.email)
        expect((await logIn(elsewhere)).body.twoFactorRedirect).toBe(true)
      })
    })
  })
}

/** Changes what is in the database, as time would. */
async function runSql({ config: { database } }: TestServer, statement: string): Promise<void> {
  if (database.kind === "postgres") {
    const sql = new SQL(database.url, { max: 1 })
    await sql.unsafe(statement)
    await sql.close()
    return
  }
  const file = new SqliteFile(database.path)
  file.exec("pragma busy_timeout = 5000")
  file.exec(statement)
  file.close()
}

/** A server whose time is the test's, on a database of the kind. */
async function startTimed(kind: DatabaseKind, env: Record<string, string> = {}) {
  const clock = manualClock(Date.now())
  const database = kind === "postgres" ? await createPostgresDatabase() : null
  const location: Record<string, string> = database === null ? {} : { WEIR_DATABASE_URL: database.url }
  const server = await startWatched({ env: { ...env, ...location }, clock })
  return {
    clock,
    server,
    async close() {
      await server.close()
      await database?.drop()
    },
  }
}

for (const kind of databaseKinds) {
  describe(`time and attempts on ${kind}`, () => {
    let timed: Awaited<ReturnType<typeof startTimed>>
    let server: TestServer
    let clock: ManualClock
    beforeAll(async () => {
      timed = await startTimed(kind)
      ;({ server, clock } = timed)
      await setUpOwner(server)
    })
    afterAll(() => timed.close())

    test("case 58: what shows or ends secrets needs a fresh login, and a password makes it fresh", async () => {
      const page = await joinAs(server, "admin")
      const app = (await page.admin("POST", "/apps", { name: "stepped" })).body
      clock.advance(6 * 60_000)
      const key = `/apps/${app.app.id}/keys/${app.key.api_key}`
      const guarded: [string, string, unknown][] = [
        ["POST", "/apps", { name: "another" }],
        ["POST", `/apps/${app.app.id}/keys`, {}],
        ["POST", `${key}/secrets`, {}],
        ["PATCH", `${key}/secrets/${app.key.kid}`, { state: "revoked" }],
        ["PATCH", key, { disabled: true }],
        ["PATCH", `/apps/${app.app.id}/token-policy`, { preset: "compatible" }],
        ["POST", `/apps/${app.app.id}/revocations`, { all: true }],
        ["GET", "/audit/export", undefined],
        ["POST", "/team/invites", { email: "x@example.com", role: "viewer" }],
      ]
      for (const [method, path, body] of guarded) {
        const answer = await page.admin(method, path, body)
        expect({ path, status: answer.status, code: answer.body.code }).toEqual({ path, status: 403, code: 17 })
        expect(answer.body.exception_fields).toEqual({ step_up: "required" })
      }
      for (const [method, path, body] of [
        ["PATCH", key, { label: "renamed" }],
        ["PATCH", `${key}/secrets/${app.key.kid}?dry_run=true`, { state: "revoked" }],
        ["PATCH", `/apps/${app.app.id}/token-policy`, { leeway_seconds: 4 }],
        ["POST", `/apps/${app.app.id}/revocations`, { user_id: "jessica" }],
      ] as const) {
        expect({ path, ok: (await page.admin(method, path, body)).status < 300 }).toEqual({ path, ok: true })
      }
      const wrong = await page.access("POST", "step-up", { password: "not this one" })
      expect({ status: wrong.status, code: wrong.body.code }).toEqual({ status: 400, code: 4 })
      expect((await page.admin("POST", "/apps", { name: "another" })).status).toBe(403)
      expect((await page.access("POST", "step-up", { password: goodPassword })).status).toBe(200)
      expect((await page.admin("POST", "/apps", { name: "another" })).status).toBe(201)
      expect((await page.admin("GET", "/audit/export")).status).toBe(200)
    })

    test("case 58: what lowers an app's protection, or shuts everybody out of it, needs a fresh login", async () => {
      const page = await joinAs(server, "admin", "lowering@example.com")
      const { app } = (await page.admin("POST", "/apps", { name: "guarded", environment: "production" })).body
      const rules = { preset: "strict", iss: "us", aud: "weir", allowed_kinds: ["user", "server"] }
      const policy = (body: object) => page.admin("PATCH", `/apps/${app.id}/token-policy`, body)
      const state = (body: object) => page.admin("PATCH", `/apps/${app.id}`, body)
      const shown = async () => [
        (await page.admin("GET", `/apps/${app.id}/token-policy`)).body.policy,
        (await page.admin("GET", `/apps/${app.id}`)).body.app,
      ]
      expect((await policy(rules)).status).toBe(200)
      clock.advance(6 * 60_000)
      const before = await shown()
      const weaker = [
        { preset: "compatible" },
        { preset: "strict" },
        { require_exp: false, max_lifetime_seconds: null },
        { require_iat: false, max_lifetime_seconds: null },
        { max_lifetime_seconds: 2 * 86_400 },
        { max_lifetime_seconds: null },
        { server_max_age_seconds: 7_200 },
        { server_max_age_seconds: null },
        { leeway_seconds: 6 },
        { allowed_kinds: ["user", "server", "guest"] },
        { iss: null },
        { iss: "them" },
        { aud: null },
        // One rule stricter does not make up for another that is weaker.
        { max_lifetime_seconds: 3_600, leeway_seconds: 60 },
      ]
      const lowered = [
        { suspended: true },
        { disable_auth_checks: true },
        { allow_basic_auth: true },
        { environment: "development" },
        { name: "renamed", allow_basic_auth: true },
      ]
      for (const [ask, bodies] of [
        [policy, weaker],
        [state, lowered],
      ] as const) {
        for (const body of bodies) {
          const answer = await ask(body)
          expect({ body, status: answer.status, code: answer.body.code }).toEqual({ body, status: 403, code: 17 })
          expect(answer.body.exception_fields).toEqual({ step_up: "required" })
        }
      }
      expect(await shown()).toEqual(before)
      for (const body of [
        { leeway_seconds: 1 },
        { max_lifetime_seconds: 3_600, server_max_age_seconds: 60 },
        { allowed_kinds: ["user"] },
        { iss: "us" },
      ]) {
        expect({ body, status: (await policy(body)).status }).toEqual({ body, status: 200 })
      }
      for (const body of [
        { name: "renamed" },
        { suspended: false, allow_basic_auth: false, environment: "production" },
      ]) {
        expect({ body, status: (await state(body)).status }).toEqual({ body, status: 200 })
      }
      expect((await page.access("POST", "step-up", { password: goodPassword })).status).toBe(200)
      expect((await policy({ iss: null, leeway_seconds: 6 })).status).toBe(200)
      expect((await state({ suspended: true })).status).toBe(200)
    })

    test("opening the dashboard renews a session that is older than a day, but not beyond a month after the login", async () => {
      const page = await joinAs(server, "viewer", "month@example.com")
      const { id } = (await page.admin("GET", "/me")).body.session
      const endMs = async (): Promise<number> => Date.parse((await page.admin("GET", "/me")).body.session.expires_at)
      const fullMs = await endMs()
      await runSql(
        server,
        `update operator_sessions set expires_at = expires_at - ${2 * 86_400_000} where id = '${id}'`,
      )
      expect(await endMs()).toBe(fullMs - 2 * 86_400_000)
      const before = page.setCookies.length
      await page.access("GET", "state")
      expect(page.setCookies.slice(before).join()).toContain(sessionCookie)
      expect(await endMs()).toBeGreaterThanOrEqual(fullMs)
      const monthMs = limits.sessionMsMax
      await runSql(
        server,
        `update operator_sessions set created_at = created_at - ${monthMs - 86_400_000} where id = '${id}'`,
      )
      expect(await endMs()).toBeLessThan(fullMs - 5 * 86_400_000)
    })

    test("a session ends a week after it was last renewed", async () => {
      const page = await joinAs(server, "viewer", "week@example.com")
      const quarterMs = 15 * 60_000
      clock.advance(limits.sessionMs - quarterMs - 6 * 60_000)
      expect((await page.admin("GET", "/me")).status).toBe(200)
      clock.advance(2 * quarterMs)
      expect((await page.admin("GET", "/me")).status).toBe(401)
      expect((await page.access("GET", "auth/list-sessions")).status).toBe(401)
    })

    test("a link to join is good for a week, and one to set up for a day", async () => {
      const body = { email: "late@example.com", role: "viewer" }
      const { link } = (await server.call("POST", "/api/admin/v1/team/invites", { ...asAdmin, body })).body
      const page = openPage(server.url, "late@example.com")
      clock.advance(limits.inviteMs + 1)
      expect((await page.access("POST", "invite/read", { token: tokenOf(link) })).status).toBe(400)
      expect((await server.call("GET", "/api/admin/v1/team/invites", asAdmin)).body.invites).toEqual([])
    })
  })
}

// The counters are in memory and know no database.
describe("guessing", () => {
  const proxied = { WEIR_RATE_LIMITS: "on", WEIR_TRUST_PROXY: "127.0.0.1" }
  /** A page whose requests come from an address, by a proxy that is trusted. */
  const from = (url: string, email: string, address: string): OperatorPage =>
    openPage(url, email, {
      "x-forwarded-for": address,
      "x-forwarded-proto": "https",
      origin: url.replace("http:", "https:"),
    })

  const within = async (run: (timed: Awaited<ReturnType<typeof startTimed>>) => Promise<void>, env = proxied) => {
    const timed = await startTimed("sqlite", env)
    try {
      await run(timed)
    } finally {
      await timed.close()
    }
  }
  const setUp = async ({ server }: { server: TestServer }): Promise<void> => {
    const page = from(server.url, "owner@example.com", "198.51.100.1")
    const token = tokenOf(server.server.setupPath ?? "")
    const body = { token, name: "Olga", email: page.email, password: goodPassword }
    expect((await page.access("POST", "setup", body)).status).toBe(200)
  }

  test("case 54: an account is shut for a network after wrong passwords, in the same words, and only there", () =>
    within(async (timed) => {
      await setUp(timed)
      const { server, clock } = timed
      const attacker = from(server.url, "owner@example.com", "203.0.113.9")
      let last: Answer | null = null
      for (let n = 0; n < limits.failuresPerAccountAndNetworkMax; n++) last = await logIn(attacker, `guess number ${n}`)
      const shut = await logIn(attacker)
      const wrong = words(last as Answer)
      expect({ status: shut.status, message: shut.body.message }).toEqual({
        status: wrong.status,
        message: wrong.rest.message,
      })
      expect(Number(shut.headers.get("retry-after"))).toBeGreaterThan(60)
      // However long it goes on, it takes nothing from the account elsewhere.
      for (let n = 0; n < limits.failuresPerAccountMax + 5; n++) await logIn(attacker, `guess number ${n}`)
      expect((await logIn(from(server.url, "owner@example.com", "198.51.100.7"))).status).toBe(200)
      clock.advance(limits.failuresWindowMs)
      expect((await logIn(attacker)).status).toBe(200)
    }))

  test("case 54: many at once are not all looked at", () =>
    within(async (timed) => {
      await setUp(timed)
      const attacker = from(timed.server.url, "owner@example.com", "203.0.113.9")
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => logIn(attacker, `guess number ${n}`)))
      const shut = answers.filter(({ headers }) => headers.has("retry-after"))
      expect(shut).toHaveLength(20 - limits.failuresPerAccountAndNetworkMax)
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]))
    }))

  test("case 54: ever new addresses of one IPv6 network are one, and so are ever new accounts", () =>
    within(async (timed) => {
      await setUp(timed)
      const { url } = timed.server
      for (let n = 0; n < limits.failuresPerAccountAndNetworkMax; n++) {
        await logIn(from(url, "owner@example.com", `2001:db8:1:2::${n.toString(16)}`), "a guess for it")
      }
      const shut = await logIn(from(url, "owner@example.com", "2001:db8:1:2:ffff::1"))
      expect(shut.headers.has("retry-after")).toBe(true)
      expect((await logIn(from(url, "owner@example.com", "2001:db8:1:3::1"))).status).toBe(200)
      for (let n = 0; n < limits.failuresPerNetworkMax; n++) {
        await logIn(from(url, `user${n}@example.com`, "203.0.113.77"), "a guess for it")
      }
      const next = await logIn(from(url, "fresh@example.com", "203.0.113.77"), "a guess for it")
      expect(next.headers.has("retry-after")).toBe(true)
    }))

  test("case 54: a caller who is not the proxy changes its address in vain", () =>
    within(
      async (timed) => {
        const owner = await setUpOwner(timed.server)
        const spoofed = (n: number) =>
          openPage(timed.server.url, owner.email, { "x-forwarded-for": `198.51.100.${n}, 10.0.0.${n}` })
        for (let n = 0; n < limits.failuresPerAccountAndNetworkMax; n++) await logIn(spoofed(n), "a guess for it")
        expect((await logIn(spoofed(99))).headers.has("retry-after")).toBe(true)
      },
      { WEIR_RATE_LIMITS: "on", WEIR_TRUST_PROXY: "192.0.2.1" },
    ))

  test("case 54: an account that is there takes as long as one that is not", () =>
    within(
      async ({ server }) => {
        const owner = await setUpOwner(server)
        const medianMs = async (email: string): Promise<number> => {
          const took: number[] = []
          for (let n = 0; n < 15; n++) {
            const page = openPage(server.url, email)
            const startedMs = performance.now()
            expect((await logIn(page, "a guess for it")).status).toBe(401)
            took.push(performance.now() - startedMs)
          }
          return took.sort((a, b) => a - b)[7] as number
        }
        const known = await medianMs(owner.email)
        const unknown = await medianMs("nobody@example.com")
        // Argon2 is most of it; without it an unknown account would take a hundredth.
        expect(unknown / known).toBeGreaterThan(0.5)
        expect(unknown / known).toBeLessThan(2)
      },
      { WEIR_RATE_LIMITS: "off", WEIR_TRUST_PROXY: "192.0.2.1" },
    ))
})
