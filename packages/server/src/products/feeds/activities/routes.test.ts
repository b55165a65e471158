// Activities through the real door, on each database that is there.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { feeds as protocol } from "@weir/protocol"
import { Compile } from "typebox/compile"
import { createPostgresDatabase, serverToken, startTestServer, type TestServer, userToken } from "../../../testing.ts"

const backends = process.env.WEIR_TEST_POSTGRES_URL ? ["sqlite", "postgres"] : ["sqlite"]
if (backends.length === 1) console.log("activities: WEIR_TEST_POSTGRES_URL is not set, tested on SQLite only")

const answers = Compile(protocol.getActivity.output)

describe.each(backends)("activities on %s", (backend) => {
  let t: TestServer
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null

  beforeAll(async () => {
    if (backend === "postgres") database = await createPostgresDatabase()
    t = await startTestServer(database === null ? {} : { env: { WEIR_DATABASE_URL: database.url } })
    const users = Object.fromEntries(["alice", "bob", "carol", "eve"].map((id) => [id, { id }]))
    const body = { users: { ...users, root: { id: "root", role: "admin" } } }
    expect((await t.call("POST", "/api/v2/users", { body })).status).toBe(201)
  })
  afterAll(async () => {
    await t.close()
    await database?.drop()
  })

  type Body = Record<string, unknown>
  const as = (userId: string) => userToken(userId)
  const open = (name: string, token: string, body: Body = {}, more: object = {}) =>
    t.call("POST", `/api/v2/feeds/feed_groups/${name.replace(":", "/feeds/")}`, { as: token, body, ...more })
  const add = (token: string | null, feeds: string[], more: Body = {}) =>
    t.call("POST", "/api/v2/feeds/activities", { as: token, body: { type: "post", feeds, text: "t", ...more } })
  const on = (method: string, id: string, token: string | null, body?: Body, query = "") =>
    t.call(method, `/api/v2/feeds/activities/${id}${query}`, { as: token, body })
  const code = (got: { status: number; body: { code?: number } }) => [got.status, got.body.code]
  const idsIn = async (name: string, token: string) =>
    (await open(name, token)).body.activities.map((activity: { id: string }) => activity.id)
  let counter = 0
  const made = async (owner: string, data: Body = {}, group = "user"): Promise<string> => {
    const name = `${group}:f${counter++}`
    expect((await open(name, serverToken(), { user_id: owner, data })).status).toBe(201)
    return name
  }
  const added = async (userId: string, feeds: string[], more: Body = {}): Promise<string> => {
    const got = await add(as(userId), feeds, more)
    expect(got.status).toBe(201)
    return got.body.activity.id
  }

  describe("add", () => {
    test("a user adds to their own feed, with every member that clients read", async () => {
      const feed = await made("alice")
      const got = await add(as("alice"), [feed, feed], {
        text: "hello",
        custom: { a: null },
        attachments: [{ type: "image", image_url: "https://example.com/a.png", custom: {} }],
        mentioned_user_ids: ["bob"],
        filter_tags: ["x"],
        location: { lat: 1.5, lng: -2 },
      })
      expect(got.status).toBe(201)
      expect(answers.Check(got.body)).toBe(true)
      expect(got.body.activity).toMatchObject({
        type: "post",
        text: "hello",
        feeds: [feed],
        user: { id: "alice" },
        custom: { a: null },
        mentioned_users: [{ id: "bob" }],
        visibility: "public",
        restrict_replies: "everyone",
        location: { lat: 1.5, lng: -2 },
      })
      const read = await open(feed, as("bob"))
      expect(read.body.activities[0]).toEqual(got.body.activity)
      expect(read.body.feed.activity_count).toBe(1)
      expect((await on("GET", got.body.activity.id, as("bob"))).body.activity).toEqual(got.body.activity)
    })

    test("a server acts for the user that it names, and names one", async () => {
      const feed = await made("alice")
      const got = await add(serverToken(), [feed], { user_id: "bob" })
      expect([got.status, got.body.activity.user.id]).toEqual([201, "bob"])
      const unnamed = await add(serverToken(), [feed])
      expect(code(unnamed)).toEqual([400, 4])
      expect(unnamed.body.message).toContain("user_id is required for server side requests")
      expect(code(await add(as("alice"), [feed], { user_id: "bob" }))).toEqual([403, 17])
    })

    test.each([
      ["another's visible feed", "visible", 403, 17],
      ["another's hidden feed", "private", 404, 16],
      ["a feed for followers", "followers", 403, 17],
    ])("is refused in %s", async (_what, visibility, status, errorCode) => {
      const [own, other] = [await made("alice"), await made("bob", { visibility })]
      expect(code(await add(as("alice"), [own, other]))).toEqual([status, errorCode])
      expect(await idsIn(own, as("alice"))).toEqual([])
    })

    test("everybody posts to a public feed, and members to one that has them", async () => {
      const feed = await made("bob", { visibility: "public" })
      expect((await add(as("alice"), [feed])).status).toBe(201)
      const closed = await made("bob", { visibility: "members", members: [{ user_id: "alice" }] })
      expect((await add(as("alice"), [closed])).status).toBe(201)
      expect(code(await add(as("eve"), [closed]))).toEqual([404, 16])
    })

    test("an absent feed looks as a hidden one does", async () => {
      expect(code(await add(as("alice"), ["user:absent"]))).toEqual([404, 16])
    })

    test("the same request again answers what is stored; another one with its id is refused", async () => {
      const feed = await made("alice")
      const id = `own-${backend}`
      const first = await add(as("alice"), [feed], { id, custom: { a: 1 } })
      const again = await add(as("alice"), [feed], { id, custom: { a: 1 } })
      expect([again.status, again.body.activity]).toEqual([201, first.body.activity])
      expect((await open(feed, as("alice"))).body.feed.activity_count).toBe(1)
      expect(code(await add(as("alice"), [feed], { id, custom: { a: 2 } }))).toEqual([400, 4])
      expect(code(await add(as("bob"), [await made("bob")], { id }))).toEqual([400, 4])
      await on("DELETE", id, as("alice"))
      expect(code(await add(as("alice"), [feed], { id, custom: { a: 1 } }))).toEqual([400, 4])
    })

    test("one id asked for many times at once is stored once", async () => {
      const feed = await made("alice")
      const id = `race-${backend}`
      const got = await Promise.all([1, 2, 3, 4].map(() => add(as("alice"), [feed], { id })))
      expect(got.map(({ status }) => status)).toEqual([201, 201, 201, 201])
      expect((await open(feed, as("alice"))).body.feed.activity_count).toBe(1)
    })

    test.each([
      ["no feed", { feeds: [] }],
      ["too many feeds", { feeds: Array.from({ length: 26 }, (_, index) => `user:a${index}`) }],
      ["no type", { type: "" }],
      ["a text that is too long", { text: "x".repeat(10_001) }],
      ["U+0000", { text: "a\0b" }],
      ["custom data that is too big", { custom: { a: "x".repeat(6000) } }],
      ["attachments that are too big", { attachments: [{ a: "x".repeat(11_000) }] }],
      ["an id that is none", { id: "a b" }],
      ["a mention of nobody", { mentioned_user_ids: ["ghost"] }],
      ["a tag visibility, which this version does not do", { visibility: "tag", visibility_tag: "gold" }],
      ["an expiry, which this version does not do", { expires_at: "2030-01-01T00:00:00Z" }],
      ["a location off the map", { location: { lat: 91, lng: 0 } }],
    ])("refuses %s", async (_what, more) => {
      expect(code(await add(as("alice"), [await made("alice")], more))).toEqual([400, 4])
    })

    test("without a token nothing is added", async () => {
      expect(code(await add(null, ["user:x"]))).toEqual([401, 5])
      expect(code(await add(userToken("alice", { call_cids: ["default:c"] }), [await made("alice")]))).toEqual([
        404, 16,
      ])
    })
  })

  describe("get", () => {
    test("who may read none of its feeds sees nothing; who may read one does", async () => {
      const [closed, visible] = [await made("alice", { visibility: "private" }), await made("alice")]
      const id = await added("alice", [closed])
      expect((await on("GET", id, as("alice"))).status).toBe(200)
      const { duration: _a, ...hidden } = (await on("GET", id, as("bob"))).body
      expect(hidden.code).toBe(16)
      const { duration: _b, ...absent } = (await on("GET", "absent", as("bob"))).body
      expect(hidden.message.replace(id, "absent")).toBe(absent.message)
      expect(code(await on("GET", id, null))).toEqual([401, 5])
      expect((await on("GET", id, as("root"))).status).toBe(200)
      expect((await on("GET", await added("alice", [closed, visible]), as("bob"))).status).toBe(200)
      const anonymous = { as: null, authType: "anonymous" }
      const open_ = await added("alice", [visible])
      expect((await t.call("GET", `/api/v2/feeds/activities/${open_}`, anonymous)).status).toBe(200)
    })

    test("an id that is none is refused", async () => {
      expect(code(await on("GET", "a%20b", as("bob")))).toEqual([400, 4])
    })
  })

  describe("private activities", () => {
    test("are for the feed's owner alone, wherever they are read", async () => {
      const feed = await made("alice", { visibility: "public" })
      const [open_, secret] = [await added("alice", [feed]), await added("alice", [feed], { visibility: "private" })]
      const theirs = await added("bob", [feed], { visibility: "private" })
      expect(await idsIn(feed, as("alice"))).toEqual([theirs, secret, open_])
      expect(await idsIn(feed, as("bob"))).toEqual([open_])
      expect(code(await on("GET", secret, as("bob")))).toEqual([404, 16])
      expect((await on("GET", theirs, as("bob"))).status).toBe(200)
      for (const userId of ["alice", "bob"]) {
        const timeline = await made(userId, {}, "timeline")
        const body = { source: timeline, target: feed }
        expect((await t.call("POST", "/api/v2/feeds/follows", { as: as(userId), body })).status).toBe(201)
        expect(await idsIn(timeline, as(userId))).toEqual(userId === "alice" ? [theirs, secret, open_] : [open_])
      }
    })

    test("are not told to other watchers", async () => {
      const feed = await made("alice")
      const [alice, bob] = [await t.connect("alice"), await t.connect("bob")]
      await open(feed, as("alice"), { watch: true }, { connectionId: alice.connectionId })
      await open(feed, as("bob"), { watch: true }, { connectionId: bob.connectionId })
      const secret = await added("alice", [feed], { visibility: "private" })
      const open_ = await added("alice", [feed])
      expect((await alice.next("feeds.activity.added")).activity.id).toBe(secret)
      expect((await bob.next("feeds.activity.added")).activity.id).toBe(open_)
      alice.close()
      bob.close()
    })
  })

  describe("update", () => {
    test("replaces everything but author, time and feeds", async () => {
      const feed = await made("alice")
      const id = await added("alice", [feed], { custom: { a: 1 }, filter_tags: ["x"] })
      const before = (await on("GET", id, as("alice"))).body.activity
      const got = await on("PUT", id, as("alice"), { text: "new" })
      expect(got.status).toBe(200)
      expect(answers.Check(got.body)).toBe(true)
      expect(got.body.activity).toMatchObject({ text: "new", custom: {}, filter_tags: [], feeds: [feed] })
      expect(got.body.activity.created_at).toBe(before.created_at)
      expect(got.body.activity.edited_at).toBeString()
    })

    test("moves it between feeds, and each hears what concerns it", async () => {
      const [from, to] = [await made("alice"), await made("alice")]
      const id = await added("alice", [from])
      const bob = await t.connect("bob")
      for (const feed of [from, to]) await open(feed, as("bob"), { watch: true }, { connectionId: bob.connectionId })
      expect((await on("PUT", id, as("alice"), { text: "moved", feeds: [to] })).status).toBe(200)
      expect((await bob.next("feeds.activity.removed_from_feed")).fid).toBe(from)
      expect((await bob.next("feeds.activity.added")).fid).toBe(to)
      expect([await idsIn(from, as("alice")), await idsIn(to, as("alice"))]).toEqual([[], [id]])
      expect((await open(from, as("alice"))).body.feed.activity_count).toBe(0)
      expect((await open(to, as("alice"))).body.feed.activity_count).toBe(1)
      bob.close()
    })

    test("fields are set and unset one by one", async () => {
      const id = await added("alice", [await made("alice")], { custom: { a: { b: 1, c: 2 } }, filter_tags: ["x"] })
      const set = { text: "new", "custom.a.b": 3, "custom.d": true }
      const got = await on("PATCH", id, as("alice"), { set, unset: ["custom.a.c", "filter_tags"] })
      expect(got.status).toBe(200)
      expect(got.body.activity).toMatchObject({ text: "new", filter_tags: [], custom: { a: { b: 3 }, d: true } })
      expect(got.body.activity.custom.a.c).toBeUndefined()
    })

    test.each([
      ["an unknown field", { set: { user_id: "bob" } }],
      ["feeds", { set: { feeds: ["user:x"] } }],
      ["a value that does not fit", { set: { text: 7 } }],
      ["a visibility that is none", { set: { visibility: "secret" } }],
      ["a path into what is no map", { unset: ["text.a"] }],
      ["a prototype", { set: { "custom.__proto__.a": 1 } }],
      ["too much", { set: { custom: { a: "x".repeat(6000) } } }],
    ])("a partial update refuses %s", async (_what, body) => {
      const id = await added("alice", [await made("alice")])
      expect(code(await on("PATCH", id, as("alice"), body))).toEqual([400, 4])
    })

    test.each(["PUT", "PATCH"])("%s is for the author", async (method) => {
      const id = await added("alice", [await made("alice")])
      expect(code(await on(method, id, as("bob"), {}))).toEqual([403, 17])
      const hidden = await added("alice", [await made("alice", {}, "timeline")])
      expect(code(await on(method, hidden, as("bob"), {}))).toEqual([404, 16])
      expect(code(await on(method, "absent", as("bob"), {}))).toEqual([404, 16])
      expect(code(await on(method, id, null, {}))).toEqual([401, 5])
      expect(code(await on(method, id, as("alice"), { user_id: 7 }))).toEqual([400, 4])
      expect((await on(method, id, serverToken(), {})).status).toBe(200)
      expect((await on(method, id, as("root"), {})).status).toBe(200)
    })

    test("nobody writes to a feed through an old activity that is not theirs to write to", async () => {
      const feed = await made("bob", { visibility: "public" })
      const id = await added("alice", [feed])
      const path = `/api/v2/feeds/feed_groups/${feed.replace(":", "/feeds/")}/change_visibility`
      await t.call("POST", path, { as: as("bob"), body: { visibility: "visible" } })
      expect(code(await on("PUT", id, as("alice"), { text: "late" }))).toEqual([403, 17])
      expect(
        code(await on("PUT", await added("alice", [await made("alice")]), as("alice"), { feeds: [feed] })),
      ).toEqual([403, 17])
      expect((await on("DELETE", id, as("alice"))).status).toBe(200)
    })
  })

  describe("delete", () => {
    test("takes it out of every feed and tells the watchers", async () => {
      const [one, two] = [await made("alice"), await made("alice")]
      const id = await added("alice", [one, two])
      const bob = await t.connect("bob")
      await open(one, as("bob"), { watch: true }, { connectionId: bob.connectionId })
      const got = await on("DELETE", id, as("alice"))
      expect([got.status, typeof got.body.duration]).toEqual([200, "string"])
      expect((await bob.next("feeds.activity.deleted")).activity).toMatchObject({ id, deleted_at: expect.any(String) })
      expect([await idsIn(one, as("alice")), await idsIn(two, as("alice"))]).toEqual([[], []])
      expect((await open(one, as("alice"))).body.feed.activity_count).toBe(0)
      expect(code(await on("GET", id, as("alice")))).toEqual([404, 16])
      expect(code(await on("DELETE", id, as("alice")))).toEqual([404, 16])
      bob.close()
    })

    test("hard, it is forgotten, even after a soft deletion; the id is free again", async () => {
      const feed = await made("alice")
      const id = `gone-${backend}`
      await added("alice", [feed], { id })
      await on("DELETE", id, as("alice"))
      expect(code(await on("DELETE", id, as("bob"), undefined, "?hard_delete=true"))).toEqual([404, 16])
      expect((await on("DELETE", id, as("alice"), undefined, "?hard_delete=1")).status).toBe(200)
      expect((await open(feed, as("alice"))).body.feed.activity_count).toBe(0)
      expect(await added("alice", [feed], { id })).toBe(id)
    })

    test("is for the author and for the owner of all its feeds", async () => {
      const [hers, his] = [await made("alice", { visibility: "public" }), await made("bob")]
      const both = await added("bob", [hers, his])
      const only = await added("bob", [hers])
      expect(code(await on("DELETE", both, as("alice")))).toEqual([403, 17])
      expect((await on("DELETE", only, as("alice"))).status).toBe(200)
      expect(code(await on("DELETE", both, as("eve")))).toEqual([403, 17])
      expect(code(await on("DELETE", both, null))).toEqual([401, 5])
      expect(code(await on("DELETE", both, as("bob"), undefined, "?hard_delete=maybe"))).toEqual([400, 4])
      expect(code(await on("DELETE", await added("bob", [await made("bob", {}, "timeline")]), as("eve")))).toEqual([
        404, 16,
      ])
      expect((await on("DELETE", both, serverToken())).status).toBe(200)
    })
  })

  describe("pages", () => {
    const all = async (name: string, token: string, limit: number): Promise<string[]> => {
      const ids: string[] = []
      for (let next: string | undefined, pages = 0; pages < 100; pages++) {
        const { body } = await open(name, token, { limit, next })
        expect(body.activities.length).toBeLessThanOrEqual(limit)
        ids.push(...body.activities.map((activity: { id: string }) => activity.id))
        next = body.next
        if (next === undefined) return ids
      }
      throw new Error("the pages have no end")
    }

    test("of a feed: newest first, none twice, none left out, whatever is added meanwhile", async () => {
      const feed = await made("alice")
      const ids: string[] = []
      for (let index = 0; index < 7; index++) ids.unshift(await added("alice", [feed]))
      expect(await all(feed, as("bob"), 3)).toEqual(ids)
      expect(await all(feed, as("bob"), 7)).toEqual(ids)
      const first = await open(feed, as("bob"), { limit: 3 })
      await added("alice", [feed])
      const second = await open(feed, as("bob"), { limit: 3, next: first.body.next })
      expect(second.body.activities.map((activity: { id: string }) => activity.id)).toEqual(ids.slice(3, 6))
      expect((await open(feed, as("bob"), { limit: 0 })).body.activities).toEqual([])
    })

    test("of a timeline: merged from its own and all followed feeds, an activity of several feeds once", async () => {
      const timeline = await made("eve", {}, "timeline")
      const feeds: string[] = []
      for (let index = 0; index < 40; index++) feeds.push(await made("bob"))
      await Promise.all(
        feeds.map((target) =>
          t.call("POST", "/api/v2/feeds/follows", { as: as("eve"), body: { source: timeline, target } }),
        ),
      )
      const ids: string[] = []
      // Some feeds are busy, some share activities, and the oldest are only in feeds that are quiet since.
      for (let index = 0; index < 40; index++) ids.unshift(await added("bob", [feeds[index] as string]))
      ids.unshift(await added("bob", feeds.slice(0, 25)))
      for (let index = 0; index < 5; index++) ids.unshift(await added("bob", [feeds[3] as string]))
      ids.unshift(await added("eve", [timeline]))
      for (const limit of [5, 24, 100]) expect(await all(timeline, as("eve"), limit)).toEqual(ids)
    }, 20_000)
  })

  test("a user who is deleted for good takes activities, follows, memberships and the words of their feeds along", async () => {
    const userId = `leaver-${backend}`
    await t.call("POST", "/api/v2/users", { body: { users: { [userId]: { id: userId } } } })
    const feed = await made(userId, { name: "private words" })
    const shared = await made("alice", { visibility: "public", members: [{ user_id: userId }] })
    const kept = await added("alice", [shared])
    for (let index = 0; index < 25; index++) await added(userId, [shared])
    await t.call("POST", "/api/v2/feeds/follows", { body: { source: feed, target: shared } })
    const body = { user_ids: [userId], user: "hard", messages: "hard", conversations: "hard" }
    const { task_id } = (await t.call("POST", "/api/v2/users/delete", { body })).body
    for (let attempt = 0; ; attempt++) {
      const { status } = (await t.call("GET", `/api/v2/tasks/${task_id}`)).body
      if (status === "completed") break
      if (attempt === 200) throw new Error(`the task is ${status}`)
      await Bun.sleep(20)
    }
    const after = await open(shared, as("alice"), { limit: 100 })
    expect(after.body.activities.map((activity: { id: string }) => activity.id)).toEqual([kept])
    expect(after.body.feed).toMatchObject({ activity_count: 1, follower_count: 0, member_count: 0 })
    const emptied = await open(feed, as("root"))
    expect(emptied.body.feed).toMatchObject({ name: "", visibility: "private", following_count: 0 })
  })
})
