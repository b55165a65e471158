// Open sockets on a real port, without the handshake: the first frame names app, user and what to hear.

import { afterEach, describe, expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import { openTcpSocket, type TcpSocket } from "../../test/tcp-socket.ts"
import { manualClock } from "../base/clock.ts"
import { createLogger } from "../base/log.ts"
import { createLocalBus } from "./bus/local.ts"
import type { MembersOf } from "./event.ts"
import { limits } from "./limits.ts"
import { createPresence } from "./presence.ts"
import { createSockets, type Socket, type SocketData, type SocketIdentity, transportOptions } from "./sockets.ts"
import { topics } from "./topics.ts"

const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

interface House {
  readonly url: string
  readonly sockets: ReturnType<typeof createSockets>
  readonly clock: ReturnType<typeof manualClock>
  readonly changes: [userId: string, online: boolean][]
  readonly gone: [userId: string, topics: string[]][]
  readonly log: string[]
  open(identity: Partial<SocketIdentity>): Promise<Client>
}
interface Client extends TcpSocket {
  readonly connectionId: string
}

const app = 7
/** A credential that was revoked while its handshake ran. */
const shutOut = "revoked meanwhile"
const until = async (what: string, is: () => boolean, timeoutMs = 10_000): Promise<void> => {
  const endMs = performance.now() + timeoutMs
  while (!is()) {
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await Bun.sleep(5)
  }
}

function start(
  membersOf: (of: MembersOf) => readonly string[] | Promise<readonly string[]> = () => [],
  mayDeliver = () => true,
): House {
  const clock = manualClock(Date.now())
  const lines: string[] = []
  const log = createLogger({ level: "debug", format: "json", write: (line) => lines.push(line) })
  const bus = createLocalBus(log)
  const changes: [string, boolean][] = []
  const gone: [string, string[]][] = []
  const presence = createPresence({ bus, clock, onChange: (_, userId, online) => changes.push([userId, online]) })
  const sockets = createSockets({
    clock,
    bus,
    presence,
    log,
    membersOf: (_, of) => membersOf(of),
    mayDeliver,
    refusalOf: (credential) => (credential === shutOut ? new ApiError("tokenExpired", "revoked") : null),
    onGone: (_, userId, topics) => gone.push([userId, [...topics]]),
  })
  const admit = (socket: Socket, message: string): void => {
    try {
      const connectionId = sockets.admit(socket, { ...JSON.parse(message), recheck: () => null })
      socket.send(JSON.stringify({ connectionId }))
    } catch (error) {
      sockets.refuse(socket, error as ApiError)
    }
  }
  const server = Bun.serve<SocketData>({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, self) =>
      self.upgrade(request, { data: newData() }) ? undefined : new Response("no", { status: 400 }),
    websocket: {
      ...transportOptions,
      message: (socket, message) => {
        if (socket.data.connectionId === "") admit(socket, String(message))
      },
      close: (socket) => sockets.remove(socket),
    },
  })
  sockets.attach(server)
  ending.push(
    () => server.stop(true),
    () => sockets.close(),
    () => presence.close(),
  )
  const newData = (): SocketData => ({
    connectionId: "",
    appId: 0,
    userId: "",
    hearsUser: false,
    keepsCalls: false,
    credential: null,
    recheck: null,
    address: "127.0.0.1",
    client: null,
    connectedAt: 0,
    expiresAtMs: null,
    topics: new Set(),
    heardAtMs: clock.monotonic(),
    beatAtMs: clock.monotonic(),
    framesHeard: 0,
    framesWindowMs: clock.monotonic(),
    closingAtMs: null,
    errorFrame: ({ code, reason }) => JSON.stringify({ error: { code, reason } }),
    handshake: null,
  })
  const url = server.url.origin
  return {
    url,
    sockets,
    clock,
    changes,
    gone,
    log: lines,
    async open(identity) {
      const socket = await openTcpSocket(url, "/")
      ending.push(() => socket.destroy())
      socket.send(
        1,
        JSON.stringify({
          appId: app,
          userId: "jessica",
          lifetimeMs: null,
          hearsUser: true,
          keepsCalls: false,
          ...identity,
        }),
      )
      await until("the first frame", () => socket.texts.length > 0)
      return Object.assign(socket, { connectionId: JSON.parse(socket.texts[0] as string).connectionId as string })
    },
  }
}
const heard = (client: Client): string[] => client.texts.slice(1)
const subscribe = (house: House, client: Client, topics: string[], userId = "jessica", appId = app) =>
  house.sockets.subscribe({ connectionId: client.connectionId, appId, userId, topics })

