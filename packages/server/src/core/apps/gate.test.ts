// The switches of an app and its token policy, as callers feel them.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  asAdmin,
  createApp,
  databaseKinds,
  expectRefusal,
  nowSeconds,
  type OtherApp,
  startOn,
} from "../../../test/fixtures.ts"
import { serverToken, sign, type TestServer, userToken } from "../../testing.ts"

const devToken = (userId: string): string => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  return `${part({ alg: "HS256", typ: "JWT" })}.${part({ user_id: userId })}.devtoken`
}

for (const kind of databaseKinds) {
  describe(`an app's gate on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
      app = await createApp(server, "gate")
    })
    afterAll(() => server.close())

    const admin = (method: string, path: string, body?: unknown) =>
      server.call(method, `/api/admin/v1/apps/${app.id}${path}`, { ...asAdmin, body })
    const use = (as: string) => server.call("GET", "/api/v2/users?payload={}", { apiKey: app.apiKey, as })
    const asServer = (as: string) => server.call("GET", "/api/v2/app", { apiKey: app.apiKey, as })
    const user = (claims: object) => sign({ user_id: "jessica", ...claims }, app.secret)

    test("apps in production start strict, others compatible", async () => {
      const made = await server.call("POST", "/api/admin/v1/apps", {
        ...asAdmin,
        body: { name: "shop", environment: "production" },
      })
      const { policy } = (await server.call("GET", `/api/admin/v1/apps/${made.body.app.id}/token-policy`, asAdmin)).body
      expect(policy).toMatchObject({ preset: "strict", require_exp: true, max_lifetime_seconds: 86_400 })
      expect((await admin("GET", "/token-policy")).body.policy).toMatchObject({ preset: "compatible" })
      const bare = sign({ user_id: "a" }, made.body.secret)
      const refused = await server.call("GET", "/api/v2/users?payload={}", { apiKey: made.body.key.api_key, as: bare })
      expectRefusal(refused, "authentication")
      expect(refused.body.message).toContain("rule require_exp")
    })

    test("case 18: moving to strict holds for the very next request, and its rules are named", async () => {
      const bare = user({})
      expect((await use(bare)).status).toBe(200)
      expect((await admin("PATCH", "/token-policy", { preset: "strict" })).body.policy.preset).toBe("strict")
      for (const [claims, rule] of [
        [{}, "require_exp"],
        [{ exp: nowSeconds() + 60 }, "require_iat"],
        [{ iat: nowSeconds(), exp: nowSeconds() + 86_401 }, "max_lifetime"],
      ] as const) {
        const refused = await use(user(claims))
        expectRefusal(refused, "authentication")
        expect(refused.body.message).toContain(`rule ${rule}`)
      }
      expectRefusal(await use(bare), "authentication")
      expect((await use(user({ iat: nowSeconds(), exp: nowSeconds() + 86_400 }))).status).toBe(200)
      expectRefusal(await asServer(sign({ server: true, iat: nowSeconds() - 3_700 }, app.secret)), "tokenExpired")
      expect((await asServer(serverToken({}, app.secret))).status).toBe(200)
      expect((await admin("PATCH", "/token-policy", { preset: "compatible" })).body.policy.preset).toBe("compatible")
      expect((await use(bare)).status).toBe(200)
    })

    test("single rules are laid over what holds, and contradictions are named", async () => {
      const set = (body: object) => admin("PATCH", "/token-policy", body)
      expect((await set({ allowed_kinds: ["server"], leeway_seconds: 0 })).body.policy).toMatchObject({
        preset: "compatible",
        allowed_kinds: ["server"],
        leeway_seconds: 0,
      })
      expectRefusal(await use(userToken("jessica", {}, app.secret)), "authentication")
      expectRefusal(await use(userToken("jessica", { iat: nowSeconds() + 3 }, app.secret)), "authentication")
      expect((await asServer(serverToken({}, app.secret))).status).toBe(200)
      for (const body of [
        { leeway_seconds: 61 },
        { preset: "lax" },
        { max_lifetime_seconds: 600 },
        { allowed_kinds: ["root"] },
      ]) {
        expectRefusal(await set(body), "input")
      }
      expect((await set({ preset: "compatible" })).status).toBe(200)
    })

    test("an open socket whose token a new policy refuses is closed", async () => {
      const socket = await server.connect("jessica", { apiKey: app.apiKey, token: user({}) })
      const kept = await server.connect("jessica", { apiKey: app.apiKey, token: userToken("jessica", {}, app.secret) })
      await admin("PATCH", "/token-policy", { preset: "strict" })
      expect((await socket.closed).code).toBe(4505)
      expect(kept.seen("connection.error")).toEqual([])
      kept.close()
      await admin("PATCH", "/token-policy", { preset: "compatible" })
    })

    test("cases 20 and 22: the leeway is for iat and nbf, to the second, and not for exp", async () => {
      await admin("PATCH", "/token-policy", { leeway_seconds: 30 })
      expect((await use(user({ iat: nowSeconds() + 25, exp: nowSeconds() + 90 }))).status).toBe(200)
      expect((await use(user({ nbf: nowSeconds() + 25 }))).status).toBe(200)
      expectRefusal(await use(user({ iat: nowSeconds() + 40 })), "tokenBeforeIssuedAt")
      expectRefusal(await use(user({ nbf: nowSeconds() + 40 })), "tokenNotValidYet")
      expectRefusal(await use(user({ exp: nowSeconds() })), "tokenExpired")
      await admin("PATCH", "/token-policy", { leeway_seconds: 5 })
    })

    test("development tokens: only where authentication is off, only for users, and never in production", async () => {
      const token = devToken("jessica")
      expectRefusal(await use(token), "tokenSignature")
      expect((await admin("PATCH", "", { disable_auth_checks: true })).body.app.disable_auth_checks).toBe(true)
      expect((await use(token)).status).toBe(200)
      expectRefusal(
        await asServer(`${token.split(".")[0]}.${Buffer.from('{"server":true}').toString("base64url")}.devtoken`),
        "authentication",
      )
      expectRefusal(await use(`${token.split(".")[0]}.e30x.devtoken`), "authentication")
      expectRefusal(await use(userToken("jessica", {}, "w".repeat(64))), "tokenSignature")
      const socket = await server.connect("jessica", { apiKey: app.apiKey, token })
      expect(socket.first.type).toBe("connection.ok")
      expectRefusal(
        await admin("PATCH", "", { environment: "production", disable_auth_checks: true }),
        "input",
        "disable_auth_checks",
      )
      expect((await admin("PATCH", "", { environment: "production" })).body.app).toMatchObject({
        environment: "production",
        disable_auth_checks: false,
      })
      expect((await socket.closed).code).toBeGreaterThanOrEqual(4_000)
      expectRefusal(await use(token), "tokenSignature")
      expectRefusal(await admin("PATCH", "", { disable_auth_checks: true }), "input", "disable_auth_checks")
      await admin("PATCH", "", { environment: "development" })
      expectRefusal(await use(token), "tokenSignature")
    })

    test("UpdateApp: what the wire's backends set, and what they cannot is refused by name", async () => {
      const patch = (body: unknown, as = serverToken({}, app.secret)) =>
        server.call("PATCH", "/api/v2/app", { apiKey: app.apiKey, as, body })
      expect((await patch({ disable_auth_checks: true })).status).toBe(200)
      expect((await use(devToken("ann"))).status).toBe(200)
      expect((await patch({ disable_auth_checks: false })).status).toBe(200)
      expectRefusal(await use(devToken("ann")), "tokenSignature")
      expectRefusal(await patch({ multi_tenant_enabled: true }), "input", "multi_tenant_enabled")
      expectRefusal(await patch({ disable_auth_checks: "yes" }), "input", "disable_auth_checks")
      expectRefusal(await patch({}, userToken("jessica", {}, app.secret)), "notAllowed")
      const rows = (await admin("GET", "/audit?limit=2")).body.entries
      expect(rows[0]).toMatchObject({ action: "app.updated", actor: expect.stringContaining("server, secret") })
    })

    test("a key that is switched off lets nobody in, closes its sockets, and comes back", async () => {
      const other = (await admin("POST", "/keys", { label: "second" })).body
      const key = { apiKey: other.key.api_key }
      const token = userToken("jessica", {}, other.secret)
      const socket = await server.connect("jessica", { ...key, token })
      expect((await admin("PATCH", `/keys/${key.apiKey}`, { disabled: true })).body.key.disabled).toBe(true)
      expect((await socket.closed).code).toBe(4502)
      expectRefusal(await server.call("GET", "/api/v2/users?payload={}", { ...key, as: token }), "accessKey")
      await admin("PATCH", `/keys/${key.apiKey}`, { disabled: false })
      expect((await server.call("GET", "/api/v2/users?payload={}", { ...key, as: token })).status).toBe(200)
    })
  })
}
