import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  asAdmin,
  createApp,
  createUsers,
  databaseKinds,
  expectRefusal,
  type OtherApp,
  startOn,
} from "../../../test/fixtures.ts"
import { type Answer, type CallOptions, connect, serverToken, type TestServer, userToken } from "../../testing.ts"

const limited = { WEIR_RATE_LIMITS: "on", WEIR_TRUST_PROXY: "true" }
const from = (address: string) => ({ headers: { "x-forwarded-for": address } })

/** The three headers as numbers; null where they are missing. */
const shownBy = ({ headers }: Answer) => {
  const [limit, remaining, reset] = ["limit", "remaining", "reset"].map((name) => headers.get(`x-ratelimit-${name}`))
  return limit === null ? null : { limit: Number(limit), remaining: Number(remaining), reset: Number(reset) }
}

for (const kind of databaseKinds) {
  describe(`rate limits on ${kind}`, () => {
    let server: TestServer
    /** An app of its own for each test, and the ways to call it. */
    const makeApp = async (overrides: object = {}) => {
      const app = await createApp(server)
      if (Object.keys(overrides).length > 0) expect((await patch(app, overrides)).status).toBe(200)
      await startOfWindow(app)
      const call = (method: string, path: string, as: string, options: CallOptions = {}) =>
        server.call(method, path, { apiKey: app.apiKey, as, ...options })
      return {
        ...app,
        server: serverToken({}, app.secret),
        user: (id: string) => userToken(id, {}, app.secret),
        call,
        ask: (as: string, options?: CallOptions) => call("GET", "/api/v2/users", as, options),
      }
    }
    const limitsOf = (app: OtherApp) => `/api/admin/v1/apps/${app.id}/limits`
    const patch = (app: OtherApp, overrides: unknown) =>
      server.call("PATCH", limitsOf(app), { ...asAdmin, body: { overrides } })
    /** Waits until there is time for a test in the app's window. */
    const startOfWindow = async ({ id }: OtherApp): Promise<void> => {
      const leftSeconds = 60 - ((Date.now() / 1000 - (id % 60)) % 60)
      if (leftSeconds < 4) await Bun.sleep(leftSeconds * 1000 + 20)
    }

    beforeAll(async () => {
      server = await startOn(kind, limited)
    })
    afterAll(() => server.close())

    test("case 65: every answer of an app says what is left, refusals too", async () => {
      const app = await makeApp()
      const first = shownBy(await app.ask(app.server))
      expect(first).toMatchObject({ limit: 1_000, remaining: 999 })
      expect(first?.reset).toBeWithin(Date.now() / 1000, Date.now() / 1000 + 60.1)
      expect((first?.reset ?? 0) % 60).toBe(app.id % 60)
      expect(shownBy(await app.ask(app.server))).toEqual({ ...first, remaining: 998 } as never)
      const wrongInput = await app.call("GET", "/api/v2/users?payload=%7B", app.server)
      expect([wrongInput.status, shownBy(wrongInput)?.remaining]).toEqual([400, 997])
      const absent = await app.call("GET", "/api/v2/chat/messages/none", app.server)
      expect([absent.status, shownBy(absent)]).toEqual([
        404,
        { limit: 1_000, remaining: 999, reset: first?.reset as number },
      ])
      expect(shownBy(await app.ask(app.user("jessica")))).toMatchObject({ limit: 60, remaining: 59 })
      // Whoever is not known belongs to no app, and operators are not counted.
      expect(shownBy(await app.ask("a.b.c"))).toBeNull()
      expect(shownBy(await server.call("GET", limitsOf(app), asAdmin))).toBeNull()
    })

    test("case 65: over the limit is 429/9 with the wait, before the body is looked at, and why is on record", async () => {
      const app = await makeApp({ SendMessage: { user: 2 } })
      const send = () =>
        app.call("POST", "/api/v2/chat/channels/messaging/x/message", app.user("jessica"), { body: "{" })
      for (const remaining of [1, 0]) {
        const answer = await send()
        expect([answer.status, shownBy(answer)?.remaining]).toEqual([400, remaining])
      }
      const refused = await send()
      expectRefusal(refused, "rateLimit")
      const shown = shownBy(refused)
      expect(shown).toMatchObject({ limit: 2, remaining: 0 })
      const wait = Number(refused.headers.get("retry-after"))
      expect(wait).toBeWithin(1, 61)
      expect(Math.abs(Date.now() / 1000 + wait - (shown?.reset ?? 0))).toBeLessThan(2)
      expect(refused.body.message).toBe(
        'SendMessage failed with error: "Too many requests, check response headers for more information"',
      )
      const id = refused.headers.get("x-decision-id")
      const { body } = await server.call("GET", `/api/admin/v1/apps/${app.id}/decisions/${id}`, asAdmin)
      expect(body.decision).toMatchObject({
        stage: "rate-limit",
        failed: { check: "rate-limit", rule: "user" },
        facts: { scope: "user", operation: "SendMessage", platform: "web", limit: 2 },
      })
      expect(body.decision.remedy).toContain("SendMessage.user")
      expect((await app.ask(app.user("jessica"))).status).toBe(200)
    })

    test("each platform is counted apart, and a backend is exempt from the limits of users", async () => {
      const app = await makeApp({ QueryUsers: { user: 1 } })
      const as = app.user("jessica")
      for (const client of ["web-client", "stream-swift-client-4", "stream-android-6"]) {
        const headers = { "x-stream-client": client }
        expect((await app.ask(as, { headers })).status).toBe(200)
        expectRefusal(await app.ask(as, { headers }), "rateLimit")
      }
      for (let i = 0; i < 5; i++) expect((await app.ask(app.server)).status).toBe(200)
    })

    test("case 65: an app that is used up costs another app nothing", async () => {
      const [busy, other] = [await makeApp({ QueryUsers: { app: 3 } }), await makeApp()]
      for (let i = 0; i < 3; i++) expect((await busy.ask(busy.server)).status).toBe(200)
      expectRefusal(await busy.ask(busy.server), "rateLimit")
      expect(shownBy(await other.ask(other.server))).toMatchObject({ limit: 1_000, remaining: 999 })
    })

    test("case 54: addresses are those that a trusted proxy names, and IPv6 counts by its /64", async () => {
      const app = await makeApp({ QueryUsers: { address: 2 } })
      const ask = async (id: string, address: string) => (await app.ask(app.user(id), from(address))).status
      expect([await ask("a", "2001:db8:1:2::1"), await ask("b", "2001:db8:1:2:9::2")]).toEqual([200, 200])
      expect(await ask("c", "2001:db8:1:2:ffff::3")).toBe(429)
      // What the client itself puts in front of the proxy's word does not count; here every peer is a proxy.
      expect(await ask("d", "2001:db8:1:3::1")).toBe(200)
    })

    describe("what an app has left", () => {
      const states = (app: Awaited<ReturnType<typeof makeApp>>, query = "") =>
        app.call("GET", `/api/v2/rate_limits${query}`, app.server)

      test("by platform and operation, and asking takes from its own operation alone", async () => {
        const app = await makeApp()
        await app.ask(app.server)
        await app.ask(app.user("jessica"))
        const { status, body } = await states(app)
        expect(status).toBe(200)
        expect(Object.keys(body).sort()).toEqual(["android", "duration", "ios", "server_side", "web"])
        expect(body.server_side.QueryUsers).toMatchObject({ limit: 1_000, remaining: 999 })
        expect(body.web.QueryUsers).toMatchObject({ limit: 1_000, remaining: 999 })
        expect(body.ios.QueryUsers).toMatchObject({ limit: 1_000, remaining: 1_000 })
        expect(body.web.Connect).toMatchObject({ limit: 10_000, remaining: 10_000 })
        expect(body.server_side.UpdateUsers.limit).toBe(300)
        expect(body.server_side.UpdateApp.limit).toBe(60)
        expect(body.server_side.GetRateLimits.remaining).toBe(999)
        expect(body.server_side.QueryUsers.reset % 60).toBe(app.id % 60)
      })

      test("only the platforms and operations that were asked for", async () => {
        const app = await makeApp()
        const { body } = await states(app, "?server_side=true&ios=false&endpoints=SendMessage,%20Connect,NoSuch")
        expect(Object.keys(body).sort()).toEqual(["duration", "server_side"])
        expect(Object.keys(body.server_side).sort()).toEqual(["Connect", "SendMessage"])
        const many = Array.from({ length: 101 }, (_, i) => `N${i}`).join(",")
        expectRefusal(await states(app, `?endpoints=${many}`), "input", "endpoints")
      })

      test("operations without a limit are left out", async () => {
        const app = await makeApp({ "*": { app: null }, SendMessage: { app: 7 } })
        const { body } = await states(app, "?web=1")
        expect(body.web).toEqual({ SendMessage: { limit: 7, remaining: 7, reset: expect.any(Number) } })
      })

      test("is told to servers alone", async () => {
        const app = await makeApp()
        expectRefusal(await app.call("GET", "/api/v2/rate_limits", app.user("jessica")), "notAllowed")
      })
    })

    describe("an app's own limits", () => {
      test("hold from the answer on, are kept, can be given back, and are in the audit log", async () => {
        const app = await makeApp()
        const before = (await server.call("GET", limitsOf(app), asAdmin)).body
        expect(before).toMatchObject({ enforced: true, window_seconds: 60, overrides: {}, updated_at: null })
        expect(before.limits.QueryUsers).toEqual({ app: 1_000, user: 60, address: 250 })
        expect(before.limits.CreateGuest).toEqual({ app: 1_000, user: 60, address: 60 })
        const own = { QueryUsers: { app: 2, user: null }, "*": { app: null } }
        const set = await patch(app, own)
        expect(set.body).toMatchObject({ overrides: own, updated_at: expect.any(String) })
        expect(set.body.limits.QueryUsers).toMatchObject({ app: 2, user: null })
        expect(set.body.limits.SendMessage).toMatchObject({ app: null, user: 60 })
        for (const status of [200, 200, 429]) expect((await app.ask(app.server)).status).toBe(status)
        expect((await patch(app, { QueryUsers: null })).body.overrides).toEqual({ "*": { app: null } })
        const unlimited = await app.ask(app.server)
        expect([unlimited.status, shownBy(unlimited)]).toEqual([200, null])
        expect((await server.call("GET", limitsOf(app), asAdmin)).body.overrides).toEqual({ "*": { app: null } })
        const log = await server.call("GET", `/api/admin/v1/apps/${app.id}/audit`, asAdmin)
        const entries = log.body.entries.filter(({ action }: { action: string }) => action === "limits.updated")
        expect(entries).toHaveLength(2)
        expect(entries.at(-1)).toMatchObject({ before: {}, after: own })
      })

      test("operators see what was used in this minute, by platform, and only that", async () => {
        const app = await makeApp()
        await startOfWindow(app)
        expect((await server.call("GET", limitsOf(app), asAdmin)).body.usage).toEqual({
          server_side: {},
          ios: {},
          android: {},
          web: {},
        })
        for (const as of [app.server, app.server, app.user("jessica")]) await app.ask(as)
        const { usage } = (await server.call("GET", limitsOf(app), asAdmin)).body
        expect(usage.server_side).toEqual({ QueryUsers: { limit: 1_000, remaining: 998, reset: expect.any(Number) } })
        expect(usage.web).toEqual({ QueryUsers: { limit: 1_000, remaining: 999, reset: expect.any(Number) } })
        expect([usage.ios, usage.android]).toEqual([{}, {}])
      })

      test("a name that is no operation is refused with the one that was meant", async () => {
        const app = await makeApp()
        const answer = await patch(app, { SendMesage: { app: 5 } })
        expectRefusal(answer, "input", "overrides.SendMesage")
        expect(answer.body.message).toContain("did you mean SendMessage?")
        expectRefusal(await patch(app, { UpdateLimits: { app: 5 } }), "input")
        expect((await patch(app, { OfAnOlderVersion: null })).status).toBe(200)
      })

      test.each([
        [{ SendMessage: { app: 0 } }],
        [{ SendMessage: { app: -1 } }],
        [{ SendMessage: { app: 1.5 } }],
        [{ SendMessage: { app: 10_000_001 } }],
        [{ SendMessage: { app: "5" } }],
        [{ SendMessage: { users: 5 } }],
        [{ SendMessage: {} }],
        [{ SendMessage: 5 }],
        [{ "": { app: 5 } }],
        [{ __proto__: null, toString: { app: 5 } }],
        [[]],
        ["x"],
        [null],
      ])("%j is refused", async (overrides) => {
        const app = { id: 1_000_001 } as OtherApp
        expectRefusal(await patch(app, overrides), "input")
      })

      test("of an app that is not there", async () => {
        const absent = { id: 999_999_999_999 } as OtherApp
        expectRefusal(await patch(absent, { SendMessage: { app: 5 } }), "notFound")
        expectRefusal(await server.call("GET", limitsOf(absent), asAdmin), "notFound")
      })

      test("two changes at once are both kept", async () => {
        const app = await makeApp()
        const names = ["SendMessage", "QueryUsers", "Connect", "MarkRead", "UpdateUsers"]
        const answers = await Promise.all(names.map((name) => patch(app, { [name]: { app: 9 } })))
        expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200))
        const { body } = await server.call("GET", limitsOf(app), asAdmin)
        expect(Object.keys(body.overrides).sort()).toEqual([...names].sort())
      })
    })

    test("sockets are counted as Connect", async () => {
      const app = await makeApp({ Connect: { user: 2 } })
      await createUsersOf(app, "jessica")
      const open = () => connect(server.url, "jessica", { apiKey: app.apiKey, token: app.user("jessica") })
      for (let i = 0; i < 2; i++) {
        const socket = await open()
        expect(socket.first.type).toBe("connection.ok")
        socket.close()
      }
      const refused = await open()
      expect(refused.first).toMatchObject({ type: "connection.error", error: { code: 9, StatusCode: 429 } })
      const { body } = await server.call("GET", `/api/admin/v1/decisions/${refused.first.decision_id}`, asAdmin)
      expect(body.decision).toMatchObject({ operation: "Connect", stage: "rate-limit", failed: { rule: "user" } })
      const usage = await app.call("GET", "/api/v2/rate_limits?web=true&endpoints=Connect", app.server)
      expect(usage.body.web.Connect).toMatchObject({ limit: 10_000, remaining: 9_998 })
    })
    const createUsersOf = async (app: Awaited<ReturnType<typeof makeApp>>, id: string) => {
      const body = { users: { [id]: { id } } }
      expect((await app.call("POST", "/api/v2/users", app.server, { body })).status).toBe(201)
    }

    test("guests: 60 a minute from one address, and the next address is another one", async () => {
      const app = await makeApp()
      const make = (address: string, client = "") =>
        server.call("POST", "/api/v2/guest", {
          apiKey: app.apiKey,
          as: null,
          authType: null,
          headers: { "x-forwarded-for": address, "x-stream-client": client },
          body: { user: { id: "visitor" } },
        })
      for (let i = 0; i < 60; i++) expect((await make("198.51.100.1")).status).toBe(201)
      expectRefusal(await make("198.51.100.1", "stream-swift-client"), "rateLimit")
      expect((await make("198.51.100.2")).status).toBe(201)
    }, 20_000)
  })
}

