// Connections of the client to a real Weir: restarts, tokens that end, users who are shut out, guests and strangers.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { createWeirServer, type WeirServer } from "../../sdk-server/src/server.ts"
import { WeirClient, type WeirClientOptions } from "../src/client.ts"
import type { WeirApiError } from "../src/errors.ts"
import { limits } from "../src/limits.ts"
import { createOperations } from "../src/operations.ts"
import { createRest, type RestRequest } from "../src/rest.ts"
import { systemTimers } from "../src/timers.ts"
import { createTokenSource } from "../src/tokens.ts"
import { story } from "./fixture.ts"
import {
  apiKey,
  apiSecret,
  type LiveServer,
  next,
  recordingSockets,
  refusalOf,
  refusalsOf,
  startLiveServer,
} from "./live-server.ts"

let weir: LiveServer
let app: WeirServer
const clients: WeirClient[] = []

beforeAll(async () => {
  weir = await startLiveServer()
  app = createWeirServer({ apiKey, apiSecret, baseUrl: weir.url })
  await app.users.upsert(["ann", "bob", "cas", "dan", "eve"].map((id) => ({ id })))
})

afterEach(async () => {
  for (const client of clients.splice(0)) await client.disconnect()
})

afterAll(() => weir.close())

/** Short waits, so that a restart does not take seconds. */
const timers = { ...systemTimers, random: () => 0.1 }
const unixSeconds = () => Math.floor(Date.now() / 1000)

function newClient(options: Partial<WeirClientOptions> = {}): WeirClient {
  const client = new WeirClient({ apiKey, baseUrl: weir.url, timers, ...options })
  clients.push(client)
  return client
}

async function connected(userId: string, options: Partial<WeirClientOptions> = {}): Promise<WeirClient> {
  const client = newClient(options)
  await client.connect({ id: userId }, () => app.createToken(userId))
  return client
}

/** Ends when the client has given up, with the code of the reason. */
const failed = (client: WeirClient): Promise<number> =>
  next<{ type: string; error: WeirApiError }>(client, "connection.failed").then(({ error }) => error.code)

/** Longer than a client that wants to come back would wait. */
const longerThanABackoffMs = limits.backoffBaseMs * 0.1 * 4

describe("a connection that is lost", () => {
  test("comes back after a restart of the server, watches again, and hears what comes then", async () => {
    const { openSocket, closes } = recordingSockets()
    const ann = await connected("ann", { openSocket })
    const told = story(ann)
    const texts: string[] = []
    const channel = ann.channel("messaging", "restart", { members: ["ann", "bob"] })
    await channel.watch({ presence: true })
    await ann.feed("user", "ann").getOrCreate({ watch: true })
    await ann.call("default", "restart").getOrCreate({ watch: true })
    await ann.queryUsers({ filter_conditions: { id: "cas" }, presence: true })
    channel.on("message.new", ({ message }) => texts.push(message.text))
    const before = weir.connects

    const recovered = next(ann, "connection.recovered")
    await weir.restart()
    await recovered
    expect(closes).toContain(1012)
    expect(told.filter((what) => /line$|^connection/.test(what))).toEqual(["offline", "online", "connection.recovered"])
    expect(weir.connects).toBeGreaterThan(before)

    const bob = await connected("bob")
    const heard = Promise.all([
      next(channel, "message.new"),
      next<{ type: string; user: { id: string } }>(ann, "user.presence.changed", ({ user }) => user.id === "cas"),
      next(ann.feed("user", "ann"), "feeds.activity.added"),
      next(ann.call("default", "restart"), "call.ended"),
    ])
    await bob.channel("messaging", "restart").sendMessage({ text: "after it" })
    await connected("cas")
    await ann.feed("user", "ann").addActivity({ type: "post", text: "after it" })
    await app.calls.end("default", "restart")
    await heard
    expect(texts).toEqual(["after it"])
    expect(told).not.toContain("connection.unrecovered")
  })

  test("comes back after the line was cut", async () => {
    const { openSocket, closes } = recordingSockets()
    const ann = await connected("ann", { openSocket })
    const channel = ann.channel("messaging", "cut", { members: ["ann"] })
    await channel.watch()
    const first = ann.connectionId
    const recovered = next(ann, "connection.recovered")
    weir.cut()
    await recovered
    expect(closes).toEqual([1006])
    expect(ann.connectionId).not.toBe(first)
    const heard = next(channel, "message.new")
    await channel.sendMessage({ text: "still here" })
    await heard
  })

  test("lets go of what it may no longer watch", async () => {
    const ann = await connected("ann")
    await app.channels.getOrCreate("messaging", "lost", { data: { created_by_id: "bob", members: ["ann", "bob"] } })
    const channel = ann.channel("messaging", "lost")
    await channel.watch()
    const removed = next(ann, "notification.removed_from_channel")
    await weir.direct.call("POST", "/api/v2/chat/channels/messaging/lost", { body: { remove_members: ["ann"] } })
    await removed
    const recovered = next(ann, "connection.recovered")
    weir.cut()
    await recovered
    let leaked = 0
    channel.on("*", () => {
      leaked += 1
    })
    await app.channels.sendMessage("messaging", "lost", { text: "among us", user_id: "bob" })
    // A frame that is sent later arrives later, so whatever could leak has arrived by now.
    const heard = next(ann, "user.updated")
    await app.users.upsert([{ id: "ann", name: "Ann" }])
    await heard
    expect(leaked).toBe(0)
  })
})

