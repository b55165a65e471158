import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createPrivateKey, sign as signBytes } from "node:crypto"
import {
  asAdmin,
  createApp,
  databaseKinds,
  expectRefusal,
  nowSeconds,
  type OtherApp,
  startOn,
} from "../../../test/fixtures.ts"
import { type Answer, serverToken, sign, type TestServer, userToken } from "../../testing.ts"

for (const kind of databaseKinds) {
  describe(`tokens that are inspected on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
      app = await createApp(server, "tokens")
      const users = { jessica: { id: "jessica", name: "Jessica" }, john: { id: "john" } }
      await asBackend("POST", "/api/v2/users", { users })
    })
    afterAll(() => server.close())

    const admin = (method: string, path: string, body?: unknown, of: OtherApp = app): Promise<Answer> =>
      server.call(method, `/api/admin/v1/apps/${of.id}${path}`, { ...asAdmin, body })
    const asBackend = (method: string, path: string, body?: unknown): Promise<Answer> =>
      server.call(method, path, { apiKey: app.apiKey, as: serverToken({}, app.secret), body })
    const withToken = (token: string) =>
      server.call("GET", "/api/v2/users?payload={}", { apiKey: app.apiKey, as: token })
    const inspect = async (token: string, more: object = {}, of?: OtherApp) => {
      const answer = await admin("POST", "/tokens/inspect", { token, ...more }, of)
      expect(answer.status).toBe(200)
      return answer.body
    }
    const setPolicy = async (policy: object, of: OtherApp): Promise<void> =>
      expect((await admin("PATCH", "/token-policy", policy, of)).status).toBe(200)

    describe("InspectToken", () => {
      const failedOf = (body: { failed: { check: string } | null }) => body.failed?.check ?? null

      test("a good token: what it is, which secret signed it, and that it passes", async () => {
        const now = nowSeconds()
        const token = userToken("jessica", { iat: now - 10, exp: now + 50, jti: "one" }, app.secret)
        const body = await inspect(`Bearer ${token}\n`)
        const [{ secrets }] = (await admin("GET", "/keys")).body.keys
        expect(body).toMatchObject({
          passes: true,
          failed: null,
          remedy: null,
          kind: "user",
          api_key: app.apiKey,
          header: { alg: "HS256", typ: "JWT" },
          claims: { user_id: "jessica", iat: now - 10, exp: now + 50, jti: "one" },
          problems: [],
          signed_by: { api_key: app.apiKey, kid: secrets[0].kid, alg: "HS256", state: "active" },
          user: { id: "jessica", name: "Jessica", role: "user", teams: [], bans: [] },
          issued_at: new Date((now - 10) * 1000).toISOString(),
          revocations: [],
        })
        expect(body.reasons.map(({ check }: { check: string }) => check)).toEqual([
          "lease",
          "key",
          "app",
          "kind",
          "token",
          "signature",
          "policy",
          "times",
          "revocation",
          "user",
        ])
        expect(body.reasons.every(({ passed }: { passed: boolean }) => passed)).toBe(true)
        expect(body.expires_in_seconds).toBeWithin(40, 51)
        // To look is no use.
        expect((await admin("GET", "/sessions")).body.sessions.map(({ jti }: { jti: string }) => jti)).not.toContain(
          "one",
        )
      })

      // What it says and what the gate does must never be two things.
      test("says of each token what the gate then does, in the same check", async () => {
        const now = nowSeconds()
        const of = (claims: object, userId = "jessica") => userToken(userId, claims, app.secret)
        const cases: [string, string, string | null][] = [
          ["good", of({}), null],
          ["a server's", serverToken({}, app.secret), null],
          ["a user who is not there yet", of({}, "somebody-new"), null],
          ["expired", of({ iat: now - 60, exp: now - 1 }), "times"],
          ["not valid yet", of({ nbf: now + 120 }), "times"],
          ["issued in the future", of({ iat: now + 120 }), "times"],
          ["another secret's", userToken("jessica", {}, "w".repeat(64)), "signature"],
          ["both a server and a user", sign({ server: true, user_id: "jessica" }, app.secret), "token"],
          ["no algorithm", sign({ user_id: "jessica" }, app.secret, { alg: "none" }), "token"],
          ["a feed token", sign({ resource: "*", action: "*", feed_id: "*", iat: now }, app.secret), "kind"],
          [
            "a development token",
            `${sign({ user_id: "jessica" }, app.secret).split(".").slice(0, 2).join(".")}.devtoken`,
            "signature",
          ],
          ["times as text", of({ exp: "tomorrow" }), "token"],
          [
            "an unknown secret's name",
            sign({ user_id: "jessica" }, app.secret, { alg: "HS256", kid: "nobody" }),
            "signature",
          ],
          ["words", "hello there", "token"],
          ["two segments", "a.b", "token"],
          ["empty segments", "..", "token"],
          ["no text at all", "Bearer ", "token"],
          ["far too long", "a".repeat(9_000), "token"],
          ["half a surrogate's escape", `${Buffer.from('{"alg":"\\ud800"}').toString("base64url")}.e30.x`, "token"],
          ["a nul", "a\u0001b.c.d", "token"],
        ]
        for (const [name, token, check] of cases) {
          const body = await inspect(token)
          expect([name, failedOf(body), body.passes]).toEqual([name, check, check === null])
          // The report's own walk agrees with the gate on whether there is a fault, and on this one.
          const faults = body.reasons.filter(({ passed }: { passed: boolean | null }) => passed === false)
          expect([name, faults.map((made: { check: string }) => made.check).includes(check)]).toEqual([
            name,
            check !== null,
          ])
          if (check === null) expect([name, faults]).toEqual([name, []])
          else expect([name, body.remedy]).toEqual([name, expect.any(String)])
          const header = token.trim()
          if (/[^\x20-\x7e]/.test(header) || header === "Bearer") continue
          const status = (await withToken(header)).status
          expect([name, status === 200]).toEqual([name, check === null])
        }
      })

      test("goes on after the first fault: an expired token that was revoked as well has both", async () => {
        const now = nowSeconds()
        const token = userToken("john", { iat: now - 100, exp: now - 10, jti: "both" }, app.secret)
        expect((await admin("POST", "/revocations", { jti: "both", reason: "lost phone" })).status).toBe(201)
        const body = await inspect(token)
        expect(failedOf(body)).toBe("times")
        const passed = Object.fromEntries(
          body.reasons.map((made: { check: string; passed: boolean }) => [made.check, made.passed]),
        )
        expect(passed).toMatchObject({ signature: true, times: false, revocation: false, user: true })
        expect(body.revocations).toMatchObject([
          { level: "jti", target: "both", reason: "lost phone", mode: "enforce" },
        ])
        expect(body.expires_in_seconds).toBeWithin(-15, -9)
      })

      test("names every revocation that hits it and none that does not, shadows among them, and counts no hit", async () => {
        const own = await createApp(server, "revoked")
        const revoke = async (body: object) => (await admin("POST", "/revocations", body, own)).body.receipt
        const token = userToken("mary", { iat: nowSeconds() - 60, jti: "m1", device_id: "phone" }, own.secret)
        const shadow = await revoke({ user_id: "mary", mode: "shadow" })
        await revoke({ user_id: "jane" })
        await revoke({ user_id: "mary", before: new Date((nowSeconds() - 3600) * 1000).toISOString() })
        expect(await inspect(token, {}, own)).toMatchObject({
          passes: true,
          revocations: [{ id: shadow.id, mode: "shadow" }],
        })
        const device = await revoke({ device_id: "phone" })
        const body = await inspect(token, {}, own)
        expect(failedOf(body)).toBe("revocation")
        expect(body.remedy).toContain(device.id)
        expect(body.revocations.map(({ id }: { id: string }) => id)).toEqual([device.id, shadow.id])
        const { revocation } = (await admin("GET", `/revocations/${shadow.id}`, undefined, own)).body
        expect(revocation.shadow).toEqual({ hits: 0, users: 0 })
      })

      test("finds the secret behind a signature in whatever state and under whichever key", async () => {
        const own = await createApp(server, "secrets")
        const second = (await admin("POST", "/keys", { label: "second" }, own)).body
        const ofSecond = userToken("mary", {}, second.secret)
        // Without a key it is asked about with the one that signed it; with the other one it fails and says whose it is.
        expect(await inspect(ofSecond, {}, own)).toMatchObject({ passes: true, api_key: second.key.api_key })
        const wrongKey = await inspect(ofSecond, { api_key: own.apiKey }, own)
        expect(wrongKey).toMatchObject({
          passes: false,
          failed: { check: "signature" },
          signed_by: { api_key: second.key.api_key },
        })
        const path = `/keys/${own.apiKey}/secrets`
        const added = (await admin("POST", path, { state: "active" }, own)).body
        const token = userToken("mary", {}, added.value)
        for (const state of ["standby", "revoked"]) {
          expect((await admin("PATCH", `${path}/${added.secret.kid}`, { state }, own)).status).toBe(200)
          const body = await inspect(token, {}, own)
          expect(body).toMatchObject({ passes: false, signed_by: { kid: added.secret.kid, state } })
          expect(failedOf(body)).toBe("signature")
        }
        // Another app's secret is nobody's here.
        expect((await inspect(userToken("mary", {}, app.secret), {}, own)).signed_by).toBeNull()
      })

      test("knows the signatures of key pairs", async () => {
        const own = await createApp(server, "pairs")
        const path = `/keys/${own.apiKey}/secrets`
        for (const alg of ["ES256", "EdDSA"] as const) {
          const made = (await admin("POST", path, { alg, state: "active" }, own)).body
          const key = createPrivateKey(made.value)
          const now = nowSeconds()
          const input = [
            { alg, kid: made.secret.kid },
            { user_id: "mary", iat: now, exp: now + 60 },
          ]
            .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
            .join(".")
          const hash = alg === "ES256" ? "sha256" : null
          const signature = signBytes(hash, Buffer.from(input), { key, dsaEncoding: "ieee-p1363" })
          const body = await inspect(`${input}.${signature.toString("base64url")}`, {}, own)
          expect(body).toMatchObject({ passes: true, signed_by: { kid: made.secret.kid, alg } })
        }
      })

      test("says how the user stands: bans leave a token good, an end does not", async () => {
        const own = await createApp(server, "states")
        const backend = (method: string, path: string, body: unknown) =>
          server.call(method, path, { apiKey: own.apiKey, as: serverToken({}, own.secret), body })
        await backend("POST", "/api/v2/users", { users: { mary: { id: "mary", role: "admin", teams: ["red"] } } })
        const token = userToken("mary", {}, own.secret)
        expect((await backend("POST", "/api/v2/moderation/ban", { target_user_id: "mary", timeout: 60 })).status).toBe(
          201,
        )
        const banned = await inspect(token, {}, own)
        expect(banned).toMatchObject({
          passes: true,
          user: { role: "admin", teams: ["red"], bans: [{ channel_cid: null }] },
        })
        expect(banned.reasons.at(-1).detail).toContain("banned from the app")
        await backend("POST", "/api/v2/users/mary/deactivate", {})
        expect(await inspect(token, {}, own)).toMatchObject({
          passes: false,
          failed: { check: "user", rule: "deactivated" },
        })
      })

      test("says what the app's key, switches and policy do", async () => {
        const own = await createApp(server, "switches")
        const lasting = sign({ user_id: "mary" }, own.secret)
        expect(await inspect(lasting, {}, own)).toMatchObject({
          passes: true,
          warnings: ["require_exp", "require_iat"],
        })
        await setPolicy({ preset: "strict" }, own)
        expect(await inspect(lasting, {}, own)).toMatchObject({
          passes: false,
          failed: { check: "policy", rule: "require_exp" },
        })
        await setPolicy({ preset: "compatible" }, own)
        expect((await admin("PATCH", `/keys/${own.apiKey}`, { disabled: true }, own)).status).toBe(200)
        expect(await inspect(lasting, {}, own)).toMatchObject({ passes: false, failed: { check: "key" } })
        expect((await admin("PATCH", `/keys/${own.apiKey}`, { disabled: false }, own)).status).toBe(200)
        expect((await admin("PATCH", "", { suspended: true }, own)).status).toBe(200)
        expect(await inspect(lasting, {}, own)).toMatchObject({ passes: false, failed: { check: "app" } })
      })

      test("a token and its parts stay within bounds", async () => {
        expectRefusal(await admin("POST", "/tokens/inspect", { token: "a".repeat(16_385) }), "input", "token")
        expectRefusal(await admin("POST", "/tokens/inspect", { token: "" }), "input", "token")
        expectRefusal(await admin("POST", "/tokens/inspect", {}), "input", "token")
      })
    })
  })
}
