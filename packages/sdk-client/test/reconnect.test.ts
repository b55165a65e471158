// What happens to a connection after it came up. Where seconds matter, the clock is moved by hand.

import { describe, expect, test } from "bun:test"
import { limits } from "../src/limits.ts"
import { ann, annToken, eachTestHasItsOwnServer, newClient, refuse, server, story } from "./fixture.ts"
import { mint } from "./handshake-server.ts"
import { manualTimers, settle, until } from "./manual-timers.ts"

eachTestHasItsOwnServer()

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
