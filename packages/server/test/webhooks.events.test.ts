// What backends are told of an event beyond what sockets hear, through a real receiver on each database
// (contract/chat.md §5.4).

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type TestServer, userToken } from "../src/testing.ts"
import { createApp, createUsers, databaseKinds, startOn } from "./fixtures.ts"
import { allowPrivate, type Receiver, startReceiver } from "./receiver.ts"

const appId = 1_000_001

for (const kind of databaseKinds) {
  describe(`what backends are told on ${kind}`, () => {
    let t: TestServer
    let receiver: Receiver
    let count = 0
    beforeAll(async () => {
      t = await startOn(kind, allowPrivate)
      const shy = { id: "shy", privacy_settings: { read_receipts: { enabled: false } } }
      await createUsers(t, "alice", "bob", shy)
      const event_types = ["message.*", "channel.*", "member.*", "user.messages.deleted", "feeds.*", "wave"]
      receiver = await startReceiver(t, appId, { event_types, should_send_custom_events: true })
    })
    afterAll(async () => {
      await receiver.close()
      await t.close()
    })

    const ok = async (
      method: string,
      path: string,
      body: unknown,
      as?: string,
      headers: Record<string, string> = {},
    ) => {
      const options = { body, headers, ...(as === undefined ? {} : { as: userToken(as) }) }
      const answer = await t.call(method, `/api/v2${path}`, options)
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
      return answer.body
    }
    /** A new channel of alice, as a path. */
    const channel = async (members: string[], data: object = {}): Promise<string> => {
      const path = `/chat/channels/messaging/w${count++}`
      await ok("POST", `${path}/query`, { data: { created_by_id: "alice", members, ...data } })
      const cid = path.replace("/chat/channels/messaging/", "messaging:")
      for (const told of ["channel.created", ...members.map(() => "member.added")]) {
        await receiver.next(told, (body) => body.cid === cid)
      }
      return path
    }
    const say = (path: string, as: string, text: string, headers = {}) =>
      ok("POST", `${path}/message`, { message: { text } }, as, headers)

    test("a message comes with its channel, the members with what they have read, and the author's totals", async () => {
      const path = await channel(["alice", "bob"], { custom: { title: "Team" } })
      const watcher = await t.connect("bob")
      const query = { as: userToken("bob"), body: { watch: true }, connectionId: watcher.connectionId }
      expect((await t.call("POST", `/api/v2${path}/query`, query)).status).toBe(201)
      await say(path, "bob", "unread by alice")
      const other = await channel(["alice", "bob"])
      await say(other, "bob", "elsewhere")
      for (const _ of [1, 2]) await receiver.next("message.new")

      await say(path, "alice", "hello", { "user-agent": "agent/1", "x-stream-client": "client/2" })
      const body = await receiver.next("message.new")
      expect(body).toMatchObject({
        type: "message.new",
        message: { text: "hello", user: { id: "alice" } },
        watcher_count: 1,
        channel: { custom: { title: "Team" }, member_count: 2, created_by: { id: "alice" } },
        members: [
          { user_id: "alice", user: { id: "alice" }, role: "owner", channel_unread_count: 0 },
          { user_id: "bob", user: { id: "bob" }, channel_unread_count: 1 },
        ],
        // Writing reads this channel; the other one is still unread.
        user: {
          id: "alice",
          channel_unread_count: 0,
          total_unread_count: 1,
          unread_count: 1,
          unread_channels: 1,
        },
        request_info: { type: "client", ip: "127.0.0.1", user_agent: "agent/1", sdk: "client/2" },
      })
      expect(body.channel.last_message_at).toBe(body.message.created_at)
      for (const { channel_last_read_at } of [...body.members, body.user]) {
        expect(Date.parse(channel_last_read_at)).toBeGreaterThan(Date.now() - 60_000)
      }

      // Sockets hear none of it.
      await watcher.next("message.new")
      const frame = await watcher.next("message.new")
      expect(frame).toMatchObject({ message: { text: "hello" }, user: { id: "alice" } })
      for (const name of ["channel", "members", "request_info"]) expect(frame).not.toHaveProperty(name)
      for (const name of Object.keys(frame.user)) expect(name).not.toMatch(/unread|last_read/)
      watcher.close()
    })

    test("a server call is known as one, and what it says of itself is cut", async () => {
      const path = await channel(["alice"])
      const headers = { "user-agent": "u".repeat(300), "x-stream-client": "" }
      await ok("POST", `${path}/message`, { message: { text: "hi", user_id: "alice" } }, undefined, headers)
      const { request_info } = await receiver.next("message.new")
      expect(request_info).toEqual({ type: "server", ip: "127.0.0.1", user_agent: "u".repeat(256), sdk: "" })
    })

    test("a new channel comes with its maker and its first members", async () => {
      await ok("POST", "/chat/channels/messaging/fresh/query", { data: { members: ["alice", "bob"] } }, "alice")
      expect(await receiver.next("channel.created", ({ cid }) => cid === "messaging:fresh")).toMatchObject({
        channel: { cid: "messaging:fresh", created_by: { id: "alice" } },
        user: { id: "alice", channel_unread_count: 0 },
        members: [{ user_id: "alice" }, { user_id: "bob", channel_unread_count: 0 }],
      })
      for (const user_id of ["alice", "bob"]) {
        const { channel } = await receiver.next("member.added", ({ member }) => member.user_id === user_id)
        expect(channel).toMatchObject({ cid: "messaging:fresh", member_count: 2 })
      }
    })

    test("a channel without members is told as one", async () => {
      const path = await channel([])
      await ok("POST", `${path}/message`, { message: { text: "alone", user_id: "bob" } })
      const body = await receiver.next("message.new")
      expect(body).toMatchObject({ members: [], channel: { member_count: 0 }, user: { id: "bob" } })
      expect(body.user).not.toHaveProperty("channel_unread_count")
    })

    test("of a big channel the first 50 members are told, and whoever acted with what they have read", async () => {
      const ids = Array.from({ length: 51 }, (_, index) => `m${String(index).padStart(2, "0")}`)
      await createUsers(t, ...ids)
      const path = await channel(ids)
      await say(path, "m50", "from the back")
      const body = await receiver.next("message.new")
      expect(body.members.map(({ user_id }: { user_id: string }) => user_id)).toEqual(ids.slice(0, 50))
      expect(body.channel.member_count).toBe(51)
      expect(body.user).toMatchObject({ id: "m50", channel_unread_count: 0, unread_channels: 0 })
      expect(body.members[0].channel_unread_count).toBe(1)
    })

    test("whoever hides what they have read hides it from backends too", async () => {
      const path = await channel(["bob", "shy"])
      await say(path, "bob", "to shy")
      const { members } = await receiver.next("message.new")
      expect(members.map((member: object) => Object.hasOwn(member, "channel_unread_count"))).toEqual([true, false])
      await ok("POST", `${path}/read`, {}, "shy")
      await ok("POST", `${path}/read`, {}, "bob")
      // Shy's reading came first and is not told.
      const read = await receiver.next("message.read")
      expect(read).toMatchObject({ user: { id: "bob", channel_unread_count: 0 } })
      await say(path, "shy", "back")
      const { user } = await receiver.next("message.new")
      for (const name of Object.keys(user)) expect(name).not.toMatch(/unread|last_read/)
    })

    test("message.read, message.updated and message.deleted come with the same", async () => {
      const path = await channel(["alice", "bob"])
      const { message } = await say(path, "alice", "one")
      await receiver.next("message.new")
      await ok("POST", `${path}/read`, {}, "bob")
      const withAll = { channel: { member_count: 2 }, members: [{ user_id: "alice" }, { user_id: "bob" }] }
      expect(await receiver.next("message.read")).toMatchObject({
        ...withAll,
        last_read_message_id: message.id,
        user: { id: "bob", channel_unread_count: 0 },
      })
      await ok("POST", `/chat/messages/${message.id}`, { message: { text: "two" } }, "alice")
      expect(await receiver.next("message.updated")).toMatchObject({ ...withAll, message: { text: "two" } })
      await ok("DELETE", `/chat/messages/${message.id}`, undefined, "alice")
      expect(await receiver.next("message.deleted")).toMatchObject({ ...withAll, hard_delete: false })
    })

    test("what a task does was caused by no request", async () => {
      await createUsers(t, "leaver")
      const data = { members: ["alice", "leaver"] }
      const made = await ok("POST", "/chat/channels/messaging/query", { data }, "alice")
      await say(`/chat/channels/messaging/${made.channel.id}`, "leaver", "bye")
      expect(await receiver.next("message.new")).toHaveProperty("request_info")
      await ok("POST", "/users/delete", { user_ids: ["leaver"], user: "hard", messages: "hard", conversations: "hard" })
      const messages = await receiver.next("user.messages.deleted")
      expect(messages).toMatchObject({ user: { id: "leaver" }, hard_delete: true })
      const gone = await receiver.next("channel.deleted")
      // The rows go in later steps, so the last that is told is whole.
      expect(gone).toMatchObject({ channel: { member_count: 2, deleted_at: expect.any(String) } })
      expect(gone.members.map(({ user_id }: { user_id: string }) => user_id)).toEqual(["alice", "leaver"])
      for (const body of [messages, gone]) expect(body).not.toHaveProperty("request_info")
    })

    test("events of an app's own making reach the hooks that want them; typing reaches none", async () => {
      const all = await startReceiver(t, appId, { should_send_custom_events: true })
      const without = await startReceiver(t, appId, {})
      const path = await channel(["alice", "bob"])
      const bob = await t.connect("bob")
      const query = { as: userToken("bob"), body: { watch: true }, connectionId: bob.connectionId }
      expect((await t.call("POST", `/api/v2${path}/query`, query)).status).toBe(201)
      const send = (type: string, custom: object) => ok("POST", `${path}/event`, { event: { type, custom } }, "alice")
      await send("typing.start", {})
      await send("wave", { hand: "left" })
      await send("nod", {})
      const wave = { type: "wave", custom: { hand: "left" }, user: { id: "alice" } }
      expect(await bob.next("wave")).toMatchObject(wave)
      await bob.next("nod")
      expect(await receiver.next("wave")).toMatchObject({ ...wave, request_info: { type: "client" } })
      expect(await all.next("nod")).toMatchObject({ cid: path.replace("/chat/channels/messaging/", "messaging:") })
      await say(path, "alice", "last")
      for (const each of [receiver, all, without])
        await each.next("message.new", ({ message }) => message.text === "last")
      for (const each of [receiver, all, without]) await each.settled()
      const ofMine = (each: Receiver) =>
        each.received().flatMap(({ body }) => (["wave", "nod", "typing.start"].includes(body.type) ? [body.type] : []))
      expect([receiver, all, without].map(ofMine)).toEqual([["wave"], ["wave", "nod"], []])
      // One delivery each: the sockets heard it once, too.
      expect(bob.seen("wave")).toHaveLength(1)
      bob.close()
      await all.close()
      await without.close()
    })

    test("a follow is told once, with both feeds whole, and nobody's own rights", async () => {
      await ok("POST", "/feeds/feed_groups/user/feeds/bob", { data: { visibility: "private", name: "Mine" } }, "bob")
      const { feed } = await receiver.next("feeds.feed.created")
      expect(feed).toMatchObject({ feed: "user:bob", name: "Mine" })
      expect(feed).not.toHaveProperty("own_capabilities")
      await ok("POST", "/feeds/feed_groups/timeline/feeds/alice", {}, "alice")
      await receiver.next("feeds.feed.created")
      await ok("POST", "/feeds/follows", { source: "timeline:alice", target: "user:bob", status: "accepted" })
      const told = await receiver.next("feeds.follow.created")
      expect(told).toMatchObject({
        fid: "timeline:alice",
        follow: {
          source_feed: { feed: "timeline:alice" },
          target_feed: { feed: "user:bob", name: "Mine", custom: {} },
        },
      })
      await receiver.settled()
      expect(receiver.received().filter(({ body }) => body.type === "feeds.follow.created")).toHaveLength(1)
    })

    test("another app's hooks hear nothing of it", async () => {
      const other = await createApp(t)
      const theirs = await startReceiver(t, other.id, { should_send_custom_events: true })
      const path = await channel(["alice"])
      await say(path, "alice", "ours")
      await receiver.next("message.new")
      await receiver.settled()
      await theirs.settled()
      expect(theirs.received()).toEqual([])
      await theirs.close()
    })
  })
}
