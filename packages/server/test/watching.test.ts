// Whoever asks to watch gets a state and, from then on, events; what others do in between must be in one of the two.
// A request is held right before and right after its socket is subscribed, and then others act. Nobody who lost their
// right in that moment is answered or hears anything.

import { afterAll, beforeAll, describe, expect, mock, test } from "bun:test"
import * as socketsModule from "../src/events/sockets.ts"
import {
  type Answer,
  createPostgresDatabase,
  serverToken,
  startTestServer,
  type TestServer,
  type TestSocket,
  userToken,
} from "../src/testing.ts"

type Moment = "before" | "after"
const moments: readonly Moment[] = ["before", "after"]

/** What others do while the next subscription is held. */
let meanwhile: { readonly moment: Moment; readonly act: () => Promise<unknown> } | null = null
/** What it was for, and who hears that now. */
let subscribed: readonly string[] = []
let subscribersOf: socketsModule.Sockets["subscribers"]

async function actAt(moment: Moment): Promise<void> {
  if (meanwhile?.moment !== moment) return
  const { act } = meanwhile
  meanwhile = null
  await act()
}

const { createSockets } = socketsModule
mock.module("../src/events/sockets.ts", () => ({
  ...socketsModule,
  createSockets(parts: socketsModule.SocketsParts): socketsModule.Sockets {
    const sockets = createSockets(parts)
    const { subscribe } = sockets
    subscribersOf = sockets.subscribers
    sockets.subscribe = async (subscription) => {
      if (meanwhile !== null) subscribed = subscription.topics
      await actAt("before")
      await subscribe(subscription)
      await actAt("after")
    }
    return sockets
  },
}))

const backends = process.env.WEIR_TEST_POSTGRES_URL ? ["sqlite", "postgres"] : ["sqlite"]
if (backends.length === 1) console.log("watching: WEIR_TEST_POSTGRES_URL is not set, tested on SQLite only")

let counter = 0
const fresh = (): string => `w${counter++}`

