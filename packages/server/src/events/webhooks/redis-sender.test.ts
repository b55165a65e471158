// Against a real Redis, read back with Bun's own client, and against servers that behave badly.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { gunzipSync } from "node:zlib"
import { type OwnRedisServer, redisProgram, startRedisServer } from "../../../../../contract/suites/bus/redis-server.ts"
import { brokerTests, deliveryTo, freePort, hexHmac, nowMs, type RawServer, webhookId } from "../../../test/queues.ts"
import { selfSigned } from "../../../test/self-signed.ts"
import { randomId } from "../../base/ids.ts"
import { createOutgoing, type Outgoing, OutgoingError } from "../../base/outgoing.ts"
import type { AttemptOutcome, HookSender, HookTarget, TargetOf } from "./hook.ts"
import { limits } from "./limits.ts"
import { createRedisSender } from "./redis-sender.ts"

const { outgoing, closes, newSender, rawServer } = brokerTests(createRedisSender)

const target = (url: string, parts: Partial<TargetOf<"redis">> = {}): TargetOf<"redis"> => ({
  kind: "redis",
  url,
  stream: "events",
  lengthMax: null,
  ...parts,
})

const sharedUrl = process.env.WEIR_TEST_REDIS_URL
if (sharedUrl === undefined) {
  console.log("redis-sender.test.ts: WEIR_TEST_REDIS_URL is not set, the tests on a given Redis are skipped")
} else onRedis(sharedUrl)

