import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import fc from "fast-check"
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

for (const kind of databaseKinds) {
  describe(`revocations on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
      app = await createApp(server, "revoking")
    })
    afterAll(() => server.close())

    const admin = (method: string, path: string, body?: unknown) =>
      server.call(method, `/api/admin/v1/apps/${app.id}${path}`, { ...asAdmin, body })
    const revoke = async (body: object, query = "") => {
      const answer = await admin("POST", `/revocations${query}`, body)
      expect([answer.status, answer.body.message]).toEqual([201, undefined])
      return answer.body
    }
    const tokenOf = (userId: string, claims: object = {}) => userToken(userId, claims, app.secret)
    const use = (token: string) => server.call("GET", "/api/v2/users?payload={}", { apiKey: app.apiKey, as: token })
    const connect = (userId: string, token = tokenOf(userId)) => server.connect(userId, { apiKey: app.apiKey, token })
    const kidOf = async (): Promise<string> => (await admin("GET", "/keys")).body.keys[0].secrets.at(-1).kid
    /** Tokens of the next second are new ones after a revocation of this moment. */
    const nextSecond = () => Bun.sleep(1_020 - (Date.now() % 1_000))

    const sha256 = (token: string) => createHash("sha256").update(token).digest("hex")
    const targets: [name: string, body: (token: string) => object | Promise<object>, endsAll: boolean][] = [
      ["a user", () => ({ user_id: "jessica" }), false],
      ["a key", () => ({ api_key: app.apiKey }), true],
      ["a secret", async () => ({ kid: await kidOf() }), true],
      ["a token by its id", () => ({ jti: "t1" }), false],
      ["a token by its hash", (token) => ({ token_sha256: sha256(token).toUpperCase() }), false],
      ["a device", () => ({ device_id: "phone" }), false],
      ["the whole app", () => ({ all: true }), true],
    ]
    for (const [name, bodyOf, endsAll] of targets) {
      test(`cases 35 to 37 and 41: ${name}: the next request and open sockets end, none comes back, and undoing restores`, async () => {
        await nextSecond()
        const token = tokenOf("jessica", { jti: "t1", device_id: "phone" })
        const other = tokenOf("john")
        const [socket, bystander] = [await connect("jessica", token), await connect("john", other)]
        expect((await use(token)).status).toBe(200)
        const { receipt } = await revoke(await bodyOf(token))
        expect((await socket.closed).code).toBe(4040)
        expect(socket.seen("connection.error")).toMatchObject([{ error: { code: 40 } }])
        expectRefusal(await use(token), "tokenExpired")
        const again = await connect("jessica", token)
        expect(again.first.error.code).toBe(40)
        expect((await use(other)).status).toBe(endsAll ? 401 : 200)
        expect(receipt.sockets_closed).toBe(endsAll ? 2 : 1)
        expect(receipt.nodes).toHaveLength(1)
        expect(receipt.nodes[0]).toMatchObject({ fenced: false, sockets_closed: receipt.sockets_closed })
        if (!endsAll) expect(bystander.seen("connection.error")).toEqual([])
        bystander.close()
        expect((await admin("DELETE", `/revocations/${receipt.id}`)).body.revocation.undone_at).not.toBeNull()
        await Bun.sleep(20)
        expect((await use(token)).status).toBe(200)
      })
    }

    test("a new token of the next second is let in", async () => {
      await nextSecond()
      await revoke({ user_id: "newcomer" })
      expectRefusal(await use(tokenOf("newcomer")), "tokenExpired")
      await nextSecond()
      expect((await use(tokenOf("newcomer"))).status).toBe(200)
    })

    test("case 45: what was proved and remembered is refused at once, and so are a hundred at the same time", async () => {
      await nextSecond()
      const token = tokenOf("cached")
      for (let n = 0; n < 5; n++) await use(token)
      await revoke({ user_id: "cached" })
      const answers = await Promise.all(Array.from({ length: 100 }, () => use(token)))
      expect(new Set(answers.map(({ body }) => body.code))).toEqual(new Set([40]))
    })

    test("case 41: undoing one of two revocations of a user restores nothing; undoing both does", async () => {
      await nextSecond()
      const token = tokenOf("twice")
      const [first, second] = [await revoke({ user_id: "twice" }), await revoke({ all: true })]
      await admin("DELETE", `/revocations/${first.receipt.id}`)
      await Bun.sleep(20)
      expectRefusal(await use(token), "tokenExpired")
      await admin("DELETE", `/revocations/${second.receipt.id}`)
      await Bun.sleep(20)
      expect((await use(token)).status).toBe(200)
      expect((await admin("DELETE", `/revocations/${second.receipt.id}`)).status).toBe(200)
    })

    test("the wire's own cut-offs: of the app and of a user, and null takes each back alone", async () => {
      await nextSecond()
      const token = tokenOf("wire")
      const asServer = { apiKey: app.apiKey, as: serverToken({}, app.secret) }
      await server.call("POST", "/api/v2/users", { ...asServer, body: { users: { wire: { id: "wire" } } } })
      const socket = await connect("wire", token)
      const later = new Date(Date.now() + 1_000).toISOString()
      const cutApp = (value: string | null) =>
        server.call("PATCH", "/api/v2/app", { ...asServer, body: { revoke_tokens_issued_before: value } })
      const cutUser = (value: string | null) =>
        server.call("PATCH", "/api/v2/users", {
          ...asServer,
          body: { users: [{ id: "wire", set: { revoke_tokens_issued_before: value } }] },
        })
      expect((await cutApp(later)).status).toBe(200)
      expect((await socket.closed).code).toBe(4040)
      expectRefusal(await use(token), "tokenExpired")
      expect((await server.call("GET", "/api/v2/app", asServer)).status).toBe(200)
      await cutUser(later)
      await cutApp(null)
      expectRefusal(await use(token), "tokenExpired")
      await cutUser(null)
      expect((await use(token)).status).toBe(200)
      expectRefusal(await cutApp("soon"), "input", "revoke_tokens_issued_before")
    })

    test("case 21: a token that does not say when it was made ends with any cut-off, and the decision says so", async () => {
      const bare = sign({ user_id: "timeless" }, app.secret)
      expect((await use(bare)).status).toBe(200)
      await revoke({ user_id: "timeless", before: new Date(1_000).toISOString() })
      const refused = await use(bare)
      expectRefusal(refused, "tokenExpired")
      const id = refused.headers.get("x-decision-id")
      const { decision } = (await server.call("GET", `/api/admin/v1/decisions/${id}`, asAdmin)).body
      expect(decision.failed).toMatchObject({ check: "revocation", rule: "no-iat" })
    })

    test("a shadow refuses nobody and counts whom it would", async () => {
      await nextSecond()
      const token = tokenOf("shadowed")
      const socket = await connect("shadowed", token)
      const { receipt } = await revoke({ user_id: "shadowed", mode: "shadow" })
      expect(receipt).toMatchObject({ mode: "shadow", sockets_closed: 1 })
      for (let n = 0; n < 3; n++) expect((await use(token)).status).toBe(200)
      expect(socket.seen("connection.error")).toEqual([])
      socket.close()
      await Bun.sleep(2_500)
      const { revocation } = (await admin("GET", `/revocations/${receipt.id}`)).body
      expect(revocation.shadow).toEqual({ hits: 3, users: 1 })
    })

    test("case 44: the revocation of a token that was seen is kept until the token runs out, others without end", async () => {
      const token = tokenOf("leaving", { exp: nowSeconds() + 600 })
      expect((await use(token)).status).toBe(200)
      const { sessions } = (await admin("GET", "/sessions?user_id=leaving")).body
      expect((await admin("DELETE", `/sessions/${sessions[0].id}`)).status).toBe(200)
      const unseen = tokenOf("leaving", { exp: nowSeconds() + 601 })
      await revoke({ token_sha256: sha256(unseen) })
      const { revocations } = (await admin("GET", "/revocations")).body
      const ends = (one: string) =>
        revocations.find(({ target }: { target: string }) => target === sha256(one)).expires_at
      const { exp } = JSON.parse(Buffer.from(token.split(".")[1] as string, "base64url").toString())
      expect(ends(token)).toBe(new Date(exp * 1000).toISOString())
      expect(ends(unseen)).toBeNull()
    })

    test("a dry run counts and changes nothing", async () => {
      await nextSecond()
      const token = tokenOf("dry")
      const socket = await connect("dry", token)
      const { receipt, would } = await revoke({ user_id: "dry" }, "?dry_run=true")
      expect(receipt).toBeNull()
      expect(would).toEqual({ sockets: 1, tokens: 1, users: 1 })
      expect((await use(token)).status).toBe(200)
      socket.close()
    })

    test("terminal: sockets are told to stay away", async () => {
      await nextSecond()
      const socket = await connect("gone")
      await revoke({ user_id: "gone", terminal: true })
      expect((await socket.closed).code).toBe(4505)
    })

    test("what is wrong is named", async () => {
      for (const body of [
        {},
        { user_id: "a", all: true },
        { all: false },
        { before: "now" },
        { user_id: "a", before: "soon" },
      ]) {
        expectRefusal(await admin("POST", "/revocations", body), "input")
      }
      const future = new Date(Date.now() + 120_000).toISOString()
      expectRefusal(await admin("POST", "/revocations", { all: true, before: future }), "input", "before")
      expectRefusal(await admin("GET", `/revocations/${crypto.randomUUID()}`), "notFound")
      expectRefusal(
        await server.call("POST", "/api/admin/v1/apps/999/revocations", { ...asAdmin, body: { all: true } }),
        "notFound",
      )
      const { receipt } = await revoke({ user_id: "own" })
      const foreign = await createApp(server, "foreign")
      const path = `/api/admin/v1/apps/${foreign.id}/revocations/${receipt.id}`
      expectRefusal(await server.call("DELETE", path, asAdmin), "notFound")
    })

    test("the list is newest first and paged", async () => {
      const first = (await admin("GET", "/revocations?limit=2")).body
      expect(first.revocations).toHaveLength(2)
      const second = (await admin("GET", `/revocations?limit=2&next=${first.next}`)).body
      const ids = [...first.revocations, ...second.revocations].map(({ id }: { id: string }) => id)
      expect(new Set(ids).size).toBe(4)
    })

    test("case 38: nothing is delivered after the receipt's time, while events flood in", async () => {
      await nextSecond()
      const asServer = { apiKey: app.apiKey, as: serverToken({}, app.secret) }
      const data = { created_by_id: "sender", members: [{ user_id: "sender" }, { user_id: "flooded" }] }
      await server.call("POST", "/api/v2/users", {
        ...asServer,
        body: { users: { sender: { id: "sender" }, flooded: { id: "flooded" } } },
      })
      await server.call("POST", "/api/v2/chat/channels/messaging/flood/query", { ...asServer, body: { data } })
      const token = tokenOf("flooded")
      const socket = await connect("flooded", token)
      await server.call("POST", "/api/v2/chat/channels/messaging/flood/query", {
        apiKey: app.apiKey,
        as: token,
        connectionId: socket.connectionId,
        body: { watch: true },
      })
      let isOver = false
      const flood = (async () => {
        for (let n = 0; !isOver; n++) {
          await server.call("POST", "/api/v2/chat/channels/messaging/flood/message", {
            ...asServer,
            body: { message: { text: String(n), user_id: "sender" } },
          })
        }
      })()
      await Bun.sleep(150)
      const { receipt } = await revoke({ user_id: "flooded" })
      await Bun.sleep(150)
      isOver = true
      await flood
      const heard = socket.seen("message.new")
      expect(heard.length).toBeGreaterThan(0)
      for (const { created_at } of heard)
        expect(Date.parse(created_at)).toBeLessThanOrEqual(Date.parse(receipt.effective_at))
    })

    test("case 39: connecting while being revoked never ends connected", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.nat(12), { minLength: 1, maxLength: 6 }),
          fc.nat(12),
          fc.uuid(),
          async (delays, at, name) => {
            const userId = `race-${name}`
            const token = tokenOf(userId, { iat: nowSeconds() - 5 })
            const sockets = delays.map(async (delay) => {
              await Bun.sleep(delay)
              return connect(userId, token)
            })
            await Bun.sleep(at)
            await revoke({ user_id: userId })
            for (const socket of await Promise.all(sockets)) {
              const closed = await Promise.race([socket.closed, Bun.sleep(1_000).then(() => null)])
              expect(closed?.code).toBe(4040)
            }
          },
        ),
        { numRuns: 40 },
      )
    }, 60_000)
  })
}
