// The client against a real socket server. Where seconds matter, the clock is moved by hand.

import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { WeirClient, type WeirClientOptions } from "../src/client.ts"
import { limits } from "../src/limits.ts"
import { systemTimers } from "../src/timers.ts"
import { apiKey, type HandshakeServer, inSeconds, mint, startHandshakeServer } from "./handshake-server.ts"
import { manualTimers, settle, until } from "./manual-timers.ts"

let server: HandshakeServer
const clients: WeirClient[] = []

beforeEach(() => {
  server = startHandshakeServer()
})

afterEach(async () => {
  for (const client of clients.splice(0)) await client.disconnect()
  await server.stop()
})

/** A client whose waits take no time, unless its timers are given. */
function newClient(options: Partial<WeirClientOptions> = {}): WeirClient {
  const client = new WeirClient({
    apiKey,
    baseUrl: server.url,
    timers: { ...systemTimers, random: () => 0 },
    ...options,
  })
  clients.push(client)
  return client
}

/** What the client says of itself, in order. */
function story(client: WeirClient): string[] {
  const told: string[] = []
  client.on("*", (event) => {
    if (event.type === "connection.changed") told.push(event.online ? "online" : "offline")
    else if (event.type === "connection.failed")
      told.push(`failed ${(event.error as { code?: number }).code ?? event.error}`)
    else if (event.type !== "connection.ok") told.push(event.type)
  })
  return told
}

const ann = { id: "ann", name: "Ann", custom: { team: "blue" } }
const annToken = mint({ user_id: "ann" })
const refuse = (code: number, status: number, closeCode?: number) => ({
  code,
  status,
  reason: `refused ${code}`,
  closeCode,
})

describe("connect", () => {
  test("sends token and user in the first frame and resolves with the user as the server knows them", async () => {
    const client = newClient()
    const told = story(client)
    const me = await client.connect(ann, annToken)
    expect(me).toMatchObject({ id: "ann", name: "Ann", role: "user" })
    expect(server.firstFrames).toEqual([{ token: annToken, user_details: ann }])
    expect([client.userId, client.me?.id, client.connectionId, client.connectionState]).toEqual([
      "ann",
      "ann",
      "c1",
      "online",
    ])
    expect(told).toEqual(["online"])
    const query = Object.fromEntries(server.sockets[0]?.data.query ?? [])
    expect(query).toMatchObject({ api_key: apiKey, "stream-auth-type": "jwt" })
    expect(query["X-Stream-Client"]).toMatch(/^weir-sdk-client-\d/)
    // The token is never part of an address, where proxies would log it.
    expect(JSON.stringify(query)).not.toContain(annToken)
  })

  test("called twice for one user is one connection", async () => {
    const client = newClient()
    const [first, second] = await Promise.all([client.connect(ann, annToken), client.connect(ann, annToken)])
    expect(second).toBe(first)
    expect(await client.connect(ann, annToken)).toBe(first)
    expect(server.firstFrames).toHaveLength(1)
    await expect(client.connect({ id: "bob" }, mint({ user_id: "bob" }))).rejects.toMatchObject({
      reason: "already_connected",
    })
  })

  test("after disconnect another user may come, and calls in between are refused locally", async () => {
    const client = newClient()
    await client.connect(ann, annToken)
    await client.disconnect()
    expect([client.userId, client.me, client.connectionId]).toEqual([null, null, null])
    await expect(client.operations.users.query()).rejects.toMatchObject({ reason: "not_connected" })
    await until("the socket was closed", () => server.closes.length === 1)
    expect(server.closes[0]?.code).toBe(1000)
    expect((await client.connect({ id: "bob" }, mint({ user_id: "bob" }))).id).toBe("bob")
    expect(server.requests).toHaveLength(0)
  })

  test.each([undefined, null, ""])("without a token (%p) it throws instead of going in anonymously", async (token) => {
    await expect(newClient().connect(ann, token as unknown as string)).rejects.toBeInstanceOf(TypeError)
    expect(server.firstFrames).toHaveLength(0)
  })

  test("an anonymous caller sends no token and says so", async () => {
    const client = newClient()
    expect((await client.connectAnonymous()).id).toBe("!anon")
    expect(server.firstFrames).toEqual([{ user_details: { id: "!anon" } }])
    await client.operations.channels.query()
    expect(server.requests[0]?.headers.get("stream-auth-type")).toBe("anonymous")
  })

  test("a guest is made first and connected with their own token", async () => {
    const token = mint({ user_id: "guest-1-tom" })
    server.rest = () => ({ user: { id: "guest-1-tom", role: "guest", custom: {} }, access_token: token })
    const client = newClient()
    expect((await client.connectGuest({ id: "tom" })).id).toBe("guest-1-tom")
    expect(server.requests[0]?.path).toBe("/api/v2/guest")
    expect(server.firstFrames[0]?.token).toBe(token)
  })
})

