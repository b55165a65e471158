import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
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
import { serverToken, sign, type TestServer, userToken } from "../../testing.ts"

const sha256 = (token: string): string => createHash("sha256").update(token).digest("hex")

for (const kind of databaseKinds) {
  describe(`sessions on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
      app = await createApp(server, "sessions")
      await server.call("POST", "/api/v2/users", {
        apiKey: app.apiKey,
        as: serverToken({}, app.secret),
        body: { users: { jessica: { id: "jessica" }, john: { id: "john" } } },
      })
    })
    afterAll(() => server.close())

    const admin = (method: string, path: string, body?: unknown) =>
      server.call(method, `/api/admin/v1/apps/${app.id}${path}`, { ...asAdmin, body })
    const tokenOf = (userId: string, claims: object = {}): string => userToken(userId, claims, app.secret)
    const use = (token: string, client?: string) =>
      server.call("GET", "/api/v2/users?payload={}", {
        apiKey: app.apiKey,
        as: token,
        ...(client === undefined ? {} : { headers: { "x-stream-client": client } }),
      })
    const sessionsOf = async (userId: string) => (await admin("GET", `/sessions?user_id=${userId}`)).body.sessions

    test("a token that was used is listed with what it is and who used it, and its uses are counted exactly", async () => {
      const token = tokenOf("jessica", { jti: "one", device_id: "phone" })
      for (let n = 0; n < 3; n++) expect((await use(token, "acme-web-1.2")).status).toBe(200)
      const [session] = (await sessionsOf("jessica")).filter(({ jti }: { jti: string }) => jti === "one")
      expect(session).toMatchObject({
        id: sha256(token),
        kind: "user",
        user_id: "jessica",
        api_key: app.apiKey,
        device_id: "phone",
        uses: 3,
        address: "127.0.0.1",
        client: "acme-web-1.2",
        state: "recent",
        sockets: [],
      })
      await Promise.all(Array.from({ length: 20 }, () => use(token)))
      const [again] = (await sessionsOf("jessica")).filter(({ jti }: { jti: string }) => jti === "one")
      expect(again.uses).toBe(23)
      expect(Date.parse(again.last_seen)).toBeGreaterThan(Date.parse(again.first_seen))
    })

    test("an open socket makes it live; ending it closes the socket and refuses the token, and no other", async () => {
      const [ended, kept] = [tokenOf("john", { jti: "ended" }), tokenOf("john", { jti: "kept" })]
      const options = { apiKey: app.apiKey }
      const socket = await server.connect("john", { ...options, token: ended })
      const other = await server.connect("john", { ...options, token: kept })
      const live = await sessionsOf("john")
      const one = live.find(({ jti }: { jti: string }) => jti === "ended")
      expect(one).toMatchObject({ state: "live" })
      expect(one.sockets).toMatchObject([{ connection_id: socket.connectionId, address: "127.0.0.1" }])
      const answer = await admin("DELETE", `/sessions/${one.id}`)
      expect(answer.status).toBe(200)
      expect(answer.body.receipt).toMatchObject({ level: "token", target: sha256(ended), sockets_closed: 1 })
      expect((await socket.closed).code).toBe(4040)
      expectRefusal(await use(ended), "tokenExpired")
      expect((await use(kept)).status).toBe(200)
      expect(other.seen("connection.error")).toEqual([])
      other.close()
      const after = (await sessionsOf("john")).find(({ jti }: { jti: string }) => jti === "ended")
      expect(after).toMatchObject({ state: "revoked", sockets: [] })
    })

    test("an expired token is said to be", async () => {
      const token = tokenOf("jessica", { jti: "short", exp: nowSeconds() + 2 })
      expect((await use(token)).status).toBe(200)
      await Bun.sleep(2_100)
      const [session] = (await sessionsOf("jessica")).filter(({ jti }: { jti: string }) => jti === "short")
      expect(session.state).toBe("expired")
    })

    test("the list is paged, newest first, and a page's end is no door for nonsense", async () => {
      for (let n = 0; n < 5; n++) await use(tokenOf("jessica", { jti: `page-${n}` }))
      const ids: string[] = []
      let next: string | null = null
      do {
        const query: string = next === null ? "" : `&next=${next}`
        const { body } = await admin("GET", `/sessions?limit=2${query}`)
        expect(body.sessions.length).toBeLessThanOrEqual(2)
        ids.push(...body.sessions.map(({ id }: { id: string }) => id))
        next = body.next
      } while (next !== null)
      expect(new Set(ids).size).toBe(ids.length)
      expect(ids.length).toBeGreaterThanOrEqual(5)
      expectRefusal(await admin("GET", "/sessions?next=abc"), "input", "next")
    })

    test("only operators, only the app's own, only what is there", async () => {
      const [session] = await sessionsOf("jessica")
      const foreign = await createApp(server, "foreign")
      const path = `/api/admin/v1/apps/${foreign.id}/sessions`
      expect((await server.call("GET", path, asAdmin)).body.sessions).toEqual([])
      expectRefusal(await server.call("DELETE", `${path}/${session.id}`, asAdmin), "notFound")
      expectRefusal(await admin("DELETE", `/sessions/${"0".repeat(64)}`), "notFound")
      expectRefusal(await server.call("GET", "/api/admin/v1/apps/999/sessions", asAdmin), "notFound")
      for (const as of [null, serverToken({}, app.secret), tokenOf("jessica")]) {
        expectRefusal(await server.call("GET", `/api/admin/v1/apps/${app.id}/sessions`, { as }), "authentication")
      }
    })

    test("use of a secret is counted: backends by client, users by token", async () => {
      const path = `/api/admin/v1/apps/${app.id}/keys`
      const asServer = (client: string) =>
        server.call("GET", "/api/v2/app", {
          apiKey: app.apiKey,
          as: serverToken({ n: Math.random() }, app.secret),
          headers: { "x-stream-client": client },
        })
      for (let n = 0; n < 3; n++) expect((await asServer("backend-a")).status).toBe(200)
      for (let n = 0; n < 30; n++) await asServer(`flood-${n}`)
      const { keys } = (await server.call("GET", path, asAdmin)).body
      const [secret] = keys[0].secrets
      expect(secret.usage.users).toBe(2)
      expect(secret.usage.tokens).toBeGreaterThanOrEqual(35)
      expect(secret.usage.clients).toContain("backend-a")
      expect(secret.usage.clients.length).toBeLessThanOrEqual(20)
      expect(Date.now() - Date.parse(secret.last_used_at)).toBeLessThan(60_000)
    })

    test("use by client adds up to all use, most tokens first, and leaves out no more than it has to", async () => {
      const other = await createApp(server, "by client")
      const as = { apiKey: other.apiKey }
      await server.call("POST", "/api/v2/users", {
        ...as,
        as: serverToken({}, other.secret),
        headers: { "x-stream-client": "both-2.0" },
        body: { users: { jessica: { id: "jessica" }, john: { id: "john" } } },
      })
      const seen = async (userId: string, client: string | null): Promise<void> => {
        const headers: Record<string, string> = client === null ? {} : { "x-stream-client": client }
        const token = userToken(userId, { jti: crypto.randomUUID() }, other.secret)
        expect((await server.call("GET", "/api/v2/users?payload={}", { ...as, as: token, headers })).status).toBe(200)
      }
      const usage = async () => {
        const path = `/api/admin/v1/apps/${other.id}/keys/${other.apiKey}`
        return (await server.call("GET", path, asAdmin)).body.key.secrets[0].usage
      }
      for (const user of ["jessica", "jessica", "john"]) await seen(user, "web-1.2")
      await seen("jessica", null)
      await seen("john", "both-2.0")
      const few = await usage()
      const at = expect.stringMatching(/^\d{4}-/)
      expect(few).toMatchObject({ tokens: 6, users: 2 })
      const both = { client: "both-2.0", tokens: 2, users: 1, last_seen_at: at }
      const unnamed = { client: null, tokens: 1, users: 1, last_seen_at: at }
      expect(few.by_client).toEqual([{ client: "web-1.2", tokens: 3, users: 2, last_seen_at: at }, both, unnamed])
      // More of them than are told, each later than the one with most tokens.
      for (let n = 0; n < 25; n++) await seen("john", `flood-${n}`)
      const many = await usage()
      expect(many.by_client).toHaveLength(20)
      expect(many.by_client[0]).toMatchObject({ client: "web-1.2", tokens: 3 })
      expect(many.tokens).toBe(31)
      expect(many.clients).toHaveLength(20)
      expect(many.clients).toContain("flood-24")
    })

    test("what a compatible policy lets pass is counted by rule", async () => {
      const bare = sign({ user_id: "jessica" }, app.secret)
      for (let n = 0; n < 2; n++) expect((await use(bare, "old-app")).status).toBe(200)
      const { body } = await admin("GET", "/token-policy")
      expect(body.policy.preset).toBe("compatible")
      const byRule = Object.fromEntries(body.warnings.map((warning: { rule: string }) => [warning.rule, warning]))
      expect(byRule.require_exp).toMatchObject({ count: 2, client: "old-app" })
      expect(byRule.require_iat).toMatchObject({ count: 2 })
    })

    if (kind === "sqlite") {
      test("no token's text reaches the database", async () => {
        await createUsers(server, "canary")
        const token = userToken("canary", { jti: "canary" })
        await server.call("GET", "/api/v2/users?payload={}", { as: token })
        await server.call("GET", "/api/v2/users?payload={}", { as: `${token}x` })
        await server.call("GET", "/api/admin/v1/apps/1000001/sessions", asAdmin)
        const signature = token.split(".")[2] as string
        const dir = server.config.dataDir
        const files = readdirSync(dir).map((name) => readFileSync(join(dir, name)).toString("latin1"))
        expect(files.join("")).toContain(sha256(token))
        for (const text of files) expect(text.includes(signature)).toBe(false)
      })
    }
  })
}
