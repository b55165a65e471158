// Feeds through the real door: a real server, real tokens, real sockets, on each database that is there.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { feeds as protocol } from "@weir/protocol"
import { Compile } from "typebox/compile"
import {
  createPostgresDatabase,
  serverToken,
  sign,
  startTestServer,
  type TestServer,
  userToken,
} from "../../../testing.ts"

const backends = process.env.WEIR_TEST_POSTGRES_URL ? ["sqlite", "postgres"] : ["sqlite"]
if (backends.length === 1) console.log("feeds: WEIR_TEST_POSTGRES_URL is not set, tested on SQLite only")

const anonymous = { as: null, authType: "anonymous" }
const state = Compile(protocol.getOrCreateFeed.output)

describe.each(backends)("feeds on %s", (backend) => {
  let t: TestServer
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null

  beforeAll(async () => {
    if (backend === "postgres") database = await createPostgresDatabase()
    t = await startTestServer(database === null ? {} : { env: { WEIR_DATABASE_URL: database.url } })
    const ids = ["alice", "bob", "carol", "dave", "eve"]
    const users = Object.fromEntries(ids.map((id) => [id, { id }]))
    const body = { users: { ...users, root: { id: "root", role: "admin" }, "g-1": { id: "g-1", role: "guest" } } }
    expect((await t.call("POST", "/api/v2/users", { body })).status).toBe(201)
  })
  afterAll(async () => {
    await t.close()
    await database?.drop()
  })

  type Body = Record<string, unknown>
  const pathOf = (name: string): string => {
    const [group, id] = name.split(":")
    return `/api/v2/feeds/feed_groups/${group}/feeds/${id}`
  }
  const open = (name: string, as: string | null, body: Body = {}, more: object = {}) =>
    t.call("POST", pathOf(name), { as, body, ...more })
  const code = (answer: { status: number; body: { code?: number } }) => [answer.status, answer.body.code]
  let counter = 0
  /** A feed that the server made for an owner, in a state of our choice. */
  const made = async (owner: string, data: Body = {}, group = "user"): Promise<string> => {
    const name = `${group}:f${counter++}`
    const answer = await open(name, serverToken(), { user_id: owner, data })
    expect([answer.status, answer.body.created]).toEqual([201, true])
    return name
  }

  describe("get or create", () => {
    test("a user makes their own feed once, and the answer has every member that clients read", async () => {
      const data = {
        name: "Alice",
        description: "d",
        filter_tags: ["x"],
        custom: { a: 1 },
        members: [{ user_id: "bob" }],
      }
      const first = await open("user:alice", userToken("alice"), { data })
      expect(first.status).toBe(201)
      expect(state.Check(first.body)).toBe(true)
      expect(first.body).toMatchObject({
        created: true,
        activities: [],
        feed: {
          feed: "user:alice",
          group_id: "user",
          id: "alice",
          name: "Alice",
          visibility: "visible",
          custom: { a: 1 },
          member_count: 1,
          created_by: { id: "alice" },
        },
        members: [{ user: { id: "bob" }, role: "feed_member", status: "member" }],
      })
      expect(first.body.feed.own_capabilities).toContain("add-activity")
      const again = await open("user:alice", userToken("alice"), { data: { name: "other" } })
      expect([again.body.created, again.body.feed.name]).toEqual([false, "Alice"])
    })

    test("two requests at once make one feed", async () => {
      const answers = await Promise.all([1, 2, 3].map(() => open("user:dave", userToken("dave"))))
      expect(answers.map((answer) => answer.status)).toEqual([201, 201, 201])
      expect(answers.filter((answer) => answer.body.created)).toHaveLength(1)
    })

    test("timelines and notifications are private by default", async () => {
      for (const group of ["timeline", "notification"]) {
        const own = await open(`${group}:alice`, userToken("alice"))
        expect(own.body.feed.visibility).toBe("private")
        expect(code(await open(`${group}:alice`, userToken("bob")))).toEqual([404, 16])
      }
    })

    test("nobody makes a feed under another's id, and it looks as a hidden one does", async () => {
      const absent = await open("timeline:carol", userToken("bob"))
      expect(code(absent)).toEqual([404, 16])
      await open("timeline:carol", userToken("carol"))
      const hidden = await open("timeline:carol", userToken("bob"))
      const { duration: _a, ...one } = absent.body
      const { duration: _b, ...other } = hidden.body
      expect(one).toEqual(other)
    })

    test("a server makes any feed, for the user that it names", async () => {
      const name = await made("bob", { visibility: "private" })
      expect((await open(name, userToken("bob"))).body.feed.created_by.id).toBe("bob")
      expect(code(await open(name, userToken("alice")))).toEqual([404, 16])
      const answer = await open("user:unnamed", serverToken())
      expect(code(answer)).toEqual([400, 4])
      expect(answer.body.message).toBe(
        'GetOrCreateFeed failed with error: "user_id is required for server side requests"',
      )
    })

    test("a user the server describes is made along with the feed", async () => {
      const answer = await open("user:newcomer", serverToken(), { user: { id: "newcomer" } })
      expect(answer.body.feed.created_by.id).toBe("newcomer")
      expect(code(await open("user:x", serverToken(), { user_id: "never-seen" }))).toEqual([400, 4])
    })

    test("a user token acts for nobody else", async () => {
      expect(code(await open("user:alice", userToken("alice"), { user_id: "bob" }))).toEqual([403, 17])
    })

    test("an unknown group is absent", async () => {
      expect(code(await open("nope:alice", userToken("alice")))).toEqual([404, 16])
      expect(code(await open("constructor:alice", userToken("alice")))).toEqual([404, 16])
    })

    test("a guest has no feed of its own making", async () => {
      expect(code(await open("user:g-1", userToken("g-1")))).toEqual([404, 16])
    })

    test("a call token reaches no feed, not even its user's own", async () => {
      const token = userToken("alice", { call_cids: ["default:c"] })
      expect(code(await open("user:alice", token))).toEqual([404, 16])
    })

    test.each([
      ["a limit beyond the bound", { limit: 101 }],
      ["an unknown visibility", { data: { visibility: "secret" } }],
      ["custom data that is too big", { data: { custom: { a: "x".repeat(6000) } } }],
      ["members who do not exist", { data: { members: [{ user_id: "ghost" }] } }],
      ["U+0000 in a name", { data: { name: "a\0b" } }],
      ["a cursor that is not ours", { next: "AAAA" }],
      ["a followers cursor that is not ours", { followers_pagination: { next: "AAAA" } }],
      ["a filter, which this version does not do", { filter: { activity_type: "post" } }],
      ["a view", { view: "v" }],
      ["watch without a socket", { watch: true }],
    ])("refuses %s", async (what, body) => {
      await open("user:alice", userToken("alice"))
      const name =
        what.includes("data") || what.includes("members") || what.includes("U+0000") ? "user:eve" : "user:alice"
      expect(code(await open(name, userToken(name.slice(5)), body))).toEqual([400, 4])
    })

    test.each([
      ["no token", { as: null }, 401, 5],
      ["no key", { as: userToken("alice"), apiKey: null }, 401, 2],
      ["a foreign signature", { as: sign({ user_id: "alice" }, "x".repeat(64)) }, 401, 43],
    ])("refuses %s", async (_what, options, status, errorCode) => {
      const answer = await t.call("POST", pathOf("user:alice"), { body: {}, ...options })
      expect(code(answer)).toEqual([status, errorCode])
    })
  })

  describe("visibility", () => {
    const readers = { anonymous: null, stranger: "eve", guest: "g-1", member: "bob", owner: "alice", admin: "root" }
    test.each([
      ["public", ["anonymous", "stranger", "guest", "member", "owner", "admin"]],
      ["visible", ["anonymous", "stranger", "guest", "member", "owner", "admin"]],
      ["followers", ["member", "owner", "admin"]],
      ["members", ["member", "owner", "admin"]],
      ["private", ["owner", "admin"]],
    ])("%s is read by %p", async (visibility, allowed) => {
      const name = await made("alice", { visibility, members: [{ user_id: "bob" }] })
      for (const [who, userId] of Object.entries(readers)) {
        const answer = await open(
          name,
          userId === null ? null : userToken(userId),
          {},
          userId === null ? anonymous : {},
        )
        expect([who, ...code(answer)]).toEqual([who, ...(allowed.includes(who) ? [201, undefined] : [404, 16])])
      }
    })

    test("only the owner changes it, and it counts at once", async () => {
      const name = await made("alice")
      const change = (as: string, visibility: string) =>
        t.call("POST", `${pathOf(name)}/change_visibility`, { as, body: { visibility } })
      expect(code(await change(userToken("bob"), "private"))).toEqual([403, 17])
      const answer = await change(userToken("alice"), "private")
      expect([answer.status, answer.body.feed.visibility]).toEqual([201, "private"])
      expect(code(await open(name, userToken("bob")))).toEqual([404, 16])
      expect(code(await change(userToken("bob"), "visible"))).toEqual([404, 16])
      expect(code(await change(userToken("alice"), "secret"))).toEqual([400, 4])
      expect(code(await t.call("POST", `${pathOf(name)}/change_visibility`, { as: null }))).toEqual([401, 5])
      expect((await change(serverToken(), "visible")).status).toBe(201)
      expect((await open(name, userToken("bob"))).status).toBe(201)
    })
  })

  describe("members", () => {
    const update = (name: string, as: string | null, body: object) =>
      t.call("PATCH", `${pathOf(name)}/members`, { as, body })
    const idsOf = (members: { user: { id: string } }[]) => members.map((member) => member.user.id).sort()

    test("the owner adds, changes, replaces and removes them", async () => {
      const name = await made("alice", { visibility: "members" })
      const alice = userToken("alice")
      expect(code(await open(name, userToken("bob")))).toEqual([404, 16])
      const added = await update(name, alice, {
        operation: "upsert",
        members: [{ user_id: "bob" }, { user_id: "carol" }],
      })
      expect([added.status, idsOf(added.body.added)]).toEqual([200, ["bob", "carol"]])
      expect((await open(name, userToken("bob"))).body.feed.member_count).toBe(2)
      const changed = await update(name, alice, {
        operation: "upsert",
        members: [{ user_id: "bob", custom: { a: 1 } }],
      })
      expect([changed.body.added, changed.body.updated[0].custom]).toEqual([[], { a: 1 }])
      const set = await update(name, alice, { operation: "set", members: [{ user_id: "bob" }, { user_id: "dave" }] })
      expect([idsOf(set.body.added), idsOf(set.body.updated), set.body.removed_ids]).toEqual([
        ["dave"],
        ["bob"],
        ["carol"],
      ])
      expect(code(await open(name, userToken("carol")))).toEqual([404, 16])
      const removed = await update(name, alice, {
        operation: "remove",
        members: [{ user_id: "bob" }, { user_id: "eve" }],
      })
      expect(removed.body.removed_ids).toEqual(["bob"])
      const after = await open(name, alice)
      expect([after.body.feed.member_count, idsOf(after.body.members)]).toEqual([1, ["dave"]])
    })

    test("others are refused", async () => {
      const name = await made("alice", { members: [{ user_id: "bob" }] })
      const body = { operation: "upsert", members: [{ user_id: "eve" }] }
      expect(code(await update(name, userToken("bob"), body))).toEqual([403, 17])
      expect(code(await update(await made("alice", { visibility: "private" }), userToken("bob"), body))).toEqual([
        404, 16,
      ])
      expect(code(await update(name, userToken("alice"), { operation: "turn" }))).toEqual([400, 4])
      expect(code(await update(name, userToken("alice"), { ...body, members: [{ user_id: "ghost" }] }))).toEqual([
        400, 4,
      ])
      expect(code(await update(name, serverToken(), { ...body, members: [{ user_id: "eve", role: "boss" }] }))).toEqual(
        [400, 4],
      )
      expect(code(await update(name, null, body))).toEqual([401, 5])
    })

    test("pages follow each other", async () => {
      const name = await made("alice", { members: ["bob", "carol", "dave"].map((user_id) => ({ user_id })) })
      const first = await open(name, userToken("alice"), { member_pagination: { limit: 2 } })
      expect(first.body.members).toHaveLength(2)
      const next = first.body.member_pagination.next
      const second = await open(name, userToken("alice"), { member_pagination: { limit: 2, next } })
      expect(idsOf([...first.body.members, ...second.body.members])).toEqual(["bob", "carol", "dave"])
    })
  })

  describe("watching", () => {
    const watch = async (name: string, userId: string) => {
      const socket = await t.connect(userId)
      const { connectionId } = socket
      expect((await open(name, userToken(userId), { watch: true }, { connectionId })).status).toBe(201)
      return socket
    }
    const post = async (name: string, text: string) => {
      const body = { type: "post", feeds: [name], text, user_id: "alice" }
      expect((await t.call("POST", "/api/v2/feeds/activities", { body })).status).toBe(201)
    }
    const texts = (socket: { seen(type: string): { activity: { text: string } }[] }) =>
      socket.seen("feeds.activity.added").map((event) => event.activity.text)

    test("hears what is added", async () => {
      const name = await made("alice")
      const bob = await watch(name, "bob")
      await post(name, "hello")
      const event = await bob.next("feeds.activity.added")
      expect(event).toMatchObject({ fid: name, feed_visibility: "visible", custom: {}, activity: { text: "hello" } })
      expect(event.user.id).toBe("alice")
      bob.close()
    })

    test("a connection of somebody else is not bound", async () => {
      const name = await made("alice")
      const eve = await t.connect("eve")
      const { connectionId } = eve
      const answer = await open(name, userToken("bob"), { watch: true }, { connectionId })
      expect(code(answer)).toEqual([404, 46])
      eve.close()
    })

    test("a feed that closes falls silent for those it shuts out, and only for them", async () => {
      const name = await made("alice", { members: [{ user_id: "carol" }] })
      const alice = await watch(name, "alice")
      const bob = await watch(name, "bob")
      const carol = await watch(name, "carol")
      await post(name, "open")
      const close = (visibility: string) =>
        t.call("POST", `${pathOf(name)}/change_visibility`, { as: userToken("alice"), body: { visibility } })
      await close("members")
      await post(name, "for members")
      await close("private")
      await post(name, "for alice")
      await close("visible")
      await post(name, "open again")
      for (const socket of [alice, bob, carol]) {
        for (;;) if ((await socket.next("feeds.activity.added")).activity.text === "open again") break
      }
      expect(texts(bob)).toEqual(["open", "open again"])
      expect(texts(carol)).toEqual(["open", "for members", "open again"])
      expect(texts(alice)).toEqual(["open", "for members", "for alice", "open again"])
      for (const socket of [alice, bob, carol]) socket.close()
    })

    test("a member who is removed hears of it and then nothing more", async () => {
      const name = await made("alice", { visibility: "members", members: [{ user_id: "bob" }] })
      const alice = await watch(name, "alice")
      const bob = await watch(name, "bob")
      const body = { operation: "remove", members: [{ user_id: "bob" }] }
      await t.call("PATCH", `${pathOf(name)}/members`, { as: userToken("alice"), body })
      expect((await bob.next("feeds.feed_member.removed")).member_id).toBe("bob")
      await post(name, "later")
      await alice.next("feeds.activity.added")
      expect(texts(bob)).toEqual([])
      for (const socket of [alice, bob]) socket.close()
    })
  })
})