describe("connect settles", () => {
  test.each([
    [2, 401],
    [5, 401],
    [17, 403],
    [41, 401],
    [42, 401],
    [43, 401],
    [99, 403],
  ])("with the server's reason when it refuses with code %d, after one attempt", async (code, status) => {
    server.script = () => refuse(code, status)
    let asked = 0
    const client = newClient()
    const outcome = client.connect(ann, () => {
      asked += 1
      return annToken
    })
    await expect(outcome).rejects.toMatchObject({ name: "WeirApiError", code, reason: `refused ${code}` })
    await settle()
    expect([server.firstFrames.length, asked, client.connectionState, client.userId]).toEqual([1, 1, "idle", null])
  })

  test("for an expired token given as text: rejected with 40, never tried again", async () => {
    const expired = mint({ user_id: "ann", exp: inSeconds(-5) })
    await expect(newClient().connect(ann, expired)).rejects.toMatchObject({ code: 40 })
    expect(server.firstFrames).toHaveLength(1)
  })

  test("for an expired token of a provider: with a new one", async () => {
    const tokens = [mint({ user_id: "ann", exp: inSeconds(-5) }), annToken]
    const me = await newClient().connect(ann, () => tokens.shift() as string)
    expect(me.id).toBe("ann")
    expect(server.firstFrames).toHaveLength(2)
  })

  test("for a provider that repeats its expired token: token_stale, after one attempt", async () => {
    let asked = 0
    const expired = mint({ user_id: "ann", exp: inSeconds(-5) })
    const outcome = newClient().connect(ann, () => {
      asked += 1
      return expired
    })
    await expect(outcome).rejects.toMatchObject({ reason: "token_stale" })
    expect([server.firstFrames.length, asked]).toEqual([1, 2])
  })

  test("for a provider whose new tokens are refused too (revoked user): rejected with 40", async () => {
    server.script = () => refuse(40, 401)
    let asked = 0
    const outcome = newClient().connect(ann, () => mint({ user_id: "ann", jti: ++asked }))
    await expect(outcome).rejects.toMatchObject({ code: 40 })
    expect(server.firstFrames).toHaveLength(2)
  })

  test("for a token of somebody else: rejected before anything is sent", async () => {
    await expect(newClient().connect(ann, mint({ user_id: "bob" }))).rejects.toMatchObject({ reason: "token_mismatch" })
    const client = newClient()
    await expect(client.connect(ann, () => mint({ user_id: "bob" }))).rejects.toMatchObject({
      reason: "token_mismatch",
    })
    expect(server.firstFrames).toHaveLength(0)
  })

  test("for a provider that fails, with its error as the cause", async () => {
    const cause = new Error("please log in")
    const outcome = newClient().connect(ann, () => Promise.reject(cause))
    await expect(outcome).rejects.toMatchObject({ reason: "token_provider", cause })
  })

  test("for a provider that hangs", async () => {
    const timers = manualTimers()
    const outcome = newClient({ timers })
      .connect(ann, () => new Promise<string>(() => {}))
      .catch((error) => error)
    await timers.advance(limits.connectTimeoutMs)
    expect(await outcome).toMatchObject({ reason: "token_provider" })
  })

  test("for a server that is not there: network, after three attempts", async () => {
    await server.stop()
    let opened = 0
    const client = newClient({
      openSocket: (url) => {
        opened += 1
        return new WebSocket(url) as never
      },
    })
    await expect(client.connect(ann, annToken)).rejects.toMatchObject({
      name: "WeirConnectionError",
      reason: "network",
    })
    expect(opened).toBe(3)
  })

  test("for a platform that cannot open sockets", async () => {
    const client = newClient({
      openSocket: () => {
        throw new Error("no sockets here")
      },
    })
    await expect(client.connect(ann, annToken)).rejects.toMatchObject({ reason: "network" })
  })

  test("for a server that says nothing: timeout within the bound", async () => {
    server.script = () => "silence"
    const timers = manualTimers()
    const outcome = newClient({ timers })
      .connect(ann, annToken)
      .catch((error) => error)
    await until("the first frame arrived", () => server.firstFrames.length === 1)
    const startedMs = timers.now()
    await timers.advance(limits.connectTimeoutMs)
    expect(await outcome).toMatchObject({ reason: "timeout" })
    expect(timers.now() - startedMs).toBe(limits.connectTimeoutMs)
    await until("no socket is left", () => server.closes.length > 0)
  })

  test("for a server that closes without a word: by its close code", async () => {
    server.script = () => 1000
    await expect(newClient().connect(ann, annToken)).rejects.toMatchObject({ reason: "closed", closeCode: 1000 })
    expect(server.firstFrames).toHaveLength(1)
    server.script = () => 4504
    await expect(newClient().connect(ann, annToken)).rejects.toMatchObject({ closeCode: 4504 })
    expect(server.firstFrames).toHaveLength(2)
    server.script = () => 1012
    await expect(newClient().connect(ann, annToken)).rejects.toMatchObject({ closeCode: 1012 })
    expect(server.firstFrames).toHaveLength(5)
  })

  test("for a disconnect meanwhile", async () => {
    server.script = () => "silence"
    const client = newClient()
    const outcome = client.connect(ann, annToken).catch((error) => error)
    await until("the first frame arrived", () => server.firstFrames.length === 1)
    await client.disconnect()
    expect(await outcome).toMatchObject({ reason: "disconnected" })
    await until("the socket was closed", () => server.closes.length === 1)
    expect(client.connectionState).toBe("idle")
  })

  test("after a failure, and the next connect starts afresh", async () => {
    server.script = () => refuse(43, 401)
    const client = newClient()
    await expect(client.connect(ann, annToken)).rejects.toMatchObject({ code: 43 })
    server.script = null
    expect((await client.connect(ann, annToken)).id).toBe("ann")
  })
})

