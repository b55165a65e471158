// The same promises when the one who is shut out and the one who shuts out meet different nodes: two servers on one
// database and one bus. Runs where both are given.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createPostgresDatabase, startTestServer, type TestServer, userToken } from "../../src/testing.ts"
import { createUsers } from "../fixtures.ts"

const redisUrl = process.env.WEIR_TEST_REDIS_URL
const runs = Boolean(redisUrl && process.env.WEIR_TEST_POSTGRES_URL)
if (!runs) console.log("security on two nodes: needs WEIR_TEST_POSTGRES_URL and WEIR_TEST_REDIS_URL, skipped")

const masterKey = "5ec2e7".repeat(10).padEnd(64, "0")

describe.skipIf(!runs)("two nodes", () => {
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null
  let near: TestServer
  let far: TestServer
  beforeAll(async () => {
    database = await createPostgresDatabase()
    const env = {
      WEIR_DATABASE_URL: database?.url as string,
      WEIR_REDIS_URL: redisUrl as string,
      WEIR_MASTER_KEY: masterKey,
    }
    near = await startTestServer({ env })
    far = await startTestServer({ env })
    await createUsers(near, "alice")
  })
  afterAll(async () => {
    await Promise.all([near.close(), far.close()])
    await database?.drop()
  })

  test("case 31: a role that is taken away here is gone there", async () => {
    await createUsers(near, { id: "staff", role: "admin" } as { id: string })
    const channel = "/api/v2/chat/channels/messaging/talk"
    await near.call("POST", `${channel}/query`, { body: { data: { created_by_id: "alice", members: ["alice"] } } })
    const socket = await far.connect("staff")
    const options = { as: userToken("staff"), connectionId: socket.connectionId, body: { watch: true } }
    expect((await near.call("POST", `${channel}/query`, options)).status).toBe(201)
    const say = (text: string) =>
      near.call("POST", `${channel}/message`, { body: { message: { text, user_id: "alice" } } })
    await say("hello")
    await socket.next("message.new")
    const set = { users: [{ id: "staff", set: { role: "user" } }] }
    expect((await near.call("PATCH", "/api/v2/users", { body: set })).status).toBe(200)
    await say("secret")
    expect((await socket.closed).code).toBe(4003)
    expect(socket.frames.filter((frame) => frame.message?.text === "secret")).toEqual([])
    // What the user may do now is what counts, on both nodes.
    for (const node of [near, far]) {
      expect((await node.call("POST", `${channel}/query`, { as: userToken("staff"), body: {} })).status).toBe(403)
    }
  })

  test("case 39: connecting there while being shut out here never ends connected", async () => {
    for (let round = 0; round < 40; round++) {
      const user = `racer${round}`
      await createUsers(near, user)
      if (round % 2 === 0) await far.call("GET", "/api/v2/users", { as: userToken(user) })
      const connecting = Promise.all(
        [0, 1, 2].map((index) => far.connect(user, { details: { name: `n${index}` } }).catch(() => null)),
      )
      await Bun.sleep(Math.random() * 8)
      expect((await near.call("POST", `/api/v2/users/${user}/deactivate`, { body: {} })).status).toBe(201)
      const sockets = (await connecting).filter((socket) => socket !== null)
      const ended = await Promise.race([
        Promise.all(sockets.map((socket) => socket.closed)).then(() => true),
        Bun.sleep(3_000).then(() => false),
      ])
      expect({ round, ended }).toEqual({ round, ended: true })
      expect({ round, again: (await far.connect(user)).first.type }).toEqual({ round, again: "connection.error" })
    }
  }, 60_000)
})
