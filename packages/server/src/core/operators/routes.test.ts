// The team: who may invite, change and remove whom, and what a role may do, asked of every operation that there is.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { type Operation, type OperatorRole, operatorActions, operatorRoles } from "@weir/protocol"
import { asAdmin, createApp, databaseKinds, expectRefusal, startOn } from "../../../test/fixtures.ts"
import { minimalInput } from "../../../test/minimal-input.ts"
import {
  goodPassword,
  joinAs,
  logIn,
  type OperatorPage,
  openPage,
  operatorIdOf,
  setUpOwner,
  tokenOf,
} from "../../../test/operator-page.ts"
import { roleActions } from "../../authorize/operators.ts"
import type { TestServer } from "../../testing.ts"

// Each login is an Argon2 hash.
setDefaultTimeout(60_000)

test("the table of roles: each holds what those below it hold, and reading secrets of content and audit is no viewer's", () => {
  for (const role of operatorRoles) {
    expect([...roleActions[role]]).toEqual(operatorActions.filter((action) => roleActions[role].includes(action)))
  }
  for (const role of ["admin", "developer", "support"] as const) {
    for (const action of roleActions.viewer) expect(roleActions[role]).toContain(action)
  }
  expect(roleActions.owner).toEqual(operatorActions)
  expect(roleActions.viewer.filter((action) => !action.endsWith(".read"))).toEqual([])
  for (const action of ["content.read", "audit.read"] as const) expect(roleActions.viewer).not.toContain(action)
  for (const action of ["secrets.manage", "policy.manage", "team.manage", "users.export", "audit.export"] as const) {
    for (const role of ["developer", "support", "viewer"] as const) expect(roleActions[role]).not.toContain(action)
  }
})

