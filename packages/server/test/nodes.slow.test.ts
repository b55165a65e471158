// Two processes on one Postgres and one Redis are one gate: whatever is said or done through A holds on B, and B goes on
// when A dies at any moment.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { SQL } from "bun"
import { type OwnRedisServer, redisProgram, startRedisServer } from "../../../contract/suites/bus/redis-server.ts"
import {
  type Answer,
  type CallOptions,
  call,
  connect,
  createPostgresDatabase,
  serverToken,
  userToken,
} from "../src/testing.ts"
import {
  endAllNodes,
  logOf,
  type NodeProcess,
  newMasterKey,
  printedCredentials,
  printedSecret,
  runNode,
  startNode,
  temporaryFolder,
  until,
} from "./node-process.ts"

/** What one node may believe without asking, when the word of a change got lost (cacheLeaseMs), and some slack. */
const leaseMs = 5_000 + 1_000
/** After so long a silent node's users are offline (presenceSilenceMs and a beat), and some slack. */
const silenceMs = 8_000 + 1_000

const database = redisProgram === null ? null : await createPostgresDatabase()
if (database === null) {
  console.log("nodes.slow.test.ts: skipped, needs WEIR_TEST_POSTGRES_URL and the program redis-server")
} else {
  nodesTests(database)
}

