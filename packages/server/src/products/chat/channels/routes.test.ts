// Channels through the real door: a real server, real tokens, real sockets, on each database that is there.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createPostgresDatabase, serverToken, startTestServer, type TestServer, userToken } from "../../../testing.ts"

const backends = process.env.WEIR_TEST_POSTGRES_URL ? ["sqlite", "postgres"] : ["sqlite"]
if (backends.length === 1) console.log("chat channels: WEIR_TEST_POSTGRES_URL is not set, tested on SQLite only")

/** No token at all: who comes as anonymous says so in the header. */
const anonymous = { as: null, authType: "anonymous" }
const nobody = { as: null }
let counter = 0
const fresh = (): string => `c${process.pid}-${counter++}`

describe.each(backends)("channels on %s", (backend) => {
  let t: TestServer
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null

  beforeAll(async () => {
    if (backend === "postgres") database = await createPostgresDatabase()
    t = await startTestServer(database === null ? {} : { env: { WEIR_DATABASE_URL: database.url } })
    const users = Object.fromEntries(
      ["alice", "bob", "carol", "eve"]
        .map((id) => [id, { id }])
        .concat([["root", { id: "root", role: "admin" }]] as never),
    )
    expect((await t.call("POST", "/api/v2/users", { body: { users } })).status).toBe(201)
  })
  afterAll(async () => {
    await t.close()
    await database?.drop()
  })

  const as = (userId: string) => userToken(userId)
  const query = (
    id: string,
    options: { as?: string; connectionId?: string; [member: string]: unknown },
    type = "messaging",
  ) => {
    const { as: token, connectionId, ...body } = options
    return t.call("POST", `/api/v2/chat/channels/${type}/${id}/query`, {
      as: token ?? serverToken(),
      body,
      connectionId,
    })
  }
  const update = (id: string, token: string, body: object, type = "messaging") =>
    t.call("POST", `/api/v2/chat/channels/${type}/${id}`, { as: token, body })
  const found = async (token: string, body: object) => {
    const answer = await t.call("POST", "/api/v2/chat/channels", { as: token, body })
    expect(answer.status).toBe(200)
    return answer.body.channels.map((state: { channel: { id: string } }) => state.channel.id)
  }
  const made = async (members: string[], data: object = {}, by = "alice"): Promise<string> => {
    const id = fresh()
    expect((await query(id, { as: as(by), data: { members, ...data } })).status).toBe(201)
    return id
  }

  describe("get or create", () => {
    test("a user makes a channel with members and reads it again", async () => {
      const id = fresh()
      const first = await query(id, {
        as: as("alice"),
        data: { members: ["alice", { user_id: "bob", custom: { seat: 1 } }], custom: { name: "G" } },
      })
      expect(first.status).toBe(201)
      expect(first.body.channel).toMatchObject({
        cid: `messaging:${id}`,
        member_count: 2,
        custom: { name: "G" },
        created_by: { id: "alice" },
        config: { name: "messaging" },
      })
      expect(first.body.members.map((m: { user_id: string }) => m.user_id).sort()).toEqual(["alice", "bob"])
      expect(first.body.members.find((m: { user_id: string }) => m.user_id === "bob").custom).toEqual({ seat: 1 })
      expect(first.body.membership.user_id).toBe("alice")
      expect(first.body.read).toHaveLength(2)
      expect(first.body.duration).toMatch(/ms$/)
      // Data is for making a channel; one that stands is not changed by it.
      const again = await query(id, { as: as("bob"), data: { custom: { name: "other" }, members: ["eve"] } })
      expect(again.body.channel.custom).toEqual({ name: "G" })
      expect(again.body.channel.member_count).toBe(2)
    })

    test("a channel of others is refused by name, since asking for an absent one would make it", async () => {
      const id = await made(["alice", "bob"])
      const answer = await query(id, { as: as("eve") })
      expect([answer.status, answer.body.code]).toEqual([403, 17])
      expect(answer.body.message).toContain("is not allowed to perform action ReadChannel in scope 'messaging'")
    })

    test("what may not be made", async () => {
      const stream = await query(fresh(), { as: as("alice") }, "livestream")
      expect([stream.status, stream.body.code]).toEqual([403, 17])
      const unknown = await query(fresh(), { as: as("alice") }, "nothing")
      expect([unknown.status, unknown.body.code]).toEqual([404, 16])
      const promoted = await query(fresh(), {
        as: as("alice"),
        data: { members: [{ user_id: "bob", channel_role: "channel_moderator" }] },
      })
      expect(promoted.body.code).toBe(17)
      const disabled = await query(fresh(), { as: as("alice"), data: { disabled: true } })
      expect(disabled.body.code).toBe(17)
      const forOthers = await query(fresh(), { as: as("alice"), data: { created_by_id: "bob" } })
      expect(forOthers.body.code).toBe(17)
      const team = await query(fresh(), { as: as("alice"), data: { team: "red" } })
      expect(team.body.code).toBe(17)
      const strangers = await query(fresh(), { as: as("alice"), data: { members: ["alice", "nobody-there"] } })
      expect([strangers.status, strangers.body.code]).toEqual([400, 4])
      const reserved = await query("!members-x", { as: as("alice"), data: { members: ["alice"] } })
      expect(reserved.body.code).toBe(4)
      const big = await query(fresh(), { as: as("alice"), data: { custom: { a: "x".repeat(6000) } } })
      expect(big.body.code).toBe(4)
    })

    test("who knocks is asked first", async () => {
      const path = `/api/v2/chat/channels/messaging/${fresh()}/query`
      const none = await t.call("POST", path, { ...nobody, body: {} })
      expect([none.status, none.body.code]).toEqual([401, 5])
      const forged = await t.call("POST", path, { as: userToken("alice", {}, "x".repeat(64)), body: {} })
      expect([forged.status, forged.body.code]).toEqual([401, 43])
      const noKey = await t.call("POST", path, { apiKey: "wrongkey0000", body: {} })
      expect([noKey.status, noKey.body.code]).toEqual([401, 2])
    })

    test("a server names the creator of a new channel", async () => {
      const id = fresh()
      expect((await query(id, {})).body.code).toBe(4)
      const answer = await query(id, { data: { created_by_id: "alice", members: ["bob"] } })
      expect(answer.status).toBe(201)
      expect(answer.body.channel.created_by.id).toBe("alice")
      // Whoever made it reads it without being a member.
      expect((await query(id, { as: as("alice") })).status).toBe(201)
      // The server needs no name for one that stands.
      expect((await query(id, {})).status).toBe(201)
    })

    test("two who make the same channel at once: one makes it, the other is a stranger to it", async () => {
      const id = fresh()
      const answers = await Promise.all(
        ["bob", "carol"].map((userId) => query(id, { as: as(userId), data: { members: [userId] } })),
      )
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 403])
    })

    test("state: false answers the channel alone", async () => {
      const id = await made(["alice", "bob"])
      const answer = await query(id, { as: as("alice"), state: false })
      expect([answer.body.members, answer.body.messages, answer.body.read]).toEqual([[], [], []])
      expect(answer.body.channel.member_count).toBe(2)
    })

    test("an anonymous caller reads a livestream and nothing else", async () => {
      const id = fresh()
      await query(id, { data: { created_by_id: "root" } }, "livestream")
      const path = (type: string, channel: string) => `/api/v2/chat/channels/${type}/${channel}/query`
      expect((await t.call("POST", path("livestream", id), { ...anonymous, body: {} })).status).toBe(201)
      const conversation = await made(["alice"])
      expect((await t.call("POST", path("messaging", conversation), { ...anonymous, body: {} })).body.code).toBe(17)
    })
  })

  describe("distinct channels", () => {
    const distinct = (token: string, members: unknown[], more: object = {}) =>
      t.call("POST", "/api/v2/chat/channels/messaging/query", { as: token, body: { data: { members, ...more } } })

    test("the same members lead to the same channel, in any order and from either side", async () => {
      const first = await distinct(as("alice"), ["alice", "bob"])
      expect(first.status).toBe(201)
      expect(first.body.channel.id).toMatch(/^!members-[\w-]{43}$/)
      const second = await distinct(as("bob"), ["bob", { user_id: "alice" }])
      expect(second.body.channel.id).toBe(first.body.channel.id)
      expect(second.body.channel.member_count).toBe(2)
      // By its id it is a channel like any other.
      expect((await query(first.body.channel.id, { as: as("bob") })).status).toBe(201)
      // To a stranger it is like one that nobody has made.
      expect((await query(first.body.channel.id, { as: as("eve") })).body.code).toBe(4)
      expect((await query(`!members-${"A".repeat(43)}`, { as: as("eve") })).body.code).toBe(4)
    })
    test("not without members, not for others, and nobody joins later", async () => {
      expect((await distinct(as("alice"), [])).body.code).toBe(4)
      const others = await distinct(as("alice"), ["carol", "eve"])
      expect([others.status, others.body.code]).toEqual([403, 17])
      expect(others.body.message).toContain("CreateDistinctChannelForOthers")
      const { channel } = (await distinct(as("alice"), ["alice", "carol"])).body
      expect((await update(channel.id, serverToken(), { add_members: ["eve"] })).body.code).toBe(4)
    })
  })

  describe("query channels", () => {
    test("answers only what the caller may read", async () => {
      const mine = await made(["alice", "carol"])
      const theirs = await made(["bob"], {}, "bob")
      const ids = await found(as("carol"), { filter_conditions: {}, limit: 30 })
      expect(ids).toContain(mine)
      expect(ids).not.toContain(theirs)
      // Asking for it by name changes nothing.
      expect(await found(as("carol"), { filter_conditions: { id: theirs } })).toEqual([])
      expect(await found(serverToken(), { filter_conditions: { id: theirs } })).toEqual([theirs])
      expect(await found(as("bob"), { filter_conditions: { cid: `messaging:${theirs}` } })).toEqual([theirs])
    })

    test("filters, sorts and pages", async () => {
      const tag = fresh()
      const ids: string[] = []
      for (const rank of [1, 2, 3])
        ids.push(await made(["alice", "bob"].slice(0, rank === 2 ? 1 : 2), { custom: { tag, rank } }))
      const [a, b, c] = ids as [string, string, string]
      const where = (more: object) => ({ filter_conditions: { "custom.tag": tag, ...more } })
      expect((await found(as("alice"), where({}))).sort()).toEqual([...ids].sort())
      expect((await found(as("alice"), where({ members: { $in: ["bob"] } }))).sort()).toEqual([a, c].sort())
      expect(await found(as("alice"), where({ members: ["alice"] }))).toEqual([b])
      expect(await found(as("alice"), where({ "custom.rank": { $gt: 2 } }))).toEqual([c])
      expect(await found(as("alice"), where({ member_count: 1 }))).toEqual([b])
      expect(await found(as("alice"), where({ type: { $in: ["team"] } }))).toEqual([])
      expect(await found(as("alice"), where({ created_by_id: "bob" }))).toEqual([])
      await t.call("POST", `/api/v2/chat/channels/messaging/${b}/message`, {
        as: as("alice"),
        body: { message: { text: "x" } },
      })
      expect((await found(as("alice"), where({})))[0]).toBe(b)
      const sorted = { ...where({}), sort: [{ field: "custom.rank", direction: -1, type: "number" }] }
      expect(await found(as("alice"), sorted)).toEqual([c, b, a])
      expect(await found(as("alice"), { ...sorted, limit: 1, offset: 1 })).toEqual([b])
    })

    test("what is wrong with a query is said", async () => {
      for (const body of [
        { filter_conditions: { secret: 1 } },
        { filter_conditions: { id: { $regex: "." } } },
        { limit: 31 },
        { sort: [{ field: "nothing" }] },
        { watch: true },
      ]) {
        const answer = await t.call("POST", "/api/v2/chat/channels", { as: as("alice"), body })
        expect([answer.status, answer.body.code]).toEqual([400, 4])
      }
      const none = await t.call("POST", "/api/v2/chat/channels", { ...nobody, body: {} })
      expect(none.body.code).toBe(5)
      const body = { filter_conditions: { type: "messaging" } }
      const strangers = await t.call("POST", "/api/v2/chat/channels", { ...anonymous, body })
      expect([strangers.status, strangers.body.channels]).toEqual([200, []])
    })
  })

  describe("updates", () => {
    test("the creator changes data; the watchers hear it without the caller's capabilities", async () => {
      const id = await made(["alice", "bob"], { custom: { name: "old", color: "red" } })
      const socket = await t.connect("bob")
      await query(id, { as: as("bob"), watch: true, connectionId: socket.connectionId })
      const answer = await update(id, as("alice"), { data: { custom: { name: "new" } }, message: { text: "renamed" } })
      expect(answer.status).toBe(201)
      // A full update replaces: what is not said again is gone.
      expect(answer.body.channel.custom).toEqual({ name: "new" })
      expect(answer.body.message).toMatchObject({ type: "system", text: "renamed", user: { id: "alice" } })
      expect(await socket.next("message.new")).toMatchObject({ message: { text: "renamed", type: "system" } })
      const event = await socket.next("channel.updated")
      expect(event.channel).toMatchObject({ id, custom: { name: "new" } })
      expect(event.channel.own_capabilities).toBeUndefined()
      // Nothing said means nothing changed.
      expect((await update(id, as("alice"), { data: {} })).body.channel.custom).toEqual({ name: "new" })
      socket.close()
    })

    test("who may not change it is told so, and a stranger is not told that it exists", async () => {
      const id = await made(["alice", "bob"])
      const member = await update(id, as("bob"), { data: { custom: {} } })
      expect([member.status, member.body.code]).toEqual([403, 17])
      expect((await update(id, as("bob"), { add_members: ["carol"] })).body.code).toBe(17)
      expect((await update(id, as("bob"), { remove_members: ["alice"] })).body.code).toBe(17)
      expect((await update(id, as("alice"), { add_moderators: ["bob"] })).body.code).toBe(17)
      expect((await update(id, as("alice"), { data: { team: "red" } })).body.code).toBe(17)
      expect((await update(id, as("bob"), { message: { text: "I am the system" } })).body.code).toBe(17)
      const stranger = await update(id, as("eve"), { data: { custom: {} } })
      const absent = await update("not-there", as("eve"), { data: { custom: {} } })
      expect([stranger.status, stranger.body.code]).toEqual([404, 16])
      expect(stranger.body.message.replace(id, "not-there")).toBe(absent.body.message)
      // One part that is not allowed stops the whole.
      await update(id, as("alice"), { add_members: ["carol"], data: { disabled: true } })
      expect((await query(id, { as: as("alice") })).body.channel.member_count).toBe(2)
      expect(
        (await update(id, as("alice"), { add_members: Array.from({ length: 101 }, (_, i) => `u${i}`) })).body.code,
      ).toBe(4)
    })

    test("members come and go, and everybody concerned hears it", async () => {
      const id = await made(["alice", "bob"])
      const [bob, carol] = await Promise.all([t.connect("bob"), t.connect("carol")])
      await query(id, { as: as("bob"), watch: true, connectionId: bob.connectionId })

      const added = await update(id, as("alice"), { add_members: ["carol", "carol"] })
      expect(added.body.channel.member_count).toBe(3)
      expect(await bob.next("member.added")).toMatchObject({
        cid: `messaging:${id}`,
        member: { user_id: "carol" },
        channel: { member_count: 3 },
      })
      expect(await carol.next("notification.added_to_channel")).toMatchObject({
        channel: { id },
        member: { user_id: "carol" },
      })
      expect((await query(id, { as: as("carol"), watch: true, connectionId: carol.connectionId })).status).toBe(201)

      const removed = await update(id, as("alice"), { remove_members: ["carol", "eve"] })
      expect(removed.body.channel.member_count).toBe(2)
      expect(await bob.next("member.removed")).toMatchObject({ member: { user_id: "carol" } })
      expect(await carol.next("notification.removed_from_channel")).toMatchObject({
        channel: { id },
        user: { id: "carol" },
      })
      // From here on carol hears and reads nothing, although her socket had watched.
      await t.call("POST", `/api/v2/chat/channels/messaging/${id}/message`, {
        as: as("alice"),
        body: { message: { text: "secret" } },
      })
      expect((await bob.next("message.new")).message.text).toBe("secret")
      expect(JSON.stringify(carol.frames)).not.toContain("secret")
      expect((await query(id, { as: as("carol") })).body.code).toBe(17)
      for (const socket of [bob, carol]) socket.close()
    })

    test("anybody leaves by themselves; in an open type they join by themselves", async () => {
      const id = await made(["alice", "bob"])
      expect((await update(id, as("bob"), { remove_members: ["bob"] })).body.channel.member_count).toBe(1)
      expect((await query(id, { as: as("bob") })).body.code).toBe(17)
      // Back in only by the hand of somebody who may.
      expect((await update(id, as("bob"), { add_members: ["bob"] })).body.code).toBe(16)
      const room = fresh()
      await query(room, { as: as("alice") }, "gaming")
      expect((await update(room, as("eve"), { add_members: ["eve"] }, "gaming")).body.channel.member_count).toBe(1)
    })

    test("a server gives roles, and the role counts at once", async () => {
      const id = await made(["alice", "bob"])
      const answer = await update(id, serverToken(), { add_moderators: ["bob", "carol"] })
      expect(answer.body.members.filter((m: { is_moderator: boolean }) => m.is_moderator)).toHaveLength(2)
      expect((await update(id, as("bob"), { add_members: ["eve"] })).status).toBe(201)
      await update(id, serverToken(), { demote_moderators: ["bob"] })
      expect((await update(id, as("bob"), { remove_members: ["eve"] })).body.code).toBe(17)
      await update(id, serverToken(), { assign_roles: [{ user_id: "bob", channel_role: "channel_moderator" }] })
      expect((await update(id, as("bob"), { remove_members: ["eve"] })).status).toBe(201)
    })

    test("hidden history stays hidden, by every way to a message", async () => {
      const id = await made(["alice"])
      const send = async (text: string) =>
        (
          await t.call("POST", `/api/v2/chat/channels/messaging/${id}/message`, {
            as: as("alice"),
            body: { message: { text } },
          })
        ).body.message.id
      const before = await send("before")
      await update(id, as("alice"), { add_members: ["bob"], hide_history: true })
      const after = await send("after")
      const state = await query(id, { as: as("bob") })
      expect(state.body.messages.map((m: { text: string }) => m.text)).toEqual(["after"])
      expect((await t.call("GET", `/api/v2/chat/messages/${after}`, { as: as("bob") })).status).toBe(200)
      expect((await t.call("GET", `/api/v2/chat/messages/${before}`, { as: as("bob") })).body.code).toBe(16)
      const reply = { message: { text: "?", parent_id: before } }
      const answer = await t.call("POST", `/api/v2/chat/channels/messaging/${id}/message`, {
        as: as("bob"),
        body: reply,
      })
      expect(answer.body.code).toBe(4)
      const older = await query(id, { as: as("bob"), messages: { id_lt: after, limit: 10 } })
      expect(older.body.messages).toEqual([])
    })

    test("a disabled channel is closed to clients, a frozen one takes no messages", async () => {
      const id = await made(["alice", "bob"])
      await update(id, as("alice"), { data: { frozen: true } })
      const path = `/api/v2/chat/channels/messaging/${id}/message`
      const refused = await t.call("POST", path, { as: as("bob"), body: { message: { text: "x" } } })
      expect([refused.status, refused.body.message.type]).toEqual([201, "error"])
      expect((await query(id, { as: as("bob") })).body.messages).toEqual([])
      expect((await t.call("POST", path, { body: { message: { text: "x", user_id: "bob" } } })).body.message.type).toBe(
        "regular",
      )
      await update(id, serverToken(), { data: { disabled: true } })
      expect((await query(id, { as: as("bob") })).body.code).toBe(17)
      expect((await query(id, { as: serverToken() })).status).toBe(201)
      // It is still listed, without what is in it.
      const body = { filter_conditions: { id } }
      const list = await t.call("POST", "/api/v2/chat/channels", { as: as("bob"), body })
      expect(list.body.channels).toMatchObject([
        { channel: { id, disabled: true, own_capabilities: [] }, messages: [], members: [] },
      ])
    })
  })

  describe("watching", () => {
    test("needs a connection of one's own", async () => {
      const id = await made(["alice", "bob"])
      const without = await query(id, { as: as("alice"), watch: true })
      expect(without.status).toBe(400)
      expect(without.body.message).toBe(
        'GetOrCreateChannel failed with error: "Watch or Presence requires an active websocket connection, please make sure to include your websocket connection_id"',
      )
      const socket = await t.connect("bob")
      const others = await query(id, { as: as("alice"), watch: true, connectionId: socket.connectionId })
      expect([others.status, others.body.code]).toEqual([404, 46])
      expect((await query(id, { watch: true, connectionId: socket.connectionId })).body.code).toBe(4)
      socket.close()
    })

    test("begins with query, tells the others, and ends with stop-watching", async () => {
      const id = await made(["alice", "bob"])
      const [alice, bob] = await Promise.all([t.connect("alice"), t.connect("bob")])
      await query(id, { as: as("alice"), watch: true, connectionId: alice.connectionId })
      expect(await alice.next("user.watching.start")).toMatchObject({ user: { id: "alice" }, watcher_count: 1 })
      const state = await query(id, {
        as: as("bob"),
        watch: true,
        connectionId: bob.connectionId,
        watchers: { limit: 5 },
      })
      expect(state.body.watchers.map((user: { id: string }) => user.id)).toEqual(["alice"])
      expect(await alice.next("user.watching.start")).toMatchObject({ user: { id: "bob" }, watcher_count: 2 })

      const path = `/api/v2/chat/channels/messaging/${id}/stop-watching`
      expect((await t.call("POST", path, { as: as("bob"), connectionId: bob.connectionId, body: {} })).status).toBe(201)
      expect(await alice.next("user.watching.stop")).toMatchObject({ user: { id: "bob" }, watcher_count: 1 })
      await t.call("POST", `/api/v2/chat/channels/messaging/${id}/message`, {
        as: as("alice"),
        body: { message: { text: "x" } },
      })
      await alice.next("message.new")
      // A member who does not watch is notified instead, never both.
      expect(await bob.next("notification.message_new")).toMatchObject({ message: { text: "x" }, channel: { id } })
      expect(bob.seen("message.new")).toEqual([])
      expect(alice.seen("notification.message_new")).toEqual([])

      const stranger = await t.call("POST", path, { as: as("eve"), connectionId: "x", body: {} })
      expect([stranger.status, stranger.body.code]).toEqual([404, 16])
      expect((await t.call("POST", path, { as: as("bob"), body: {} })).body.code).toBe(4)
      expect((await t.call("POST", path, { connectionId: "x", body: {} })).body.code).toBe(17)
      for (const socket of [alice, bob]) socket.close()
    })

    test("a list of channels is watched at once, with the presence of their members", async () => {
      const ids = [await made(["alice", "carol"]), await made(["alice", "carol"])]
      const alice = await t.connect("alice")
      const answer = await t.call("POST", "/api/v2/chat/channels", {
        as: as("alice"),
        connectionId: alice.connectionId,
        body: { filter_conditions: { id: { $in: ids } }, watch: true, presence: true },
      })
      expect(answer.body.channels).toHaveLength(2)
      for (const id of ids) {
        await t.call("POST", `/api/v2/chat/channels/messaging/${id}/message`, {
          as: as("carol"),
          body: { message: { text: id } },
        })
        expect((await alice.next("message.new")).message.text).toBe(id)
      }
      const carol = await t.connect("carol")
      expect(await alice.next("user.presence.changed")).toMatchObject({ user: { id: "carol", online: true } })
      for (const socket of [alice, carol]) socket.close()
    })

    // The removal and the watch meet in every order; whatever happens, nothing is heard after both are done.
    test("whoever is removed while they begin to watch hears nothing afterwards", async () => {
      for (let round = 0; round < 8; round++) {
        const id = await made(["alice", "bob"])
        const bob = await t.connect("bob")
        await Promise.all([
          query(id, { as: as("bob"), watch: true, connectionId: bob.connectionId }),
          update(id, as("alice"), { remove_members: ["bob"] }),
        ])
        const answer = await t.call("POST", `/api/v2/chat/channels/messaging/${id}/message`, {
          as: as("alice"),
          body: { message: { text: `after-${round}` } },
        })
        expect(answer.status).toBe(201)
        await t.call("GET", `/api/v2/chat/messages/${answer.body.message.id}`, { as: as("alice") })
        expect(JSON.stringify(bob.frames)).not.toContain(`after-${round}`)
        bob.close()
      }
    })
  })

  test("channel types are for servers", async () => {
    const all = await t.call("GET", "/api/v2/chat/channeltypes")
    expect(Object.keys(all.body.channel_types).sort()).toEqual([
      "commerce",
      "gaming",
      "livestream",
      "messaging",
      "team",
    ])
    const one = await t.call("GET", "/api/v2/chat/channeltypes/livestream")
    expect(one.body).toMatchObject({
      name: "livestream",
      typing_events: false,
      grants: { anonymous: ["read-channel", "read-channel-members"] },
    })
    expect((await t.call("GET", "/api/v2/chat/channeltypes/nothing")).body.code).toBe(16)
    expect((await t.call("GET", "/api/v2/chat/channeltypes", { as: as("root") })).body.code).toBe(17)
  })

  describe("members", () => {
    const members = (token: string | null, payload: unknown) =>
      t.call("GET", `/api/v2/chat/members?payload=${encodeURIComponent(JSON.stringify(payload))}`, {
        as: token,
      })
    const idsOf = (answer: { body: { members: { user_id: string }[] } }) =>
      answer.body.members.map(({ user_id }) => user_id)

    test("are found, sorted and paged by those who may read", async () => {
      const id = await made(["alice", "bob", "carol"])
      const payload = { type: "messaging", id, filter_conditions: {} }
      const all = await members(as("bob"), payload)
      expect(all.status).toBe(200)
      expect(idsOf(all).sort()).toEqual(["alice", "bob", "carol"])
      expect(all.body.members[0].user.id).toBe(all.body.members[0].user_id)
      expect(
        idsOf(await members(as("bob"), { ...payload, filter_conditions: { id: { $in: ["bob", "eve"] } } })),
      ).toEqual(["bob"])
      const sorted = { ...payload, sort: [{ field: "user_id", direction: -1 }], limit: 1, offset: 1 }
      expect(idsOf(await members(serverToken(), sorted))).toEqual(["bob"])
    })
    test("are hidden from the others, and asked for rightly", async () => {
      const id = await made(["alice", "bob"])
      const payload = { type: "messaging", id, filter_conditions: {} }
      const stranger = await members(as("eve"), payload)
      expect([stranger.status, stranger.body.code]).toEqual([404, 16])
      expect((await members(as("alice"), { ...payload, filter_conditions: { shoe_size: 1 } })).body.code).toBe(4)
      expect((await members(as("alice"), { type: "messaging", filter_conditions: {} })).body.code).toBe(4)
      expect((await t.call("GET", "/api/v2/chat/members", { as: as("alice") })).body.code).toBe(4)
      expect((await members(null, payload)).body.code).toBe(5)
    })
    test("a role without the grant is refused", async () => {
      const id = await made(["alice", "bob"])
      await update(id, serverToken(), { assign_roles: [{ user_id: "bob", channel_role: "outcast" }] })
      expect((await members(as("bob"), { type: "messaging", id, filter_conditions: {} })).body.code).toBe(16)
    })
  })
})
