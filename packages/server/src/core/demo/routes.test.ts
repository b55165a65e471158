import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { asAdmin, databaseKinds, startOn } from "../../../test/fixtures.ts"
import { type TestServer, testApiKey, userToken } from "../../testing.ts"

const [one, two] = ["demo-user-1", "demo-user-2"]
const own = { "sec-fetch-site": "same-origin" }

for (const kind of databaseKinds) {
  describe(`the demo on ${kind}`, () => {
    let server: TestServer
    beforeAll(async () => {
      server = await startOn(kind)
    })
    afterAll(() => server.close())

    const ask = (name: string, body: unknown, headers: Record<string, string> = own) =>
      server.call("POST", `/demo/api/${name}`, { as: null, apiKey: null, authType: null, body, headers })
    const tokenOf = async (user: string, kind?: string): Promise<string> => {
      const { status, body } = await ask("token", { user, kind })
      expect([status, body.message]).toEqual([200, undefined])
      return body.token
    }
    const send = (as: string, text: string, channel = "weir-demo") =>
      server.call("POST", `/api/v2/chat/channels/messaging/${channel}/message`, { as, body: { message: { text } } })
    const open = (as: string, channel = "weir-demo") =>
      server.call("POST", `/api/v2/chat/channels/messaging/${channel}/query`, {
        as,
        body: { data: { members: [one, two] }, state: true },
      })

    test("its page and its names are there", async () => {
      const page = await server.call("GET", "/demo", { as: null, apiKey: null })
      expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"])
      expect(page.headers.get("content-security-policy")).toContain("script-src 'self';")
      const state = await server.call("GET", "/demo/api/state", { as: null, apiKey: null })
      expect(state.body).toMatchObject({
        app_id: expect.any(Number),
        api_key: testApiKey,
        users: [{ id: one }, { id: two }],
      })
    })

    test("its users meet in the demo's channel, feed and call", async () => {
      const [first, second] = [await tokenOf(one), await tokenOf(two)]
      const [a, b] = [await server.connect(one, { token: first }), await server.connect(two, { token: second })]
      expect((await open(first)).status).toBe(201)
      const watch = await server.call("POST", "/api/v2/chat/channels/messaging/weir-demo/query", {
        as: second,
        connectionId: b.connectionId,
        body: { watch: true, state: true },
      })
      expect(watch.status).toBe(201)
      expect((await send(first, "hello")).status).toBe(201)
      expect((await b.next("message.new")).message.text).toBe("hello")
      const feed = (as: string, group: string, id: string) =>
        server.call("POST", `/api/v2/feeds/feed_groups/${group}/feeds/${id}`, { as, body: {} })
      for (const [as, group, id] of [
        [first, "user", one],
        [second, "user", two],
        [first, "timeline", one],
      ] as const)
        expect([group, id, (await feed(as, group, id)).status]).toEqual([group, id, 201])
      const follow = await server.call("POST", "/api/v2/feeds/follows", {
        as: first,
        body: { source: `timeline:${one}`, target: `user:${two}` },
      })
      expect([follow.status, follow.body.message]).toEqual([201, undefined])
      const ring = await server.call("POST", "/api/v2/video/call/default/weir-demo-1", {
        as: first,
        body: { ring: true, data: { members: [{ user_id: one }, { user_id: two }] } },
      })
      expect([ring.status, ring.body.message]).toEqual([201, undefined])
      expect((await b.next("call.ring")).call_cid).toBe("default:weir-demo-1")
      a.close()
      b.close()
    })

    test("a narrowed token reads and is refused to write, with the id of the decision", async () => {
      const narrow = await tokenOf(one, "narrow")
      expect((await open(narrow)).status).toBe(201)
      expect((await open(narrow, "general")).status).toBe(403)
      const refusal = await send(narrow, "no")
      expect([refusal.status, refusal.body.code]).toEqual([403, 17])
      const id = refusal.headers.get("x-decision-id")
      const { body } = await server.call("GET", `/api/admin/v1/decisions/${id}`, asAdmin)
      expect(body.decision.checks.at(-1)).toMatchObject({ check: "scope", passed: false })
    })

    test("a short token runs out: the socket is told to come back with a new one", async () => {
      const socket = await server.connect(two, { token: await tokenOf(two, "short") })
      const { exp, iat } = JSON.parse(atob((await tokenOf(two, "short")).split(".")[1] as string))
      expect(exp - iat).toBe(10)
      expect((await socket.closed).code).toBe(4040)
    }, 20_000)

    test("revoking ends the user's sockets and tokens with a receipt; a token of afterwards is good", async () => {
      const token = await tokenOf(one)
      const backend = userToken(one)
      const [socket, bystander] = [
        await server.connect(one, { token }),
        await server.connect(two, { token: await tokenOf(two) }),
      ]
      const { status, body } = await ask("revoke", { user: one })
      expect(status).toBe(200)
      expect(body.receipt).toMatchObject({ level: "user", target: one, sockets_closed: 1 })
      expect((await socket.closed).code).toBe(4505)
      for (const ended of [token, backend]) expect((await open(ended)).status).toBe(401)
      const again = await server.connect(one, { token: await tokenOf(one) })
      expect(again.first.type).toBe("connection.ok")
      expect(bystander.seen("connection.error")).toEqual([])
      const { body: audit } = await server.call("GET", "/api/admin/v1/audit", asAdmin)
      expect(audit.entries[0]).toMatchObject({ action: "revocation.created", actor: "demo", target: { target: one } })
      again.close()
      bystander.close()
    })

    test("nobody but its own page is answered, and only for its two users", async () => {
      expect((await ask("token", { user: one }, {})).status).toBe(403)
      expect((await ask("token", { user: one }, { "sec-fetch-site": "cross-site" })).status).toBe(403)
      expect((await ask("revoke", { user: one }, { origin: "http://attacker.example" })).status).toBe(403)
      expect((await ask("token", { user: one }, { ...own, "content-type": "text/plain" })).status).toBe(400)
      for (const body of [{ user: "john" }, { user: [one] }, {}, [], null, "x", { user: one, kind: "server" }, "{"])
        expect([body, (await ask("token", body)).status]).toEqual([body, 400])
      expect((await ask("token", { user: one, pad: "x".repeat(2_000) })).status).toBe(400)
      expect((await ask("revoke", { user: "john" })).status).toBe(400)
      expect((await ask("other", { user: one })).status).toBe(404)
      expect((await ask("token", { user: one }, { ...own, "x-forwarded-for": "192.0.2.7" })).status).toBe(404)
    })

    test("it is off for an app in production: no page, no token, and the page says why", async () => {
      const { body } = await server.call("GET", "/api/admin/v1/apps", asAdmin)
      const path = `/api/admin/v1/apps/${body.apps[0].id}`
      const environment = (environment: string) => server.call("PATCH", path, { ...asAdmin, body: { environment } })
      expect((await environment("production")).status).toBe(200)
      const page = await server.call("GET", "/demo", { as: null, apiKey: null })
      expect(page.status).toBe(404)
      expect(page.body).toContain("production")
      expect((await ask("token", { user: one })).status).toBe(404)
      expect((await ask("revoke", { user: one })).status).toBe(404)
      expect((await server.call("GET", "/demo/api/state", { as: null, apiKey: null })).status).toBe(404)
    })
  })
}

test("the setting switches it off, and tokens are bounded in number", async () => {
  const server = await startOn("sqlite", { WEIR_DEMO: "off" })
  expect((await server.call("GET", "/demo", { as: null, apiKey: null })).status).toBe(404)
  await server.close()
  const open = await startOn("sqlite", { WEIR_DEMO: "on" })
  const ask = () =>
    open.call("POST", "/demo/api/token", {
      as: null,
      apiKey: null,
      body: { user: one },
      headers: { ...own, "x-forwarded-for": "192.0.2.7" },
    })
  const statuses: number[] = []
  for (let asked = 0; asked < 121; asked += 1) statuses.push((await ask()).status)
  expect([statuses[0], statuses[119], statuses[120]]).toEqual([200, 200, 429])
  expect((await ask()).headers.get("retry-after")).toMatch(/^[1-9]\d?$/)
  await open.close()
})
