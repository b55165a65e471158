// Every operation of the management API that changes something stands in the audit log. Operations are found, not
// listed: a new one that needs a real target or a real body fails here until it is given one.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Operation } from "@weir/protocol"
import { type Answer, serverToken, type TestServer, userToken } from "../src/testing.ts"
import { asAdmin, createApp, databaseKinds, type OtherApp, startOn } from "./fixtures.ts"
import { listenTo } from "./listening.ts"
import { minimalInput } from "./minimal-input.ts"
import { joinAs, operatorIdOf } from "./operator-page.ts"

/** What a call needs to succeed, beyond the smallest input that its schemas accept. */
interface Real {
  /** Parameters of the path; `app` and `api_key` are those of an app made for the test unless said here. */
  readonly params?: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** Operations that are asked with a body and change nothing. */
const looksOnly: ReadonlySet<string> = new Set(["Explain", "AnswerDelivery", "InspectToken"])

const adminPath = "/api/admin/v1"
const methodsThatChange: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"])

for (const kind of databaseKinds) {
  describe(`audited operations on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
      app = await createApp(server, "audited")
    })
    afterAll(() => server.close())

    const admin = async (method: string, path: string, body?: unknown): Promise<Answer> => {
      const answer = await server.call(method, adminPath + path, { ...asAdmin, body })
      expect({ path, status: answer.status }).toEqual({ path, status: answer.status < 300 ? answer.status : 200 })
      return answer
    }

    const hook = { hook_type: "webhook", webhook_url: "https://hooks.example.com/weir", event_types: ["message.new"] }
    const newHook = async () => (await admin("POST", `/apps/${app.id}/hooks`, hook)).body

    /** By the names of operations; each makes its own target, so that none depends on another. */
    const real: Readonly<Record<string, () => Promise<Real>>> = {
      CreateApp: async () => ({ body: { name: "new" } }),
      UpdateAppState: async () => ({ body: { name: "renamed" } }),
      UpdateTokenPolicy: async () => ({ body: { leeway_seconds: 6 } }),
      UpdateKey: async () => ({ body: { label: "renamed" } }),
      async UpdateSecret() {
        const { body } = await admin("POST", `/apps/${app.id}/keys/${app.apiKey}/secrets`, { state: "standby" })
        return { params: { kid: body.secret.kid }, body: { label: "renamed" } }
      },
      CreateRevocation: async () => ({ body: { user_id: "jessica" } }),
      async UndoRevocation() {
        const { body } = await admin("POST", `/apps/${app.id}/revocations`, { user_id: "jessica", mode: "shadow" })
        return { params: { id: body.receipt.id } }
      },
      async EndSession() {
        const own = await createApp(server, "sessions")
        const asOwn = { apiKey: own.apiKey, as: serverToken({}, own.secret) }
        const users = { jessica: { id: "jessica" } }
        expect((await server.call("POST", "/api/v2/users", { ...asOwn, body: { users } })).status).toBe(201)
        const as = userToken("jessica", {}, own.secret)
        expect((await server.call("GET", "/api/v2/users", { apiKey: own.apiKey, as })).status).toBe(200)
        const { body } = await admin("GET", `/apps/${own.id}/sessions?user_id=jessica`)
        return { params: { app: String(own.id), id: body.sessions[0].id } }
      },
      CreateHook: async () => ({ body: hook }),
      UpdateHook: async () => ({ params: { hook: (await newHook()).hook.id }, body: { ordered: true } }),
      DeleteHook: async () => ({ params: { hook: (await newHook()).hook.id } }),
      CreateHookSecret: async () => ({ params: { hook: (await newHook()).hook.id } }),
      async RetireHookSecret() {
        const { hook, secrets } = await newHook()
        return { params: { hook: hook.id, secret: secrets[0].id } }
      },
      SendTestEvent: async () => ({ params: { hook: (await newHook()).hook.id }, body: {} }),
      async ReplayDeliveries() {
        // Its receiver has no address, so the delivery soon waits for another attempt.
        const unreachable = { ...hook, webhook_url: "https://receiver.invalid/weir" }
        const { body: made } = await admin("POST", `/apps/${app.id}/hooks`, unreachable)
        const { body: sent } = await admin("POST", `/apps/${app.id}/hooks/${made.hook.id}/test`, {})
        const { id } = sent.delivery
        for (let look = 0; look < 200; look++) {
          const { body: read } = await admin("GET", `/apps/${app.id}/deliveries/${id}`)
          if (read.delivery.attempts > 0) break
          await Bun.sleep(50)
        }
        return { body: { ids: [id] } }
      },
      async AnswerDelivery() {
        const { hookId } = await listenTo(server.url, app.id)
        return { params: { hook: hookId }, body: { delivery: "msg_1-x", attempt: 1, status: 200 } }
      },
      async UpdateOperator() {
        return { params: { operator: await operatorIdOf(await joinAs(server, "viewer", "changed@example.com")) } }
      },
      async RemoveOperator() {
        return { params: { operator: await operatorIdOf(await joinAs(server, "viewer", "removed@example.com")) } }
      },
      async CreateResetLink() {
        return { params: { operator: await operatorIdOf(await joinAs(server, "viewer", "reset@example.com")) } }
      },
      InviteOperator: async () => ({ body: { email: "invited@example.com", role: "viewer" } }),
      async WithdrawInvite() {
        const { body } = await admin("POST", "/team/invites", { email: "withdrawn@example.com", role: "viewer" })
        return { params: { invite: body.invite.id } }
      },
      MintToken: async () => ({ body: { kind: "user", user_id: "jessica" } }),
      Explain: async () => ({
        body: { user_id: "jessica", action: "read-app", resource: { type: "app", id: String(app.id) } },
      }),
    }

    const newestSeq = async (): Promise<number> => (await admin("GET", "/audit?limit=1")).body.entries[0].seq

    test("each change leaves a row with its operator, its app and its action", async () => {
      const changing = server.server.operations.filter(
        ({ access, method }) => access.includes("operator") && methodsThatChange.has(method),
      )
      expect(changing.length).toBeGreaterThan(8)
      const names = new Set(changing.map(({ name }) => name))
      expect(Object.keys(real).filter((name) => !names.has(name))).toEqual([])
      const faults: string[] = []
      for (const operation of changing) {
        const given = (await real[operation.name]?.()) ?? {}
        const params: Record<string, string> = { app: String(app.id), api_key: app.apiKey, ...given.params }
        const before = await newestSeq()
        const { status, body } = await send(operation, params, given.body)
        const { entries } = (await admin("GET", "/audit?limit=10")).body
        // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
        const added = entries.filter(({ seq }: any) => seq > before)
        const expectedRows = looksOnly.has(operation.name) ? added.length === 0 : added.length > 0
        if (status >= 300) faults.push(`${operation.name}: ${status} ${body.message}; give it what it needs`)
        else if (!expectedRows) faults.push(`${operation.name}: ${added.length} rows`)
        for (const { actor, address, action, app_id, target } of added) {
          expect({ action, actor, address }).toEqual({
            action: expect.stringMatching(/^[a-z_]+\.[a-z_]+$/),
            actor: "admin token",
            address: expect.stringMatching(/127\.0\.0\.1/),
          })
          expect(target).not.toBeNull()
          if (params.app !== undefined && operation.path.includes("{app}")) expect(app_id).toBe(Number(params.app))
        }
      }
      expect(faults).toEqual([])
      expect((await admin("GET", "/audit/verify")).body).toMatchObject({ whole: true, fault: null })
    }, 60_000)

    function send(operation: Operation, params: Record<string, string>, given: unknown): Promise<Answer> {
      const minimal = minimalInput(operation)
      const path = operation.path.replace(/\{(\w+)\}/g, (whole, name: string) => params[name] ?? whole)
      const query = minimal.target.split("?")[1]
      const target = query === undefined ? path : `${path}?${query}`
      return server.call(operation.method, target, { ...asAdmin, body: given ?? minimal.body })
    }
  })
}