describe("a token that ends", () => {
  test("while connected is replaced through the provider, asked once at a time; as text, it is the end", async () => {
    const { openSocket, closes } = recordingSockets()
    let asking = 0
    let askingMost = 0
    let asked = 0
    const renewing = newClient({ openSocket })
    await renewing.connect({ id: "ann" }, async () => {
      asking += 1
      asked += 1
      askingMost = Math.max(askingMost, asking)
      await Bun.sleep(20)
      asking -= 1
      return app.createToken("ann", { expiresIn: 2, jti: String(asked) })
    })
    const fixedSockets = recordingSockets()
    const fixed = newClient({ openSocket: fixedSockets.openSocket })
    await fixed.connect({ id: "bob" }, app.createToken("bob", { expiresIn: 2 }))
    const over = failed(fixed)
    const told = story(renewing)
    const first = renewing.connectionId
    await next(renewing, "connection.recovered")
    expect(closes[0]).toBe(4040)
    expect(renewing.connectionId).not.toBe(first)
    expect(told.slice(0, 3)).toEqual(["offline", "online", "connection.recovered"])
    await Promise.all(Array.from({ length: 10 }, () => renewing.operations.users.query()))
    expect(askingMost).toBe(1)
    // One for the connect, one when that was about to end, and hardly more: each is good for a second at least.
    expect(asked).toBeWithin(2, 6)

    expect(await over).toBe(40)
    expect(await refusalOf(fixed.operations.users.query())).toBe("401/40")
    await Bun.sleep(longerThanABackoffMs)
    expect(fixedSockets.closes).toEqual([4040])
    expect(fixed.connectionState).toBe("failed")
  })

  const expired = (jti: number) =>
    app.createToken("ann", { issuedAt: unixSeconds() - 60, expiresIn: 30, jti: String(jti) })

  test("before the connect, given as text, is refused at once and once", async () => {
    const before = weir.connects
    expect(await refusalOf(newClient().connect({ id: "ann" }, expired(0)))).toBe("401/40")
    expect(weir.connects).toBe(before + 1)
  })

  test("before the connect, from a provider, is replaced", async () => {
    let asked = 0
    const before = weir.connects
    await newClient().connect({ id: "ann" }, () => (++asked === 1 ? expired(asked) : app.createToken("ann")))
    expect([asked, weir.connects - before]).toEqual([2, 2])
  })

  test.each([
    ["a good one", "allowed", 200],
    ["another that has ended", "401/40", 401],
  ] as const)("before REST calls is replaced once for all of them; by %s", async (second, outcome, status) => {
    const seen: number[] = []
    let asked = 0
    const rest = createRest({
      baseUrl: weir.url,
      apiKey,
      clientTag: "test",
      timeoutMs: limits.requestTimeoutMs,
      timers,
      fetch: async (url, init) => {
        const response = await fetch(url, init)
        seen.push(response.status)
        return response
      },
    })
    const provider = async () => {
      asked += 1
      const isGood = asked > 1 && second === "a good one"
      const token = isGood ? app.createToken("ann") : expired(asked)
      await Bun.sleep(5)
      return token
    }
    const tokens = createTokenSource("ann", provider, {
      timers,
      clock: { now: timers.now, isKnown: false },
      tabs: null,
    })
    const auth = { kind: "jwt", token: tokens.get, replace: tokens.replace } as const
    const operations = createOperations(<A>(request: RestRequest) => rest.call<A>(request, auth))
    const calls = Array.from({ length: 5 }, () => operations.users.query())
    expect(await refusalsOf(calls)).toEqual(Array(5).fill(outcome))
    expect(seen.sort()).toEqual([...Array(5).fill(401), ...Array(5).fill(status)].sort())
    expect(asked).toBe(2)
    tokens.close()
  })
})

