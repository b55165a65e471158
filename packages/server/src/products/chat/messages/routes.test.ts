// Messages through the real door, on each database that is there.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createPostgresDatabase, serverToken, startTestServer, type TestServer, userToken } from "../../../testing.ts"

const backends = process.env.WEIR_TEST_POSTGRES_URL ? ["sqlite", "postgres"] : ["sqlite"]
if (backends.length === 1) console.log("chat messages: WEIR_TEST_POSTGRES_URL is not set, tested on SQLite only")

let counter = 0

describe.each(backends)("messages on %s", (backend) => {
  let t: TestServer
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null

  beforeAll(async () => {
    if (backend === "postgres") database = await createPostgresDatabase()
    t = await startTestServer(database === null ? {} : { env: { WEIR_DATABASE_URL: database.url } })
    const users = {
      alice: { id: "alice" },
      bob: { id: "bob" },
      eve: { id: "eve" },
      guest: { id: "guest", role: "guest" },
      root: { id: "root", role: "admin" },
    }
    expect((await t.call("POST", "/api/v2/users", { body: { users } })).status).toBe(201)
  })
  afterAll(async () => {
    await t.close()
    await database?.drop()
  })

  const as = (userId: string) => userToken(userId)
  const channel = async (members = ["alice", "bob"], type = "messaging"): Promise<string> => {
    const cid = `${type}/m${process.pid}-${counter++}`
    const body = { data: { created_by_id: "root", members } }
    expect((await t.call("POST", `/api/v2/chat/channels/${cid}/query`, { body })).status).toBe(201)
    return cid
  }
  const send = (cid: string, userId: string | null, message: object) =>
    t.call("POST", `/api/v2/chat/channels/${cid}/message`, {
      as: userId === null ? serverToken() : as(userId),
      body: { message },
    })
  const sent = async (cid: string, userId: string, message: object = { text: "hello" }): Promise<string> => {
    const answer = await send(cid, userId, message)
    expect(answer.status).toBe(201)
    return answer.body.message.id
  }
  const get = (id: string, token: string, query = "") =>
    t.call("GET", `/api/v2/chat/messages/${id}${query}`, { as: token })
  const update = (id: string, token: string, message: object) =>
    t.call("POST", `/api/v2/chat/messages/${id}`, { as: token, body: { message } })
  const remove = (id: string, token: string, query = "") =>
    t.call("DELETE", `/api/v2/chat/messages/${id}${query}`, { as: token })
  const listed = async (cid: string, messages: object = {}, token = as("alice")) => {
    const answer = await t.call("POST", `/api/v2/chat/channels/${cid}/query`, { as: token, body: { messages } })
    expect(answer.status).toBe(201)
    return answer.body.messages
  }
  const watch = async (cid: string, userId: string) => {
    const socket = await t.connect(userId)
    const body = { watch: true }
    const answer = await t.call("POST", `/api/v2/chat/channels/${cid}/query`, {
      as: as(userId),
      body,
      connectionId: socket.connectionId,
    })
    expect(answer.status).toBe(201)
    return socket
  }
  const codes = (answer: { status: number; body: { code: number } }) => [answer.status, answer.body.code]

  describe("sending", () => {
    test("a member's message is stored, shown and told", async () => {
      const cid = await channel()
      const bob = await watch(cid, "bob")
      const answer = await send(cid, "alice", {
        text: "hi @bob",
        attachments: [{ type: "image", image_url: "https://img.example/a.png" }],
        mentioned_users: ["bob", "bob", "nobody-there"],
        custom: { mood: "good" },
      })
      expect(answer.status).toBe(201)
      const { message } = answer.body
      expect(message).toMatchObject({
        cid: cid.replace("/", ":"),
        type: "regular",
        text: "hi @bob",
        user: { id: "alice" },
        attachments: [{ type: "image", custom: {} }],
        custom: { mood: "good" },
        reply_count: 0,
      })
      expect(message.mentioned_users.map((user: { id: string }) => user.id)).toEqual(["bob"])
      const event = await bob.next("message.new")
      expect(event).toMatchObject({
        cid: message.cid,
        channel_type: "messaging",
        message_id: message.id,
        watcher_count: 1,
      })
      expect(event.message).toEqual(message)
      expect((await get(message.id, as("bob"))).body.message).toMatchObject({
        ...message,
        channel: { cid: message.cid },
      })
      expect(await listed(cid)).toEqual([message])
      bob.close()
    })

    test("sent again with the same id, it is the stored message, and is told once", async () => {
      const cid = await channel()
      const bob = await watch(cid, "bob")
      const id = `retry-${counter++}`
      const answers = await Promise.all([1, 2, 3].map((n) => send(cid, "alice", { id, text: `attempt ${n}` })))
      expect(answers.map(({ status }) => status)).toEqual([201, 201, 201])
      const texts = new Set(answers.map(({ body }) => body.message.text))
      expect(texts.size).toBe(1)
      expect((await send(cid, "alice", { id, text: "much later" })).body.message.text).toBe([...texts][0])
      await sent(cid, "alice", { text: "end" })
      await bob.next("message.new")
      expect((await bob.next("message.new")).message.text).toBe("end")
      // The attempts that were not needed leave nothing behind: one message and the end are unread.
      const state = await t.call("POST", `/api/v2/chat/channels/${cid}/query`, { as: as("bob"), body: {} })
      expect(state.body.read.find((read: { user: { id: string } }) => read.user.id === "bob").unread_messages).toBe(2)
      // Somebody else, or another channel, cannot have the id.
      expect(codes(await send(cid, "bob", { id, text: "mine" }))).toEqual([400, 4])
      const other = await send(await channel(), "alice", { id, text: "elsewhere" })
      expect(codes(other)).toEqual([400, 4])
      expect(other.body.message).toContain("already exists")
      bob.close()
    })

    test("a server sends for a user it names, bypassing grants", async () => {
      const cid = await channel(["alice"])
      expect(codes(await send(cid, null, { text: "who?" }))).toEqual([400, 4])
      expect((await send(cid, null, { text: "x", user_id: "eve" })).body.message.user.id).toBe("eve")
      expect((await send(cid, null, { text: "x", user: { id: "bob" }, type: "system" })).body.message.type).toBe(
        "system",
      )
      expect(codes(await send(cid, null, { text: "x", user_id: "nobody-there" }))).toEqual([400, 4])
      expect(codes(await send("messaging/not-there", null, { text: "x", user_id: "eve" }))).toEqual([404, 16])
    })

    test("what is refused", async () => {
      const cid = await channel()
      const stranger = await send(cid, "eve", { text: "x" })
      const absent = await send("messaging/not-there", "eve", { text: "x" })
      expect(codes(stranger)).toEqual([404, 16])
      expect(stranger.body.message).toBe(absent.body.message.replace("messaging:not-there", cid.replace("/", ":")))
      expect(codes(await send(cid, "alice", { text: "x", type: "system" }))).toEqual([403, 17])
      expect(codes(await send(cid, "alice", { text: "x", user_id: "bob" }))).toEqual([403, 17])
      expect(codes(await send(cid, "alice", { text: "x".repeat(5001) }))).toEqual([400, 20])
      expect(codes(await send(cid, "alice", {}))).toEqual([400, 4])
      expect(codes(await send(cid, "alice", { text: 7 }))).toEqual([400, 4])
      expect(codes(await send(cid, "alice", { id: "no spaces", text: "x" }))).toEqual([400, 4])
      expect(codes(await send(cid, "alice", { text: "a\u0000b" }))).toEqual([400, 4])
      // Nothing that a client sends as an id may reach the database as something that it cannot take.
      for (const bad of [{ parent_id: "a\u0000" }, { quoted_message_id: "a\u0000" }]) {
        expect(codes(await send(cid, "alice", { text: "x", ...bad }))).toEqual([400, 4])
      }
      expect((await send(cid, "alice", { text: "x", parent_id: "", quoted_message_id: "" })).status).toBe(201)
      const stream = await channel([], "livestream")
      const linked = await send(stream, "guest", { text: "https://spam.example" })
      expect(codes(linked)).toEqual([403, 17])
      expect(linked.body.message).toContain("AddLinks")
      expect((await send(stream, "guest", { text: "hello" })).status).toBe(201)
      const path = `/api/v2/chat/channels/${cid}/message`
      const body = { message: { text: "x" } }
      expect(codes(await t.call("POST", path, { as: null, body }))).toEqual([401, 5])
      expect(codes(await t.call("POST", path, { as: userToken("alice", {}, "x".repeat(64)), body }))).toEqual([401, 43])
      expect(codes(await t.call("POST", path, { apiKey: "wrongkey0000", body }))).toEqual([401, 2])
      expect(codes(await t.call("POST", path, { as: null, authType: "anonymous", body }))).toEqual([403, 17])
      // A token for calls is no key to channels.
      const callToken = userToken("alice", { call_cids: ["default:x"] })
      expect(codes(await t.call("POST", path, { as: callToken, body }))).toEqual([404, 16])
    })

    test("replies stay in their thread, count on the parent, and have one level", async () => {
      const cid = await channel()
      const bob = await watch(cid, "bob")
      const parent = await sent(cid, "alice", { text: "question" })
      const reply = await sent(cid, "bob", { text: "answer", parent_id: parent })
      const shown = await sent(cid, "bob", { text: "also here", parent_id: parent, show_in_channel: true })
      expect((await listed(cid)).map((message: { id: string }) => message.id)).toEqual([parent, shown])
      expect((await get(reply, as("alice"))).body.message).toMatchObject({ type: "reply", parent_id: parent })
      expect((await get(parent, as("alice"))).body.message.reply_count).toBe(2)
      expect((await bob.next("message.updated")).message).toMatchObject({ id: parent, reply_count: 1 })
      expect(codes(await send(cid, "alice", { text: "x", parent_id: reply }))).toEqual([400, 21])
      expect(codes(await send(cid, "alice", { text: "x", parent_id: "not-there" }))).toEqual([400, 4])
      const elsewhere = await sent(await channel(), "alice")
      expect(codes(await send(cid, "alice", { text: "x", parent_id: elsewhere }))).toEqual([400, 4])
      await remove(reply, as("bob"))
      expect((await get(parent, as("alice"))).body.message).toMatchObject({ reply_count: 1, deleted_reply_count: 1 })
      bob.close()
    })
  })

  describe("pages", () => {
    test("go back and forth without gaps or repeats, whatever the clock says", async () => {
      const cid = await channel()
      const ids: string[] = []
      for (let n = 0; n < 12; n++) ids.push(await sent(cid, "alice", { text: String(n) }))
      const idsOf = (messages: { id: string }[]) => messages.map(({ id }) => id)
      expect(idsOf(await listed(cid, { limit: 5 }))).toEqual(ids.slice(7))
      expect(idsOf(await listed(cid, { limit: 5, id_lt: ids[7] }))).toEqual(ids.slice(2, 7))
      expect(idsOf(await listed(cid, { limit: 5, id_lte: ids[7] }))).toEqual(ids.slice(3, 8))
      expect(idsOf(await listed(cid, { limit: 3, id_gt: ids[2] }))).toEqual(ids.slice(3, 6))
      expect(idsOf(await listed(cid, { limit: 3, id_gte: ids[2] }))).toEqual(ids.slice(2, 5))
      expect(idsOf(await listed(cid, { limit: 5, id_around: ids[6] }))).toEqual(ids.slice(4, 9))
      expect(idsOf(await listed(cid, { id_lt: ids[0] }))).toEqual([])
      expect(idsOf(await listed(cid, { id_lt: "not-there" }))).toEqual([])
      const all = await listed(cid, { limit: 100 })
      expect(idsOf(await listed(cid, { created_at_after_or_equal: all[0].created_at, limit: 12 }))).toEqual(ids)
      expect(idsOf(await listed(cid, { created_at_before: all[0].created_at }))).toEqual([])
      expect(idsOf(await listed(cid, { created_at_before_or_equal: all[11].created_at, limit: 12 }))).toEqual(ids)
      const two = { id_lt: ids[1], id_gt: ids[0] }
      const answer = await t.call("POST", `/api/v2/chat/channels/${cid}/query`, {
        as: as("alice"),
        body: { messages: two },
      })
      expect(codes(answer)).toEqual([400, 4])
    })
  })

  describe("reading one", () => {
    test("is for members; to all others it is not there", async () => {
      const cid = await channel()
      const id = await sent(cid, "alice")
      expect((await get(id, as("bob"))).status).toBe(200)
      expect((await get(id, serverToken())).status).toBe(200)
      const stranger = await get(id, as("eve"))
      const absent = await get("not-there", as("eve"))
      expect(codes(stranger)).toEqual([404, 16])
      expect(stranger.body.message).toBe(absent.body.message.replace("not-there", id))
      expect(codes(await get("no%20spaces", as("alice")))).toEqual([400, 4])
      expect(codes(await t.call("GET", `/api/v2/chat/messages/${id}`, { as: null }))).toEqual([401, 5])
      expect(codes(await t.call("GET", `/api/v2/chat/messages/${id}`, { as: null, authType: "anonymous" }))).toEqual([
        404, 16,
      ])
      // A message that was looked for before it came is found when it has come.
      const early = `early-${counter++}`
      expect((await get(early, as("alice"))).status).toBe(404)
      await sent(cid, "alice", { id: early, text: "here" })
      expect((await get(early, as("alice"))).status).toBe(200)
    })

    test("ends with the membership", async () => {
      const cid = await channel()
      const id = await sent(cid, "alice")
      expect((await get(id, as("bob"))).status).toBe(200)
      await t.call("POST", `/api/v2/chat/channels/${cid}`, { body: { remove_members: ["bob"] } })
      expect(codes(await get(id, as("bob")))).toEqual([404, 16])
      expect(codes(await send(cid, "bob", { text: "x" }))).toEqual([404, 16])
    })
  })

  describe("updating", () => {
    test("the author replaces what was said; the watchers hear it", async () => {
      const cid = await channel()
      const bob = await watch(cid, "bob")
      const id = await sent(cid, "alice", { text: "one", custom: { a: 1 } })
      const answer = await update(id, as("alice"), { text: "two" })
      expect(answer.status).toBe(201)
      expect(answer.body.message).toMatchObject({ text: "two", custom: {}, user: { id: "alice" } })
      expect(answer.body.message.message_text_updated_at).toBeString()
      expect(await bob.next("message.updated")).toMatchObject({
        message_id: id,
        message: { text: "two" },
        user: { id: "alice" },
      })
      expect((await get(id, as("bob"))).body.message.text).toBe("two")
      expect((await update(id, serverToken(), { text: "three" })).body.message.text).toBe("three")
      bob.close()
    })
    test("others may not, and strangers do not learn that it exists", async () => {
      const cid = await channel()
      const id = await sent(cid, "alice")
      const other = await update(id, as("bob"), { text: "x" })
      expect(codes(other)).toEqual([403, 17])
      expect(other.body.message).toContain("is not allowed to perform action UpdateMessage in scope 'messaging'")
      expect(codes(await update(id, as("eve"), { text: "x" }))).toEqual([404, 16])
      expect(codes(await update("not-there", as("eve"), { text: "x" }))).toEqual([404, 16])
      expect(codes(await update(id, as("alice"), { text: "x".repeat(5001) }))).toEqual([400, 20])
      expect(codes(await update(id, as("alice"), {}))).toEqual([400, 4])
      expect(
        codes(await t.call("POST", `/api/v2/chat/messages/${id}`, { as: null, body: { message: { text: "x" } } })),
      ).toEqual([401, 5])
      expect((await update(id, as("root"), { text: "moderated" })).status).toBe(201)
      await remove(id, as("alice"))
      expect(codes(await update(id, as("alice"), { text: "x" }))).toEqual([400, 4])
    })
  })

  describe("deleting", () => {
    test("leaves the shell, hides what was said, and is told once", async () => {
      const cid = await channel()
      const bob = await watch(cid, "bob")
      const id = await sent(cid, "alice", { text: "regret", custom: { secret: 1 }, attachments: [{ text: "regret" }] })
      const answer = await remove(id, as("alice"))
      expect(answer.status).toBe(200)
      expect(answer.body.message).toMatchObject({ id, type: "deleted", text: "", attachments: [], custom: {} })
      expect((await remove(id, as("alice"))).body.message.type).toBe("deleted")
      expect(await bob.next("message.deleted")).toMatchObject({ message_id: id, hard_delete: false })
      await sent(cid, "alice", { text: "end" })
      await bob.next("message.new")
      await bob.next("message.new")
      expect(bob.seen("message.deleted")).toHaveLength(1)
      expect(JSON.stringify(bob.seen("message.deleted"))).not.toContain("regret")
      for (const shown of [(await listed(cid))[0], (await get(id, as("bob"))).body.message]) {
        expect(shown).toMatchObject({ id, type: "deleted", text: "" })
      }
      // What was said is for servers that ask; a client that asks gets the shell.
      expect((await get(id, serverToken(), "?show_deleted_message=true")).body.message.text).toBe("regret")
      expect((await get(id, as("alice"), "?show_deleted_message=true")).body.message.text).toBe("")
      bob.close()
    })
    test("for good is for servers", async () => {
      const cid = await channel()
      const bob = await watch(cid, "bob")
      const id = await sent(cid, "alice")
      expect(codes(await remove(id, as("alice"), "?hard=true"))).toEqual([403, 17])
      expect(codes(await remove(id, as("alice"), "?deleted_by=bob"))).toEqual([403, 17])
      const answer = await remove(id, serverToken(), "?hard=1&deleted_by=root")
      expect(answer.body.message).toMatchObject({ id, type: "deleted" })
      expect(await bob.next("message.deleted")).toMatchObject({ hard_delete: true, user: { id: "root" } })
      expect(codes(await get(id, serverToken()))).toEqual([404, 16])
      expect(await listed(cid)).toEqual([])
      bob.close()
    })
    test("others may not, and strangers do not learn that it exists", async () => {
      const id = await sent(await channel(), "alice")
      expect(codes(await remove(id, as("bob")))).toEqual([403, 17])
      expect(codes(await remove(id, as("eve")))).toEqual([404, 16])
      expect(codes(await remove("not-there", as("eve")))).toEqual([404, 16])
      expect(codes(await t.call("DELETE", `/api/v2/chat/messages/${id}`, { as: null }))).toEqual([401, 5])
      expect(codes(await remove(id, as("alice"), "?hard=perhaps"))).toEqual([400, 4])
      expect((await remove(id, as("root"))).status).toBe(200)
    })
  })

  // Sending and leaving take the same locks; in the wrong order they would wait for each other.
  test("members who leave while they send", async () => {
    const cid = await channel()
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all([
        ...Array.from({ length: 6 }, (_, n) => send(cid, null, { text: String(n), user_id: "bob" })),
        t.call("POST", `/api/v2/chat/channels/${cid}`, { body: { remove_members: ["bob"] } }),
      ])
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201))
      await t.call("POST", `/api/v2/chat/channels/${cid}`, { body: { add_members: ["bob"] } })
    }
  })

  test("many who send at once get numbers in one order, and everybody's unread count is right", async () => {
    const cid = await channel()
    const bob = await watch(cid, "bob")
    const sending = Array.from({ length: 40 }, (_, n) => send(cid, n % 4 === 0 ? "bob" : "alice", { text: String(n) }))
    expect((await Promise.all(sending)).every(({ status }) => status === 201)).toBe(true)
    const messages = await listed(cid, { limit: 100 })
    expect(messages).toHaveLength(40)
    const heard: string[] = []
    for (let n = 0; n < 40; n++) heard.push((await bob.next("message.new")).message.id)
    expect(heard).toEqual(messages.map((message: { id: string }) => message.id))
    const last = messages.map((message: { user: { id: string } }) => message.user.id).lastIndexOf("bob")
    const state = await t.call("POST", `/api/v2/chat/channels/${cid}/query`, { as: as("bob"), body: {} })
    const read = state.body.read.find(({ user }: { user: { id: string } }) => user.id === "bob")
    expect(read.unread_messages).toBe(40 - 1 - last)
    bob.close()
  })
})
