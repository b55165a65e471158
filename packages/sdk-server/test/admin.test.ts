// The management API as a script of an operator calls it, against a real server.

import { afterAll, beforeAll, expect, test } from "bun:test"
import * as protocol from "../../protocol/src/index.ts"
import { startTestServer, type TestServer, testAdminToken, testApiKey } from "../../server/src/testing.ts"
import { adminEndpoints } from "../src/admin-endpoints.ts"
import { createToken, createWeirAdmin, type Receipt, verifyReceipt, type WeirAdmin } from "../src/index.ts"

let server: TestServer
let admin: WeirAdmin
beforeAll(async () => {
  server = await startTestServer()
  admin = createWeirAdmin({ baseUrl: server.url, adminToken: testAdminToken })
})
afterAll(() => server.close())

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "allowed",
    (error) => error.code ?? error,
  )

// A new operation of the protocol is missing here until it has a function.
test("every operation of the protocol for operators that answers JSON has its function, at the same address", () => {
  const operations = Object.values(protocol)
    .flatMap((noun) => (typeof noun === "object" ? Object.entries(noun as Record<string, unknown>) : []))
    .filter((entry): entry is [string, protocol.Operation] => {
      const { access, contentType } = (entry[1] ?? {}) as Partial<protocol.Operation>
      return Array.isArray(access) && access.includes("operator") && contentType === undefined
    })
  const wanted = operations.map(([key, { name, method, path }]) => [key, { name, method, path }] as const)
  expect(wanted.length).toBeGreaterThan(20)
  expect(Object.fromEntries<unknown>(Object.entries(adminEndpoints))).toEqual(Object.fromEntries(wanted))
})

test("an operation that has no function here can be called by its address", async () => {
  const answer = await admin.call<{ apps: unknown[] }>(protocol.apps.listApps)
  expect(answer.apps.length).toBeGreaterThan(0)
})

test("an app from its making to its last secret", async () => {
  const made = await admin.apps.create({ name: "Shop", environment: "production" })
  const app = made.app.id
  const apiKey = made.key.api_key
  expect((await admin.apps.list()).apps.map(({ id }) => id)).toContain(app)
  expect((await admin.apps.update(app, { name: "Shop 2" })).app.name).toBe("Shop 2")
  expect((await admin.apps.get(String(app))).app).toMatchObject({ name: "Shop 2", environment: "production" })

  expect((await admin.tokenPolicy.get(app)).policy.preset).toBe("strict")
  expect((await admin.tokenPolicy.update(app, { leeway_seconds: 7 })).policy.leeway_seconds).toBe(7)

  await admin.limits.update(app, { overrides: { UpdateUsers: { app: 5_000 } } })
  expect((await admin.limits.get(app)).limits.UpdateUsers?.app).toBe(5_000)

  const { secret, value } = await admin.secrets.create(app, apiKey, { label: "next", state: "active" })
  expect(value).toMatch(/^[a-z0-9]{64}$/)
  const [first] = (await admin.keys.get(app, apiKey)).key.secrets.filter(({ kid }) => kid !== secret.kid)
  const dry = await admin.secrets.update(app, apiKey, first?.kid as string, { state: "retiring" }, { dry_run: true })
  expect(dry.secret.state).toBe("active")
  expect((await admin.secrets.update(app, apiKey, first?.kid as string, { state: "retiring" })).secret.state).toBe(
    "retiring",
  )

  const second = await admin.keys.create(app, { label: "web" })
  expect((await admin.keys.update(app, second.key.api_key, { disabled: true })).key.disabled).toBe(true)
  expect((await admin.keys.list(app)).keys.map(({ label }) => label)).toContain("web")

  const actions = (await admin.audit.list({ limit: 100 }, app)).entries.map(({ action }) => action)
  expect(actions).toContain("app.updated")
  expect((await admin.audit.list({ limit: 1 })).entries).toHaveLength(1)
  expect((await admin.audit.verify()).whole).toBe(true)
})

