import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  asAdmin,
  createApp,
  databaseKinds,
  expectRefusal,
  nowSeconds,
  type OtherApp,
  startOn,
  startWatched,
} from "../../../test/fixtures.ts"
import { goodPassword, joinAs } from "../../../test/operator-page.ts"
import { manualClock } from "../../base/clock.ts"
import { type Answer, serverToken, type TestServer } from "../../testing.ts"

const payloadOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())

for (const kind of databaseKinds) {
  describe(`tokens of operators on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
      app = await createApp(server, "tokens")
      const users = { jessica: { id: "jessica", name: "Jessica" }, john: { id: "john" }, gone: { id: "gone" } }
      await asBackend("POST", "/api/v2/users", { users })
    })
    afterAll(() => server.close())

    const admin = (method: string, path: string, body?: unknown, of: OtherApp = app): Promise<Answer> =>
      server.call(method, `/api/admin/v1/apps/${of.id}${path}`, { ...asAdmin, body })
    const asBackend = (method: string, path: string, body?: unknown): Promise<Answer> =>
      server.call(method, path, { apiKey: app.apiKey, as: serverToken({}, app.secret), body })
    const withToken = (token: string, method = "GET", path = "/api/v2/users?payload={}", body?: unknown) =>
      server.call(method, path, { apiKey: app.apiKey, as: token, body })
    const mint = (body: object, of?: OtherApp) => admin("POST", "/tokens", body, of)
    const inspect = async (token: string, more: object = {}, of?: OtherApp) => {
      const answer = await admin("POST", "/tokens/inspect", { token, ...more }, of)
      expect(answer.status).toBe(200)
      return answer.body
    }
    const setPolicy = async (policy: object, of: OtherApp): Promise<void> =>
      expect((await admin("PATCH", "/token-policy", policy, of)).status).toBe(200)

    describe("MintToken", () => {
      test("a user token says who, until when and what it may, and the gate lets it in", async () => {
        const scopes = { "app:user:*": ["read"] }
        const { status, body } = await mint({ kind: "user", user_id: "jessica", expires_in: 90, scopes })
        expect(status).toBe(201)
        const now = nowSeconds()
        expect(body).toMatchObject({ kind: "user", user_id: "jessica", api_key: app.apiKey })
        expect(body.claims).toEqual(payloadOf(body.token))
        expect(body.claims).toEqual({
          user_id: "jessica",
          scopes,
          iat: body.claims.iat,
          exp: body.claims.iat + 90,
          jti: body.jti,
        })
        expect(Math.abs(body.claims.iat - now)).toBeLessThan(5)
        expect(body.expires_at).toBe(new Date(body.claims.exp * 1000).toISOString())
        const found = await withToken(body.token)
        expect(found.status).toBe(200)
        const [session] = (await admin("GET", "/sessions?user_id=jessica")).body.sessions
        expect(session).toMatchObject({ id: body.sha256, jti: body.jti, kid: body.kid })
      })

      test("a call token reaches the calls that it lists, for a user and for nobody in particular", async () => {
        const call_cids = ["default:standup"]
        const ofUser = (await mint({ kind: "call", user_id: "jessica", call_cids, role: "host" })).body
        expect(ofUser.claims).toMatchObject({ user_id: "jessica", call_cids, role: "host" })
        expect((await inspect(ofUser.token)).passes).toBe(true)
        const ofNobody = (await mint({ kind: "call", call_cids, channel_cids: ["messaging:general"] })).body
        expect(ofNobody).toMatchObject({ user_id: null })
        expect(ofNobody.claims).toMatchObject({ user_id: "!anon", call_cids, channel_cids: ["messaging:general"] })
        expect((await inspect(ofNobody.token)).passes).toBe(true)
      })

      test("a guest token makes a guest, as the guest endpoint does", async () => {
        const { body } = await mint({ kind: "guest", user_id: "visitor", name: "Visitor" })
        expect(body.user_id).toMatch(/^guest-[0-9a-f-]{36}-visitor$/)
        const path = `/api/v2/users?payload=${JSON.stringify({ filter_conditions: { id: body.user_id } })}`
        const [guest] = (await asBackend("GET", path)).body.users
        expect(guest).toMatchObject({ id: body.user_id, name: "Visitor", role: "guest" })
        expect((await withToken(body.token)).status).toBe(200)
      })

      test("a server token lives minutes, not days", async () => {
        const { body } = await mint({ kind: "server" })
        expect(body.claims).toEqual({ server: true, iat: body.claims.iat, exp: body.claims.iat + 600, jti: body.jti })
        expect((await withToken(body.token, "GET", "/api/v2/app")).status).toBe(200)
        expectRefusal(await mint({ kind: "server", expires_in: 3601 }), "input", "expires_in")
        expect((await mint({ kind: "server", expires_in: 3600 })).status).toBe(201)
      })

      test("an expiry stays within the app's policy and within what a token may have at all", async () => {
        const strict = await createApp(server, "strict")
        await setPolicy(
          { preset: "strict", max_lifetime_seconds: 120, server_max_age_seconds: 60, iss: "us", aud: "them" },
          strict,
        )
        expectRefusal(await mint({ kind: "user", user_id: "a", expires_in: 121 }, strict), "input", "expires_in")
        expectRefusal(await mint({ kind: "server", expires_in: 61 }, strict), "input", "expires_in")
        // Unless it is said, as long as the policy has it, and with the names that the policy demands.
        const { claims, token } = (await mint({ kind: "user", user_id: "a" }, strict)).body
        expect(claims).toMatchObject({ exp: claims.iat + 120, iss: "us", aud: "them" })
        expect((await inspect(token, {}, strict)).passes).toBe(true)
        expectRefusal(await mint({ kind: "user", user_id: "a", expires_in: 30 * 86_400 + 1 }), "input", "expires_in")
        expectRefusal(await mint({ kind: "user", user_id: "a", expires_in: 0 }), "input", "expires_in")
      })

      test("what the app's policy takes from nobody is not made", async () => {
        const narrow = await createApp(server, "narrow")
        await setPolicy({ allowed_kinds: ["user"] }, narrow)
        expect((await mint({ kind: "user", user_id: "a" }, narrow)).status).toBe(201)
        for (const body of [
          { kind: "server" },
          { kind: "guest" },
          { kind: "call", user_id: "a", call_cids: ["default:a"] },
        ]) {
          expectRefusal(await mint(body, narrow), "input", "kind")
        }
        expectRefusal(await admin("POST", "/explorer-token", undefined, narrow), "input", "kind")
        // The guest that the refused token was for does not stay behind.
        expect((await admin("GET", "/users?q=guest-", undefined, narrow)).body.users).toEqual([])
      })

      test("fields that do not go together are named", async () => {
        const cases: [object, string][] = [
          [{ kind: "user" }, "user_id"],
          [{ kind: "server", user_id: "jessica" }, "user_id"],
          [{ kind: "call", user_id: "jessica" }, "call_cids"],
          [{ kind: "user", user_id: "jessica", call_cids: ["default:a"] }, "call_cids"],
          [{ kind: "user", user_id: "jessica", channel_cids: ["messaging:a"] }, "channel_cids"],
          [{ kind: "user", user_id: "jessica", role: "host" }, "role"],
          [{ kind: "user", user_id: "jessica", name: "J" }, "name"],
          [{ kind: "admin", user_id: "jessica" }, "kind"],
          [{ kind: "user", user_id: "no one" }, "user_id"],
          [{ kind: "call", user_id: "jessica", call_cids: [] }, "call_cids"],
          [{ kind: "call", user_id: "jessica", call_cids: ["nocolon"] }, "call_cids.0"],
          [{ kind: "user", user_id: "jessica", scopes: { chat: ["read"] } }, "scopes"],
          [{ kind: "user", user_id: "jessica", scopes: { "chat:*:*": ["Read!"] } }, "scopes"],
        ]
        for (const [body, field] of cases) expectRefusal(await mint(body), "input", field)
      })

      test("claims that no token has room for are refused", async () => {
        const scopes = Object.fromEntries(
          Array.from({ length: 100 }, (_, n) => [`chat:messaging:${n}-${"x".repeat(100)}`, ["read"]]),
        )
        expectRefusal(await mint({ kind: "user", user_id: "jessica", scopes }), "input", "scopes")
      })

      test("whoever is shut out gets none", async () => {
        const someone = await createApp(server, "shut out")
        const backend = (method: string, path: string, body: unknown) =>
          server.call(method, path, { apiKey: someone.apiKey, as: serverToken({}, someone.secret), body })
        await backend("POST", "/api/v2/users", { users: { off: { id: "off" }, dead: { id: "dead" } } })
        expect((await backend("POST", "/api/v2/users/off/deactivate", {})).status).toBe(201)
        expect((await backend("POST", "/api/v2/users/delete", { user_ids: ["dead"] })).status).toBe(201)
        for (const user_id of ["off", "dead"])
          expectRefusal(await mint({ kind: "user", user_id }, someone), "input", "user_id")
      })

      test("the newest active secret of the key signs", async () => {
        const rotated = await createApp(server, "rotated")
        const made = await admin("POST", `/keys/${rotated.apiKey}/secrets`, { state: "active" }, rotated)
        expect(made.status).toBe(201)
        expect((await mint({ kind: "server" }, rotated)).body.kid).toBe(made.body.secret.kid)
      })

      test("a key whose private half is elsewhere cannot sign here, and says so", async () => {
        const pair = await createApp(server, "pair")
        const [{ secrets }] = (await admin("GET", "/keys", undefined, pair)).body.keys
        const path = `/keys/${pair.apiKey}/secrets`
        expect((await admin("POST", path, { alg: "ES256", state: "active" }, pair)).status).toBe(201)
        expect((await admin("PATCH", `${path}/${secrets[0].kid}`, { state: "retiring" }, pair)).status).toBe(200)
        const refused = await mint({ kind: "user", user_id: "a" }, pair)
        expectRefusal(refused, "input", "api_key")
        expect(refused.body.message).toContain("private half")
        expectRefusal(await admin("POST", "/explorer-token", undefined, pair), "input", "api_key")
        // Another key of the app that can sign does, unless this one was asked for.
        const other = (await admin("POST", "/keys", { label: "other" }, pair)).body.key.api_key
        expect((await mint({ kind: "user", user_id: "a" }, pair)).body.api_key).toBe(other)
        expectRefusal(await mint({ kind: "user", user_id: "a", api_key: pair.apiKey }, pair), "input", "api_key")
        // A key that is switched off, or whose app is suspended, makes none either.
        expect((await admin("PATCH", `/keys/${other}`, { disabled: true }, pair)).status).toBe(200)
        expectRefusal(await mint({ kind: "user", user_id: "a", api_key: other }, pair), "input", "api_key")
        expect((await admin("PATCH", "", { suspended: true }, pair)).status).toBe(200)
        expectRefusal(await mint({ kind: "user", user_id: "a" }, pair), "input", "api_key")
      })

      test("keys and apps that are not there are not found", async () => {
        expectRefusal(await mint({ kind: "server", api_key: "zzzzzzzzzzzz" }), "notFound")
        const other = await createApp(server, "another")
        expectRefusal(await mint({ kind: "server", api_key: other.apiKey }), "notFound")
        expectRefusal(await mint({ kind: "server" }, { ...app, id: 1 }), "notFound")
        expectRefusal(await admin("POST", "/tokens/inspect", { token: "x", api_key: other.apiKey }), "notFound")
        expectRefusal(await admin("POST", "/explorer-token", undefined, { ...app, id: 1 }), "notFound")
      })

      test("the audit log names the token and does not hold it", async () => {
        const { body } = await mint({ kind: "user", user_id: "jessica", scopes: { "chat:*:*": ["read"] } })
        const { entries } = (await admin("GET", "/audit?limit=5")).body
        const entry = entries.find(({ action }: { action: string }) => action === "token.minted")
        expect(entry).toMatchObject({
          actor: "admin token",
          target: { kind: "user", user_id: "jessica", jti: body.jti, kid: body.kid, api_key: app.apiKey },
          after: { expires_at: body.expires_at, scopes: { "chat:*:*": ["read"] } },
        })
        const signature = body.token.split(".")[2]
        expect(JSON.stringify(entries)).not.toContain(signature)
      })
    })

    describe("ExplorerToken", () => {
      test("an owner's reads and changes content, and neither rights nor settings", async () => {
        const { status, body } = await admin("POST", "/explorer-token")
        expect(status).toBe(201)
        expect(body).toMatchObject({ api_key: app.apiKey, writes: true })
        const claims = payloadOf(body.token)
        expect(claims).toMatchObject({ server: true, scopes: body.scopes, exp: claims.iat + 600, jti: body.jti })
        for (const path of ["/api/v2/app", "/api/v2/users?payload={}"]) {
          expect([path, (await withToken(body.token, "GET", path)).status]).toEqual([path, 200])
        }
        const channels = await withToken(body.token, "POST", "/api/v2/chat/channels", { filter_conditions: {} })
        expect(channels.status).toBe(200)
        const made = { data: { created_by_id: "jessica" } }
        expect((await withToken(body.token, "POST", "/api/v2/chat/channels/messaging/made/query", made)).status).toBe(
          201,
        )
        const renamed = { users: [{ id: "john", set: { name: "John" } }] }
        expect((await withToken(body.token, "PATCH", "/api/v2/users", renamed)).status).toBe(200)
        const promoted = { users: [{ id: "john", set: { role: "admin" } }] }
        expectRefusal(await withToken(body.token, "PATCH", "/api/v2/users", promoted), "notAllowed")
        expectRefusal(await withToken(body.token, "PATCH", "/api/v2/app", { disable_auth_checks: true }), "notAllowed")
        expectRefusal(await withToken(body.token, "POST", "/api/v2/users/delete", { user_ids: ["gone"] }), "notAllowed")
      })

      test("case 57: support's token reads, and the gate keeps it from writing", async () => {
        const page = await joinAs(server, "support")
        const { status, body } = await page.admin("POST", `/apps/${app.id}/explorer-token`)
        expect({ status, writes: body.writes }).toEqual({ status: 201, writes: false })
        expect((await withToken(body.token)).status).toBe(200)
        const made = { data: { created_by_id: "jessica" } }
        const path = "/api/v2/chat/channels/messaging/by-support/query"
        expectRefusal(await withToken(body.token, "POST", path, made), "notAllowed")
        const renamed = { users: [{ id: "john", set: { name: "John" } }] }
        expectRefusal(await withToken(body.token, "PATCH", "/api/v2/users", renamed), "notAllowed")
        expectRefusal(await page.admin("POST", `/apps/${app.id}/tokens`, { kind: "server" }), "notAllowed", "needs")
        const { entries } = (await admin("GET", "/audit?limit=1")).body
        expect(entries[0]).toMatchObject({ action: "token.minted", actor: page.email, target: { jti: body.jti } })
      })

      test("it is in the audit log", async () => {
        const { body } = await admin("POST", "/explorer-token")
        const { entries } = (await admin("GET", "/audit?limit=3")).body
        expect(entries[0]).toMatchObject({ action: "token.minted", target: { kind: "explorer", jti: body.jti } })
        expect(JSON.stringify(entries)).not.toContain(body.token.split(".")[2])
      })
    })
  })
}

test("case 58: making a token needs a fresh login, looking at one and reading content do not", async () => {
  const clock = manualClock(Date.now())
  const server = await startWatched({ clock })
  try {
    const page = await joinAs(server, "developer")
    const [{ id }] = (await page.admin("GET", "/apps")).body.apps
    const mint = () => page.admin("POST", `/apps/${id}/tokens`, { kind: "user", user_id: "jessica" })
    expect((await mint()).status).toBe(201)
    clock.advance(5 * 60_000)
    expectRefusal(await mint(), "notAllowed", "step_up")
    expect((await page.admin("POST", `/apps/${id}/tokens/inspect`, { token: "x.y.z" })).status).toBe(200)
    expect((await page.admin("POST", `/apps/${id}/explorer-token`)).status).toBe(201)
    expect((await page.access("POST", "step-up", { password: goodPassword })).status).toBe(200)
    expect((await mint()).status).toBe(201)
  } finally {
    await server.close()
  }
})
