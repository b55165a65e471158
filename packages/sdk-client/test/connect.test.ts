// connect(): what it sends, and that it settles whatever happens. The server is a real one on this machine.

import { describe, expect, test } from "bun:test"
import { limits } from "../src/limits.ts"
import { ann, annToken, eachTestHasItsOwnServer, newClient, refuse, server, story } from "./fixture.ts"
import { apiKey, inSeconds, mint } from "./handshake-server.ts"
import { manualTimers, settle, until } from "./manual-timers.ts"

eachTestHasItsOwnServer()

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
