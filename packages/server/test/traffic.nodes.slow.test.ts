// Two processes that are watched through one of them, and the other dies: what it had counted and written stays, and the
// list says that it fell silent.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type OwnRedisServer, redisProgram, startRedisServer } from "../../../contract/suites/bus/redis-server.ts"
import { call, connect, createPostgresDatabase, serverToken, testAdminToken, userToken } from "../src/testing.ts"
import { endAllNodes, type NodeProcess, newMasterKey, startNode, temporaryFolder, until } from "./node-process.ts"

/** A node writes what it counts this often (flushEveryMs of core/traffic), and some slack. */
const flushMs = 10_000 + 4_000
/** After so long nobody waits for a node that is silent (leaseMs of core/revocations), and some slack. */
const leaseMs = 5_000 + 1_000

const database = redisProgram === null ? null : await createPostgresDatabase()
if (database === null) {
  console.log("traffic.nodes.slow.test.ts: skipped, needs WEIR_TEST_POSTGRES_URL and the program redis-server")
} else {
  trafficTests(database)
}

function trafficTests(database: { url: string; drop(): Promise<void> }): void {
  const folders = [temporaryFolder(), temporaryFolder()]
  const masterKey = newMasterKey()
  let redis: OwnRedisServer
  let a: NodeProcess
  let b: NodeProcess
  let app = 0

  const settings = (folder: number) => ({
    WEIR_DATABASE_URL: database.url,
    WEIR_REDIS_URL: redis.url,
    WEIR_MASTER_KEY: masterKey,
    WEIR_DATA_DIR: folders[folder]?.path,
  })
  const admin = async (path: string) =>
    (await call(a.url, "GET", `/api/admin/v1${path}`, { as: `Bearer ${testAdminToken}`, apiKey: null, authType: null }))
      .body
  const totals = async () => (await admin(`/apps/${app}/traffic`)).totals

  beforeAll(async () => {
    redis = await startRedisServer()
    a = await startNode(settings(0))
    b = await startNode(settings(1))
    app = (await call(a.url, "GET", "/api/v2/app", { as: serverToken() })).body.app.id
  }, 60_000)
  afterAll(async () => {
    await endAllNodes()
    await redis.kill()
    for (const folder of folders) folder.remove()
    await database.drop()
  }, 30_000)

  describe("traffic when a node is killed", () => {
    test("what it wrote stays, what it held in memory is gone, and it is listed as silent", async () => {
      const before = (await totals()).requests
      for (let n = 0; n < 20; n += 1) await call(b.url, "GET", "/api/v2/app", { as: serverToken() })
      const socket = await connect(b.url, "jessica", { token: userToken("jessica") })
      // Before it is written it is told all the same.
      expect((await totals()).requests).toBe(before + 21)
      await Bun.sleep(flushMs)
      const nodes = (await admin("/nodes")).nodes
      expect(nodes.map(({ status }: { status: string }) => status)).toEqual(["answering", "answering"])
      const killedAtMs = Date.now()
      await b.end("SIGKILL")
      await socket.closed
      const { requests, sockets_opened } = await totals()
      expect([requests, sockets_opened]).toEqual([before + 21, 1])

      const log = await admin(`/apps/${app}/requests?operation=GetApp`)
      expect(log.silent_nodes).toHaveLength(1)
      expect(log.requests.every(({ node }: { node: string }) => !log.silent_nodes.includes(node))).toBe(true)
      const silent = (await admin("/nodes")).nodes.find(({ status }: { status: string }) => status === "silent")
      expect(silent).toMatchObject({ id: log.silent_nodes[0], is_here: false, state: null })
      const seenMs = Date.parse(silent.last_seen_at)
      expect(seenMs).toBeWithin(killedAtMs - leaseMs, killedAtMs + 2_000)

      // Once its lease is over nobody waits for it any more, and it stays in the list.
      const isForgotten = async () => (await admin(`/apps/${app}/requests`)).silent_nodes.length === 0
      await until("that nobody waits for it", isForgotten, leaseMs + 2_000)
      expect((await admin("/nodes")).nodes.map(({ status }: { status: string }) => status)).toEqual([
        "answering",
        "silent",
      ])
    }, 60_000)
  })
}