describe("a refusal for good is not asked again", () => {
  const wrongSecret = "wrong".repeat(13)
  const connectOnce = async (connect: Promise<unknown>, refusal: string, connects = 1) => {
    const before = weir.connects
    expect(await refusalOf(connect)).toBe(refusal)
    await Bun.sleep(longerThanABackoffMs)
    expect(weir.connects - before).toBe(connects)
  }
  const forged = () => createWeirServer({ apiKey, apiSecret: wrongSecret }).createToken("ann")

  test("a wrong secret, as text and from a provider", async () => {
    let asked = 0
    await connectOnce(newClient().connect({ id: "ann" }, forged()), "401/43")
    await connectOnce(
      newClient().connect({ id: "ann" }, () => {
        asked += 1
        return forged()
      }),
      "401/43",
    )
    expect(asked).toBe(1)
  })

  test("a key that nobody has", () =>
    connectOnce(newClient({ apiKey: "nobodyskey00" }).connect({ id: "ann" }, app.createToken("ann")), "401/2"))

  test("somebody else's token does not leave the device", () =>
    connectOnce(newClient().connect({ id: "ann" }, app.createToken("bob")), "token_mismatch", 0))

  test("a user who is deactivated meanwhile, until they are let in again", async () => {
    const dan = await connected("dan")
    const told = story(dan)
    const before = weir.connects
    const over = failed(dan)
    await app.users.deactivate("dan")
    expect(await over).toBe(5)
    await Bun.sleep(longerThanABackoffMs)
    expect([weir.connects, told]).toEqual([before, ["offline", "failed 5"]])
    await connectOnce(
      dan.connect({ id: "dan" }, () => app.createToken("dan")),
      "401/5",
    )
    await app.users.reactivate("dan")
    expect((await dan.connect({ id: "dan" }, app.createToken("dan"))).id).toBe("dan")
  })

  test("a user who is deleted meanwhile", async () => {
    await app.users.upsert([{ id: "gone" }])
    const gone = await connected("gone")
    const over = failed(gone)
    const { task_id } = await app.users.delete({ user_ids: ["gone"] })
    expect(await over).toBe(5)
    expect((await app.waitForTask(task_id)).status).toBe("completed")
    await connectOnce(gone.connect({ id: "gone" }, app.createToken("gone")), "401/5")
  })
})

describe("tokens that were revoked", () => {
  const revoke = () =>
    app.users.updatePartial([{ id: "eve", set: { revoke_tokens_issued_before: new Date().toISOString() } }])

  test("end the connection, and only a newer one opens it again", async () => {
    const { openSocket, closes } = recordingSockets()
    const old = (jti: number) => app.createToken("eve", { issuedAt: unixSeconds() - 60, jti: String(jti) })
    let asked = 0
    const eve = newClient({ openSocket })
    const oldOnes = 3
    await eve.connect({ id: "eve" }, async () => {
      asked += 1
      if (asked <= oldOnes) return old(asked)
      // `iat` counts whole seconds, and what was issued in the second of the cut is not newer.
      await Bun.sleep(1001 - (Date.now() % 1000))
      return app.createToken("eve")
    })
    const before = weir.connects
    const recovered = next(eve, "connection.recovered")
    await revoke()
    await recovered
    expect(closes[0]).toBe(4040)
    expect(asked).toBe(oldOnes + 1)
    expect(weir.connects - before).toBe(oldOnes)
    expect(await refusalOf(newClient().connect({ id: "eve" }, old(0)))).toBe("401/40")
  })

  test("end it for good when there is no newer one", async () => {
    await Bun.sleep(1001 - (Date.now() % 1000))
    const eve = newClient()
    await eve.connect({ id: "eve" }, app.createToken("eve"))
    const before = weir.connects
    const over = failed(eve)
    await revoke()
    expect(await over).toBe(40)
    await Bun.sleep(longerThanABackoffMs)
    expect(weir.connects).toBe(before)
  })
})

describe("without an account", () => {
  beforeAll(() => app.channels.getOrCreate("livestream", "open", { data: { created_by_id: "ann" } }))

  test("a stranger hears an open channel and does nothing else", async () => {
    const stranger = newClient()
    expect(await stranger.connectAnonymous()).toMatchObject({ id: "!anon", role: "anonymous" })
    const channel = stranger.channel("livestream", "open")
    await channel.watch()
    const heard = next<{ type: string; message: { text: string } }>(channel, "message.new")
    await app.channels.sendMessage("livestream", "open", { text: "welcome", user_id: "ann" })
    expect((await heard).message.text).toBe("welcome")
    expect(await refusalOf(channel.sendMessage({ text: "let me" }))).toBe("403/17")
    expect(await refusalOf(stranger.operations.users.query())).toBe("403/17")
    const { channels } = await stranger.queryChannels({ filter_conditions: {}, watch: true })
    expect(channels.map(({ channel }) => channel.cid)).toEqual(["livestream:open"])
    const recovered = next(stranger, "connection.recovered")
    weir.cut()
    await recovered
  })

  test("a guest gets an id and a token from the server, and takes part where guests may", async () => {
    const guest = newClient()
    const me = await guest.connectGuest({ id: "visitor", name: "A visitor", custom: { from: "the street" } })
    expect(me).toMatchObject({ role: "guest", name: "A visitor", custom: { from: "the street" } })
    expect(me.id).toMatch(/^guest-.+-visitor$/)
    expect(guest.userId).toBe(me.id)
    const { message } = await guest.channel("livestream", "open").sendMessage({ text: "hello" })
    expect(message.user.id).toBe(me.id)
    expect(await refusalOf(guest.channel("messaging", "mine", { members: [me.id] }).watch())).toBe("403/17")
    const recovered = next(guest, "connection.recovered")
    weir.cut()
    await recovered
    expect(guest.userId).toBe(me.id)
  })
})
