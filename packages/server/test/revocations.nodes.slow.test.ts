// Revocation on two nodes: what is revoked through A ends on B, with the bus, without it, after a crash, and where B has
// lost its database and cannot know.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createServer, type Server, type Socket, connect as tcpConnect } from "node:net"
import { type OwnRedisServer, redisProgram, startRedisServer } from "../../../contract/suites/bus/redis-server.ts"
import { call, connect, createPostgresDatabase, serverToken, testAdminToken, userToken } from "../src/testing.ts"
import { endAllNodes, type NodeProcess, newMasterKey, startNode, temporaryFolder, until } from "./node-process.ts"

/** How long a node may believe what it knows, and what it may take to notice that it may no longer. */
const leaseMs = 5_000
const noticeMs = 1_500

const database = redisProgram === null ? null : await createPostgresDatabase()
if (database === null) {
  console.log("revocations.nodes.slow.test.ts: skipped, needs WEIR_TEST_POSTGRES_URL and the program redis-server")
} else {
  revocationTests(database)
}

/** A way to the database that can be closed without a word, as a network is that drops what is sent. */
class Way {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isOpen = true

  constructor(host: string, port: number) {
    this.#server = createServer((near) => {
      const far = tcpConnect({ host, port })
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from)
        from.on("data", (bytes) => {
          if (this.#isOpen) to.write(bytes)
        })
        from.on("error", () => to.destroy())
        from.on("close", () => {
          this.#sockets.delete(from)
          to.destroy()
        })
      }
    })
  }
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve))
    return (this.#server.address() as { port: number }).port
  }
  cut(): void {
    this.#isOpen = false
  }
  mend(): void {
    this.#isOpen = true
    // What was swallowed is gone; connections that missed it must start anew.
    for (const socket of this.#sockets) socket.destroy()
  }
  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

function revocationTests(database: { url: string; drop(): Promise<void> }): void {
  const folders = [temporaryFolder(), temporaryFolder()]
  const masterKey = newMasterKey()
  let redis: OwnRedisServer
  let way: Way
  let wayUrl = ""
  let a: NodeProcess
  let b: NodeProcess
  let app = 0

  const settings = (folder: number, url: string) => ({
    WEIR_DATABASE_URL: url,
    WEIR_REDIS_URL: redis.url,
    WEIR_MASTER_KEY: masterKey,
    WEIR_DATA_DIR: folders[folder]?.path,
  })
  const admin = (node: NodeProcess, method: string, path: string, body?: unknown) =>
    call(node.url, method, `/api/admin/v1${path}`, {
      as: `Bearer ${testAdminToken}`,
      apiKey: null,
      authType: null,
      body,
    })
  const revoke = async (node: NodeProcess, body: object) => {
    const answer = await admin(node, "POST", `/apps/${app}/revocations`, body)
    expect([answer.status, answer.body.message]).toEqual([201, undefined])
    return answer.body.receipt
  }
  const use = (node: NodeProcess, token: string) => call(node.url, "GET", "/api/v2/users?payload={}", { as: token })
  const listen = (node: NodeProcess, userId: string, token: string) => connect(node.url, userId, { token })
  const nextSecond = () => Bun.sleep(1_020 - (Date.now() % 1_000))

  beforeAll(async () => {
    redis = await startRedisServer()
    const target = new URL(database.url)
    way = new Way(target.hostname, Number(target.port || 5432))
    const through = new URL(database.url)
    through.hostname = "127.0.0.1"
    through.port = String(await way.listen())
    wayUrl = through.href
    a = await startNode(settings(0, database.url))
    b = await startNode(settings(1, wayUrl))
    app = (await call(a.url, "GET", "/api/v2/app", { as: serverToken() })).body.app.id
  }, 60_000)
  afterAll(async () => {
    await endAllNodes()
    way.close()
    await redis.kill()
    for (const folder of folders) folder.remove()
    await database.drop()
  }, 30_000)

  describe("revocation on two nodes", () => {
    test("cases 35 and 36: revoked through A, refused on both and closed on both within a second, as the receipt says", async () => {
      await nextSecond()
      const token = userToken("jessica")
      const sockets = [await listen(a, "jessica", token), await listen(b, "jessica", token)]
      const startedMs = performance.now()
      const receipt = await revoke(a, { user_id: "jessica" })
      for (const socket of sockets) expect((await socket.closed).code).toBe(4040)
      expect(performance.now() - startedMs).toBeLessThan(1_000)
      expect(receipt.sockets_closed).toBe(2)
      expect(receipt.nodes).toHaveLength(2)
      expect(receipt.nodes.every((node: { fenced: boolean }) => !node.fenced)).toBe(true)
      for (const node of [a, b]) {
        expect((await use(node, token)).body.code).toBe(40)
        expect((await listen(node, "jessica", token)).first.error.code).toBe(40)
      }
    })

    test("case 38: with a flood through both nodes, nothing of after the receipt's time reaches a socket on either", async () => {
      await nextSecond()
      const path = "/api/v2/chat/channels/messaging/flood"
      const users = { sender: { id: "sender" }, flooded: { id: "flooded" } }
      await call(a.url, "POST", "/api/v2/users", { as: serverToken(), body: { users } })
      const data = { created_by_id: "sender", members: [{ user_id: "sender" }, { user_id: "flooded" }] }
      await call(a.url, "POST", `${path}/query`, { as: serverToken(), body: { data } })
      const token = userToken("flooded")
      const sockets = [await listen(a, "flooded", token), await listen(b, "flooded", token)]
      let isOver = false
      const flood = async ({ url }: NodeProcess) => {
        for (let n = 0; !isOver; n++) {
          const body = { message: { text: String(n), user_id: "sender" } }
          await call(url, "POST", `${path}/message`, { as: serverToken(), body })
        }
      }
      const floods = [flood(a), flood(b)]
      await until("both hear", () => sockets.every((socket) => socket.seen("notification.message_new").length > 10))
      const receipt = await revoke(a, { user_id: "flooded" })
      await Bun.sleep(300)
      isOver = true
      await Promise.all(floods)
      expect(receipt.sockets_closed).toBe(2)
      for (const socket of sockets) {
        for (const { created_at } of socket.seen("notification.message_new")) {
          expect(Date.parse(created_at)).toBeLessThanOrEqual(Date.parse(receipt.effective_at))
        }
      }
    })

    test("a user who has a socket on B only is listed and counted through A", async () => {
      await nextSecond()
      const token = userToken("remote", { jti: "remote" })
      const socket = await listen(b, "remote", token)
      const { sessions } = (await admin(a, "GET", `/apps/${app}/sessions?user_id=remote`)).body
      // What B has seen of the token is written every 2 s; its sockets are asked for.
      await until(
        "B's sighting",
        async () => (await admin(a, "GET", `/apps/${app}/sessions?user_id=remote`)).body.sessions.length > 0,
        5_000,
      )
      const seen = (await admin(a, "GET", `/apps/${app}/sessions?user_id=remote`)).body.sessions
      expect(sessions.length).toBeLessThanOrEqual(1)
      expect(seen[0].sockets).toHaveLength(1)
      const dry = (await admin(a, "POST", `/apps/${app}/revocations?dry_run=true`, { user_id: "remote" })).body.would
      expect(dry.sockets).toBe(1)
      const ended = await admin(a, "DELETE", `/apps/${app}/sessions/${seen[0].id}`)
      expect(ended.body.receipt.sockets_closed).toBe(1)
      expect((await socket.closed).code).toBe(4040)
    })

    test("case 42: without the bus the other node learns of it from the database", async () => {
      await nextSecond()
      const token = userToken("busless")
      const socket = await listen(b, "busless", token)
      await redis.kill()
      try {
        const receipt = await revoke(a, { user_id: "busless" })
        expect(receipt.nodes).toHaveLength(2)
        expect(receipt.nodes.every((node: { fenced: boolean }) => !node.fenced)).toBe(true)
        // B says through the database what it closed.
        expect(receipt.sockets_closed).toBe(1)
        await socket.closed
        expect((await use(b, token)).body.code).toBe(40)
      } finally {
        await redis.start()
      }
      await until("both are ready", async () => {
        const states = await Promise.all([a, b].map(async ({ url }) => (await fetch(`${url}/readyz`)).status))
        return states.every((status) => status === 200)
      })
    }, 40_000)

    test("case 42: it survives kill -9 right after the answer, and a restart of both nodes", async () => {
      await nextSecond()
      const token = userToken("survivor")
      expect((await use(b, token)).status).toBe(200)
      await revoke(a, { user_id: "survivor" })
      await Promise.all([a.end("SIGKILL"), b.end("SIGKILL")])
      a = await startNode(settings(0, database.url))
      b = await startNode(settings(1, wayUrl))
      for (const node of [a, b]) expect((await use(node, token)).body.code).toBe(40)
    }, 60_000)

    test("case 43: a node that has lost its database lets nobody in once its lease is over, and the receipt says so", async () => {
      // The nodes that were killed have left their leases behind.
      await Bun.sleep(leaseMs + 500)
      await nextSecond()
      const token = userToken("partitioned")
      const socket = await listen(b, "partitioned", token)
      const other = await listen(b, "bystander", userToken("bystander"))
      expect((await use(b, token)).status).toBe(200)
      way.cut()
      const cutAtMs = performance.now()
      const receipt = await revoke(a, { user_id: "partitioned" })
      const receiptAtMs = performance.now()
      expect(receipt.nodes).toHaveLength(2)
      expect(receipt.nodes.filter((node: { fenced: boolean }) => node.fenced)).toHaveLength(1)
      // From the receipt on, nobody who was revoked is served.
      expect([503, 401]).toContain((await use(b, token)).status)
      expect((await use(b, userToken("bystander"))).status).toBe(503)
      for (const one of [socket, other]) expect((await one.closed).code).toBe(4499)
      expect(performance.now() - cutAtMs).toBeLessThan(leaseMs + noticeMs + 1_000)
      expect(receiptAtMs - cutAtMs).toBeLessThan(leaseMs + noticeMs)
      expect((await listen(b, "bystander", userToken("bystander"))).first.error.code).toBe(-3)
      way.mend()
      await until("B serves again", async () => (await use(b, userToken("bystander"))).status === 200, 20_000)
      expect((await use(b, token)).body.code).toBe(40)
    }, 60_000)

    test("case 47: a secret's tokens count on both nodes until it is revoked and on neither from the moment after", async () => {
      const key = (await admin(a, "GET", `/apps/${app}/keys`)).body.keys[0].api_key
      const made = (await admin(a, "POST", `/apps/${app}/keys/${key}/secrets`, { state: "active" })).body
      const token = serverToken({}, made.value)
      for (const node of [a, b]) {
        expect((await call(node.url, "GET", "/api/v2/app", { as: token })).status).toBe(200)
      }
      const path = `/apps/${app}/keys/${key}/secrets/${made.secret.kid}`
      expect((await admin(b, "PATCH", path, { state: "retiring" })).body.secret.state).toBe("retiring")
      for (const node of [a, b]) {
        expect((await call(node.url, "GET", "/api/v2/app", { as: token })).status).toBe(200)
      }
      const { receipt } = (await admin(b, "PATCH", path, { state: "revoked" })).body
      expect(receipt.nodes).toHaveLength(2)
      for (const node of [a, b]) {
        expect([40, 43]).toContain((await call(node.url, "GET", "/api/v2/app", { as: token })).body.code)
      }
    })

    test("a signed request that came to one node does not count on the other", async () => {
      const { signRequest } = await import("../../sdk-server/src/server-auth.ts")
      const { testApiKey, testApiSecret } = await import("../src/testing.ts")
      const path = `/api/v2/app?api_key=${testApiKey}`
      const headers = await signRequest(
        { method: "GET", url: `${a.url}${path}`, body: undefined },
        { apiKey: testApiKey, apiSecret: testApiSecret, createdSeconds: Math.floor(Date.now() / 1000) },
      )
      const answers = await Promise.all(
        [a, b, a, b].map(async ({ url }) => (await fetch(url + path, { headers })).status),
      )
      expect(answers.filter((status) => status === 200)).toHaveLength(1)
      expect(answers.filter((status) => status === 401)).toHaveLength(3)
    })
  })
}
