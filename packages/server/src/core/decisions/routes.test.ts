import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  asAdmin,
  createApp,
  createUsers,
  databaseKinds,
  expectRefusal,
  nowSeconds,
  type OtherApp,
  startOn,
} from "../../../test/fixtures.ts"
import { type Answer, serverToken, sign, type TestServer, userToken } from "../../testing.ts"

for (const kind of databaseKinds) {
  describe(`decisions on ${kind}`, () => {
    let server: TestServer
    let app: number
    let other: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
      app = (await server.call("GET", "/api/v2/app")).body.app.id
      other = await createApp(server)
      await createUsers(server, "jessica", "john")
      await server.call("POST", "/api/v2/chat/channels/messaging/general/query", {
        as: userToken("jessica"),
        body: { data: {} },
      })
    })
    afterAll(() => server.close())

    const admin = (method: string, path: string, body?: unknown) =>
      server.call(method, `/api/admin/v1${path}`, { ...asAdmin, body })
    const decisionOf = async (refused: Answer) => {
      const id = refused.headers.get("x-decision-id")
      expect(id).toMatch(/^[0-9a-f-]{36}$/)
      return (await admin("GET", `/decisions/${id}`)).body.decision
    }
    const query = (as: string | null, more: object = {}) =>
      server.call("GET", "/api/v2/users?payload={}", { as, ...more })
    const checksOf = (decision: { checks: { check: string; passed: boolean | null }[] }, passed: boolean | null) =>
      decision.checks.filter((made) => made.passed === passed).map(({ check }) => check)

    /** What is sent, which check refuses it, and a word of the remedy. */
    const refusals: [name: string, send: () => Promise<Answer>, check: string, rule: string | null, remedy: RegExp][] =
      [
        ["no key", () => query(userToken("jessica"), { apiKey: null }), "key", "missing", /api_key/],
        ["an unknown key", () => query(userToken("jessica"), { apiKey: "zzzzzzzzzzzz" }), "key", "unknown", /API key/],
        ["no kind", () => query(userToken("jessica"), { authType: "x" }), "kind", "stream-auth-type", /jwt/],
        ["no token", () => query(null), "token", "missing", /Authorization/],
        ["garbage", () => query("a.b.c"), "token", "form", /createToken/],
        ["a wrong secret", () => query(userToken("jessica", {}, "w".repeat(64))), "signature", "signature", /api_key/],
        [
          "an unknown kid",
          () => query(sign({ user_id: "jessica" }, undefined, { alg: "HS256", kid: "gone" })),
          "signature",
          "kid",
          /active secret/,
        ],
        [
          "an expired token",
          () => query(userToken("jessica", { exp: nowSeconds() - 60 })),
          "times",
          "exp",
          /new token/,
        ],
        ["a clock ahead", () => query(userToken("jessica", { iat: nowSeconds() + 90 })), "times", "iat", /NTP/],
        [
          "a token for later",
          () => query(userToken("jessica", { nbf: nowSeconds() + 90 })),
          "times",
          "nbf",
          /in \d+ s/,
        ],
        [
          "the wrong kind of caller",
          () => server.call("GET", "/api/v2/app", { as: userToken("jessica") }),
          "access",
          "kind",
          /server/,
        ],
        [
          "a grant that is missing",
          () =>
            server.call("POST", "/api/v2/chat/channels/messaging/general/message", {
              as: userToken("john"),
              body: { message: { text: "x" } },
            }),
          "grant",
          null,
          /read-channel/,
        ],
        [
          "another user",
          () =>
            query(userToken("jessica"), {}).then(() =>
              server.call("POST", "/api/v2/chat/channels/messaging/general/message", {
                as: userToken("jessica"),
                body: { message: { text: "x", user_id: "john" }, user_id: "john" },
              }),
            ),
          "actor",
          "own-user",
          /user_id/,
        ],
      ]
    for (const [name, send, check, rule, remedy] of refusals) {
      test(`${name}: the check that failed, those before it, and what would have helped`, async () => {
        const decision = await decisionOf(await send())
        expect([name, decision.failed.check]).toEqual([name, check])
        if (rule !== null) expect(decision.failed.rule).toBe(rule)
        expect(decision.remedy).toMatch(remedy)
        expect(checksOf(decision, false)).toEqual([check])
        const failedAt = decision.checks.findIndex((made: { passed: boolean | null }) => made.passed === false)
        expect(decision.checks.slice(0, failedAt).every((made: { passed: boolean | null }) => made.passed)).toBe(true)
        expect(
          decision.checks.slice(failedAt + 1).every((made: { passed: boolean | null }) => made.passed === null),
        ).toBe(true)
      })
    }

    test("the skew of a clock is told in milliseconds, and the age of a token in seconds", async () => {
      const decision = await decisionOf(await query(userToken("jessica", { iat: nowSeconds() + 90 })))
      expect(decision.token.skew_ms).toBeGreaterThan(85_000)
      expect(decision.facts).toMatchObject({ leeway_ms: 5_000 })
      const old = await decisionOf(
        await query(userToken("jessica", { iat: nowSeconds() - 600, exp: nowSeconds() - 300 })),
      )
      expect(old.token).toMatchObject({ proved: false, user_id: "jessica" })
      expect(old.token.age_seconds).toBeGreaterThan(590)
    })

    test("what nobody proved is marked as such, and what a token says of itself is bounded", async () => {
      const decision = await decisionOf(await query(userToken(`x${"y".repeat(2_000)}`, {}, "w".repeat(64))))
      expect(decision.token.proved).toBe(false)
      expect(JSON.stringify(decision).length).toBeLessThan(4_000)
    })

    test("case 51: neither a token nor a secret stands in a decision", async () => {
      const token = userToken("jessica", {}, "w".repeat(64))
      const text = JSON.stringify(await decisionOf(await query(token)))
      for (const part of token.split(".")) expect(text).not.toContain(part)
      const basic = `Basic ${Buffer.from(`testkey12345:${"s3cr3t".repeat(8)}`).toString("base64")}`
      const refused = JSON.stringify(await decisionOf(await query(basic)))
      expect(refused).not.toContain("s3cr3t")
      expect(refused).not.toContain(basic.slice(6, 40))
      const mistaken = await server.call("GET", "/api/v2/users", { as: token, apiKey: "s3cr3t".repeat(8) })
      const decision = await decisionOf(mistaken)
      expect(decision.caller.api_key).toBe("s3cr…")
      expect(JSON.stringify(decision)).not.toContain("s3cr3t")
    })

    test("case 33: a decision is found through its own app and no other, and only by operators", async () => {
      const refused = await query(userToken("jessica", { exp: nowSeconds() - 60 }))
      const id = refused.headers.get("x-decision-id")
      expect((await admin("GET", `/apps/${app}/decisions/${id}`)).status).toBe(200)
      expectRefusal(await admin("GET", `/apps/${other.id}/decisions/${id}`), "notFound")
      expectRefusal(await admin("GET", `/decisions/${crypto.randomUUID()}`), "notFound")
      expectRefusal(await server.call("GET", `/api/admin/v1/decisions/${id}`, { as: serverToken() }), "authentication")
      const listed = (await admin("GET", `/apps/${other.id}/decisions?limit=100`)).body.decisions
      expect(listed.some((decision: { id: string }) => decision.id === id)).toBe(false)
    })

    test("the list is filtered and paged, newest first", async () => {
      for (let n = 0; n < 3; n++) await query(userToken("lister", { exp: nowSeconds() - 60 }))
      const all = (await admin("GET", `/apps/${app}/decisions?user_id=lister&code=40`)).body.decisions
      expect(all).toHaveLength(3)
      const first = (await admin("GET", `/apps/${app}/decisions?user_id=lister&limit=2`)).body
      const second = (await admin("GET", `/apps/${app}/decisions?user_id=lister&limit=2&next=${first.next}`)).body
      expect([...first.decisions, ...second.decisions].map(({ id }: { id: string }) => id)).toEqual(
        all.map(({ id }: { id: string }) => id),
      )
      expect(second.next).toBeNull()
      expectRefusal(await admin("GET", `/apps/${app}/decisions?next=1`), "input", "next")
    })

    test("a socket's refusal has a decision too", async () => {
      const socket = await server.connect("jessica", { token: userToken("jessica", { exp: nowSeconds() - 60 }) })
      await socket.closed
      const { decision } = (await admin("GET", `/decisions/${socket.first.decision_id}`)).body
      expect(decision).toMatchObject({ operation: "Connect", code: 40, failed: { check: "times", rule: "exp" } })
    })

    const explain = async (body: object, path = `/apps/${app}/explain`) => (await admin("POST", path, body)).body
    const general = { type: "channel", id: "messaging:general" }

    test("explain says what would be decided, as the routes decide it", async () => {
      expect(await explain({ user_id: "jessica", action: "create-message", resource: general })).toMatchObject({
        allowed: true,
        failed: null,
      })
      const refused = await explain({ user_id: "john", action: "CreateMessage", resource: general })
      expect(refused).toMatchObject({ allowed: false, failed: { check: "grant" } })
      expect(refused.remedy).toContain("create-message")
      expect(refused.roles).toContainEqual({ role: "user", from: "the user" })
      expect(
        await explain({ user_id: "john", action: "read-channel", resource: { type: "channel", id: "messaging:none" } }),
      ).toMatchObject({
        allowed: false,
        failed: { check: "existence" },
      })
      const narrowed = {
        user_id: "jessica",
        action: "create-message",
        resource: general,
        scopes: { "chat:messaging:*": ["read"] },
      }
      expect(await explain(narrowed)).toMatchObject({ allowed: false, failed: { check: "scope" } })
    })

    test("explain tells of a token what the gate would say, and leaves no trace of it", async () => {
      const good = userToken("jessica", { jti: "explained" })
      const allowed = await explain({ token: good, action: "read-channel", resource: general })
      expect(allowed.allowed).toBe(true)
      expect(allowed.checks[0]).toMatchObject({ check: "lease", passed: true })
      const expired = await explain({
        token: userToken("jessica", { exp: nowSeconds() - 5 }),
        action: "read-channel",
        resource: general,
      })
      expect(expired).toMatchObject({ allowed: false, failed: { check: "times", rule: "exp" } })
      const { sessions } = (await admin("GET", `/apps/${app}/sessions?user_id=jessica&limit=100`)).body
      expect(sessions.some(({ jti }: { jti: string }) => jti === "explained")).toBe(false)
    })

    test("case 33: explain knows nothing of another app, and nothing but what can be asked", async () => {
      const path = `/apps/${other.id}/explain`
      expect(await explain({ user_id: "jessica", action: "read-channel", resource: general }, path)).toMatchObject({
        allowed: false,
        failed: { check: "existence" },
      })
      expectRefusal(
        await admin("POST", path, {
          token: userToken("jessica"),
          api_key: "testkey12345",
          action: "read-channel",
          resource: general,
        }),
        "notFound",
      )
      expectRefusal(await admin("POST", path, { user_id: "a", action: "fly", resource: general }), "input", "action")
      expectRefusal(await admin("POST", path, { action: "read-channel", resource: general }), "input", "user_id")
      expectRefusal(
        await server.call("POST", `/api/admin/v1${path}`, { as: serverToken(), body: {} }),
        "authentication",
      )
    })
  })
}