test("a user's session is seen, explained and ended, with a receipt", async () => {
  const app: number = (await server.call("GET", "/api/v2/app")).body.app.id
  const { secret, value } = await admin.secrets.create(app, testApiKey, { alg: "EdDSA", state: "active" })
  await server.call("POST", "/api/v2/users", { body: { users: { ann: { id: "ann" } } } })
  const token = createToken(value as string, "ann", { kid: secret.kid, scopes: { "app:user:*": ["read"] } })
  const me = await server.connect("ann", { token })
  expect(me.first.type).toBe("connection.ok")

  const refusal = await server.call("POST", "/api/v2/chat/channels/messaging/new/query", { as: token, body: {} })
  expect(refusal.status).toBe(403)
  const id = refusal.headers.get("x-decision-id") as string
  const { decision } = await admin.decisions.get(id, app)
  expect(decision.caller.user_id).toBe("ann")
  expect((await admin.decisions.get(id)).decision).toEqual(decision)
  expect((await admin.decisions.list(app, { user_id: "ann" })).decisions.map((one) => one.id)).toContain(id)
  const question = { action: "create-message", resource: { type: "channel", id: "messaging:none" } } as const
  expect((await admin.decisions.explain(app, { ...question, token })).allowed).toBe(false)

  const [session] = (await admin.sessions.list(app, { user_id: "ann" })).sessions
  expect(session?.kid).toBe(secret.kid)
  const { receipt } = await admin.sessions.end(app, session?.id as string)
  const { keys } = await admin.revocations.receiptKeys()
  expect(await verifyReceipt(receipt as Receipt, keys)).toBe(true)
  expect(await codeOf(server.connect("ann", { token }).then(({ first }) => Promise.reject(first.error ?? first)))).toBe(
    40,
  )
  me.close()

  const { receipt: all } = await admin.revocations.create(app, { user_id: "ann", reason: "left" })
  const revocation = all?.id as string
  expect((await admin.revocations.list(app)).revocations.map((one) => one.id)).toContain(revocation)
  expect((await admin.revocations.undo(app, revocation)).revocation.undone_at).not.toBeNull()
  expect((await admin.revocations.get(app, revocation)).revocation.reason).toBe("left")
  const { would } = await admin.revocations.create(app, { all: true }, { dry_run: true })
  expect(would?.users).toBeGreaterThanOrEqual(0)
})

test("a hook from its making to what became of an event that it was sent", async () => {
  const app = (await admin.apps.create({ name: "Hooks" })).app.id
  // A name that resolves nowhere (RFC 6761), so nothing leaves this machine.
  const url = "https://receiver.invalid/hook"
  const { hook, secrets } = await admin.hooks.create(app, { hook_type: "webhook", webhook_url: url })
  expect(secrets.map(({ alg }) => alg).sort()).toEqual(["ed25519", "hmac"])
  expect((await admin.hooks.list(app)).hooks.map(({ id }) => id)).toEqual([hook.id])
  expect((await admin.hooks.update(app, hook.id, { event_types: ["message.*"] })).hook.event_types).toEqual([
    "message.*",
  ])
  const { secret } = await admin.hooks.createSecret(app, hook.id, { alg: "hmac", overlap_seconds: 60 })
  expect((await admin.hooks.retireSecret(app, hook.id, secret.id)).secrets.map(({ id }) => id)).not.toContain(secret.id)
  expect((await admin.hooks.secrets(app, hook.id)).secrets.length).toBe(2)

  const { delivery } = await admin.hooks.test(app, hook.id, { type: "order.paid", body: { total: 3 } })
  let sent = await admin.deliveries.get(app, delivery.id)
  for (let looks = 0; sent.delivery.log.length === 0; looks++) {
    expect(looks).toBeLessThan(200)
    await Bun.sleep(25)
    sent = await admin.deliveries.get(app, delivery.id)
  }
  expect(sent.delivery).toMatchObject({ id: delivery.id, source: "test", state: "pending", status: null })
  expect(JSON.parse(sent.delivery.body)).toEqual({ type: "order.paid", total: 3 })
  expect(sent.delivery.log[0]?.response).toBeNull()
  expect(await admin.deliveries.list(app, { hook_id: hook.id, state: "pending", type: "order.*" })).toMatchObject({
    deliveries: [{ id: delivery.id, fault: sent.delivery.fault }],
    next: null,
  })
  expect((await admin.deliveries.replay(app, { ids: [delivery.id] })).replayed).toBe(1)
  expect((await admin.hooks.stats(app)).hooks).toMatchObject([{ hook_id: hook.id, pending: 1, dead: 0 }])
  // Nobody listens to it: it has a URL.
  expect(await codeOf(admin.hooks.answer(app, hook.id, { delivery: delivery.id, attempt: 1, status: 200 }))).toBe(16)
  await admin.hooks.delete(app, hook.id)
  expect(await codeOf(admin.hooks.get(app, hook.id))).toBe(16)
})

