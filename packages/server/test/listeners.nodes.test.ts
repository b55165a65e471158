// Listening across nodes: the stream is open on one, events are written and answers arrive on another, and nodes die.
// Runs where Postgres and Redis are given.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { createPostgresDatabase, startTestServer, type TestServer, userToken } from "../src/testing.ts"
import { asAdmin, createUsers } from "./fixtures.ts"
import { listenTo, type TestListener } from "./listening.ts"
import { endAllNodes, newMasterKey, startNode, until } from "./node-process.ts"

const redisUrl = process.env.WEIR_TEST_REDIS_URL
const runs = Boolean(redisUrl && process.env.WEIR_TEST_POSTGRES_URL)
if (!runs) console.log("listeners on two nodes: needs WEIR_TEST_POSTGRES_URL and WEIR_TEST_REDIS_URL, skipped")

const app = 1_000_001
const channel = "/api/v2/chat/channels/messaging/listened"

describe.skipIf(!runs)("listeners on two nodes", () => {
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null
  let env: Record<string, string>
  let near: TestServer
  let far: TestServer
  const open: TestListener[] = []
  beforeAll(async () => {
    database = await createPostgresDatabase()
    env = {
      WEIR_DATABASE_URL: database?.url as string,
      WEIR_REDIS_URL: redisUrl as string,
      WEIR_MASTER_KEY: newMasterKey(),
    }
    near = await startTestServer({ env })
    far = await startTestServer({ env })
    await createUsers(near, "jessica")
    await near.call("POST", `${channel}/query`, { as: userToken("jessica"), body: { data: {} } })
  })
  afterEach(() => {
    for (const listener of open.splice(0)) listener.leave()
  })
  afterAll(async () => {
    await endAllNodes()
    await Promise.all([near.close(), far.close()])
    await database?.drop()
  })

  const listen = async (url: string, query = ""): Promise<TestListener> => {
    const listener = await listenTo(url, app, query)
    open.push(listener)
    return listener
  }
  const say = async (server: TestServer, text: string): Promise<void> => {
    const body = { message: { text } }
    expect((await server.call("POST", `${channel}/message`, { as: userToken("jessica"), body })).status).toBe(201)
  }
  // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
  const hooks = async (server: TestServer): Promise<any[]> =>
    (await server.call("GET", `/api/admin/v1/apps/${app}/hooks`, asAdmin)).body.hooks

  test("events that are written here reach a listener there, and its answers may arrive here", async () => {
    const listener = await listen(far.url, "?event_types=message.new")
    for (const [server, text] of [
      [near, "from the other node"],
      [far, "from its own"],
    ] as const) {
      await say(server, text)
      const delivery = await listener.next("delivery")
      expect(JSON.parse(delivery.body).message.text).toBe(text)
      const answer = { delivery: delivery.id, attempt: delivery.attempt, status: 200 }
      expect((await listener.answer(answer, near.url)).body).toMatchObject({ accepted: true })
      // Once it was answered, nobody waits for it, whichever node is told.
      expect((await listener.answer(answer, far.url)).body).toMatchObject({ accepted: false })
      await until("it is delivered", async () => {
        const path = `/api/admin/v1/apps/${app}/deliveries/${delivery.id}`
        return (await near.call("GET", path, asAdmin)).body.delivery?.state === "delivered"
      })
    }
    listener.leave()
    await until("its hook is gone", async () => (await hooks(near)).length === 0)
  })

  test("a node that goes down sends its listeners to another one, with their secrets", async () => {
    const leaving = await startNode(env)
    const before = await listen(leaving.url)
    const ended = leaving.end("SIGTERM")
    expect(await before.next("end")).toEqual({ type: "end", reason: "draining" })
    const after = await listen(near.url, `?resume=${before.ready.resume}`)
    expect(after.ready.secrets[0].value).toBe(before.ready.secrets[0].value)
    expect(await ended).toBe(0)
    expect((await hooks(near)).map(({ id }) => id)).toEqual([after.hookId])
    await say(far, "after the move")
    expect(JSON.parse((await after.next("delivery")).body).message.text).toBe("after the move")
  }, 30_000)

  test("an answer for a node that is dead is taken by nobody, in time", async () => {
    const dying = await startNode(env)
    const listener = await listen(dying.url)
    await dying.end("SIGKILL")
    const startedMs = performance.now()
    const answer = { delivery: "msg_1-x", attempt: 1, status: 200 }
    expect((await listener.answer(answer, near.url)).body).toMatchObject({ accepted: false })
    expect(performance.now() - startedMs).toBeLessThan(4_000)
  }, 30_000)
})
