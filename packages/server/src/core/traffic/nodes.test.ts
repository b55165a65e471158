// Traffic of two nodes on one database and one bus: whoever asks either of them hears of both. Runs where both are given.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { asAdmin, createApp, createUsers, type OtherApp } from "../../../test/fixtures.ts"
import { generateMasterKeyText } from "../../base/crypto.ts"
import { createPostgresDatabase, serverToken, startTestServer, type TestServer, userToken } from "../../testing.ts"

const redisUrl = process.env.WEIR_TEST_REDIS_URL
const hasTwoNodes = Boolean(redisUrl && process.env.WEIR_TEST_POSTGRES_URL)

describe.skipIf(!hasTwoNodes)("traffic of two nodes", () => {
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null
  let near: TestServer
  let far: TestServer
  let app: OtherApp
  let env: Record<string, string>
  beforeAll(async () => {
    database = await createPostgresDatabase()
    env = {
      WEIR_DATABASE_URL: database?.url as string,
      WEIR_REDIS_URL: redisUrl as string,
      WEIR_MASTER_KEY: generateMasterKeyText(),
    }
    near = await startTestServer({ env })
    far = await startTestServer({ env })
    app = await createApp(near, "two nodes")
    await createUsers(near, "jessica")
  })
  afterAll(async () => {
    await Promise.all([near.close(), far.close()])
    await database?.drop()
  })

  const ask = (node: TestServer) =>
    node.call("GET", "/api/v2/app", { as: serverToken({}, app.secret), apiKey: app.apiKey })
  const admin = async (node: TestServer, path: string) =>
    (await node.call("GET", `/api/admin/v1/apps/${app.id}/${path}`, asAdmin)).body
  const nodesOf = async (node: TestServer) => (await node.call("GET", "/api/admin/v1/nodes", asAdmin)).body.nodes

  test("what one node has counted the other tells at once, and nothing twice", async () => {
    for (const node of [near, near, far]) expect((await ask(node)).status).toBe(200)
    for (const node of [near, far]) expect((await admin(node, "traffic")).totals.requests).toBe(3)
  })

  test("the log holds the requests of both, in order, and goes on where it was left on either", async () => {
    const { after } = await admin(near, "requests")
    for (const node of [far, near]) {
      await ask(node)
      await Bun.sleep(5)
    }
    const later = await admin(far, `requests?after=${after}`)
    expect(later.requests).toHaveLength(2)
    expect(new Set(later.requests.map(({ node }: { node: string }) => node)).size).toBe(2)
    const times = later.requests.map(({ at }: { at: string }) => at)
    expect(times).toEqual([...times].sort().reverse())
    expect((await admin(near, `requests?after=${later.after}`)).requests).toEqual([])
  })

  test("sockets are counted over both", async () => {
    const options = { apiKey: app.apiKey, token: userToken("jessica", {}, app.secret) }
    const sockets = [await near.connect("jessica", options), await far.connect("jessica", options)]
    for (const node of [near, far]) expect((await admin(node, "overview")).sockets).toBe(2)
    for (const node of [near, far]) expect((await admin(node, "traffic")).totals.sockets_open).toBe(2)
    for (const socket of sockets) {
      socket.close()
      await socket.closed
    }
  })

  test("both are listed by each, and which of them answers", async () => {
    for (const node of [near, far]) {
      const nodes = await nodesOf(node)
      expect(nodes).toHaveLength(2)
      expect(nodes.filter(({ is_here }: { is_here: boolean }) => is_here)).toHaveLength(1)
      for (const { status, state } of nodes) {
        expect(status).toBe("answering")
        expect(state).toMatchObject({ bus: "connected", is_draining: false, database: { dialect: "postgres" } })
        expect(state.revocations.behind).toBe(0)
        expect(state.revocations.lease_left_ms).toBeGreaterThan(0)
        expect(Math.abs(state.database.clock_offset_ms)).toBeLessThan(1_000)
        expect(state.requests).toBeGreaterThan(0)
      }
      expect(new Set(nodes.map(({ state }: { state: { address: string } }) => state.address))).toEqual(
        new Set([near.url, far.url]),
      )
    }
  })

  test("a node that ends in order leaves its counts behind and the list at once", async () => {
    const third = await startTestServer({ env })
    await ask(third)
    const before = (await admin(near, "traffic")).totals.requests
    expect(await nodesOf(near)).toHaveLength(3)
    await third.close()
    expect((await admin(near, "traffic")).totals.requests).toBe(before)
    expect(await nodesOf(near)).toHaveLength(2)
  })
})
