// Reads through the real door, on each database that is there.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createPostgresDatabase, serverToken, startTestServer, type TestServer, userToken } from "../../../testing.ts"

const backends = process.env.WEIR_TEST_POSTGRES_URL ? ["sqlite", "postgres"] : ["sqlite"]
if (backends.length === 1) console.log("chat reads: WEIR_TEST_POSTGRES_URL is not set, tested on SQLite only")

let counter = 0

describe.each(backends)("reads on %s", (backend) => {
  let t: TestServer
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null

  beforeAll(async () => {
    if (backend === "postgres") database = await createPostgresDatabase()
    t = await startTestServer(database === null ? {} : { env: { WEIR_DATABASE_URL: database.url } })
    const users = Object.fromEntries(["alice", "bob", "carol", "eve"].map((id) => [id, { id }]))
    const secret = { id: "secret", privacy_settings: { read_receipts: { enabled: false } } }
    expect((await t.call("POST", "/api/v2/users", { body: { users: { ...users, secret } } })).status).toBe(201)
  })
  afterAll(async () => {
    await t.close()
    await database?.drop()
  })

  const as = (userId: string) => userToken(userId)
  const channel = async (members: string[], type = "messaging"): Promise<string> => {
    const cid = `${type}/r${process.pid}-${counter++}`
    const body = { data: { created_by_id: "alice", members } }
    expect((await t.call("POST", `/api/v2/chat/channels/${cid}/query`, { body })).status).toBe(201)
    return cid
  }
  const send = async (cid: string, userId: string, message: object = { text: "x" }): Promise<string> => {
    const answer = await t.call("POST", `/api/v2/chat/channels/${cid}/message`, { as: as(userId), body: { message } })
    expect(answer.status).toBe(201)
    return answer.body.message.id
  }
  const read = (cid: string, token: string, body: object = {}) =>
    t.call("POST", `/api/v2/chat/channels/${cid}/read`, { as: token, body })
  const state = async (cid: string, viewer: string) => {
    const answer = await t.call("POST", `/api/v2/chat/channels/${cid}/query`, { as: as(viewer), body: {} })
    return Object.fromEntries(answer.body.read.map((entry: { user: { id: string } }) => [entry.user.id, entry]))
  }
  const totals = async (userId: string) => {
    const socket = await t.connect(userId)
    const { total_unread_count, unread_channels } = socket.first.me
    socket.close()
    return [total_unread_count, unread_channels]
  }
  const codes = (answer: { status: number; body: { code: number } }) => [answer.status, answer.body.code]

  test("unread counts what others said to the channel since one read or wrote", async () => {
    const cid = await channel(["alice", "bob"])
    const first = await send(cid, "alice")
    await send(cid, "alice", { text: "psst", silent: true })
    await send(cid, "alice", { text: "in the thread", parent_id: first })
    await send(cid, "alice")
    expect((await state(cid, "bob")).bob.unread_messages).toBe(2)
    expect((await state(cid, "bob")).alice.unread_messages).toBe(0)
    await send(cid, "bob")
    expect((await state(cid, "bob")).bob.unread_messages).toBe(0)
    expect((await state(cid, "bob")).alice.unread_messages).toBe(1)
  })

  test("marking read tells the watchers, and the reader's other sockets their new totals", async () => {
    const [cid, other] = [await channel(["alice", "carol"]), await channel(["alice", "carol"])]
    const [first, last] = [await send(cid, "alice"), await send(cid, "alice")]
    await send(other, "alice")
    expect(await totals("carol")).toEqual([3, 2])
    const alice = await t.connect("alice")
    const query = { as: as("alice"), body: { watch: true }, connectionId: alice.connectionId }
    expect((await t.call("POST", `/api/v2/chat/channels/${cid}/query`, query)).status).toBe(201)
    const carol = await t.connect("carol")

    const partly = await read(cid, as("carol"), { message_id: first })
    expect(partly.status).toBe(201)
    expect(partly.body.event).toMatchObject({
      type: "message.read",
      last_read_message_id: first,
      user: { id: "carol" },
    })
    expect(await alice.next("message.read")).toMatchObject({ user: { id: "carol" }, last_read_message_id: first })
    expect(await carol.next("notification.mark_read")).toMatchObject({ total_unread_count: 2, unread_channels: 2 })

    await read(cid, as("carol"))
    expect(await alice.next("message.read")).toMatchObject({ last_read_message_id: last })
    expect(await carol.next("notification.mark_read")).toMatchObject({ total_unread_count: 1, unread_channels: 1 })
    expect((await state(cid, "carol")).carol).toMatchObject({ unread_messages: 0, last_read_message_id: last })
    // Never backwards.
    await read(cid, as("carol"), { message_id: first })
    expect((await state(cid, "carol")).carol).toMatchObject({ unread_messages: 0, last_read_message_id: last })
    await read(other, as("carol"))
    expect(await totals("carol")).toEqual([0, 0])
    for (const socket of [alice, carol]) socket.close()
  })

  test("whoever hides read receipts reads unseen", async () => {
    const cid = await channel(["alice", "secret"])
    const alice = await t.connect("alice")
    const query = { as: as("alice"), body: { watch: true }, connectionId: alice.connectionId }
    await t.call("POST", `/api/v2/chat/channels/${cid}/query`, query)
    await send(cid, "alice")
    expect((await state(cid, "secret")).secret.unread_messages).toBe(1)
    expect((await state(cid, "alice")).secret).toBeUndefined()
    expect((await read(cid, as("secret"))).status).toBe(201)
    expect((await state(cid, "secret")).secret.unread_messages).toBe(0)
    await send(cid, "alice", { text: "end" })
    while ((await alice.next("message.new")).message.text !== "end");
    expect(alice.seen("message.read")).toEqual([])
    alice.close()
  })

  test("what came before a member does not count, nor does a channel that was left", async () => {
    const cid = await channel(["alice"])
    for (let n = 0; n < 3; n++) await send(cid, "alice")
    const before = await totals("eve")
    await t.call("POST", `/api/v2/chat/channels/${cid}`, { body: { add_members: ["eve"] } })
    expect((await state(cid, "eve")).eve.unread_messages).toBe(0)
    await send(cid, "alice")
    expect(await totals("eve")).toEqual([before[0] + 1, before[1] + 1])
    await t.call("POST", `/api/v2/chat/channels/${cid}`, { body: { remove_members: ["eve"] } })
    expect(await totals("eve")).toEqual(before)
  })

  test("what is refused", async () => {
    const cid = await channel(["alice", "bob"])
    const stranger = await read(cid, as("eve"))
    const absent = await read("messaging/not-there", as("eve"))
    expect(codes(stranger)).toEqual([404, 16])
    expect(stranger.body.message).toBe(absent.body.message.replace("messaging:not-there", cid.replace("/", ":")))
    expect(codes(await read(await channel([], "livestream"), as("bob")))).toEqual([400, 18])
    expect(codes(await read(cid, as("bob"), { user_id: "alice" }))).toEqual([403, 17])
    expect(codes(await read(cid, as("bob"), { message_id: "not-there" }))).toEqual([404, 16])
    expect(codes(await read(cid, as("bob"), { message_id: await send(await channel(["alice"]), "alice") }))).toEqual([
      404, 16,
    ])
    expect(codes(await read(cid, as("bob"), { message_id: 7 }))).toEqual([400, 4])
    expect(codes(await read(cid, serverToken()))).toEqual([400, 4])
    expect(codes(await read(cid, serverToken(), { user_id: "eve" }))).toEqual([400, 4])
    expect((await read(cid, serverToken(), { user_id: "bob" })).status).toBe(201)
    const path = `/api/v2/chat/channels/${cid}/read`
    expect(codes(await t.call("POST", path, { as: null, body: {} }))).toEqual([401, 5])
    expect(codes(await t.call("POST", path, { as: null, authType: "anonymous", body: {} }))).toEqual([403, 17])
  })
})
