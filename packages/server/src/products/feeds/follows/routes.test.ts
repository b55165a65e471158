// Follows through the real door, on each database that is there.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { feeds as protocol } from "@weir/protocol"
import { Compile } from "typebox/compile"
import { createPostgresDatabase, serverToken, startTestServer, type TestServer, userToken } from "../../../testing.ts"

const backends = process.env.WEIR_TEST_POSTGRES_URL ? ["sqlite", "postgres"] : ["sqlite"]
if (backends.length === 1) console.log("follows: WEIR_TEST_POSTGRES_URL is not set, tested on SQLite only")

const answers = Compile(protocol.follow.output)

describe.each(backends)("follows on %s", (backend) => {
  let t: TestServer
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null

  beforeAll(async () => {
    if (backend === "postgres") database = await createPostgresDatabase()
    t = await startTestServer(database === null ? {} : { env: { WEIR_DATABASE_URL: database.url } })
    const users = Object.fromEntries(["alice", "bob", "carol", "eve"].map((id) => [id, { id }]))
    expect((await t.call("POST", "/api/v2/users", { body: { users } })).status).toBe(201)
  })
  afterAll(async () => {
    await t.close()
    await database?.drop()
  })

  const as = (userId: string) => userToken(userId)
  const open = (name: string, token: string, body: object = {}, more: object = {}) =>
    t.call("POST", `/api/v2/feeds/feed_groups/${name.replace(":", "/feeds/")}`, { as: token, body, ...more })
  const post = async (name: string, text: string, visibility = "public") => {
    const body = { type: "post", feeds: [name], text, visibility, user_id: "carol" }
    expect((await t.call("POST", "/api/v2/feeds/activities", { body })).status).toBe(201)
  }
  const follow = (source: string, target: string, token: string | null, more: object = {}) =>
    t.call("POST", "/api/v2/feeds/follows", { as: token, body: { source, target, ...more } })
  const unfollow = (source: string, target: string, token: string | null) =>
    t.call("DELETE", `/api/v2/feeds/follows/${source}/${target}`, { as: token })
  const answer = (what: "accept" | "reject", source: string, target: string, token: string | null) =>
    t.call("POST", `/api/v2/feeds/follows/${what}`, { as: token, body: { source, target } })
  const code = (got: { status: number; body: { code?: number } }) => [got.status, got.body.code]
  const texts = async (name: string, token: string) =>
    (await open(name, token)).body.activities.map((activity: { text: string }) => activity.text)
  let counter = 0
  const made = async (owner: string, data: object = {}, group = "user"): Promise<string> => {
    const name = `${group}:f${counter++}`
    expect((await open(name, serverToken(), { user_id: owner, data })).status).toBe(201)
    return name
  }
  const timeline = (owner: string) => made(owner, {}, "timeline")

  test("a followed feed appears in the timeline at once, and goes with the follow", async () => {
    const [source, target] = [await timeline("alice"), await made("bob", { name: "Bob's" })]
    await post(target, "before")
    const got = await follow(source, target, as("alice"), { custom: { a: 1 }, push_preference: "none" })
    expect(got.status).toBe(201)
    expect(answers.Check(got.body)).toBe(true)
    expect(got.body.follow).toMatchObject({
      status: "accepted",
      custom: { a: 1 },
      push_preference: "none",
      follower_role: "feed_follower",
      source_feed: { feed: source, following_count: 1 },
      target_feed: { feed: target, name: "Bob's", follower_count: 1 },
    })
    await post(target, "after")
    expect(await texts(source, as("alice"))).toEqual(["after", "before"])
    const seen = await open(target, as("eve"))
    expect(seen.body.feed.follower_count).toBe(1)
    // The follower's timeline is private: a stranger sees whose it is, and no more.
    expect(seen.body.followers[0].source_feed).toMatchObject({ feed: source, name: "", created_by: { id: "alice" } })
    expect(seen.body.followers[0].source_feed.custom).toBeUndefined()
    const gone = await unfollow(source, target, as("alice"))
    expect([gone.status, gone.body.follow.target_feed.follower_count]).toEqual([200, 0])
    expect(await texts(source, as("alice"))).toEqual([])
  })

  test("following twice is an error, and so is ending what is not there", async () => {
    const [source, target] = [await timeline("alice"), await made("bob")]
    expect((await follow(source, target, as("alice"))).status).toBe(201)
    expect(code(await follow(source, target, as("alice")))).toEqual([400, 4])
    expect((await unfollow(source, target, as("alice"))).status).toBe(200)
    expect(code(await unfollow(source, target, as("alice")))).toEqual([404, 16])
  })

  test("two requests at once make one follow and count it once", async () => {
    const [source, target] = [await timeline("alice"), await made("bob")]
    const got = await Promise.all([1, 2, 3].map(() => follow(source, target, as("alice"))))
    expect(got.map(({ status }) => status).sort()).toEqual([201, 400, 400])
    expect((await open(target, as("bob"))).body.feed.follower_count).toBe(1)
  })

  test.each([
    ["another's hidden feed as the source", "timeline", "user", 404, 16],
    ["another's visible feed as the source", "other", "user", 403, 17],
    ["a hidden target", "own", "timeline", 404, 16],
    ["an absent source", "user:absent", "user", 404, 16],
    ["an absent target", "own", "user:absent", 404, 16],
    ["itself", "own", "own", 400, 4],
    ["what is no feed", "own", "nonsense", 400, 4],
  ])("refuses to follow: %s", async (_what, source, target, status, errorCode) => {
    const names: Record<string, string> = {
      own: await timeline("alice"),
      timeline: await timeline("bob"),
      user: await made("bob"),
      other: await made("bob"),
    }
    const got = await follow(names[source] ?? source, names[target] ?? target, as("alice"))
    expect(code(got)).toEqual([status, errorCode])
  })

  test("a call token follows nothing and finds nothing", async () => {
    const token = userToken("alice", { call_cids: ["default:c"] })
    const [source, target] = [await timeline("alice"), await made("bob")]
    expect(code(await follow(source, target, token))).toEqual([404, 16])
    const query = { as: token, body: { filter: { source_feed: source } } }
    expect(code(await t.call("POST", "/api/v2/feeds/follows/query", query))).toEqual([403, 17])
  })

  test("without a token nothing is done", async () => {
    const [source, target] = [await timeline("alice"), await made("bob")]
    expect(code(await follow(source, target, null))).toEqual([401, 5])
    expect(code(await unfollow(source, target, null))).toEqual([401, 5])
    expect(code(await answer("accept", source, target, null))).toEqual([401, 5])
    expect(code(await answer("reject", source, target, null))).toEqual([401, 5])
    expect(code(await t.call("POST", "/api/v2/feeds/follows/query", { as: null }))).toEqual([401, 5])
  })

  test("only the follower's owner ends a follow", async () => {
    const [source, target] = [await timeline("alice"), await made("bob")]
    await follow(source, target, as("alice"))
    expect(code(await unfollow(source, target, as("eve")))).toEqual([404, 16])
    const visible = await made("alice")
    await follow(visible, target, as("alice"))
    expect(code(await unfollow(visible, target, as("eve")))).toEqual([403, 17])
    expect((await unfollow(source, target, serverToken())).status).toBe(200)
  })

  describe("a feed for approved followers", () => {
    test("is asked, answers, and can take it back", async () => {
      const [source, target] = [await timeline("alice"), await made("bob", { visibility: "followers", name: "Bob's" })]
      await post(target, "for followers")
      expect(code(await open(target, as("alice")))).toEqual([404, 16])
      const asked = await follow(source, target, as("alice"))
      expect(asked.body.follow.status).toBe("pending")
      // Who may not read it sees whose it is.
      expect(asked.body.follow.target_feed).toMatchObject({ name: "", created_by: { id: "bob" } })
      expect(await texts(source, as("alice"))).toEqual([])
      expect(code(await open(target, as("alice")))).toEqual([404, 16])
      expect(code(await answer("accept", source, target, as("alice")))).toEqual([403, 17])
      const yes = await answer("accept", source, target, as("bob"))
      expect([yes.status, yes.body.follow.status]).toEqual([201, "accepted"])
      expect(yes.body.follow.request_accepted_at).toBeString()
      expect((await answer("accept", source, target, as("bob"))).body.follow.target_feed.follower_count).toBe(1)
      expect(await texts(source, as("alice"))).toEqual(["for followers"])
      expect((await open(target, as("alice"))).body.feed.own_capabilities).not.toContain("add-activity")
      const no = await answer("reject", source, target, as("bob"))
      expect([no.body.follow.status, no.body.follow.target_feed.follower_count]).toEqual(["rejected", 0])
      expect(await texts(source, as("alice"))).toEqual([])
      expect(code(await open(target, as("alice")))).toEqual([404, 16])
    })

    test("does not ask its owner or its members", async () => {
      const target = await made("bob", { visibility: "followers", members: [{ user_id: "alice" }] })
      expect((await follow(await timeline("alice"), target, as("alice"))).body.follow.status).toBe("accepted")
      expect((await follow(await timeline("bob"), target, as("bob"))).body.follow.status).toBe("accepted")
    })

    test("only a server says the status itself", async () => {
      const [source, target] = [await timeline("alice"), await made("bob", { visibility: "followers" })]
      expect(code(await follow(source, target, as("alice"), { status: "accepted" }))).toEqual([403, 17])
      expect((await follow(source, target, serverToken(), { status: "accepted" })).body.follow.status).toBe("accepted")
    })

    test("a request that nobody made is absent, and a feed that is hidden too", async () => {
      const [source, target] = [await timeline("alice"), await made("bob", { visibility: "followers" })]
      expect(code(await answer("accept", source, target, as("bob")))).toEqual([404, 16])
      expect(code(await answer("reject", source, await timeline("bob"), as("alice")))).toEqual([404, 16])
      expect(code(await answer("accept", "nonsense", target, as("bob")))).toEqual([400, 4])
      expect(code(await answer("reject", "nonsense", target, as("bob")))).toEqual([400, 4])
    })
  })

  describe("query", () => {
    const query = (token: string, body: object) => t.call("POST", "/api/v2/feeds/follows/query", { as: token, body })
    const sources = (got: { body: { follows: { source_feed: { feed: string } }[] } }) =>
      got.body.follows.map((found) => found.source_feed.feed)

    test("an owner finds who asks; others find their own follows only", async () => {
      const target = await made("bob", { visibility: "followers" })
      const [a, c] = [await timeline("alice"), await timeline("carol")]
      await follow(a, target, as("alice"))
      await follow(c, target, as("carol"))
      const asking = { filter: { target_feed: target, status: "pending" } }
      expect(sources(await query(as("bob"), asking)).sort()).toEqual([a, c].sort())
      expect(sources(await query(as("alice"), asking))).toEqual([a])
      expect(sources(await query(as("eve"), asking))).toEqual([])
      expect(sources(await query(serverToken(), asking)).sort()).toEqual([a, c].sort())
    })

    test("pages follow each other", async () => {
      const target = await made("bob")
      const names: string[] = []
      for (let index = 0; index < 3; index++) {
        names.push(await timeline("alice"))
        await follow(names[index] as string, target, as("alice"))
      }
      const body = { filter: { target_feed: target }, limit: 2 }
      const first = await query(as("bob"), body)
      const second = await query(as("bob"), { ...body, next: first.body.next })
      expect([...sources(first), ...sources(second)]).toEqual(names.reverse())
      expect(second.body.next).toBeUndefined()
      const page = await open(target, as("bob"), { followers_pagination: { limit: 1 } })
      expect([page.body.followers.length, typeof page.body.followers_pagination.next]).toEqual([1, "string"])
    })

    test("a client names a feed", async () => {
      expect(code(await query(as("alice"), {}))).toEqual([400, 4])
      const hidden = { $or: [{ source_feed: "a:b" }, { status: "accepted" }] }
      expect(code(await query(as("alice"), { filter: hidden }))).toEqual([400, 4])
      expect(code(await query(as("alice"), { filter: { nothing: 1 } }))).toEqual([400, 4])
      expect((await query(serverToken(), {})).status).toBe(201)
    })
  })

  describe("access that ends", () => {
    const watch = async (name: string, userId: string) => {
      const socket = await t.connect(userId)
      const { connectionId } = socket
      expect((await open(name, as(userId), { watch: true }, { connectionId })).status).toBe(201)
      return socket
    }

    test("an unfollow silences the feed for a follower without another way in", async () => {
      const target = await made("bob", { visibility: "followers", members: [{ user_id: "carol" }] })
      const pairs: [string, string][] = []
      for (const userId of ["alice", "bob", "carol", "eve"]) {
        const source = await timeline(userId)
        await follow(source, target, serverToken(), { status: "accepted" })
        pairs.push([source, userId])
      }
      // Carol is a member, Bob owns the feed, and Eve follows with a second feed.
      const second = await made("eve")
      await follow(second, target, serverToken(), { status: "accepted" })
      const bob = await watch(target, "bob")
      const [alice, carol, eve] = [
        await watch(target, "alice"),
        await watch(target, "carol"),
        await watch(target, "eve"),
      ]
      for (const [source, userId] of pairs) expect((await unfollow(source, target, as(userId))).status).toBe(200)
      await post(target, "after")
      for (const socket of [bob, carol, eve])
        expect((await socket.next("feeds.activity.added")).activity.text).toBe("after")
      expect(alice.seen("feeds.activity.added")).toEqual([])
      expect((await bob.next("feeds.follow.deleted")).follow.target_feed.feed).toBe(target)
      for (const socket of [alice, bob, carol, eve]) socket.close()
    })

    test("a timeline shows nothing of a feed that closed, before any follow is settled", async () => {
      const [source, target] = [await timeline("alice"), await made("bob")]
      await follow(source, target, as("alice"))
      await post(target, "then")
      expect(await texts(source, as("alice"))).toEqual(["then"])
      const path = `/api/v2/feeds/feed_groups/${target.replace(":", "/feeds/")}/change_visibility`
      await t.call("POST", path, { as: as("bob"), body: { visibility: "private" } })
      expect(await texts(source, as("alice"))).toEqual([])
    })

    test("who reads a timeline that is open to them sees only what is open to everybody", async () => {
      const source = await made("alice", { visibility: "visible" }, "timeline")
      const [open_, closed] = [await made("bob"), await made("bob", { visibility: "followers" })]
      for (const target of [open_, closed]) await follow(source, target, serverToken(), { status: "accepted" })
      await post(open_, "open")
      await post(closed, "closed")
      expect(await texts(source, as("alice"))).toEqual(["closed", "open"])
      expect(await texts(source, as("eve"))).toEqual(["open"])
    })

    const settled = async (target: string, wanted: number) => {
      for (let attempt = 0; attempt < 100; attempt++) {
        const { body } = await open(target, as("bob"))
        if (body.feed.follower_count === wanted && body.followers.length === wanted) return
        await Bun.sleep(20)
      }
      throw new Error(`${target} did not come to ${wanted} followers`)
    }
    const change = (target: string, body: object) =>
      t.call("POST", `/api/v2/feeds/feed_groups/${target.replace(":", "/feeds/")}/change_visibility`, {
        as: as("bob"),
        body,
      })

    test("follows that no longer fit are ended behind the reply", async () => {
      const target = await made("bob", { members: [{ user_id: "carol" }] })
      for (const userId of ["alice", "carol", "bob"]) await follow(await timeline(userId), target, as(userId))
      await settled(target, 3)
      await change(target, { visibility: "members" })
      await settled(target, 2)
      await change(target, { visibility: "private" })
      await settled(target, 1)
      expect((await open(target, as("bob"))).body.followers[0].source_feed.created_by.id).toBe("bob")
    })

    test.each([
      [undefined, 1],
      ["auto_approve", 1],
      ["reject", 0],
    ])("open requests are answered when the feed leaves followers: %s", async (pending_follows_action, followers) => {
      const target = await made("bob", { visibility: "followers" })
      const source = await timeline("alice")
      expect((await follow(source, target, as("alice"))).body.follow.status).toBe("pending")
      await change(target, { visibility: "visible", pending_follows_action })
      await settled(target, followers)
      const wanted = followers === 1 ? "accepted" : "rejected"
      for (let attempt = 0; attempt < 100; attempt++) {
        const body = { filter: { source_feed: source } }
        const found = await t.call("POST", "/api/v2/feeds/follows/query", { as: as("alice"), body })
        if (found.body.follows[0].status === wanted) return
        await Bun.sleep(20)
      }
      throw new Error(`the request was not ${wanted}`)
    })
  })
})