function onRedis(url: string): void {
  describe("a real Redis", () => {
    const stream = `weir-test-${randomId(8)}`
    const reader = new Bun.RedisClient(url)
    afterAll(async () => {
      await reader.send("DEL", [stream])
      reader.close()
    })
    afterEach(() => reader.send("DEL", [stream]))
    const entries = async (): Promise<{ id: string; fields: Record<string, string> }[]> => {
      const rows: [string, string[] | Record<string, string>][] = await reader.send("XRANGE", [stream, "-", "+"])
      return rows.map(([id, flat]) => {
        const list = Array.isArray(flat) ? flat : Object.entries(flat).flat()
        const fields: Record<string, string> = {}
        for (let index = 0; index < list.length; index += 2) fields[list[index] ?? ""] = list[index + 1] ?? ""
        return { id, fields }
      })
    }

    test("has the event and its headers as an entry of the stream", async () => {
      const delivery = deliveryTo(target(url, { stream }), { attempt: 2 })
      const outcome = await newSender().send(delivery, nowMs)
      const found = await entries()
      expect(found).toHaveLength(1)
      expect(found[0]?.fields).toMatchObject({
        id: webhookId,
        type: "message.new",
        stream: "channel:messaging:general",
        attempt: "2",
        body: delivery.body,
        "X-Webhook-Id": webhookId,
        "X-Webhook-Attempt": "2",
        "X-Api-Key": "a1b2c3d4e5f6",
        "X-Signature": hexHmac(delivery.body),
        "webhook-timestamp": "1800000000",
      })
      expect(outcome).toMatchObject({
        result: "delivered",
        status: null,
        fault: null,
        detail: null,
        response: { headers: {}, body: found[0]?.id },
      })
      expect(outcome.request.target).toEndWith(` ${stream}`)
    })

    test("takes text that looks like its own protocol, and any size in between", async () => {
      const sender = newSender()
      const bodies = ["", "\r\n*1\r\n$8\r\nFLUSHALL\r\n", "😀\u0000".repeat(40_000), "x"]
      for (const body of bodies.slice(1)) {
        expect((await sender.send(deliveryTo(target(url, { stream }), { body }), nowMs)).result).toBe("delivered")
      }
      const bodiesFound = (await entries()).map(({ fields }) => fields.body)
      // What other queues would change goes as base64 here too, so that a hook's text has one form everywhere.
      expect(bodiesFound[0]).toBe(bodies[1] as string)
      expect(Buffer.from(bodiesFound[1] ?? "", "base64").toString()).toBe(bodies[2] as string)
      expect(bodiesFound[2]).toBe("x")
    })

    test("has base64 of the gzip with compression", async () => {
      const delivery = deliveryTo(target(url, { stream }), {}, { compression: "gzip" })
      expect((await newSender().send(delivery, nowMs)).result).toBe("delivered")
      const [entry] = await entries()
      expect(gunzipSync(Buffer.from(entry?.fields.body ?? "", "base64")).toString()).toBe(delivery.body)
    })

    test("is cut to about the length that was asked for", async () => {
      const sender = newSender()
      const send = (index: number): Promise<AttemptOutcome> =>
        sender.send(deliveryTo(target(url, { stream, lengthMax: 100 }), { body: `{"n":${index}}` }), nowMs)
      const outcomes = await Promise.all(Array.from({ length: 1_000 }, (_, index) => send(index)))
      expect(outcomes.every(({ result }) => result === "delivered")).toBe(true)
      const found = await entries()
      expect(found.length).toBeWithin(100, 400)
      // Sent together over one connection, they lie in the order in which they were sent.
      const order = found.map(({ fields }) => JSON.parse(fields.body ?? "").n)
      expect(order).toEqual([...order].sort((a, b) => a - b))
      expect(order.at(-1)).toBe(999)
    })

    test("that has something else under the name says so, and the next delivery works", async () => {
      await reader.send("SET", [stream, "no stream"])
      const sender = newSender()
      const outcome = await sender.send(deliveryTo(target(url, { stream })), nowMs)
      expect(outcome).toMatchObject({ result: "retry", fault: "rejected", status: null })
      expect(outcome.detail).toStartWith("WRONGTYPE ")
      await reader.send("DEL", [stream])
      expect((await sender.send(deliveryTo(target(url, { stream })), nowMs)).result).toBe("delivered")
    })

    test("is asked for the database of the URL", async () => {
      const sender = newSender()
      const other = new URL(url)
      other.pathname = "/9"
      expect((await sender.send(deliveryTo(target(other.href, { stream })), nowMs)).result).toBe("delivered")
      expect(await entries()).toEqual([])
      const own = new Bun.RedisClient(other.href)
      expect(await own.send("XLEN", [stream])).toBe(1)
      await own.send("DEL", [stream])
      own.close()
      other.pathname = "/9999"
      const outcome = await sender.send(deliveryTo(target(other.href, { stream })), nowMs)
      expect(outcome).toMatchObject({ result: "retry", fault: "rejected" })
      expect(outcome.detail).toContain("DB index is out of range")
    })

    test("is connected to once for many deliveries", async () => {
      const name = `user-${randomId(8)}`
      await reader.send("ACL", ["SETUSER", name, "on", ">pass word/1", "~*", "+xadd", "+select"])
      try {
        const own = new URL(url)
        own.username = name
        own.password = "pass word/1"
        const sender = newSender()
        const send = () => sender.send(deliveryTo(target(own.href, { stream })), nowMs)
        const outcomes = await Promise.all(Array.from({ length: 200 }, send))
        expect(new Set(outcomes.map(({ result }) => result))).toEqual(new Set(["delivered"]))
        const list = async (): Promise<string[]> =>
          String(await reader.send("CLIENT", ["LIST"]))
            .split("\n")
            .filter((line) => line.includes(`user=${name} `))
        expect(await list()).toHaveLength(1)
        await sender.close()
        for (let round = 0; round < 100 && (await list()).length > 0; round++) await Bun.sleep(10)
        expect(await list()).toEqual([])
        expect(await sender.send(deliveryTo(target(own.href, { stream })), nowMs)).toMatchObject({
          result: "retry",
          fault: "closing",
        })
        expect(JSON.stringify(outcomes[0])).not.toContain("pass")

        own.password = "not-it"
        const outcome = await newSender().send(deliveryTo(target(own.href, { stream })), nowMs)
        expect(outcome).toMatchObject({ result: "retry", fault: "auth", response: null })
        expect(outcome.detail).toContain("WRONGPASS")
        expect(JSON.stringify(outcome)).not.toContain("not-it")
      } finally {
        await reader.send("ACL", ["DELUSER", name])
      }
    })

    test("that forbids the command says so", async () => {
      const name = `user-${randomId(8)}`
      await reader.send("ACL", ["SETUSER", name, "on", ">abc", "~*", "+ping"])
      try {
        const own = new URL(url)
        own.username = name
        own.password = "abc"
        const outcome = await newSender().send(deliveryTo(target(own.href, { stream })), nowMs)
        expect(outcome).toMatchObject({ result: "retry", fault: "auth" })
        expect(outcome.detail).toStartWith("NOPERM ")
      } finally {
        await reader.send("ACL", ["DELUSER", name])
      }
    })
  })
}