function nodesTests(database: { url: string; drop(): Promise<void> }): void {
  const folders = [temporaryFolder(), temporaryFolder()]
  const masterKey = newMasterKey()
  const sql = new SQL(database.url, { max: 1 })
  let redis: OwnRedisServer
  let a: NodeProcess
  let b: NodeProcess
  let apiKey = ""
  let secret = ""

  const settings = (folder: number) => ({
    WEIR_DATABASE_URL: database.url,
    WEIR_REDIS_URL: redis.url,
    WEIR_MASTER_KEY: masterKey,
    WEIR_DATA_DIR: folders[folder]?.path,
    WEIR_API_KEY: undefined,
    WEIR_API_SECRET: undefined,
  })
  const api = (node: NodeProcess, method: string, path: string, options: CallOptions = {}) =>
    call(node.url, method, path, { apiKey, as: serverToken({}, secret), ...options })
  const tokenOf = (userId: string, claims: object = {}): string => userToken(userId, claims, secret)
  const admin = (node: NodeProcess, method: string, path: string, body?: unknown) => {
    const headers = { authorization: "Bearer admin-token-for-tests-0123456789abcdef" }
    return call(node.url, method, `/api/admin/v1${path}`, { as: null, apiKey: null, authType: null, headers, body })
  }
  const listen = (node: NodeProcess, userId: string) => connect(node.url, userId, { apiKey, token: tokenOf(userId) })
  /** A channel of its own for each test, made through A. */
  const makeChannel = async (id: string, members: string[]): Promise<string> => {
    for (const member of members) await makeUser(member)
    const data = { created_by_id: members[0], members: members.map((user_id) => ({ user_id })) }
    const path = `/api/v2/chat/channels/messaging/${id}`
    expect((await api(a, "POST", `${path}/query`, { body: { data } })).status).toBe(201)
    return path
  }
  const makeUser = async (id: string): Promise<void> => {
    expect((await api(a, "POST", "/api/v2/users", { body: { users: { [id]: { id } } } })).status).toBe(201)
  }
  const watch = async (node: NodeProcess, path: string, userId: string, connectionId: string) => {
    const answer = await api(node, "POST", `${path}/query`, {
      as: tokenOf(userId),
      connectionId,
      body: { watch: true, presence: true },
    })
    expect(answer.status).toBe(201)
    return answer.body
  }
  const send = async (node: NodeProcess, path: string, userId: string, text: string): Promise<string> => {
    const answer = await api(node, "POST", `${path}/message`, { as: tokenOf(userId), body: { message: { text } } })
    expect(answer.status).toBe(201)
    return answer.body.message.id
  }

  /** The word of a change is on its way when its caller has the answer; it must arrive within a second. */
  const untilRefused = async (ask: () => Promise<Answer>, status: number, code: number): Promise<void> => {
    let last: Answer | null = null
    const isRefused = async (): Promise<boolean> => {
      last = await ask()
      return last.status === status
    }
    await until(`${status}/${code}`, isRefused, 1_000)
    expect((last as Answer | null)?.body.code).toBe(code)
  }

  beforeAll(async () => {
    redis = await startRedisServer()
    ;[a, b] = await Promise.all([startNode(settings(0)), startNode(settings(1))])
    const printed = await Promise.any([a, b].map(printedCredentials))
    apiKey = printed.apiKey
    secret = printed.secret
  }, 30_000)
  afterAll(async () => {
    await endAllNodes()
    await redis?.kill()
    await sql.close()
    await database.drop()
    for (const { remove } of folders) remove()
  })

  describe("two nodes that start at once on an empty database", () => {
    test("make one app with one key, and one of them shows the secret", async () => {
      expect([a, b].filter((node) => printedSecret.test(node.output()))).toHaveLength(1)
      const listening = [a, b].flatMap(({ output }) => logOf(output()).filter(({ message }) => message === "listening"))
      expect(listening.map(({ api_key }) => api_key)).toEqual([apiKey, apiKey])
      const { apps } = (await admin(b, "GET", "/apps")).body
      expect(apps).toHaveLength(1)
      const { keys } = (await admin(b, "GET", `/apps/${apps[0].id}/keys`)).body
      expect(keys).toMatchObject([{ api_key: apiKey, secrets: [{ state: "active" }] }])
      for (const node of [a, b]) expect((await api(node, "GET", "/api/v2/app")).status).toBe(200)
    })

    test("a third with another master key does not start", async () => {
      const folder = temporaryFolder()
      const outcome = await runNode({ ...settings(0), WEIR_DATA_DIR: folder.path, WEIR_MASTER_KEY: newMasterKey() })
      folder.remove()
      expect(outcome.code).toBe(1)
      expect(outcome.err).toMatch(/^weir: [^\n]*master key[^\n]*\n$/)
    }, 30_000)
  })

  describe("what is said through A is heard on B", () => {
    test("by a socket that watches through its own node", async () => {
      const path = await makeChannel("own-node", ["ann", "bob"])
      const bob = await listen(b, "bob")
      await watch(b, path, "bob", bob.connectionId)
      const id = await send(a, path, "ann", "hello from A")
      expect(await bob.next("message.new")).toMatchObject({
        cid: "messaging:own-node",
        message: { id, text: "hello from A", user: { id: "ann" } },
      })
      // Written through A is readable through B at once.
      expect((await api(b, "GET", `/api/v2/chat/messages/${id}`, { as: tokenOf("bob") })).body.message.text).toBe(
        "hello from A",
      )
      bob.close()
    })

    test("by a socket on B whose watching was asked of A", async () => {
      const path = await makeChannel("other-node", ["ann", "bob"])
      const bob = await listen(b, "bob")
      await watch(a, path, "bob", bob.connectionId)
      for (const node of [a, b]) await send(node, path, "ann", `from ${node === a ? "A" : "B"}`)
      expect((await bob.next("message.new")).message.text).toBe("from A")
      expect((await bob.next("message.new")).message.text).toBe("from B")
      // Not another user's connection, and not one that nobody has.
      const foreign = { as: tokenOf("ann"), connectionId: bob.connectionId, body: { watch: true } }
      expect((await api(a, "POST", `${path}/query`, foreign)).body.code).toBe(46)
      bob.close()
    })

    test("in the order in which it was said, by everyone, and once", async () => {
      const path = await makeChannel("order", ["ann", "bob", "cid"])
      const [ann, bob] = await Promise.all([listen(a, "ann"), listen(b, "bob")])
      await watch(a, path, "ann", ann.connectionId)
      await watch(b, path, "bob", bob.connectionId)
      const texts = Array.from({ length: 40 }, (_, n) => `number ${n}`)
      for (const [n, text] of texts.entries()) await send(n % 2 === 0 ? a : b, path, "cid", text)
      await until("all are there", () => [ann, bob].every((s) => s.seen("message.new").length >= texts.length))
      for (const socket of [ann, bob]) {
        expect(socket.seen("message.new").map(({ message }) => message.text)).toEqual(texts)
        socket.close()
      }
    })

    test("by a member who is online and does not watch, as a notification", async () => {
      const path = await makeChannel("notified", ["ann", "bob"])
      const bob = await listen(b, "bob")
      const id = await send(a, path, "ann", "psst")
      expect(await bob.next("notification.message_new")).toMatchObject({ message: { id, text: "psst" } })
      expect(bob.seen("message.new")).toEqual([])
      bob.close()
    })

    test("typing, which no database ever sees", async () => {
      const path = await makeChannel("typing", ["ann", "bob"])
      const bob = await listen(b, "bob")
      await watch(b, path, "bob", bob.connectionId)
      const event = { type: "typing.start" }
      expect((await api(a, "POST", `${path}/event`, { as: tokenOf("ann"), body: { event } })).status).toBe(201)
      expect((await bob.next("typing.start")).user.id).toBe("ann")
      bob.close()
    })

    test("presence, by who asked for it", async () => {
      const path = await makeChannel("presence", ["eve", "bob"])
      const bob = await listen(b, "bob")
      const eveOf = (body: { members: { user_id: string; user: { online: boolean } }[] }) =>
        body.members.find(({ user_id }) => user_id === "eve")?.user.online
      expect(eveOf(await watch(b, path, "bob", bob.connectionId))).toBe(false)
      const eve = await listen(a, "eve")
      expect((await bob.next("user.presence.changed")).user).toMatchObject({ id: "eve", online: true })
      expect(eveOf(await watch(b, path, "bob", bob.connectionId))).toBe(true)
      eve.close()
      expect((await bob.next("user.presence.changed")).user).toMatchObject({ id: "eve", online: false })
      bob.close()
    })
  })

  describe("what is forbidden through A is forbidden on B", () => {
    test("a deactivated user loses the socket within a second, and the next request is refused", async () => {
      await makeUser("gone")
      const socket = await listen(b, "gone")
      expect((await api(b, "GET", "/api/v2/app", { as: tokenOf("gone") })).status).not.toBe(401)
      const startMs = performance.now()
      expect((await api(a, "POST", "/api/v2/users/gone/deactivate", { body: {} })).status).toBe(201)
      await untilRefused(() => api(b, "POST", "/api/v2/chat/channels", { as: tokenOf("gone"), body: {} }), 401, 5)
      expect(await socket.closed).toMatchObject({ code: expect.any(Number) })
      expect(performance.now() - startMs).toBeLessThan(1_000)
      expect(socket.seen("connection.error")).toMatchObject([{ error: { code: 5 } }])
      // Let in again through B, welcome on A.
      expect((await api(b, "POST", "/api/v2/users/gone/reactivate", { body: {} })).status).toBe(201)
      await until("A lets the user in", async () => {
        return (await api(a, "POST", "/api/v2/chat/channels", { as: tokenOf("gone"), body: {} })).status === 200
      })
    })

    test("tokens that were issued before a cut-off are refused", async () => {
      await makeUser("cut")
      const nowSeconds = Math.floor(Date.now() / 1000)
      const oldToken = tokenOf("cut", { iat: nowSeconds - 100 })
      const ask = (node: NodeProcess, as: string) => api(node, "POST", "/api/v2/chat/channels", { as, body: {} })
      expect((await ask(b, oldToken)).status).toBe(200)
      const socket = await connect(b.url, "cut", { apiKey, token: oldToken })
      const revoke_tokens_issued_before = new Date((nowSeconds - 50) * 1000).toISOString()
      const users = [{ id: "cut", set: { revoke_tokens_issued_before } }]
      expect((await api(a, "PATCH", "/api/v2/users", { body: { users } })).status).toBe(200)
      await untilRefused(() => ask(b, oldToken), 401, 40)
      await socket.closed
      expect(socket.seen("connection.error")).toMatchObject([{ error: { code: 40 } }])
      expect((await ask(b, tokenOf("cut"))).status).toBe(200)
    })

    test("a removed member no longer hears, nor reads", async () => {
      const path = await makeChannel("removed", ["ann", "bob"])
      const [bob, ann] = await Promise.all([listen(b, "bob"), listen(b, "ann")])
      await watch(b, path, "bob", bob.connectionId)
      await watch(b, path, "ann", ann.connectionId)
      await send(a, path, "ann", "before")
      await bob.next("message.new")
      expect((await api(a, "POST", path, { body: { remove_members: ["bob"] } })).status).toBe(201)
      const id = await send(a, path, "ann", "after")
      await bob.next("notification.removed_from_channel")
      await until("ann hears both", () => ann.seen("message.new").length === 2)
      expect((await api(b, "GET", `/api/v2/chat/messages/${id}`, { as: tokenOf("bob") })).status).toBeGreaterThan(400)
      await Bun.sleep(200)
      expect(bob.seen("message.new").map(({ message }) => message.text)).toEqual(["before"])
      expect(bob.seen("notification.message_new")).toEqual([])
      bob.close()
      ann.close()
    })

    test("a suspended app is refused, with its sockets", async () => {
      const made = (await admin(a, "POST", "/apps", { name: "other" })).body
      const as = serverToken({}, made.secret)
      const ask = (node: NodeProcess) => call(node.url, "GET", "/api/v2/app", { apiKey: made.key.api_key, as })
      expect((await ask(b)).status).toBe(200)
      const token = userToken("ann", {}, made.secret)
      const socket = await connect(b.url, "ann", { apiKey: made.key.api_key, token })
      expect((await admin(a, "PATCH", `/apps/${made.app.id}`, { suspended: true })).status).toBe(200)
      await untilRefused(() => ask(b), 403, 99)
      await socket.closed
      expect(socket.seen("connection.error")).toMatchObject([{ error: { code: 99 } }])
      expect((await admin(b, "PATCH", `/apps/${made.app.id}`, { suspended: false })).status).toBe(200)
      await until("A lets the app in", async () => (await ask(a)).status === 200)
    })
  })

  describe("when Redis is away", () => {
    test("both nodes say so, nothing stale is believed, and all is well when it is back", async () => {
      const path = await makeChannel("outage", ["ann", "bob"])
      await makeUser("leaver")
      const [bob, leaver] = await Promise.all([listen(b, "bob"), listen(b, "leaver")])
      await watch(b, path, "bob", bob.connectionId)
      const asLeaver = () => api(b, "POST", "/api/v2/chat/channels", { as: tokenOf("leaver"), body: {} })
      const readiness = async (node: NodeProcess) =>
        (await call(node.url, "GET", "/readyz", { as: null, apiKey: null })).status
      expect((await asLeaver()).status).toBe(200)
      expect([await readiness(a), await readiness(b)]).toEqual([200, 200])

      await redis.kill()
      await until("neither is ready", async () => (await readiness(a)) === 503 && (await readiness(b)) === 503, 5_000)
      expect((await api(a, "POST", "/api/v2/users/leaver/deactivate", { body: {} })).status).toBe(201)
      await until("B refuses the user without a word from A", async () => (await asLeaver()).status === 401, leaseMs)
      const id = await send(a, path, "ann", "said meanwhile")
      expect((await api(b, "GET", `/api/v2/chat/messages/${id}`, { as: tokenOf("bob") })).status).toBe(200)

      await redis.start()
      await until("both are ready", async () => (await readiness(a)) === 200 && (await readiness(b)) === 200, 12_000)
      await send(a, path, "ann", "said afterwards")
      // What was said meanwhile was told to nobody on B; it is made good, and so is the sending away.
      await until("bob heard both", () => bob.seen("message.new").length === 2, 20_000)
      const texts = bob.seen("message.new").map(({ message }) => message.text)
      expect(texts.sort()).toEqual(["said afterwards", "said meanwhile"])
      await leaver.closed
      expect(leaver.seen("connection.error")).toMatchObject([{ error: { code: 5 } }])
      bob.close()
    }, 60_000)
  })

  // Last, because A stays dead.
  describe("when A is killed", () => {
    test("its users go offline, and B tells what A had written and not told", async () => {
      const path = await makeChannel("killed", ["eve", "bob"])
      const [bob, eve] = await Promise.all([listen(b, "bob"), listen(a, "eve")])
      await watch(b, path, "bob", bob.connectionId)
      const id = await send(a, path, "eve", "my last words")
      await bob.next("message.new")
      await a.end("SIGKILL")
      const killedMs = performance.now()
      // As if A had died between a commit and its telling: an event that nobody has heard, too old to be on its way.
      const [untold] = await sql`insert into outbox (app_id, type, stream, deliveries, created_at)
        select app_id, type, stream, replace(deliveries, 'my last words', 'never told'), created_at - 60000
        from outbox where type = 'message.new' and deliveries like ${`%${id}%`} returning id`
      expect((await bob.next("message.new", 9_000)).message.text).toBe("never told")
      await until("it is marked as told", async () => {
        const [row] = await sql`select relayed_at from outbox where id = ${untold.id}`
        return row.relayed_at !== null
      })
      expect((await bob.next("user.presence.changed", silenceMs)).user).toMatchObject({ id: "eve", online: false })
      expect(performance.now() - killedMs).toBeLessThan(silenceMs)
      expect((await eve.closed).code).toBe(1006)
      await send(b, path, "eve", "B goes on")
      expect((await bob.next("message.new")).message.text).toBe("B goes on")
      const texts = bob.seen("message.new").map(({ message }) => message.text)
      expect(texts).toEqual(["my last words", "never told", "B goes on"])
      bob.close()
    }, 40_000)
  })
}