describe("who hears what", () => {
  test("topics, users and members, each once, and no other app", async () => {
    const house = start(({ cid }) => (cid === "messaging:a" ? ["jessica", "john", "away"] : []))
    const [watching, reading, john] = [await house.open({}), await house.open({}), await house.open({ userId: "john" })]
    const foreign = await house.open({ appId: 8 })
    await subscribe(house, watching, ["t"])
    house.sockets.deliver(app, [
      { to: "topic", topic: "t", frame: '"topic"' },
      { to: "users", userIds: ["jessica"], unlessTopic: "t", frame: '"user"' },
      { to: "members", of: { kind: "channel", cid: "messaging:a" }, unlessTopic: "t", frame: '"members"' },
      { to: "members", of: { kind: "channel", cid: "messaging:b" }, frame: '"nobody"' },
      { to: "users", userIds: ["jessica", "john"], frame: '"last"' },
    ])
    await until(
      "the last",
      () => heard(john).length === 2 && heard(reading).length === 3 && heard(watching).length === 2,
    )
    expect(heard(watching)).toEqual(['"topic"', '"last"'])
    expect(heard(reading)).toEqual(['"user"', '"members"', '"last"'])
    expect(heard(john)).toEqual(['"members"', '"last"'])
    expect(heard(foreign)).toEqual([])
  })

  test("frames to members keep their order however long a look-up takes, and one that fails is left out", async () => {
    let lookups = 0
    const house = start(async () => {
      lookups += 1
      const own = lookups
      await Bun.sleep(own === 1 ? 50 : 1)
      if (own === 2) throw new Error("look-up failed")
      return ["jessica"]
    })
    const client = await house.open({})
    for (const n of [1, 2, 3, 4])
      house.sockets.deliver(app, [{ to: "members", of: { kind: "call", cid: "default:a" }, frame: String(n) }])
    await until("all of them", () => heard(client).length === 3)
    expect(heard(client)).toEqual(["1", "3", "4"])
    expect(house.log.join("")).toContain("look-up failed")
  })

  test("unsubscribing takes a topic from a user's sockets, and a call not from that of a call token", async () => {
    const house = start()
    const call = topics.call(app, "default:a")
    const client = await house.open({})
    const limited = await house.open({ hearsUser: false, keepsCalls: true })
    for (const socket of [client, limited]) await subscribe(house, socket, [call, "t"])
    expect(house.sockets.subscribers(call, 10)).toEqual(["jessica"])
    expect(house.sockets.subscriberCount(call)).toBe(2)
    house.sockets.deliver(app, [
      { to: "unsubscribe", userIds: ["jessica"], topic: call },
      { to: "unsubscribe", userIds: ["jessica"], topic: "t" },
      { to: "topic", topic: call, frame: "1" },
      { to: "topic", topic: "t", frame: "2" },
      { to: "users", userIds: ["jessica"], frame: "3" },
    ])
    await until("both", () => heard(client).length === 1 && heard(limited).length === 1)
    expect([heard(client), heard(limited)]).toEqual([["3"], ["1"]])
  })

  test("case 39: what was revoked while the handshake ran is refused in the tick of its admission, and hears nothing", async () => {
    const house = start()
    const client = await house.open({ credential: shutOut })
    expect((await client.closed).code).toBe(4040)
    expect(house.sockets.count).toBe(0)
    house.sockets.deliver(app, [{ to: "users", userIds: ["jessica"], frame: '"user"' }])
    expect(JSON.parse(client.texts[0] as string).error.code).toBe(40)
    expect(client.texts).toHaveLength(1)
  })

  test("what cannot be known to be allowed is not delivered", async () => {
    let may = true
    const house = start(undefined, () => may)
    const client = await house.open({})
    house.sockets.deliver(app, [{ to: "users", userIds: ["jessica"], frame: "1" }])
    may = false
    house.sockets.deliver(app, [{ to: "users", userIds: ["jessica"], frame: "2" }])
    may = true
    house.sockets.deliver(app, [{ to: "users", userIds: ["jessica"], frame: "3" }])
    await until("the third", () => heard(client).length === 2)
    expect(heard(client)).toEqual(["1", "3"])
  })

  test("a connection is bound by its own user of its own app only, and to a bounded number of things", async () => {
    const house = start()
    const client = await house.open({})
    const codeOf = (run: () => unknown): number => {
      try {
        run()
      } catch (error) {
        return (error as ApiError).code
      }
      return 0
    }
    expect(codeOf(() => subscribe(house, client, ["t"], "john"))).toBe(46)
    expect(codeOf(() => subscribe(house, client, ["t"], "jessica", 8))).toBe(46)
    for (const connectionId of ["", "x", `${client.connectionId}0`, client.connectionId.toUpperCase(), "constructor"]) {
      expect(
        codeOf(() => house.sockets.subscribe({ connectionId, appId: app, userId: "jessica", topics: ["t"] })),
      ).toBe(46)
    }
    const many = Array.from({ length: limits.topicsPerSocketMax }, (_, n) => `t${n}`)
    expect(codeOf(() => subscribe(house, client, many))).toBe(0)
    expect(codeOf(() => subscribe(house, client, many))).toBe(0)
    expect(codeOf(() => subscribe(house, client, ["one-more"]))).toBe(9)
    await house.sockets.unsubscribe({
      connectionId: client.connectionId,
      appId: app,
      userId: "jessica",
      topics: ["t0"],
    })
    expect(codeOf(() => subscribe(house, client, ["one-more"]))).toBe(0)
  })
})