describe.each(backends)("watching on %s", (backend) => {
  let t: TestServer
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null

  beforeAll(async () => {
    if (backend === "postgres") database = await createPostgresDatabase()
    t = await startTestServer(database === null ? {} : { env: { WEIR_DATABASE_URL: database.url } })
    const users = { alice: { id: "alice" }, bob: { id: "bob" }, carol: { id: "carol" } }
    expect((await t.call("POST", "/api/v2/users", { body: { users } })).status).toBe(201)
  })
  afterAll(async () => {
    await t.close()
    await database?.drop()
  })

  const as = (userId: string) => userToken(userId)
  const done = async (answer: Promise<Answer>): Promise<Answer> => {
    const settled = await answer
    expect([200, 201]).toContain(settled.status)
    return settled
  }
  /** Calls with a socket of alice, or of another user, and others act at that moment of it. */
  const held = async (
    moment: Moment,
    act: () => Promise<unknown>,
    call: (connectionId: string) => Promise<Answer>,
    userId = "alice",
  ): Promise<{ answer: Answer; alice: TestSocket }> => {
    const alice = await t.connect(userId)
    meanwhile = { moment, act }
    const answer = await call(alice.connectionId)
    // The subscription was reached and held, or nothing would be proved.
    expect(meanwhile).toBeNull()
    return { answer, alice }
  }
  const queryPath = (id: string) => `/api/v2/chat/channels/messaging/${id}/query`
  const channel = async (members: readonly string[], by = "bob"): Promise<string> => {
    const id = fresh()
    await done(t.call("POST", queryPath(id), { as: as(by), body: { data: { members } } }))
    return id
  }
  const say = (id: string, text: string) => {
    const body = { message: { text } }
    return done(t.call("POST", `/api/v2/chat/channels/messaging/${id}/message`, { as: as("bob"), body }))
  }
  const update = (id: string, body: object) =>
    done(t.call("POST", `/api/v2/chat/channels/messaging/${id}`, { as: serverToken(), body }))
  const watchChannel =
    (id: string, body: object = {}) =>
    (connectionId: string) =>
      t.call("POST", queryPath(id), { as: as("alice"), connectionId, body: { ...body, watch: true } })
  const watchList =
    (ids: readonly string[], body: object = {}) =>
    (connectionId: string) =>
      t.call("POST", "/api/v2/chat/channels", {
        as: as("alice"),
        connectionId,
        body: { filter_conditions: { id: { $in: ids } }, ...body, watch: true },
      })
  const textsOf = (state: { messages: { text: string }[] }) => state.messages.map(({ text }) => text)
  const heardTexts = (socket: TestSocket) => socket.seen("message.new").map((event) => event.message.text)

  /** Waits until everything that was told before has arrived: events of one socket come in their order. */
  const caughtUp = async (alice: TestSocket, userId = "alice"): Promise<void> => {
    const id = await channel([userId, "bob"])
    const body = { watch: true }
    await done(t.call("POST", queryPath(id), { as: as(userId), connectionId: alice.connectionId, body }))
    await say(id, `last ${id}`)
    while ((await alice.next("message.new")).message.text !== `last ${id}`);
  }

  describe.each(moments)("what happens right %s the subscription", (moment) => {
    test("of a channel is in its state or is heard", async () => {
      const id = await channel(["alice", "bob"])
      const { answer, alice } = await held(moment, () => say(id, "hello"), watchChannel(id))
      expect(answer.status).toBe(201)
      await caughtUp(alice)
      expect([...textsOf(answer.body), ...heardTexts(alice)]).toContain("hello")
      // Nobody is heard twice by anything but the state and one event.
      expect(heardTexts(alice).filter((text) => text === "hello")).toHaveLength(moment === "after" ? 1 : 0)
      alice.close()
    })

    test("of a channel that the request made is in its state or is heard", async () => {
      const id = fresh()
      const asked = watchChannel(id, { data: { members: ["alice", "bob"] } })
      const { answer, alice } = await held(moment, () => say(id, "first"), asked)
      expect(answer.status).toBe(201)
      await caughtUp(alice)
      expect([...textsOf(answer.body), ...heardTexts(alice)]).toContain("first")
      alice.close()
    })

    test("of a distinct channel is in its state or is heard", async () => {
      const body = { data: { members: ["alice", "bob"] } }
      const path = "/api/v2/chat/channels/messaging/query"
      const { channel } = (await done(t.call("POST", path, { as: as("bob"), body }))).body
      const text = fresh()
      const { answer, alice } = await held(
        moment,
        () => say(channel.id, text),
        (connectionId) => t.call("POST", path, { as: as("alice"), connectionId, body: { ...body, watch: true } }),
      )
      expect(answer.status).toBe(201)
      await caughtUp(alice)
      expect([...textsOf(answer.body), ...heardTexts(alice)]).toContain(text)
      alice.close()
    })

    test("of a list of channels is in their states or is heard, messages and data alike", async () => {
      const ids = [await channel(["alice", "bob"]), await channel(["alice", "bob"])]
      const [first, second] = ids as [string, string]
      const act = () => Promise.all([say(first, "hello"), update(second, { data: { custom: { name: "new" } } })])
      const { answer, alice } = await held(moment, act, watchList(ids))
      expect(answer.status).toBe(200)
      await caughtUp(alice)
      const states = Object.fromEntries(
        answer.body.channels.map((state: { channel: { id: string } }) => [state.channel.id, state]),
      )
      expect([...textsOf(states[first]), ...heardTexts(alice)]).toContain("hello")
      const names = alice.seen("channel.updated").map((event) => event.channel.custom.name)
      expect([states[second].channel.custom.name, ...names]).toContain("new")
      alice.close()
    })

    test("of a member whose presence is followed is in the state or is heard", async () => {
      const id = await channel(["alice", "bob", "carol"])
      let carol: TestSocket | undefined
      const act = async () => {
        carol = await t.connect("carol")
      }
      const { answer, alice } = await held(moment, act, watchChannel(id, { presence: true }))
      await caughtUp(alice)
      const shown = answer.body.members.find((member: { user_id: string }) => member.user_id === "carol").user.online
      const heard = alice.seen("user.presence.changed").map((event) => event.user.online)
      expect([shown, ...heard]).toContain(true)
      for (const socket of [carol, alice]) socket?.close()
      await carol?.closed
    })

    test("of users who are asked for with their presence is in the answer or is heard", async () => {
      const name = fresh()
      const act = () => done(t.call("POST", "/api/v2/users", { body: { users: { carol: { id: "carol", name } } } }))
      const payload = JSON.stringify({ filter_conditions: { id: "carol" }, presence: true })
      const { answer, alice } = await held(moment, act, (connectionId) =>
        t.call("GET", `/api/v2/users?payload=${encodeURIComponent(payload)}`, { as: as("alice"), connectionId }),
      )
      expect(answer.status).toBe(200)
      await caughtUp(alice)
      const heard = alice.seen("user.updated").map((event) => event.user.name)
      expect([answer.body.users[0].name, ...heard]).toContain(name)
      alice.close()
    })

    test.each([true, false])("of a feed is in its state or is heard (the feed was there: %p)", async (isThere) => {
      // A user makes no feed but their own.
      const owner = fresh()
      await done(t.call("POST", "/api/v2/users", { body: { users: { [owner]: { id: owner } } } }))
      const path = `/api/v2/feeds/feed_groups/user/feeds/${owner}`
      if (isThere) await done(t.call("POST", path, { as: as(owner), body: {} }))
      const activity = { type: "post", feeds: [`user:${owner}`], text: "hello", user_id: owner }
      const act = () => done(t.call("POST", "/api/v2/feeds/activities", { body: activity }))
      const { answer, alice } = await held(
        moment,
        act,
        (connectionId) => t.call("POST", path, { as: as(owner), connectionId, body: { watch: true } }),
        owner,
      )
      expect([answer.status, answer.body.created]).toEqual([201, !isThere])
      await caughtUp(alice, owner)
      const heard = alice.seen("feeds.activity.added").map((event) => event.activity)
      expect(textsOf({ messages: [...answer.body.activities, ...heard] })).toContain("hello")
      expect(heard).toHaveLength(moment === "after" ? 1 : 0)
      alice.close()
    })

    test.each(["opened", "read"])("of a call that is %s is in its state or is heard", async (how) => {
      // Open to all, because members would hear of it without watching.
      const path = `/api/v2/video/call/livestream/${fresh()}`
      await done(t.call("POST", path, { as: as("bob"), body: {} }))
      const act = () => done(t.call("PATCH", path, { body: { custom: { topic: "new" } } }))
      const { answer, alice } = await held(moment, act, (connectionId) =>
        how === "read"
          ? t.call("GET", path, { as: as("alice"), connectionId })
          : t.call("POST", path, { as: as("alice"), connectionId, body: {} }),
      )
      expect([200, 201]).toContain(answer.status)
      await caughtUp(alice)
      const heard = alice.seen("call.updated").map((event) => event.call.custom.topic)
      expect([answer.body.call.custom.topic, ...heard]).toContain("new")
      alice.close()
    })
  })

  // Before the subscription is where an event that ends it comes too early to end anything.
  describe.each(moments)("whoever is shut out right %s the subscription", (moment) => {
    test("of a channel is refused, and hears nothing of it", async () => {
      const id = await channel(["alice", "bob"])
      const { answer, alice } = await held(moment, () => update(id, { remove_members: ["alice"] }), watchChannel(id))
      expect([answer.status, answer.body.code]).toEqual([403, 17])
      await say(id, "secret")
      await caughtUp(alice)
      expect(heardTexts(alice)).not.toContain("secret")
      alice.close()
    })

    test("because the channel was deleted is not bound to what may come in its place", async () => {
      const other = fresh()
      await done(t.call("POST", "/api/v2/users", { body: { users: { [other]: { id: other } } } }))
      const path = "/api/v2/chat/channels/messaging/query"
      const body = { data: { members: ["alice", other] } }
      const { cid } = (await done(t.call("POST", path, { as: as(other), body }))).body.channel
      const remove = async () => {
        const body = { user_ids: [other], user: "hard", messages: "hard", conversations: "hard" }
        const { task_id } = (await done(t.call("POST", "/api/v2/users/delete", { body }))).body
        const statusNow = async () => (await done(t.call("GET", `/api/v2/tasks/${task_id}`))).body.status
        while ((await statusNow()) !== "completed") await Bun.sleep(10)
      }
      const { answer, alice } = await held(moment, remove, watchChannel(cid.slice("messaging:".length)))
      expect([answer.status, answer.body.code]).toEqual([404, 16])
      expect(subscribed.some((topic) => topic.endsWith(cid))).toBe(true)
      for (const topic of subscribed) expect(subscribersOf(topic, 10)).toEqual([])
      alice.close()
    })

    test("of one channel in a list gets the others, and hears nothing of that one", async () => {
      const ids = [await channel(["alice", "bob"]), await channel(["alice", "bob"]), await channel(["alice", "bob"])]
      const [kept, lost, disabled] = ids as [string, string, string]
      const act = async () => {
        await say(disabled, "closed")
        await update(disabled, { data: { disabled: true } })
        await update(lost, { remove_members: ["alice"] })
      }
      const { answer, alice } = await held(moment, act, watchList(ids))
      // One that is disabled is listed and closed.
      const listed = answer.body.channels.map((state: { channel: { id: string }; messages: unknown[] }) => [
        state.channel.id,
        state.messages.length,
      ])
      expect(listed.sort()).toEqual([[kept, 0] as const, [disabled, 0] as const].sort())
      const before = heardTexts(alice).length
      for (const id of [lost, disabled]) {
        const body = { message: { text: "secret", user_id: "bob" } }
        await done(t.call("POST", `/api/v2/chat/channels/messaging/${id}/message`, { body }))
      }
      await say(kept, "open")
      await caughtUp(alice)
      expect(heardTexts(alice).slice(before)).not.toContain("secret")
      expect(heardTexts(alice)).toContain("open")
      alice.close()
    })

    test("of a feed is refused, and hears nothing of it", async () => {
      const name = fresh()
      const path = `/api/v2/feeds/feed_groups/user/feeds/${name}`
      await done(t.call("POST", path, { body: { user_id: "bob" } }))
      const act = () =>
        done(t.call("POST", `${path}/change_visibility`, { as: as("bob"), body: { visibility: "private" } }))
      const { answer, alice } = await held(moment, act, (connectionId) =>
        t.call("POST", path, { as: as("alice"), connectionId, body: { watch: true } }),
      )
      expect(answer.status).toBe(404)
      const activity = { type: "post", feeds: [`user:${name}`], text: "secret", user_id: "bob" }
      await done(t.call("POST", "/api/v2/feeds/activities", { body: activity }))
      await caughtUp(alice)
      expect(alice.seen("feeds.activity.added")).toEqual([])
      alice.close()
    })

    test.each(["opened", "read"])("of a call that is %s is refused, and hears nothing of it", async (how) => {
      const path = `/api/v2/video/call/default/${fresh()}`
      const body = { data: { members: [{ user_id: "alice" }, { user_id: "bob" }] } }
      await done(t.call("POST", path, { as: as("bob"), body }))
      const act = () => done(t.call("POST", `${path}/members`, { body: { remove_members: ["alice"] } }))
      const { answer, alice } = await held(moment, act, (connectionId) =>
        how === "read"
          ? t.call("GET", path, { as: as("alice"), connectionId })
          : t.call("POST", path, { as: as("alice"), connectionId, body }),
      )
      expect(answer.status).toBe(404)
      await done(t.call("PATCH", path, { body: { custom: { topic: "secret" } } }))
      await caughtUp(alice)
      expect(alice.seen("call.updated")).toEqual([])
      alice.close()
    })
  })
})