if (redisProgram === null) {
  console.log("redis-sender.test.ts: redis-server is not installed, the tests that stop it are skipped")
} else {
  describe("a Redis that goes away", () => {
    let server: OwnRedisServer
    beforeAll(async () => {
      server = await startRedisServer()
    })
    afterAll(() => server.kill())
    const send = (sender: HookSender, timeoutMs = 2_000): Promise<AttemptOutcome> =>
      sender.send(deliveryTo(target(server.url), {}, { timeoutMs }), nowMs)

    test("costs attempts while it is gone, and none when it is back", async () => {
      const sender = newSender()
      expect((await send(sender)).result).toBe("delivered")
      await server.kill()
      const outcome = await send(sender)
      expect(outcome).toMatchObject({ result: "retry", status: null, response: null })
      expect(["reset", "connect"]).toContain(outcome.fault as string)
      expect(await send(sender)).toMatchObject({ result: "retry", fault: "connect" })
      await server.start()
      expect((await send(sender)).result).toBe("delivered")
    })

    test("that stands still costs the attempt's time and no more, and its connection is given up", async () => {
      const sender = newSender()
      expect((await send(sender)).result).toBe("delivered")
      server.freeze()
      // The signal takes a moment to arrive.
      await Bun.sleep(50)
      try {
        const outcomes = await Promise.all([send(sender, 200), send(sender, 200)])
        for (const { result, fault, durationMs } of outcomes) {
          expect(result).toBe("retry")
          expect(fault).toBe("timeout")
          expect(durationMs).toBeWithin(150, 1_500)
        }
      } finally {
        server.thaw()
      }
      expect((await send(sender)).result).toBe("delivered")
    })
  })
}

describe("TLS", () => {
  const trusted = selfSigned("redis.example.com")
  const serve = (certificate: { cert: string; key: string }) => {
    const heard: string[] = []
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      tls: certificate,
      socket: {
        data(socket, bytes) {
          heard.push(bytes.toString("latin1"))
          socket.write(bytes.includes("XADD") ? "$3\r\n1-0\r\n" : "+OK\r\n")
        },
        error() {},
      },
    })
    closes({ close: () => server.stop(true) })
    return { port: server.port, heard }
  }
  // Every name is on the loopback, so what tells hosts apart is the name and never the address.
  const anywhere = createOutgoing({ allowPrivate: true, resolve: async () => ["127.0.0.1"] })
  const send = (url: string, ca: string | undefined): Promise<AttemptOutcome> =>
    newSender({ outgoing: anywhere, ...(ca === undefined ? {} : { ca }) }).send(deliveryTo(target(url)), nowMs)

  test("delivers where the certificate is the host's", async () => {
    const { port, heard } = serve(trusted)
    expect(await send(`rediss://:open-sesame@localhost:${port}`, trusted.cert)).toMatchObject({
      result: "delivered",
      response: { body: "1-0" },
    })
    expect(heard[0]).toBe("*2\r\n$4\r\nAUTH\r\n$11\r\nopen-sesame\r\n")
    expect(await send(`rediss://127.0.0.1:${port}`, trusted.cert)).toMatchObject({ result: "delivered" })
  })

  test("says nothing to a server whose certificate has another name, though the address is right", async () => {
    const { port, heard } = serve(trusted)
    expect(await send(`rediss://:open-sesame@other.example.com:${port}`, trusted.cert)).toMatchObject({
      result: "retry",
      fault: "tls",
    })
    expect(heard).toEqual([])
  })

  test("says nothing to a server whose certificate nobody vouches for", async () => {
    const { port, heard } = serve(trusted)
    const outcome = await send(`rediss://:open-sesame@localhost:${port}`, undefined)
    expect(outcome).toMatchObject({ result: "retry", fault: "tls" })
    expect(outcome.detail).toMatch(/certificate/i)
    expect(await send(`rediss://localhost:${port}`, selfSigned("localhost").cert)).toMatchObject({ fault: "tls" })
    expect(heard).toEqual([])
  })

  test("says nothing to a server that speaks no TLS", async () => {
    const heard: string[] = []
    const server = rawServer((socket, text) => {
      heard.push(text)
      socket.write("-ERR unknown\r\n")
    })
    const outcome = await send(`rediss://:open-sesame@localhost:${server.port}`, trusted.cert)
    expect(outcome).toMatchObject({ result: "retry", fault: "tls" })
    expect(heard.join("")).not.toContain("open-sesame")
  })
})

