// Two processes on one Postgres and one Redis count together (case 65). What the second node can add to a limit is 5 % of
// it or what it lets in during one round trip to Redis, whichever is more; here no more than `atOnce` requests are on
// their way to a node.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type OwnRedisServer, redisProgram, startRedisServer } from "../../../contract/suites/bus/redis-server.ts"
import {
  type Answer,
  type CallOptions,
  call,
  createPostgresDatabase,
  serverToken,
  testAdminToken,
  userToken,
} from "../src/testing.ts"
import { endAllNodes, type NodeProcess, newMasterKey, startNode, temporaryFolder, until } from "./node-process.ts"

const atOnce = 8
const statedError = 0.05

const database = redisProgram === null ? null : await createPostgresDatabase()
if (database === null) {
  console.log("rate-limits.nodes.slow.test.ts: skipped, needs WEIR_TEST_POSTGRES_URL and the program redis-server")
} else {
  nodesTests(database)
}

function nodesTests(database: { url: string; drop(): Promise<void> }): void {
  const folders = [temporaryFolder(), temporaryFolder()]
  const masterKey = newMasterKey()
  let redis: OwnRedisServer
  let nodes: readonly [NodeProcess, NodeProcess]

  interface App {
    readonly id: number
    readonly apiKey: string
    readonly secret: string
  }
  const admin = (node: NodeProcess, method: string, path: string, body?: unknown): Promise<Answer> =>
    call(node.url, method, `/api/admin/v1${path}`, {
      as: `Bearer ${testAdminToken}`,
      apiKey: null,
      authType: null,
      ...(body === undefined ? {} : { body }),
    })
  /** An app of its own with its own limits, once both nodes know them, at the beginning of its window. */
  const makeApp = async (overrides: object): Promise<App> => {
    const { body } = await admin(nodes[0], "POST", "/apps", { name: "limited" })
    const app = { id: body.app.id, apiKey: body.key.api_key, secret: body.secret }
    expect((await admin(nodes[0], "PATCH", `/apps/${app.id}/limits`, { overrides })).status).toBe(200)
    const leftSeconds = 60 - ((Date.now() / 1000 - (app.id % 60)) % 60)
    if (leftSeconds < 20) await Bun.sleep(leftSeconds * 1000 + 50)
    return app
  }
  const ask = (node: NodeProcess, app: App, as: string, options: CallOptions = {}) =>
    call(node.url, "GET", "/api/v2/users", { apiKey: app.apiKey, as, ...options })
  const leftOn = async (node: NodeProcess, app: App): Promise<number> => {
    const answer = await call(node.url, "GET", "/api/v2/rate_limits?server_side=true&endpoints=QueryUsers", {
      apiKey: app.apiKey,
      as: serverToken({}, app.secret),
    })
    return answer.body.server_side.QueryUsers.remaining
  }

  beforeAll(async () => {
    redis = await startRedisServer()
    const [a, b] = await Promise.all(
      folders.map(({ path }) =>
        startNode({
          WEIR_DATABASE_URL: database.url,
          WEIR_REDIS_URL: redis.url,
          WEIR_MASTER_KEY: masterKey,
          WEIR_DATA_DIR: path,
          WEIR_RATE_LIMITS: "on",
        }),
      ),
    )
    nodes = [a as NodeProcess, b as NodeProcess]
  }, 60_000)
  afterAll(async () => {
    await endAllNodes()
    await redis?.kill()
    await database.drop()
    for (const { remove } of folders) remove()
  })

  describe("case 65: two nodes", () => {
    test("let in an app's limit between them, within the stated error, however they are asked", async () => {
      const limit = 600
      const app = await makeApp({ QueryUsers: { app: limit } })
      const as = serverToken({}, app.secret)
      let taken = 0
      let refused = 0
      const askOften = async (node: NodeProcess): Promise<void> => {
        for (let i = 0; i < limit / atOnce; i++) {
          const { status } = await ask(node, app, as)
          if (status === 200) taken += 1
          else if (status === 429) refused += 1
          else throw new Error(`status ${status}`)
        }
      }
      await Promise.all(nodes.flatMap((node) => Array.from({ length: atOnce }, () => askOften(node))))
      console.log(`two nodes, ${2 * atOnce} requests at once: ${taken} of ${limit} let in`)
      expect(taken + refused).toBe(limit * 2)
      expect(taken).toBeWithin(limit, limit * (1 + statedError) + atOnce + 1)
    }, 60_000)

    test("let in a user's limit between them when the user goes from one to the other", async () => {
      const app = await makeApp({})
      const as = userToken("jessica", {}, app.secret)
      const statuses: number[] = []
      for (let i = 0; i < 80; i++) statuses.push((await ask(nodes[i % 2] as NodeProcess, app, as)).status)
      const taken = statuses.filter((status) => status === 200).length
      console.log(`two nodes, one user in turns: ${taken} of 60 let in`)
      expect(taken).toBeWithin(60, 60 * (1 + statedError) + 1)
    }, 60_000)

    test("say the same of what is left", async () => {
      const app = await makeApp({})
      const as = serverToken({}, app.secret)
      for (let i = 0; i < 10; i++) expect((await ask(nodes[0], app, as)).status).toBe(200)
      expect(await leftOn(nodes[0], app)).toBe(990)
      // Node A tells of it within 200 ms, and node B hears it when it counts something itself.
      await Bun.sleep(500)
      expect((await ask(nodes[1], app, as)).status).toBe(200)
      await until("node B knows of what node A has let in", async () => (await leftOn(nodes[1], app)) === 989, 2_000)
    }, 60_000)

    test("hold an app's own limits that were set on the other", async () => {
      const app = await makeApp({})
      const as = serverToken({}, app.secret)
      expect((await ask(nodes[1], app, as)).headers.get("x-ratelimit-limit")).toBe("1000")
      const change = { overrides: { QueryUsers: { app: 77 } } }
      expect((await admin(nodes[0], "PATCH", `/apps/${app.id}/limits`, change)).status).toBe(200)
      const isKnown = async () => (await ask(nodes[1], app, as)).headers.get("x-ratelimit-limit") === "77"
      await until("node B holds the new limit", isKnown, 3_000)
    }, 60_000)
  })
}