describe("an open connection", () => {
  test("beats every 25 s", async () => {
    const timers = manualTimers()
    await newClient({ timers }).connect(ann, annToken)
    await timers.advance(limits.heartbeatIntervalMs)
    await until("the beat arrived", () => server.frames.length === 1)
    expect(server.frames).toEqual([{ type: "health.check" }])
  })

  test("that is silent for 35 s is given up and opened again", async () => {
    const timers = manualTimers()
    const client = newClient({ timers })
    const told = story(client)
    await client.connect(ann, annToken)
    await timers.advance(34_999)
    expect(client.connectionState).toBe("online")
    await timers.advance(1)
    expect(client.connectionState).toBe("reconnecting")
    await timers.advance(limits.backoffBaseMs)
    await until("it is back", () => client.connectionState === "online")
    expect(told).toEqual(["online", "offline", "online", "connection.recovered"])
    expect(client.connectionId).toBe("c2")
    await until("the dead socket was closed", () => server.closes.length === 1)
    expect(server.closes[0]?.code).toBe(4001)
  })

  test("that hears anything stays", async () => {
    const timers = manualTimers()
    const client = newClient({ timers })
    let heard = 0
    client.on("health.check", () => {
      heard += 1
    })
    await client.connect(ann, annToken)
    for (let beat = 1; beat <= 4; beat += 1) {
      await timers.advance(20_000)
      server.sockets[0]?.send('{"type":"health.check"}')
      await until("it was heard", () => heard === beat)
    }
    expect([client.connectionState, client.connectionId]).toEqual(["online", "c1"])
  })

  test("passes on events by type and ignores frames that are none", async () => {
    const client = newClient()
    const texts: string[] = []
    client.on("message.new", ({ message, cid }) => texts.push(`${cid} ${message.text}`))
    client.on("my.event", (event) => texts.push(`${event.type} ${event.x}`))
    await client.connect(ann, annToken)
    for (const frame of [
      "not json",
      "[1]",
      '{"no":"type"}',
      '{"type":"my.event","x":1}',
      '{"type":"message.new","cid":"messaging:a","message":{"text":"hi"}}',
    ]) {
      server.sockets[0]?.send(frame)
    }
    await until("the events arrived", () => texts.length === 2)
    expect(texts).toEqual(["my.event 1", "messaging:a hi"])
  })
})