describe("case 62", () => {
  test("case 62: only addresses that may be connected to are, and no name is looked up twice", async () => {
    const server = rawServer((socket) => socket.write("$3\r\n1-0\r\n"))
    let lookUps = 0
    const watched: Outgoing = {
      ...outgoing,
      async addressesOf(host) {
        lookUps += 1
        if (host === "inner.example.com") throw new OutgoingError("refused-address", 0)
        return ["127.0.0.1"]
      },
    }
    const sender = newSender({ outgoing: watched })
    const refused = await sender.send(deliveryTo(target(`redis://inner.example.com:${server.port}`)), nowMs)
    expect(refused).toMatchObject({ result: "retry", fault: "refused-address" })
    expect(server.connectionCount).toBe(0)
    // The name resolves nowhere: only the checked address can have been connected to.
    const allowed = await sender.send(deliveryTo(target(`redis://outer.invalid:${server.port}`)), nowMs)
    expect(allowed.result).toBe("delivered")
    expect([server.connectionCount, lookUps]).toEqual([1, 2])
  })

  test("case 62: every spelling of a private address is refused", async () => {
    const server = rawServer((socket) => socket.write("$3\r\n1-0\r\n"))
    const guarded = closes(createOutgoing({ allowPrivate: false }))
    const sender = newSender({ outgoing: guarded })
    const hosts = [
      "127.0.0.1",
      "127.1",
      "2130706433",
      "0x7f.1",
      "0177.0.0.1",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "localhost",
    ]
    for (const host of [...hosts, "LOCALHOST", "127.0.0.1.", "%3127.0.0.1", "１２７.0.0.1"]) {
      const outcome = await sender.send(deliveryTo(target(`redis://${host}:${server.port}`)), nowMs)
      expect([host, outcome.result, outcome.fault]).toEqual([host, "retry", expect.stringMatching(/^refused-/)])
    }
    expect(server.connectionCount).toBe(0)
  })
})