describe("what ends them", () => {
  test("closing a user, of this app only, with those of call tokens", async () => {
    const house = start()
    const clients = [await house.open({}), await house.open({ hearsUser: false })]
    const others = [await house.open({ userId: "john" }), await house.open({ appId: 8 })]
    house.sockets.deliver(app, [{ to: "close", userId: "jessica", error: "authentication", reason: "out" }])
    house.sockets.deliver(app, [{ to: "users", userIds: ["jessica", "john"], frame: "1" }])
    for (const client of clients) {
      expect(await client.closed).toEqual({ code: 4505, reason: "out" })
      expect(heard(client)).toEqual(['{"error":{"code":5,"reason":"out"}}'])
    }
    await until("the other one hears", () => heard(others[0] as Client).length === 1)
    expect(heard(others[1] as Client)).toEqual([])
    expect(house.sockets.count).toBe(2)
    expect(house.changes).toEqual([
      ["jessica", true],
      ["john", true],
      ["jessica", true],
      ["jessica", false],
    ])
  })

  test("closing an app ends all of its sockets and no other", async () => {
    const house = start()
    const [one, two, foreign] = [
      await house.open({}),
      await house.open({ userId: "!anon", hearsUser: false }),
      await house.open({ appId: 8 }),
    ]
    house.sockets.deliver(app, [{ to: "close-app", error: "appSuspended", reason: "app is suspended" }])
    for (const client of [one, two]) expect((await client.closed).code).toBe(4599)
    expect(house.sockets.count).toBe(1)
    expect(heard(foreign)).toEqual([])
  })

  test("a user has a bounded number of them, anonymous callers do not share one bound", async () => {
    const house = start()
    for (let n = 0; n < limits.socketsPerUserMax; n++) await house.open({})
    const refused = await house.open({})
    expect((await refused.closed).code).toBe(4009)
    for (let n = 0; n <= limits.socketsPerUserMax; n++) await house.open({ userId: "!anon", hearsUser: false })
    expect(house.sockets.count).toBe(2 * limits.socketsPerUserMax + 1)
  })

  test("a reason that is too long for a close frame is cut between characters", async () => {
    const house = start()
    const client = await house.open({})
    house.sockets.deliver(app, [{ to: "close", userId: "jessica", error: "authentication", reason: "ä€🎈".repeat(40) }])
    const { code, reason } = await client.closed
    expect(code).toBe(4505)
    expect(reason.length).toBeGreaterThan(20)
    expect("ä€🎈".repeat(40)).toStartWith(reason)
  })

  test("case 64: a reader that is too slow is dropped with a reason, and nobody else waits", async () => {
    const house = start()
    const [slow, quick] = [await house.open({}), await house.open({ userId: "john" })]
    for (const [client, user] of [
      [slow, "jessica"],
      [quick, "john"],
    ] as const)
      await subscribe(house, client, ["t"], user)
    slow.stopReading()
    const frame = JSON.stringify("x".repeat(64 * 1024))
    let sent = 0
    // The buffers of the system fill first, then ours; 2.5 MiB a second, so that a sweep comes before the cut.
    while (house.sockets.count === 2) {
      if (sent++ > 4_000) throw new Error("the slow reader was kept")
      house.sockets.deliver(app, [{ to: "topic", topic: "t", frame }])
      await Bun.sleep(25)
    }
    slow.resumeReading()
    expect(await slow.closed).toEqual({ code: 4008, reason: "the connection reads too slowly" })
    await until("everything", () => heard(quick).length === sent)
    // What it heard before it was dropped has no gap: the same frames from the beginning.
    expect(heard(slow).every((text) => text === frame)).toBe(true)
    expect(house.gone).toEqual([["jessica", ["t"]]])
  }, 60_000)

  test("a burst beyond the buffer ends the socket rather than leave a hole in what it hears", async () => {
    const house = start()
    const client = await house.open({})
    await subscribe(house, client, ["t"])
    client.stopReading()
    const frames = 400
    for (let n = 0; n < frames; n++)
      house.sockets.deliver(app, [{ to: "topic", topic: "t", frame: JSON.stringify(`${n} ${"x".repeat(64 * 1024)}`) }])
    client.resumeReading()
    const ended = await Promise.race([client.closed.then(() => true), Bun.sleep(3_000).then(() => false)])
    const numbers = heard(client).map((text) => Number.parseInt(text.slice(1), 10))
    expect(numbers).toEqual(numbers.map((_, n) => n))
    expect(ended || numbers.length === frames).toBe(true)
  }, 20_000)

  test("draining sends all of them away with «come back»", async () => {
    const house = start()
    const clients = [await house.open({}), await house.open({ userId: "!anon", hearsUser: false })]
    house.sockets.drain()
    for (const client of clients) expect((await client.closed).code).toBe(1012)
    expect(house.sockets.count).toBe(0)
  })
})
