// Channels, feeds and calls as apps hold them, and watching that outlives a reconnect.

import { beforeEach, describe, expect, spyOn, test } from "bun:test"
import type { WeirClient } from "../src/client.ts"
import { limits } from "../src/limits.ts"
import { ann, annToken, eachTestHasItsOwnServer, newClient, refuse, server, story } from "./fixture.ts"
import { manualTimers, until } from "./manual-timers.ts"

eachTestHasItsOwnServer()

describe("watching", () => {
  const channelAnswer = (type: string, id: string) => ({
    channel: { type, id, cid: `${type}:${id}`, custom: {} },
    messages: [],
    members: [],
  })

  beforeEach(() => {
    server.rest = ({ path, body }) => {
      if (path === "/api/v2/chat/channels") {
        const { cid } = (body as { filter_conditions: { cid: { $in: string[] } } }).filter_conditions
        return { channels: cid.$in.map((each) => channelAnswer(...(each.split(":") as [string, string]))) }
      }
      const [, , , , , type, id] = path.split("/")
      return path.endsWith("/query")
        ? channelAnswer(type as string, id === "query" ? "!members-x" : (id as string))
        : {}
    }
  })

  const lose = async (client: WeirClient) => {
    const before = client.connectionId
    server.requests.length = 0
    server.sockets[0]?.close(1012)
    await new Promise<void>((resolve) => {
      client.on("connection.recovered", () => resolve())
      client.on("connection.unrecovered", () => resolve())
    })
    expect(client.connectionId).not.toBe(before)
  }

  test("names the socket, and happens again after a reconnect", async () => {
    const client = newClient()
    await client.connect(ann, annToken)
    await client.channel("messaging", "general").watch()
    await client.channel("messaging", "busy").watch({ presence: true })
    await client.channel("messaging", null, { members: ["ann", "bob"] }).watch()
    await client.channel("messaging", "unwatched").query()
    await client.feed("user", "ann").getOrCreate({ watch: true })
    await client.call("default", "standup").getOrCreate({ watch: true })
    expect(server.requests.map(({ query }) => query.get("connection_id"))).toEqual(["c1", "c1", "c1", null, "c1", "c1"])

    await lose(client)
    const again = server.requests.map(({ method, path, query, body }) => [
      method,
      path,
      query.get("connection_id"),
      body,
    ])
    expect(again).toEqual([
      [
        "POST",
        "/api/v2/chat/channels",
        "c2",
        {
          filter_conditions: { cid: { $in: ["messaging:general", "messaging:!members-x"] } },
          watch: true,
          presence: false,
          state: false,
          limit: 2,
        },
      ],
      [
        "POST",
        "/api/v2/chat/channels",
        "c2",
        {
          filter_conditions: { cid: { $in: ["messaging:busy"] } },
          watch: true,
          presence: true,
          state: false,
          limit: 1,
        },
      ],
      ["POST", "/api/v2/feeds/feed_groups/user/feeds/ann", "c2", { watch: true, limit: 1 }],
      ["GET", "/api/v2/video/call/default/standup", "c2", null],
    ])
  })

  test("many channels is done in batches", async () => {
    const client = newClient()
    await client.connect(ann, annToken)
    for (let n = 0; n < 65; n += 1) await client.channel("messaging", `room-${n}`).watch()
    await lose(client)
    const sizes = server.requests.map(({ body }) => (body as { limit: number }).limit)
    expect(sizes).toEqual([30, 30, 5])
  })

  test("lets go of what is gone or forbidden", async () => {
    const client = newClient()
    await client.connect(ann, annToken)
    await client.channel("messaging", "left").watch()
    await client.feed("user", "private").getOrCreate({ watch: true })
    await client.call("default", "gone").getOrCreate({ watch: true })
    server.rest = ({ path }) => {
      if (path === "/api/v2/chat/channels") return { channels: [] }
      return path.includes("/feeds/") ? refuse(17, 403) : refuse(16, 404)
    }
    await lose(client)
    expect(server.requests).toHaveLength(3)
    await lose(client)
    expect(server.requests).toHaveLength(0)
  })

  test("that fails after a reconnect is told", async () => {
    const client = newClient()
    const told = story(client)
    await client.connect(ann, annToken)
    await client.channel("messaging", "general").watch()
    server.rest = () => refuse(-1, 500)
    await lose(client)
    expect(told.at(-1)).toBe("connection.unrecovered")
  })

  test("waits for the socket while it is away, and once more when it went away meanwhile (46)", async () => {
    const client = newClient()
    await client.connect(ann, annToken)
    const { rest } = server
    server.rest = (request) => {
      if (request.query.get("connection_id") !== "c1") return rest(request)
      server.sockets[0]?.close(1012)
      return refuse(46, 404)
    }
    await client.channel("messaging", "general").watch()
    expect(server.requests.map(({ query }) => query.get("connection_id"))).toEqual(["c1", "c2"])
  })

  test("without a connection is refused", async () => {
    await expect(newClient().channel("messaging", "general").watch()).rejects.toMatchObject({ reason: "not_connected" })
  })
})