test("a user is found, given a token, let in by it, and seen in what was answered", async () => {
  const app: number = (await server.call("GET", "/api/v2/app")).body.app.id
  await server.call("POST", "/api/v2/users", { body: { users: { bea: { id: "bea", name: "Bea" } } } })
  expect((await admin.users.list(app, { q: "be", limit: 1 })).users.map(({ id }) => id)).toEqual(["bea"])
  expect((await admin.users.list(app, { q: "be", banned: true })).users).toEqual([])

  const minted = await admin.tokens.create(app, { kind: "user", user_id: "bea", expires_in: 60 })
  expect(minted).toMatchObject({ kind: "user", user_id: "bea", claims: { user_id: "bea", jti: minted.jti } })
  expect(await admin.tokens.inspect(app, { token: minted.token })).toMatchObject({
    passes: true,
    failed: null,
    sha256: minted.sha256,
    signed_by: { kid: minted.kid as string },
    user: { id: "bea", name: "Bea" },
  })
  expect((await admin.tokens.inspect(app, { token: "garbage" })).passes).toBe(false)
  const me = await server.connect("bea", { token: minted.token })
  expect(me.first.type).toBe("connection.ok")
  const { sockets, user } = await admin.users.get(app, "bea")
  expect(sockets.map(({ session_id }) => session_id)).toEqual([minted.sha256])
  expect(user.online).toBe(true)
  me.close()

  const explorer = await admin.tokens.explorer(app)
  expect(explorer.writes).toBe(true)
  const found = await server.call("GET", "/api/v2/users?payload=%7B%7D", { as: explorer.token })
  expect(found.status).toBe(200)

  const { scopes, known } = await admin.grants.get(app, { scope: "app" })
  expect(scopes.map(({ id }) => id)).toEqual(["app"])
  expect(known.length).toBeGreaterThan(1)

  const { requests, after } = await admin.traffic.requests(app, { user_id: "bea" })
  expect(requests).toMatchObject([{ operation: "Connect", status: 101, user_id: "bea" }])
  expect((await admin.traffic.requests(app, { user_id: "bea", after })).requests).toEqual([])
  expect((await admin.traffic.list(app, { step: 300 })).step_seconds).toBe(300)
  expect((await admin.traffic.overview(app)).users.count).toBeGreaterThan(0)
  const { nodes } = await admin.nodes.list()
  expect(nodes).toMatchObject([{ is_here: true, status: "answering" }])
  const { settings, node } = await admin.nodes.settings()
  expect(node).toBe(nodes[0]?.id as string)
  const token = settings.find(({ name }) => name === "WEIR_ADMIN_TOKEN")
  expect(token?.value).not.toContain(testAdminToken)
  expect(token?.source).toBe("env")
})

test("the team: invited, listed, withdrawn", async () => {
  expect(await admin.team.me()).toMatchObject({ role: "owner", session: null, operator: { id: null } })
  const { invite, link } = await admin.team.invite({ email: "ines@example.com", role: "support" })
  expect(link).toContain("/dashboard/invite#")
  expect((await admin.team.invites()).invites).toMatchObject([{ id: invite.id, email: "ines@example.com" }])
  await admin.team.withdrawInvite(invite.id)
  expect((await admin.team.invites()).invites).toEqual([])
  expect((await admin.team.list()).operators).toEqual([])
  expect(await codeOf(admin.team.update("nobody", { disabled: true }))).toBe(16)
  expect(await codeOf(admin.team.resetLink("nobody"))).toBe(16)
  expect(await codeOf(admin.team.remove("nobody"))).toBe(16)
})

test("what cannot be called is refused before it is sent", async () => {
  await expect(admin.call(adminEndpoints.getKey, { path: { app: "1" } })).rejects.toThrow("api_key")
  for (const id of ["", ".", ".."]) {
    await expect(admin.decisions.get(id)).rejects.toBeInstanceOf(TypeError)
  }
  // An id with slashes stays one segment: the server sees an id that does not exist, and no other address.
  expect(await codeOf(admin.decisions.get("../apps"))).toBe(4)
  expect(() => createWeirAdmin({ adminToken: "" })).toThrow(TypeError)
  const stranger = createWeirAdmin({ baseUrl: server.url, adminToken: "x".repeat(64) })
  expect(await codeOf(stranger.apps.list())).not.toBe("allowed")
})
