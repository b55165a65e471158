// What is left to an operator who was somebody a moment ago: requests and streams that were opened before, links that
// were handed out before, and the second factor of an account whose session and password are known.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { closeCodeOf } from "@weir/protocol"
import { freshLoginMs } from "../../src/authorize/operators.ts"
import { type ManualClock, manualClock } from "../../src/base/clock.ts"
import { limits as tokenLimits } from "../../src/core/tokens/limits.ts"
import { createPostgresDatabase, serverToken, type TestServer } from "../../src/testing.ts"
import { asAdmin, createApp, type DatabaseKind, databaseKinds, type OtherApp, startWatched } from "../fixtures.ts"
import { until } from "../node-process.ts"
import {
  addTotp,
  codeOf,
  goodPassword,
  joinAs,
  logIn,
  type OperatorPage,
  openPage,
  operatorIdOf,
  stepNow,
  tokenOf,
} from "../operator-page.ts"
import { allowPrivate, startReceiver } from "../receiver.ts"
import { beginRequest } from "../slow-request.ts"

// Each login is an Argon2 hash.
setDefaultTimeout(60_000)

/** A server whose time is the test's, on a database of the kind. */
async function startOn(kind: DatabaseKind, clock: ManualClock): Promise<TestServer> {
  const database = kind === "postgres" ? await createPostgresDatabase() : null
  const location: Record<string, string> = database === null ? {} : { WEIR_DATABASE_URL: database.url }
  const server = await startWatched({ env: { ...location, ...allowPrivate }, clock })
  return {
    ...server,
    async close() {
      await server.close()
      await database?.drop()
    },
  }
}