describe("handles", () => {
  test("a channel hears its own events only", async () => {
    const client = newClient()
    await client.connect(ann, annToken)
    const heard: string[] = []
    const stop = client.channel("messaging", "a").on("message.new", ({ cid }) => heard.push(cid))
    client.feed("user", "ann").on("*", ({ type }) => heard.push(type))
    client.call("default", "c").on("call.ended", ({ call_cid }) => heard.push(call_cid))
    const last = new Promise<void>((resolve) => client.on("end", () => resolve()))
    for (const event of [
      { type: "message.new", cid: "messaging:a" },
      { type: "message.new", cid: "messaging:b" },
      { type: "message.new" },
      { type: "feeds.activity.added", fid: "user:ann" },
      { type: "feeds.activity.added", fid: "user:bob" },
      { type: "call.ended", call_cid: "default:c" },
      { type: "call.ended", call_cid: "default:d" },
      { type: "end" },
    ]) {
      server.sockets[0]?.send(JSON.stringify(event))
    }
    await last
    stop()
    expect(heard).toEqual(["messaging:a", "feeds.activity.added", "default:c"])
  })

  test("keystrokes become few typing events, and rest or a message ends them", async () => {
    const timers = manualTimers()
    const client = newClient({ timers })
    await client.connect(ann, annToken)
    const channel = client.channel("messaging", "a")
    const said = () =>
      server.requests.flatMap(({ body }) => (body as { event?: { type: string } }).event?.type ?? "message")
    for (let n = 0; n < 10; n += 1) {
      await channel.keystroke()
      await timers.advance(300)
    }
    expect(said()).toEqual(["typing.start", "typing.start"])
    await timers.advance(limits.typingIdleMs)
    await until("the rest was told", () => server.requests.length === 3)
    expect(said().at(-1)).toBe("typing.stop")
    await channel.stopTyping()
    expect(server.requests).toHaveLength(3)
    await channel.keystroke("parent-1")
    await channel.sendMessage({ text: "hi" })
    await until("all arrived", () => server.requests.length === 6)
    expect(said().slice(3).sort()).toEqual(["message", "typing.start", "typing.stop"])
    expect(server.requests[3]?.body).toEqual({ event: { type: "typing.start", parent_id: "parent-1" } })
  })

  test("a distinct channel has no id before it is queried", async () => {
    const client = newClient()
    await client.connect(ann, annToken)
    const channel = client.channel("messaging", null, { members: ["ann", "bob"] })
    expect([channel.id, channel.cid]).toEqual([null, null])
    expect(() => channel.sendMessage({ text: "hi" })).toThrow("no id yet")
    server.rest = () => ({ channel: { type: "messaging", id: "!members-x", cid: "messaging:!members-x" } })
    await channel.query()
    expect(channel.cid).toBe("messaging:!members-x")
    expect(server.requests[0]?.body).toEqual({ data: { members: ["ann", "bob"] } })
  })

  // The server lets the socket hear before it reads the state, so events may overtake the answer.
  test.each(["general", null])(
    "what is heard of channel %p before the answer of watch() reaches its listeners",
    async (id) => {
      const client = newClient()
      await client.connect(ann, annToken)
      const channel = client.channel("messaging", id, { members: ["ann", "bob"] })
      const cid = id === null ? "messaging:!members-x" : `messaging:${id}`
      const send = (frame: object) => server.sockets[0]?.send(JSON.stringify(frame))
      const heard: string[] = []
      const hear = ({ text }: { text?: unknown }) => heard.push(String(text))
      channel.on("custom", () => {
        throw new Error("only this listener fails")
      })
      channel.on("custom", hear as never)
      const end = channel.on("custom", () => heard.push("late"))
      const logged = spyOn(console, "error").mockImplementation(() => {})
      const { promise: answer, resolve: answers } = Promise.withResolvers<Response>()
      server.rest = () => answer
      const watched = channel.watch()
      await until("the server was asked", () => server.requests.length === 1)
      const seen = new Promise<void>((resolve) => client.on("last", () => resolve()))
      send({ type: "custom", cid: "messaging:!members-other", text: "of another channel" })
      send({ type: "custom", cid, text: "first" })
      send({ type: "custom", cid, text: "second" })
      send({ type: "last" })
      await seen
      end()
      answers(Response.json({ channel: { type: "messaging", id: cid.slice(10), cid }, messages: [], members: [] }))
      await watched
      expect(heard.filter((text) => text !== "late")).toEqual(["first", "second"])
      // Whoever stopped listening is given nothing that waited.
      expect(heard.filter((text) => text === "late")).toHaveLength(id === null ? 0 : 2)
      expect(logged).toHaveBeenCalledTimes(2)
      logged.mockRestore()
    },
  )

  test("a feed adds to itself and follows as itself", async () => {
    const client = newClient()
    await client.connect(ann, annToken)
    const feed = client.feed("user", "ann")
    await feed.addActivity({ type: "post", text: "hi", feeds: ["timeline:ann", "user:ann"] })
    await feed.follow("user:bob")
    expect(server.requests.map(({ body }) => body)).toEqual([
      { type: "post", text: "hi", feeds: ["user:ann", "timeline:ann"] },
      { source: "user:ann", target: "user:bob" },
    ])
  })
})