describe("a lost connection", () => {
  test.each([1006, 1011, 1012, 4000, 4001, 4008])("comes back after close code %d", async (code) => {
    const client = newClient()
    await client.connect(ann, annToken)
    if (code === 1006) server.sockets[0]?.terminate()
    else server.sockets[0]?.close(code)
    await until("it is back", () => client.connectionId === "c2")
  })

  test.each([1000, 4502, 4504, 4505, 4522, 4543, 4599])("stays away after close code %d", async (code) => {
    const client = newClient()
    const told = story(client)
    await client.connect(ann, annToken)
    server.sockets[0]?.close(code)
    await until("it is over", () => client.connectionState === "failed")
    await settle()
    expect(server.firstFrames).toHaveLength(1)
    expect(told.slice(0, 2)).toEqual(["online", "offline"])
    expect(told[2]).toStartWith("failed")
    // The app may try again itself.
    expect((await client.connect(ann, annToken)).id).toBe("ann")
  })

  test("waits within the growing bounds, and starts over only after it was stable", async () => {
    const timers = manualTimers()
    timers.chance = 0.999
    const client = newClient({ timers })
    await client.connect(ann, annToken)
    server.script = () => 1012
    server.sockets[0]?.close(1012)
    const waits: number[] = []
    for (const ceilingMs of [500, 1000, 2000, 4000, 8000, 16_000, 25_000, 25_000]) {
      await until("it waits", () => timers.pendingDelaysMs().length === 1)
      const waitMs = timers.pendingDelaysMs()[0] as number
      waits.push(waitMs)
      expect(waitMs).toBeLessThanOrEqual(ceilingMs)
      expect(waitMs).toBeGreaterThan(ceilingMs * 0.99)
      const frames = server.firstFrames.length
      await timers.advance(waitMs)
      await until("it tried", () => server.firstFrames.length === frames + 1)
    }
    server.script = null
    await until("it waits", () => timers.pendingDelaysMs().length === 1)
    await timers.advance(25_000)
    await until("it is back", () => client.connectionState === "online")

    // Ended young: no fresh start for the back-off.
    server.sockets[0]?.close(1012)
    await until("it waits", () => client.connectionState === "reconnecting" && timers.pendingDelaysMs().length === 1)
    expect(timers.pendingDelaysMs()[0]).toBeGreaterThan(24_000)
    await timers.advance(25_000)
    await until("it is back", () => client.connectionState === "online")

    await timers.advance(limits.stableAfterMs)
    server.sockets[0]?.close(1012)
    await until("it waits", () => client.connectionState === "reconnecting" && timers.pendingDelaysMs().length === 1)
    expect(timers.pendingDelaysMs()[0]).toBeLessThanOrEqual(500)
  })

  test("tries at once when the browser says that the network is back", async () => {
    const timers = manualTimers()
    timers.chance = 0.999
    const network = new EventTarget()
    const global = globalThis as Record<string, unknown>
    const { addEventListener, removeEventListener } = global
    global.addEventListener = network.addEventListener.bind(network)
    global.removeEventListener = network.removeEventListener.bind(network)
    try {
      const client = newClient({ timers })
      await client.connect(ann, annToken)
      server.sockets[0]?.close(1012)
      await until("it waits", () => client.connectionState === "reconnecting")
      network.dispatchEvent(new Event("online"))
      await until("it is back", () => client.connectionId === "c2")
      await client.disconnect()
    } finally {
      global.addEventListener = addEventListener
      global.removeEventListener = removeEventListener
    }
  })

  test("is not opened again after disconnect", async () => {
    const timers = manualTimers()
    const client = newClient({ timers })
    await client.connect(ann, annToken)
    server.sockets[0]?.close(1012)
    await until("it waits", () => client.connectionState === "reconnecting")
    await client.disconnect()
    await timers.advance(60_000)
    expect(server.firstFrames).toHaveLength(1)
    expect(timers.pendingDelaysMs()).toEqual([])
  })

  test("goes out with a renewed token", async () => {
    const timers = manualTimers()
    let asked = 0
    const client = newClient({ timers })
    await client.connect(ann, () => mint({ user_id: "ann", jti: ++asked }))
    await timers.advance(limits.tokenRenewIntervalMs)
    server.sockets[0]?.close(1012)
    await until("it waits", () => client.connectionState === "reconnecting")
    await timers.advance(limits.backoffBaseMs)
    await until("it is back", () => client.connectionId === "c2")
    expect(asked).toBe(2)
    expect(server.firstFrames[1]?.token).not.toBe(server.firstFrames[0]?.token)
  })

  test("gives up on a provider only after many failures in a row", async () => {
    const timers = manualTimers()
    const client = newClient({ timers })
    const told = story(client)
    let asked = 0
    await client.connect(ann, () => {
      asked += 1
      return asked === 1 ? annToken : Promise.reject(new Error("away"))
    })
    server.sockets[0]?.close(4040)
    await until("it noticed", () => client.connectionState === "reconnecting")
    await timers.advance(120_000)
    expect(client.connectionState).toBe("reconnecting")
    await timers.advance(120_000)
    expect(client.connectionState).toBe("failed")
    expect(told.at(-1)).toContain("token provider failed")
    expect(asked).toBe(1 + limits.tokenProviderFailuresMax + 1)
    await timers.advance(3600_000)
    expect(asked).toBe(1 + limits.tokenProviderFailuresMax + 1)
  })
})