for (const kind of databaseKinds) {
  describe(`operators of a moment ago on ${kind}`, () => {
    let server: TestServer
    let owner: OperatorPage
    const clock = manualClock(Date.now())
    beforeAll(async () => {
      server = await startOn(kind, clock)
      // Case 57: of those who open the first link at once, one becomes the owner.
      const token = tokenOf(server.server.setupPath ?? "")
      const rivals = ["first@example.com", "second@example.com", "third@example.com"].map((email) =>
        openPage(server.url, email),
      )
      const body = { token, name: "Olga", password: goodPassword }
      const opened = await Promise.all(
        rivals.map((page) => page.access("POST", "setup", { ...body, email: page.email })),
      )
      expect(opened.map(({ status }) => status).sort()).toEqual([200, 400, 400])
      owner = rivals[opened.findIndex(({ status }) => status === 200)] as OperatorPage
      expect(await emailsOfTeam()).toEqual([owner.email])
    })
    afterAll(() => server.close())

    const beginAs = (page: OperatorPage, path: string, body: object) =>
      beginRequest(server.url, "POST", path, body, {
        origin: server.url,
        "x-weir-dashboard": "1",
        cookie: cookiesOf(page),
      })
    const pathOf = async (page: OperatorPage): Promise<string> => {
      const { body } = await server.call("GET", "/api/admin/v1/team", asAdmin)
      const found = body.operators.find(({ email }: { email: string }) => email === page.email)
      return `/api/admin/v1/team/${found.id}`
    }
    const remove = async (page: OperatorPage): Promise<void> => {
      expect((await server.call("DELETE", await pathOf(page), asAdmin)).status).toBe(200)
    }
    const change = async (page: OperatorPage, body: object): Promise<void> => {
      expect((await server.call("PATCH", await pathOf(page), { ...asAdmin, body })).status).toBe(200)
    }
    const emailsOfTeam = async (): Promise<string[]> => {
      const { body } = await server.call("GET", "/api/admin/v1/team", asAdmin)
      return body.operators.map(({ email }: { email: string }) => email)
    }

    test("case 56: a request that was begun in a session counts for nothing once the session is over", async () => {
      const leaving = await joinAs(server, "owner", "slow@example.com")
      const invite = { email: "back@example.com", role: "owner" }
      const begun = await beginAs(leaving, "/api/admin/v1/team/invites", invite)
      const passwords = { currentPassword: goodPassword, newPassword: "nine blue herons in the reeds" }
      const other = await beginAs(leaving, "/dashboard/api/auth/change-password", passwords)
      await remove(leaving)
      expect(await begun.finish()).toBe(401)
      expect(await other.finish()).toBe(401)
      expect((await server.call("GET", "/api/admin/v1/team/invites", asAdmin)).body.invites).toEqual([])
    })

    test("case 57: a request that was begun with a role is decided by the role of its end", async () => {
      const demoted = await joinAs(server, "admin", "demoted@example.com")
      const begun = await beginAs(demoted, "/api/admin/v1/apps", { name: "begun before" })
      await change(demoted, { role: "viewer" })
      expect(await begun.finish()).toBe(403)
    })

    test("case 58: a request that was begun by a fresh login needs one at its end", async () => {
      const page = await joinAs(server, "admin", "patient@example.com")
      const begun = await beginAs(page, "/api/admin/v1/apps", { name: "begun when fresh" })
      clock.advance(freshLoginMs + 1)
      expect(await begun.finish()).toBe(403)
      expect((await page.access("POST", "step-up", { password: goodPassword })).status).toBe(200)
      const again = await beginAs(page, "/api/admin/v1/apps", { name: "begun when fresh" })
      expect(await again.finish()).toBe(201)
    })

    test("case 56: a stream hears nothing more once its session is over, or its role allows it no more", async () => {
      const app = await createApp(server, "listened to")
      for (const [email, end] of [
        ["ears@example.com", remove],
        ["fewer.ears@example.com", (page: OperatorPage) => change(page, { role: "viewer" })],
        ["gone.ears@example.com", (page: OperatorPage) => page.access("POST", "auth/sign-out", {})],
      ] as const) {
        const page = await joinAs(server, "developer", email)
        const stream = await fetch(`${server.url}/api/admin/v1/apps/${app.id}/hooks/listen`, {
          headers: { "x-weir-dashboard": "1", cookie: cookiesOf(page) },
        })
        expect(stream.status).toBe(200)
        let heard = ""
        const isOver = (async () => {
          const decoder = new TextDecoder()
          for await (const chunk of stream.body as ReadableStream<Uint8Array>) {
            heard += decoder.decode(chunk, { stream: true })
          }
          return true
        })().catch(() => true)
        await until("it listens", () => heard.includes(`"ready"`))
        const say = async (word: string): Promise<void> => {
          const body = { users: { [word]: { id: word, name: word } } }
          const as = serverToken({}, app.secret)
          expect((await server.call("POST", "/api/v2/users", { as, apiKey: app.apiKey, body })).status).toBe(201)
        }
        await say("before")
        await until("it hears", () => heard.includes("before"))
        await end(page)
        await say("afterwards")
        expect(await Promise.race([isOver, Bun.sleep(5_000).then(() => false)])).toBe(true)
        expect({ email, hears: heard.includes("afterwards") }).toEqual({ email, hears: false })
      }
    })

    test("case 57: links that somebody handed out end with what they may hand out", async () => {
      const leaving = await joinAs(server, "owner", "handing@example.com")
      const victimId = await operatorIdOf(owner)
      expect((await owner.access("POST", "step-up", { password: goodPassword })).status).toBe(200)
      const invite = async (page: OperatorPage, email: string, role: string): Promise<string> => {
        const made = await page.admin("POST", "/team/invites", { email, role })
        expect(made.status).toBe(201)
        return tokenOf(made.body.link)
      }
      const accept = (token: string) =>
        openPage(server.url, "anybody@example.com").access("POST", "invite/accept", {
          token,
          name: "Anybody",
          password: "nine blue herons in the reeds",
        })
      const toOwner = await invite(leaving, "mine1@example.com", "owner")
      const toViewer = await invite(leaving, "mine2@example.com", "viewer")
      const reset = await leaving.admin("POST", `/team/${victimId}/reset-link`)
      expect(reset.status).toBe(201)
      const others = await invite(owner, "theirs@example.com", "viewer")
      // Who is an admin now might still have invited a viewer, and never an owner or anybody's reset.
      await change(leaving, { role: "admin" })
      expect((await accept(toOwner)).status).toBe(400)
      expect((await accept(tokenOf(reset.body.link))).status).toBe(400)
      const { body } = await server.call("GET", "/api/admin/v1/team/invites", asAdmin)
      const open = body.invites.map(({ email }: { email: string }) => email)
      expect(open.sort()).toEqual(["mine2@example.com", "theirs@example.com"])
      await change(leaving, { disabled: true })
      expect((await accept(toViewer)).status).toBe(400)
      await change(leaving, { disabled: false })
      await logIn(leaving)
      const last = await invite(leaving, "mine3@example.com", "viewer")
      await remove(leaving)
      expect((await accept(last)).status).toBe(400)
      expect((await accept(others)).status).toBe(200)
      expect(await emailsOfTeam()).not.toContain("mine3@example.com")
      expect((await logIn(openPage(server.url, owner.email))).status).toBe(200)
    })

    test("case 56: a login by the old password that is under way when there is a new one comes to nothing", async () => {
      const page = await joinAs(server, "admin", "hunted@example.com")
      let password = goodPassword
      for (const next of ["nine blue herons in the reeds", "ten tall poplars in a row", "six wet stones in a brook"]) {
        const others = Array.from({ length: 10 }, () => openPage(server.url, page.email))
        const known = password
        // One after the other, so that some are at every step when the password changes.
        const under = others.map(async (other, n) => {
          await Bun.sleep(n * 12)
          await logIn(other, known)
        })
        await Bun.sleep(40)
        const change = { currentPassword: known, newPassword: next }
        expect((await page.access("POST", "auth/change-password", change)).status).toBe(200)
        await Promise.all(under)
        password = next
        for (const other of others) expect((await other.admin("GET", "/me")).status).toBe(401)
        expect((await page.access("GET", "auth/list-sessions")).body.sessions).toHaveLength(1)
      }
      expect((await logIn(openPage(server.url, page.email), password)).status).toBe(200)
    })

    test("case 56: of two who choose a new password at once one does, and the other is out", async () => {
      const page = await joinAs(server, "admin", "double@example.com")
      const thief = openPage(server.url, page.email)
      await logIn(thief)
      const choose = (who: OperatorPage, newPassword: string) =>
        who.access("POST", "auth/change-password", { currentPassword: goodPassword, newPassword })
      const mine = "nine blue herons in the reeds"
      const theirs = "ten tall poplars in a row"
      const answers = await Promise.all([choose(page, mine), choose(thief, theirs)])
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
      const [isMine = false] = answers.map(({ status }) => status === 200)
      const [winner, loser] = isMine ? [page, thief] : [thief, page]
      expect((await winner.admin("GET", "/me")).status).toBe(200)
      expect((await loser.admin("GET", "/me")).status).toBe(401)
      const again = openPage(server.url, page.email)
      expect((await logIn(again, isMine ? theirs : mine)).status).toBe(401)
      expect((await logIn(again, isMine ? mine : theirs)).status).toBe(200)
    })

    test("case 58: a new password proves no second factor", async () => {
      const page = await joinAs(server, "admin", "twofold@example.com")
      const { uri } = await addTotp(page)
      clock.advance(freshLoginMs + 1)
      const needsFresh = () => page.admin("POST", "/apps", { name: "proved" })
      const passwords = { currentPassword: goodPassword, newPassword: "nine blue herons in the reeds" }
      expect((await page.access("POST", "auth/change-password", passwords)).status).toBe(200)
      expect((await needsFresh()).body.exception_fields).toEqual({ step_up: "required" })
      const off = await page.access("POST", "auth/two-factor/disable", { password: passwords.newPassword })
      expect(off.body.exception_fields).toEqual({ step_up: "required" })
      expect((await page.admin("GET", "/me")).body.has_totp).toBe(true)
      // Who has none has proved all that there is to prove.
      const single = await joinAs(server, "admin", "single@example.com")
      clock.advance(freshLoginMs + 1)
      expect((await single.access("POST", "auth/change-password", passwords)).status).toBe(200)
      expect((await single.admin("POST", "/apps", { name: "proved" })).status).toBe(201)
      expect(uri).toContain("otpauth://")
    })

    test("case 58: a device that is trusted may come in without a code, and proves nothing fresh by it", async () => {
      const page = await joinAs(server, "admin", "device@example.com")
      // The library's codes go by the clock of the machine.
      const { uri } = await addTotp(page)
      const device = openPage(server.url, page.email)
      expect((await logIn(device)).body.twoFactorRedirect).toBe(true)
      const code = codeOf(uri, stepNow())
      const entered = await device.access("POST", "auth/two-factor/verify-totp", { code, trustDevice: true })
      expect(entered.status).toBe(200)
      expect((await device.admin("POST", "/apps", { name: "by code" })).status).toBe(201)
      expect((await logIn(device)).body.twoFactorRedirect).toBeUndefined()
      expect((await device.admin("GET", "/me")).body).toMatchObject({ has_totp: true, session: { verified_at: null } })
      const refused = await device.admin("POST", "/apps", { name: "by password" })
      expect(refused.body.exception_fields).toEqual({ step_up: "required" })
      expect((await device.access("POST", "auth/two-factor/disable", { password: goodPassword })).status).toBe(403)
    })

    test("case 55: devices are trusted no longer than the authenticator, and not after all other sessions were ended", async () => {
      const page = await joinAs(server, "admin", "devices@example.com")
      for (const forget of [
        () => page.access("POST", "auth/revoke-other-sessions", {}),
        () => page.access("POST", "auth/two-factor/disable", { password: goodPassword }),
      ]) {
        if ((await page.admin("GET", "/me")).body.has_totp !== true) await addTotp(page)
        const device = openPage(server.url, page.email)
        await logIn(device)
        const [code = ""] = await newRecoveryCodes(page)
        const entered = await device.access("POST", "auth/two-factor/verify-backup-code", { code, trustDevice: true })
        expect(entered.status).toBe(200)
        expect((await logIn(device)).body.twoFactorRedirect).toBeUndefined()
        expect((await forget()).status).toBe(200)
        if ((await page.admin("GET", "/me")).body.has_totp !== true) await addTotp(page)
        expect((await logIn(device)).body.twoFactorRedirect).toBe(true)
      }
    })

    test("case 58: a hook's secrets, where it leads, and what lets ended tokens in again need a fresh login", async () => {
      const app = await createApp(server, "guarded")
      const receiver = await startReceiver(server, app.id)
      try {
        const page = await joinAs(server, "admin", "stale@example.com")
        const hooks = `/apps/${app.id}/hooks`
        const revoked = await page.admin("POST", `/apps/${app.id}/revocations`, { user_id: "jane" })
        const elsewhere = { webhook_url: receiver.url.replace("/hook", "/other") }
        const guarded: [string, string, unknown][] = [
          ["POST", hooks, { hook_type: "webhook", ...elsewhere }],
          ["PATCH", `${hooks}/${receiver.hookId}`, elsewhere],
          ["POST", `${hooks}/${receiver.hookId}/secrets`, { alg: "hmac" }],
          ["DELETE", `/apps/${app.id}/revocations/${revoked.body.receipt.id}`, undefined],
        ]
        clock.advance(freshLoginMs + 1)
        for (const [method, path, body] of guarded) {
          const { status, body: said } = await page.admin(method, path, body)
          expect({ path, status, fields: said.exception_fields }).toEqual({
            path,
            status: 403,
            fields: { step_up: "required" },
          })
        }
        expect((await page.admin("PATCH", `${hooks}/${receiver.hookId}`, { enabled: false })).status).toBe(200)
        expect((await page.access("POST", "step-up", { password: goodPassword })).status).toBe(200)
        for (const [method, path, body] of guarded) {
          const { status } = await page.admin(method, path, body)
          expect({ path, isDone: status < 300 }).toEqual({ path, isDone: true })
        }
      } finally {
        await receiver.close()
      }
    })

    test("case 57: nobody makes a token that does more than their role may", async () => {
      const app = await createApp(server, "minting")
      const developer = await joinAs(server, "developer", "minting.developer@example.com")
      const admin = await joinAs(server, "admin", "minting.admin@example.com")
      const path = `/apps/${app.id}/tokens`
      // A backend changes the app's settings, its users' roles, and ends everybody's tokens.
      for (const body of [{ kind: "server" }, { kind: "server", scopes: { "app:app:*": ["manage"] } }]) {
        const { status, body: said } = await developer.admin("POST", path, body)
        expect({ status, fields: said.exception_fields }).toEqual({ status: 403, fields: { needs: "secrets.manage" } })
        expect((await admin.admin("POST", path, body)).status).toBe(201)
      }
      expect((await developer.admin("POST", path, { kind: "user", user_id: "jane" })).status).toBe(201)
    })

    describe("case 57: tokens that somebody made", () => {
      let app: OtherApp
      beforeAll(async () => {
        app = await createApp(server, "made tokens")
        const body = { users: { jane: { id: "jane" }, john: { id: "john" } } }
        const as = serverToken({ iat: Math.floor(clock.now() / 1000) }, app.secret)
        expect((await server.call("POST", "/api/v2/users", { as, apiKey: app.apiKey, body })).status).toBe(201)
      })

      const mint = async (page: OperatorPage, kind: "user" | "server" | "explorer", userId = "jane") => {
        const made =
          kind === "explorer"
            ? await page.admin("POST", `/apps/${app.id}/explorer-token`)
            : await page.admin("POST", `/apps/${app.id}/tokens`, kind === "user" ? { kind, user_id: userId } : { kind })
        expect(made.status).toBe(201)
        return made.body as { token: string; jti: string; expires_at: string }
      }
      const ask = ({ token }: { token: string }) =>
        server.call("GET", "/api/v2/users?payload={}", { as: token, apiKey: app.apiKey })
      const isLetIn = async (made: { token: string }): Promise<boolean> => {
        const { status, body } = await ask(made)
        if (status !== 200) expect({ status, code: body.code }).toEqual({ status: 401, code: 40 })
        return status === 200
      }
      const lastOf = async (action: string) => {
        const { entries } = (await server.call("GET", "/api/admin/v1/audit?limit=10", asAdmin)).body
        // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
        return entries.filter((entry: any) => entry.action === action)[0]
      }
      const revocationsOf = async (jti: string) => {
        const { body } = await server.call("GET", `/api/admin/v1/apps/${app.id}/revocations?limit=100`, asAdmin)
        return body.revocations.filter(({ target }: { target: string }) => target === jti)
      }

      test("end with the role that made them, those that the new role could have made excepted", async () => {
        const page = await joinAs(server, "admin", "maker@example.com")
        const other = await joinAs(server, "admin", "other.maker@example.com")
        const [ofServer, ofUser, ofExplorer] = [
          await mint(page, "server"),
          await mint(page, "user"),
          await mint(page, "explorer"),
        ]
        const others = await mint(other, "server")
        const script = await server.call("POST", `/api/admin/v1/apps/${app.id}/tokens`, {
          ...asAdmin,
          body: { kind: "server" },
        })
        const socket = await server.connect("jane", { apiKey: app.apiKey, token: ofUser.token })
        const alive = async () => [await isLetIn(ofServer), await isLetIn(ofUser), await isLetIn(ofExplorer)]
        expect(await alive()).toEqual([true, true, true])
        await change(page, { role: "developer" })
        expect(await alive()).toEqual([false, true, true])
        expect((await lastOf("operator.updated")).after).toEqual({
          role: "developer",
          disabled: false,
          tokens_revoked: 1,
        })
        const [revoked, ...more] = await revocationsOf(ofServer.jti)
        expect(more).toEqual([])
        expect(revoked).toMatchObject({
          level: "jti",
          before: null,
          mode: "enforce",
          expires_at: ofServer.expires_at,
          reason: "whoever made it may make it no more",
          receipt: { target: ofServer.jti, signature: expect.any(String) },
        })
        // The explorer of whoever changes content writes; support only looks.
        await change(page, { role: "support" })
        expect(await alive()).toEqual([false, false, false])
        expect((await lastOf("operator.updated")).after).toMatchObject({ role: "support", tokens_revoked: 2 })
        expect((await socket.closed).code).toBe(closeCodeOf("tokenExpired"))
        const looking = await mint(page, "explorer")
        await change(page, { role: "viewer" })
        expect(await isLetIn(looking)).toBe(false)
        // What nothing has to be ended for says nothing of it.
        await change(page, { role: "admin" })
        expect((await lastOf("operator.updated")).after).toEqual({ role: "admin", disabled: false })
        expect(await isLetIn(others)).toBe(true)
        expect(await isLetIn(script.body)).toBe(true)
      })

      test("end when they are shut out, and when they are removed", async () => {
        const page = await joinAs(server, "admin", "leaving.maker@example.com")
        const before = [await mint(page, "user"), await mint(page, "server"), await mint(page, "explorer")]
        await change(page, { disabled: true })
        for (const made of before) expect(await isLetIn(made)).toBe(false)
        expect((await lastOf("operator.updated")).after).toMatchObject({ disabled: true, tokens_revoked: 3 })
        await change(page, { disabled: false })
        await logIn(page)
        const after = [await mint(page, "user"), await mint(page, "server")]
        await remove(page)
        for (const made of [...before, ...after]) expect(await isLetIn(made)).toBe(false)
        expect((await lastOf("operator.removed")).after).toEqual({ tokens_revoked: 2 })
        const [revoked, ...more] = await revocationsOf(after[0]?.jti ?? "")
        expect(more).toEqual([])
        expect(revoked).toMatchObject({ reason: "whoever made it was removed", created_by: "admin token" })
      })

      test("are all ended, or not made, while the change is under way", async () => {
        for (const [email, end] of [
          ["racing1@example.com", remove],
          ["racing2@example.com", (page: OperatorPage) => change(page, { role: "viewer" })],
          ["racing3@example.com", (page: OperatorPage) => change(page, { disabled: true })],
        ] as const) {
          const page = await joinAs(server, "admin", email)
          const first = await mint(page, "user", "john")
          const minting = Array.from({ length: 12 }, async (_, n) => {
            await Bun.sleep(n * 4)
            return page.admin("POST", `/apps/${app.id}/tokens`, { kind: "user", user_id: "john" })
          })
          await Bun.sleep(20)
          await end(page)
          const made = (await Promise.all(minting)).filter(({ status }) => status === 201).map(({ body }) => body)
          for (const one of [first, ...made]) expect(await isLetIn(one)).toBe(false)
        }
      })

      test("are so many at most that one change can end them all, and count while they are valid", async () => {
        const page = await joinAs(server, "admin", "busy.maker@example.com")
        const path = `/apps/${app.id}/tokens`
        const body = { kind: "user", user_id: "john", expires_in: 120 }
        for (let made = 0; made < tokenLimits.madeByOperatorMax; made += 50) {
          const answers = await Promise.all(Array.from({ length: 50 }, () => page.admin("POST", path, body)))
          expect(answers.every(({ status }) => status === 201)).toBe(true)
        }
        const refused = await page.admin("POST", path, body)
        expect({ status: refused.status, code: refused.body.code }).toEqual({ status: 400, code: 4 })
        expect(refused.body.message).toContain("still valid")
        expect((await page.admin("POST", `/apps/${app.id}/explorer-token`)).status).toBe(400)
        clock.advance(121_000)
        const last = await mint(page, "user", "john")
        // That was longer than the node's lease, which is renewed every second.
        await until("the node lets callers in again", async () => (await ask(last)).status === 200)
        for (let made = 1; made < tokenLimits.madeByOperatorMax; made += 1) {
          expect((await page.admin("POST", path, body)).status).toBe(201)
        }
        await remove(page)
        expect((await lastOf("operator.removed")).after).toEqual({ tokens_revoked: tokenLimits.madeByOperatorMax })
        expect(await isLetIn(last)).toBe(false)
      })
    })

    test("case 57: what was sent to hooks is content, and nobody reads it who may read none", async () => {
      const app = await createApp(server, "told")
      const receiver = await startReceiver(server, app.id)
      try {
        const body = { users: { jane: { id: "jane", name: "a secret name" } } }
        const as = serverToken({}, app.secret)
        expect((await server.call("POST", "/api/v2/users", { as, apiKey: app.apiKey, body })).status).toBe(201)
        await receiver.next("user.updated")
        const viewer = await joinAs(server, "viewer", "curious@example.com")
        const support = await joinAs(server, "support", "helping@example.com")
        const listed = await viewer.admin("GET", `/apps/${app.id}/deliveries`)
        expect(listed.status).toBe(200)
        expect(JSON.stringify(listed.body)).not.toContain("a secret name")
        const path = `/apps/${app.id}/deliveries/${listed.body.deliveries[0].id}`
        const refused = await viewer.admin("GET", path)
        expect({ status: refused.status, fields: refused.body.exception_fields }).toEqual({
          status: 403,
          fields: { needs: "content.read" },
        })
        expect(JSON.stringify((await support.admin("GET", path)).body)).toContain("a secret name")
      } finally {
        await receiver.close()
      }
    })
  })
}

async function newRecoveryCodes(page: OperatorPage): Promise<string[]> {
  const made = await page.access("POST", "auth/two-factor/generate-backup-codes", { password: goodPassword })
  expect(made.status).toBe(200)
  return made.body.backupCodes
}

const cookiesOf = ({ cookies }: OperatorPage): string => [...cookies].map((pair) => pair.join("=")).join("; ")