describe("case 54: refused authentications", () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startOn("sqlite", limited)
    await createUsers(server, "jessica")
  })
  afterAll(() => server.close())
  const ask = (as: string | null, address: string, options: CallOptions = {}) =>
    server.call("GET", "/api/v2/users", { as, ...from(address), ...options })
  const bad = (i: number) => userToken("jessica", { jti: `guess-${i}` }, "x".repeat(64))

  test("after 60 from one address even a good token that is new waits; one that was used before does not", async () => {
    const known = userToken("jessica")
    expect((await ask(known, "198.51.100.7")).status).toBe(200)
    for (let i = 0; i < 60; i++) expectRefusal(await ask(bad(i), "198.51.100.7"), "tokenSignature")
    const refused = await ask(bad(61), "198.51.100.7")
    expectRefusal(refused, "rateLimit")
    expect(Number(refused.headers.get("retry-after"))).toBeWithin(1, 61)
    expect(shownBy(refused)).toMatchObject({ limit: 60, remaining: 0 })
    expectRefusal(await ask(userToken("jessica", { jti: "new" }), "198.51.100.7"), "rateLimit")
    expect((await ask(known, "198.51.100.7")).status).toBe(200)
    expect((await ask(userToken("jessica", { jti: "new" }), "198.51.100.8")).status).toBe(200)
    const { body } = await server.call(
      "GET",
      `/api/admin/v1/decisions/${refused.headers.get("x-decision-id")}`,
      asAdmin,
    )
    expect(body.decision.failed).toMatchObject({ check: "rate-limit", rule: "failed-authentications" })
  })

  test("sockets knock at the same door", async () => {
    for (let i = 0; i < 60; i++) await ask(bad(i), "127.0.0.1")
    const refused = await connect(server.url, "jessica", { token: userToken("jessica", { jti: "socket" }) })
    expect(refused.first).toMatchObject({ type: "connection.error", error: { code: 9 } })
  })

  test("unknown keys of one address are counted over all keys", async () => {
    const knock = (i: number) => ask(null, "198.51.100.9", { apiKey: `abcdefgh${1000 + i}` })
    for (let i = 0; i < 120; i++) expectRefusal(await knock(i), "accessKey")
    expectRefusal(await knock(121), "rateLimit")
  })

  test("operators: ten wrong tokens from one address shut the door for it", async () => {
    const knock = (as: string, address: string) =>
      server.call("GET", "/api/admin/v1/apps", { as, apiKey: null, authType: null, ...from(address) })
    for (let i = 0; i < 10; i++) expectRefusal(await knock(`Bearer guess-${i}`, "203.0.113.5"), "authentication")
    const refused = await knock(asAdmin.as, "203.0.113.5")
    expectRefusal(refused, "rateLimit")
    expect(Number(refused.headers.get("retry-after"))).toBeWithin(1, 61)
    expect((await knock(asAdmin.as, "203.0.113.6")).status).toBe(200)
  })
})

test("case 54: without a trusted proxy nobody gets another address by naming one", async () => {
  const server = await startOn("sqlite", { WEIR_RATE_LIMITS: "on" })
  try {
    const knock = (i: number) =>
      server.call("GET", "/api/v2/users", {
        as: userToken("jessica", { jti: `${i}` }, "x".repeat(64)),
        ...from(`198.51.100.${i}, 203.0.113.${i}`),
      })
    for (let i = 0; i < 60; i++) expectRefusal(await knock(i), "tokenSignature")
    expectRefusal(await knock(61), "rateLimit")
  } finally {
    await server.close()
  }
})

test("off: no header, no limit, and the operators' view says so", async () => {
  const server = await startOn("sqlite")
  try {
    for (let i = 0; i < 70; i++) {
      const answer = await server.call("GET", "/api/v2/users", { as: userToken("jessica") })
      expect([answer.status, shownBy(answer)]).toEqual([200, null])
    }
    const { body } = await server.call("GET", "/api/admin/v1/apps/1000001/limits", asAdmin)
    expect(body.enforced).toBe(false)
  } finally {
    await server.close()
  }
})