describe("when the server ends a socket because its token expired (4040)", () => {
  const expire = () => {
    const [socket] = server.sockets
    socket?.send(JSON.stringify({ type: "connection.error", error: { code: 40, StatusCode: 401, message: "expired" } }))
    socket?.close(4040)
  }

  test("a provider's new token opens it again without waiting", async () => {
    let asked = 0
    const timers = manualTimers()
    const client = newClient({ timers })
    await client.connect(ann, () => mint({ user_id: "ann", jti: ++asked }))
    expire()
    await until("it is back", () => client.connectionId === "c2")
    expect(asked).toBe(2)
  })

  test("also when only the close code arrived", async () => {
    let asked = 0
    const client = newClient()
    await client.connect(ann, () => mint({ user_id: "ann", jti: ++asked }))
    server.sockets[0]?.close(4040)
    await until("it is back", () => client.connectionId === "c2")
    expect(asked).toBe(2)
  })

  test("a token given as text ends it, with the reason", async () => {
    const client = newClient()
    const told = story(client)
    await client.connect(ann, annToken)
    expire()
    await until("it is over", () => client.connectionState === "failed")
    expect(told).toEqual(["online", "offline", "failed 40"])
    expect(server.firstFrames).toHaveLength(1)
  })

  test("a provider that repeats the token ends it, after one more question", async () => {
    let asked = 0
    const client = newClient()
    const told = story(client)
    await client.connect(ann, () => {
      asked += 1
      return annToken
    })
    expire()
    await until("it is over", () => client.connectionState === "failed")
    expect([asked, server.firstFrames.length]).toEqual([2, 1])
    expect(told.at(-1)).toContain("already refused")
  })

  test("new tokens that are all refused end it after a few", async () => {
    let asked = 0
    const client = newClient()
    await client.connect(ann, () => mint({ user_id: "ann", jti: ++asked }))
    server.script = () => refuse(40, 401)
    expire()
    await until("it is over", () => client.connectionState === "failed")
    expect(server.firstFrames.length).toBe(1 + limits.tokenRefusalsMax + 1)
  })
})

describe("REST and the socket", () => {
  test("share one refresh", async () => {
    let asked = 0
    const client = newClient()
    await client.connect(ann, async () => {
      asked += 1
      await Bun.sleep(20)
      return mint({ user_id: "ann", jti: asked })
    })
    const first = server.firstFrames[0]?.token
    server.rest = ({ headers }) => (headers.get("authorization") === first ? refuse(40, 401) : {})
    await Promise.all(Array.from({ length: 10 }, () => client.operations.users.query()))
    expect(asked).toBe(2)
    expect(server.requests).toHaveLength(20)
  })
})

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