describe("servers that behave badly", () => {
  const send = (port: number, timeoutMs = 300, url = `redis://127.0.0.1:${port}`): Promise<AttemptOutcome> =>
    newSender().send(deliveryTo(target(url), {}, { timeoutMs }), nowMs)

  const answers: [string, string, string][] = [
    ["another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"],
    ["a greeting before it is asked", "220 mail.example.com\r\n", "protocol"],
    ["a length that is none", "$x\r\n", "protocol"],
    ["a negative length", "$-1\r\n", "protocol"],
    ["a length beyond all bounds", "$99999999999999999999\r\n", "protocol"],
    ["an array", "*1\r\n$1\r\na\r\n", "protocol"],
    ["half an answer", "$10\r\nabc", "timeout"],
    ["a line without an end", "+OK", "timeout"],
    ["an error", "-LOADING Redis is loading the dataset in memory\r\n", "rejected"],
    ["nothing that can be shown", "-\u0000\u001b[2J\r\n", "rejected"],
  ]
  for (const [name, answer, fault] of answers) {
    test(`${name} is tried again: ${fault}`, async () => {
      const server = rawServer((socket) => socket.write(answer))
      const outcome = await send(server.port)
      expect(outcome).toMatchObject({ result: "retry", fault })
      expect(outcome.detail).not.toMatch(/(?![\t\n\r])\p{Cc}/u)
    })
  }

  test("one that closes at once, and one that is not there", async () => {
    const server = rawServer((socket) => socket.end())
    expect(await send(server.port)).toMatchObject({ result: "retry", fault: "reset" })
    expect(await send(await freePort())).toMatchObject({ result: "retry", fault: "connect" })
  })

  test("one answer that never ends is cut off before it fills the memory", async () => {
    let sentBytes = 0
    let isClosed = false
    const chunk = Buffer.alloc(64 * 1024, 97)
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket) {
          socket.write("$500000000\r\n")
          pump(socket)
        },
        drain: (socket) => pump(socket),
        close() {
          isClosed = true
        },
        error() {},
      },
    })
    closes({ close: () => server.stop(true) })
    function pump(socket: { write(bytes: Uint8Array): number }): void {
      for (let round = 0; round < 100 && !isClosed; round++) {
        const written = socket.write(chunk)
        sentBytes += Math.max(0, written)
        if (written < chunk.length) return
      }
    }
    const outcome = await send(server.port, 2_000)
    expect(outcome).toMatchObject({ result: "retry", fault: "protocol" })
    expect(outcome.durationMs).toBeLessThan(1_500)
    // What the two systems between hold is not ours.
    expect(sentBytes).toBeLessThan(32 * 1024 * 1024)
  })

  test("one that repeats the password does not get it shown", async () => {
    const echoed = rawServer((socket, text) => socket.write(`-ERR unknown command: ${text.replace(/\r\n/g, " ")}\r\n`))
    const atAuth = await send(echoed.port, 300, `redis://:open-sesame@127.0.0.1:${echoed.port}`)
    expect(atAuth).toMatchObject({ result: "retry", fault: "auth" })
    const late = rawServer((socket, text) => socket.write(text.includes("AUTH") ? "+OK\r\n" : "-ERR open-sesame!\r\n"))
    const atAdd = await send(late.port, 300, `redis://:open-sesame@127.0.0.1:${late.port}`)
    expect(atAdd).toMatchObject({ result: "retry", detail: "ERR [masked]!" })
    for (const outcome of [atAuth, atAdd]) expect(JSON.stringify(outcome)).not.toContain("open-sesame")
  })

  /** Answers the n-th entry after `pausesMs[n - 1]`, in their order. */
  const slowServer = (pausesMs: readonly number[]): RawServer => {
    let count = 0
    let turn: Promise<void> = Promise.resolve()
    return rawServer((socket, text) => {
      for (const _ of text.matchAll(/XADD/g)) {
        const number = ++count
        const pause = Bun.sleep(pausesMs[number - 1] ?? 0)
        turn = turn.then(() => pause).then(() => void socket.write(`$3\r\n${number}-0\r\n`))
      }
    })
  }

  test("an answer that comes too late is not taken for the next one's", async () => {
    const server = slowServer([30, 200, 0])
    const sender = newSender()
    const one = (timeoutMs: number) =>
      sender.send(deliveryTo(target(`redis://127.0.0.1:${server.port}`), {}, { timeoutMs }), nowMs)
    const [first, second] = await Promise.all([one(1_000), one(100)])
    expect(first.response?.body).toBe("1-0")
    expect(second).toMatchObject({ result: "retry", fault: "timeout" })
    // The server is slow and not away: something came since, so the connection stays.
    expect((await one(1_000)).response?.body).toBe("3-0")
    expect(server.connectionCount).toBe(1)
  })

  test("a connection that says nothing at all is given up", async () => {
    const server = slowServer([400, 0])
    const sender = newSender()
    const one = (timeoutMs: number) =>
      sender.send(deliveryTo(target(`redis://127.0.0.1:${server.port}`), {}, { timeoutMs }), nowMs)
    expect(await one(100)).toMatchObject({ result: "retry", fault: "timeout" })
    await one(1_000)
    expect(server.connectionCount).toBe(2)
  })
})

test("settings that are none are outcomes too", async () => {
  const sender = newSender()
  for (const url of ["", "no url", "http://127.0.0.1", "redis://", "redis://h:0", "redis://h/x", "redis://h/1/2"]) {
    expect([url, await sender.send(deliveryTo(target(url)), nowMs)]).toMatchObject([
      url,
      { result: "retry", fault: "refused-url" },
    ])
  }
  const broken = await sender.send(deliveryTo(target("redis://:%zz@127.0.0.1")), nowMs)
  expect(broken).toMatchObject({ result: "retry", fault: "refused-url" })
  const other: HookTarget = { kind: "webhook", url: "https://backend.example.com" }
  expect(await sender.send(deliveryTo(other), nowMs)).toMatchObject({ result: "refused", fault: "target" })
  const big = deliveryTo(target("redis://127.0.0.1"), { body: "x".repeat(limits.brokerBodyBytesMax + 1) })
  expect(await sender.send(big, nowMs)).toMatchObject({ result: "refused", fault: "too-big" })
})