for (const kind of databaseKinds) {
  describe(`operators on ${kind}`, () => {
    let server: TestServer
    let owner: OperatorPage
    const pages = {} as Record<OperatorRole, OperatorPage>
    beforeAll(async () => {
      server = await startOn(kind)
      owner = await setUpOwner(server)
      pages.owner = owner
      for (const role of ["admin", "developer", "support", "viewer"] as const) pages[role] = await joinAs(server, role)
    })
    afterAll(() => server.close())

    test("case 57: every operation of the management API as every role: what the table says, and no more", async () => {
      const admin = server.server.operations.filter(({ access }) => access.includes("operator"))
      expect(admin.length).toBeGreaterThan(25)
      const faults: string[] = []
      for (const operation of admin) {
        for (const role of operatorRoles) {
          // What the owner could do to the pages of this test is left to the tests below.
          if (roleMayDo(role, operation) && operation.method !== "GET") continue
          const { target, body } = minimalInput(operation)
          const answer = await pages[role].admin(operation.method, target.replace("/api/admin/v1", ""), body)
          const isRefused = answer.status === 403
          const said = `${operation.name} as ${role}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 120)}`
          if (roleMayDo(role, operation) === isRefused || answer.status >= 500) faults.push(said)
          if (isRefused && answer.body.exception_fields?.needs !== operation.needs) faults.push(said)
        }
      }
      expect(faults).toEqual([])
    }, 60_000)

    test("case 57: the refusal is the server's, whatever page asks, and says why", async () => {
      const answer = await pages.viewer.admin("POST", "/apps", { name: "mine" })
      expectRefusal({ ...answer }, "notAllowed", "needs")
      const decision = await owner.admin("GET", `/decisions/${answer.headers.get("x-decision-id")}`)
      expect(decision.status).toBe(200)
      expect(JSON.stringify(decision.body)).toContain("apps.manage")
    })

    test("who asks is told who they are and what they may", async () => {
      const { body } = await pages.support.admin("GET", "/me")
      expect(body).toMatchObject({
        operator: { email: "support@example.com", name: "A support", role: "support" },
        role: "support",
        has_totp: false,
        has_password: true,
        passkeys: 0,
      })
      expect(body.actions).toEqual([...roleActions.support])
      expect(Date.parse(body.session.expires_at)).toBeGreaterThan(Date.now() + 6 * 86_400_000)
      const asToken = await server.call("GET", "/api/admin/v1/me", asAdmin)
      expect(asToken.body).toMatchObject({ operator: { id: null, role: "owner", email: null }, session: null })
    })

    test("a revocation of one user is support's, of a key or of everybody it is not", async () => {
      const app = await createApp(server, "supported")
      const ask = (body: object) => pages.support.admin("POST", `/apps/${app.id}/revocations`, body)
      expect((await ask({ user_id: "jessica" })).status).toBe(201)
      for (const body of [{ all: true }, { api_key: app.apiKey }, { kid: "k1" }]) {
        const answer = await ask(body)
        expectRefusal(answer, "notAllowed")
        expect(answer.body.exception_fields).toEqual({ needs: "secrets.manage" })
      }
    })

    test("case 57: the last owner cannot be removed, shut out or made less", async () => {
      const id = await operatorIdOf(owner)
      for (const attempt of [
        () => owner.admin("DELETE", `/team/${id}`),
        () => owner.admin("PATCH", `/team/${id}`, { role: "admin" }),
        () => server.call("PATCH", `/api/admin/v1/team/${id}`, { ...asAdmin, body: { disabled: true } }),
        () => server.call("DELETE", `/api/admin/v1/team/${id}`, asAdmin),
      ]) {
        expectRefusal(await attempt(), "notAllowed")
      }
      // Two owners who remove each other at the same moment: one of them stays.
      const second = await joinAs(server, "owner", "second@example.com")
      const secondId = await operatorIdOf(second)
      const answers = await Promise.all([
        owner.admin("PATCH", `/team/${secondId}`, { role: "admin" }),
        second.admin("PATCH", `/team/${id}`, { role: "admin" }),
      ])
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 403])
      const { body } = await server.call("GET", "/api/admin/v1/team", asAdmin)
      // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
      expect(body.operators.filter(({ role }: any) => role === "owner")).toHaveLength(1)
      const put = (who: string, role: OperatorRole) =>
        server.call("PATCH", `/api/admin/v1/team/${who}`, { ...asAdmin, body: { role } })
      expect((await put(id, "owner")).status).toBe(200)
      expect((await server.call("DELETE", `/api/admin/v1/team/${secondId}`, asAdmin)).status).toBe(200)
      expect((await second.admin("GET", "/me")).status).toBe(401)
      expect((await logIn(owner)).status).toBe(200)
    })

    test("case 57: an admin neither makes owners, nor touches one, nor resets anybody", async () => {
      const id = await operatorIdOf(owner)
      const own = await operatorIdOf(pages.admin)
      const viewerId = await operatorIdOf(pages.viewer)
      for (const [method, path, body] of [
        ["POST", "/team/invites", { email: "new@example.com", role: "owner" }],
        ["PATCH", `/team/${id}`, { role: "viewer" }],
        ["PATCH", `/team/${id}`, { disabled: true }],
        ["DELETE", `/team/${id}`, undefined],
        ["PATCH", `/team/${own}`, { role: "owner" }],
        ["PATCH", `/team/${viewerId}`, { role: "owner" }],
        ["POST", `/team/${viewerId}/reset-link`, undefined],
        ["POST", `/team/${id}/reset-link`, undefined],
      ] as const) {
        expectRefusal(await pages.admin.admin(method, path, body), "notAllowed")
      }
      expect((await pages.admin.admin("PATCH", `/team/${viewerId}`, { role: "support" })).status).toBe(200)
      expect((await pages.viewer.admin("GET", "/me")).body.role).toBe("support")
      expect((await pages.admin.admin("PATCH", `/team/${viewerId}`, { role: "viewer" })).status).toBe(200)
      expect((await pages.viewer.admin("GET", "/me")).body.role).toBe("viewer")
    })

    test("an invite: shown once, opens once, withdrawn for good, and the newest to an address counts", async () => {
      const invite = async (email: string) => {
        const { status, body } = await owner.admin("POST", "/team/invites", { email, role: "viewer" })
        expect(status).toBe(201)
        expect(body.link).toMatch(/^\/dashboard\/invite#[\w-]{43}$/)
        return { id: body.invite.id as string, token: tokenOf(body.link) }
      }
      const stranger = openPage(server.url, "guest@example.com")
      const accept = (token: string, password = goodPassword) =>
        stranger.access("POST", "invite/accept", { token, name: "Guest", password })
      const older = await invite("Guest@Example.com")
      const newer = await invite("guest@example.com")
      expectPlainRefusal(await accept(older.token), 400)
      const read = await stranger.access("POST", "invite/read", { token: newer.token })
      expect(read.body).toEqual({
        kind: "invite",
        email: "guest@example.com",
        role: "viewer",
        invited_by: "owner@example.com",
      })
      const listed = await owner.admin("GET", "/team/invites")
      expect(JSON.stringify(listed.body)).not.toContain(newer.token)
      // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
      expect(listed.body.invites.map(({ id }: any) => id)).toEqual([newer.id])
      expectPlainRefusal(await accept(newer.token, "short"), 400)
      const both = await Promise.all([accept(newer.token), accept(newer.token)])
      expect(both.map(({ status }) => status).sort()).toEqual([200, 400])
      expectPlainRefusal(await accept(newer.token), 400)
      const withdrawn = await invite("other@example.com")
      expect((await owner.admin("DELETE", `/team/invites/${withdrawn.id}`)).status).toBe(200)
      expectRefusal(await owner.admin("DELETE", `/team/invites/${withdrawn.id}`), "notFound")
      expectPlainRefusal(await accept(withdrawn.token), 400)
      expectRefusal(await owner.admin("POST", "/team/invites", { email: "guest@example.com", role: "viewer" }), "input")
      expectRefusal(await owner.admin("POST", "/team/invites", { email: "no address", role: "viewer" }), "input")
      expectRefusal(await owner.admin("POST", "/team/invites", { email: "a@example.com", role: "god" }), "input")
    })

    test("a reset link: a new password, the old sessions and second factors are gone, and it opens once", async () => {
      const page = await joinAs(server, "viewer", "forgetful@example.com")
      const id = await operatorIdOf(page)
      const { status, body } = await owner.admin("POST", `/team/${id}/reset-link`)
      expect(status).toBe(201)
      expect(JSON.stringify((await owner.admin("GET", "/audit?limit=5")).body)).not.toContain(tokenOf(body.link))
      const fresh = openPage(server.url, "forgetful@example.com")
      const accept = { token: tokenOf(body.link), name: "", password: "another boat upon the lake" }
      expect((await fresh.access("POST", "invite/accept", accept)).status).toBe(200)
      expect((await fresh.admin("GET", "/me")).body.operator).toMatchObject({ id, role: "viewer" })
      expect((await page.admin("GET", "/me")).status).toBe(401)
      expect((await logIn(page)).status).toBe(401)
      expectPlainRefusal(await fresh.access("POST", "invite/accept", accept), 400)
    })

    test("who is shut out is out at once, gets in no more, and is told what a wrong password is told", async () => {
      const page = await joinAs(server, "developer", "leaving@example.com")
      const id = await operatorIdOf(page)
      expect((await owner.admin("PATCH", `/team/${id}`, { disabled: true })).body.operator).toMatchObject({
        disabled: true,
        sessions: 0,
      })
      expect((await page.admin("GET", "/me")).status).toBe(401)
      const shut = await logIn(page)
      const wrong = await logIn(page, "not this one at all")
      const words = ({ status, body: { duration: _, ...rest } }: typeof shut) => ({ status, rest })
      expect(words(shut)).toEqual(words(wrong))
      expect((await owner.admin("PATCH", `/team/${id}`, { disabled: false })).status).toBe(200)
      expect((await logIn(page)).status).toBe(200)
    })
  })
}

const roleMayDo = (role: OperatorRole, { needs }: Operation): boolean =>
  needs !== undefined && roleActions[role].includes(needs)

function expectPlainRefusal({ status, body }: { status: number; body: { message?: string } }, expected: number): void {
  expect({ status, message: body.message }).toEqual({
    status: expected,
    message: expect.stringMatching(/^Login failed/),
  })
}
