// Against a real NATS server, read back with the official client, and against servers that behave badly.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { gunzipSync } from "node:zlib"
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import {
  brokerTests,
  deliveryTo,
  freePort,
  hexHmac,
  natsProgram,
  nowMs,
  type OwnNatsServer,
  type RawServer,
  startNatsServer,
  webhookId,
} from "../../../test/queues.ts"
import { selfSigned } from "../../../test/self-signed.ts"
import { createOutgoing, type Outgoing, OutgoingError } from "../../base/outgoing.ts"
import type { AttemptOutcome, Hook, HookDelivery, HookSender, HookTarget, TargetOf } from "./hook.ts"
import { limits } from "./limits.ts"
import { createNatsSender } from "./nats-sender.ts"

const { outgoing, closes, newSender, rawServer } = brokerTests(createNatsSender)

const target = (url: string, parts: Partial<TargetOf<"nats">> = {}): TargetOf<"nats"> => ({
  kind: "nats",
  url,
  subject: "weir.events",
  user: null,
  password: null,
  token: null,
  ...parts,
})

if (natsProgram === null) console.log("nats-sender.test.ts: nats-server is not installed, the tests on it are skipped")
else onNats()

function onNats(): void {
  describe("a real NATS server", () => {
    let server: OwnNatsServer
    let client: NatsConnection
    let manager: JetStreamManager
    beforeAll(async () => {
      server = await startNatsServer("max_payload: 65536")
      client = await connect({ servers: [`127.0.0.1:${server.port}`] })
      manager = await jetstreamManager(client)
      await manager.streams.add({ name: "EVENTS", subjects: ["weir.>"], max_msg_size: 32_768 })
    })
    afterAll(async () => {
      await client.close()
      await server.close()
    })
    afterEach(() => manager.streams.purge("EVENTS"))

    const url = (): string => `nats://127.0.0.1:${server.port}`
    const send = (
      sender: HookSender,
      parts: Partial<HookDelivery> = {},
      hook: Partial<Hook> = {},
      own: Partial<TargetOf<"nats">> = {},
    ): Promise<AttemptOutcome> => sender.send(deliveryTo(target(url(), own), parts, hook), nowMs)
    const messages = async (): Promise<{ subject: string; headers: Record<string, string>; data: Buffer }[]> => {
      const { state } = await manager.streams.info("EVENTS")
      const found: { subject: string; headers: Record<string, string>; data: Buffer }[] = []
      for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
        const message = await manager.streams.getMessage("EVENTS", { seq })
        if (message === null) continue
        const headers: Record<string, string> = {}
        for (const [name, values] of message.header) headers[name] = values.join()
        found.push({ subject: message.subject, headers, data: Buffer.from(message.data) })
      }
      return found
    }

    test("has the event and its headers in the stream", async () => {
      const delivery = deliveryTo(target(url()), { attempt: 2 })
      const outcome = await newSender().send(delivery, nowMs)
      const [message, ...others] = await messages()
      expect(others).toEqual([])
      expect(message?.subject).toBe("weir.events")
      expect(message?.data.toString()).toBe(delivery.body)
      expect(message?.headers).toMatchObject({
        "Nats-Msg-Id": webhookId,
        "Content-Type": "application/json",
        "X-Webhook-Id": webhookId,
        "X-Webhook-Attempt": "2",
        "X-Api-Key": "a1b2c3d4e5f6",
        "X-Signature": hexHmac(delivery.body),
        "webhook-id": webhookId,
        "webhook-timestamp": "1800000000",
        event_type: "message.new",
      })
      expect(message?.headers).not.toHaveProperty("Content-Encoding")
      expect(outcome).toMatchObject({
        result: "delivered",
        status: null,
        fault: null,
        detail: null,
        request: { target: `nats://127.0.0.1:${server.port} weir.events` },
      })
      expect(JSON.parse(outcome.response?.body ?? "")).toMatchObject({ stream: "EVENTS" })
    })

    test("has an event once, however often it is sent", async () => {
      const sender = newSender()
      const id = "msg_again-1"
      const first = await send(sender, { webhookId: id })
      const second = await send(sender, { webhookId: id, attempt: 2 })
      expect([first.result, second.result]).toEqual(["delivered", "delivered"])
      expect(JSON.parse(second.response?.body ?? "")).toMatchObject({ duplicate: true })
      expect(await messages()).toHaveLength(1)
    })

    test("has the gzip itself with compression, and says so", async () => {
      const delivery = deliveryTo(target(url()), { webhookId: "msg_packed-1" }, { compression: "gzip" })
      expect((await newSender().send(delivery, nowMs)).result).toBe("delivered")
      const [message] = await messages()
      expect(message?.headers["Content-Encoding"]).toBe("gzip")
      expect(gunzipSync(message?.data ?? Buffer.alloc(0)).toString()).toBe(delivery.body)
    })

    test("takes text that looks like its own protocol, in their order", async () => {
      const sender = newSender()
      const body = (index: number) => `{"n":${index},"text":"\r\nPUB other 1\r\nx\r\n😀"}`
      const outcomes = await Promise.all(
        Array.from({ length: 300 }, (_, index) => send(sender, { webhookId: `msg_many-${index}`, body: body(index) })),
      )
      expect(new Set(outcomes.map(({ result }) => result))).toEqual(new Set(["delivered"]))
      const found = await messages()
      expect(found.map(({ data }) => data.toString())).toEqual(Array.from({ length: 300 }, (_, index) => body(index)))
    })

    test("refuses what is too big for it, and what is too big for the stream", async () => {
      const sender = newSender()
      const forServer = await send(sender, { webhookId: "msg_big-1", body: "x".repeat(65_536) })
      expect(forServer).toMatchObject({ result: "refused", fault: "too-big" })
      expect(forServer.detail).toContain("65536")
      const forStream = await send(sender, { webhookId: "msg_big-2", body: "x".repeat(40_000) })
      expect(forStream).toMatchObject({ result: "refused", fault: "rejected" })
      expect(forStream.detail).toStartWith("10054: ")
      expect((await send(sender, { webhookId: "msg_big-3", body: "x".repeat(30_000) })).result).toBe("delivered")
    })

    test("that has no stream for the subject says so at once, and takes it when there is one", async () => {
      const sender = newSender()
      const own = { subject: "other.events" }
      const outcome = await send(sender, {}, { timeoutMs: 2_000 }, own)
      expect(outcome).toMatchObject({ result: "retry", fault: "not-found" })
      expect(outcome.durationMs).toBeLessThan(1_500)
      await manager.streams.add({ name: "OTHER", subjects: ["other.>"] })
      expect((await send(sender, {}, {}, own)).result).toBe("delivered")
      await manager.streams.delete("OTHER")
    })

    test("whose answer is no acknowledgement does not count as a stream", async () => {
      const sub = client.subscribe("plain.events", { callback: (_, message) => void message.respond("thanks") })
      const outcome = await send(newSender(), {}, {}, { subject: "plain.events" })
      expect(outcome).toMatchObject({ result: "retry", fault: "protocol", response: { body: "thanks" } })
      sub.unsubscribe()
    })
  })

  describe("a NATS server that goes away", () => {
    test("costs attempts while it is gone or stands still, and none when it is back", async () => {
      const server = await startNatsServer()
      try {
        const stream = async () => {
          const client = await connect({ servers: [`127.0.0.1:${server.port}`] })
          await (await jetstreamManager(client)).streams.add({ name: "EVENTS", subjects: ["weir.>"] })
          await client.close()
        }
        await stream()
        const sender = newSender()
        let count = 0
        const send = (timeoutMs = 2_000): Promise<AttemptOutcome> => {
          count += 1
          const own = target(`nats://127.0.0.1:${server.port}`)
          return sender.send(deliveryTo(own, { webhookId: `msg_away-${count}` }, { timeoutMs }), nowMs)
        }
        expect((await send()).result).toBe("delivered")
        server.freeze()
        // The signal takes a moment to arrive.
        await Bun.sleep(50)
        const outcomes = await Promise.all([send(200), send(200)])
        server.thaw()
        for (const outcome of outcomes) expect(outcome).toMatchObject({ result: "retry", fault: "timeout" })
        expect((await send()).result).toBe("delivered")
        await server.kill()
        const gone = await send()
        expect(gone.result).toBe("retry")
        expect(["reset", "connect"]).toContain(gone.fault as string)
        expect(await send()).toMatchObject({ result: "retry", fault: "connect" })
        await server.start()
        let back = await send()
        // The stream itself comes a moment after the server.
        for (let round = 0; round < 50 && back.result !== "delivered"; round++) {
          await Bun.sleep(50)
          back = await send()
        }
        expect(back.result).toBe("delivered")
      } finally {
        await server.close()
      }
    })

    test("that says so beforehand is asked no more over the connection that ends", async () => {
      const server = await startNatsServer("lame_duck_duration: 30s\nlame_duck_grace_period: 1s")
      try {
        const client = await connect({ servers: [`127.0.0.1:${server.port}`], reconnect: false })
        await (await jetstreamManager(client)).streams.add({ name: "EVENTS", subjects: ["weir.>"] })
        const told = (async () => {
          for await (const status of client.status()) if (status.type === "ldm") return
        })()
        const sender = newSender()
        const own = target(`nats://127.0.0.1:${server.port}`)
        expect((await sender.send(deliveryTo(own), nowMs)).result).toBe("delivered")
        server.retire()
        await told
        await Bun.sleep(50)
        // It listens no more, so a new connection does not come about; the old one would still have taken it.
        expect(await sender.send(deliveryTo(own, { webhookId: "msg_late-1" }), nowMs)).toMatchObject({
          result: "retry",
          fault: "connect",
        })
        await client.close()
      } finally {
        await server.close()
      }
    })
  })

  describe("who may", () => {
    const certificate = selfSigned("nats.example.com")
    const files = { "cert.pem": certificate.cert, "key.pem": certificate.key }
    const users = `authorization { users: [
      { user: "weir", password: "open-sesame" }
      { user: "reader", password: "abc", permissions: { publish: "nothing", subscribe: ">" } }
      { user: "deaf", password: "abc", permissions: { publish: ">", subscribe: "nothing" } }
    ] }`
    const anywhere = createOutgoing({ allowPrivate: true, resolve: async () => ["127.0.0.1"] })
    let secured: OwnNatsServer
    let tokened: OwnNatsServer
    beforeAll(async () => {
      secured = await startNatsServer(
        `tls { cert_file: "FOLDER/cert.pem", key_file: "FOLDER/key.pem" }\n${users}`,
        files,
      )
      tokened = await startNatsServer(`authorization { token: "s3cr3t-token" }`)
      for (const options of [
        { servers: [`127.0.0.1:${secured.port}`], user: "weir", pass: "open-sesame", tls: { ca: certificate.cert } },
        { servers: [`127.0.0.1:${tokened.port}`], token: "s3cr3t-token" },
      ]) {
        const client = await connect(options)
        await (await jetstreamManager(client)).streams.add({ name: "EVENTS", subjects: ["weir.>"] })
        await client.close()
      }
    })
    afterAll(async () => {
      await secured.close()
      await tokened.close()
    })
    const weir = { user: "weir", password: "open-sesame" }
    const send = (url: string, own: Partial<TargetOf<"nats">>, ca: string | undefined = certificate.cert) =>
      newSender({ outgoing: anywhere, ...(ca === "" ? {} : { ca }) }).send(deliveryTo(target(url, own)), nowMs)

    test("user and password are proof, over TLS with the host's certificate", async () => {
      expect((await send(`tls://localhost:${secured.port}`, weir)).result).toBe("delivered")
      expect((await send(`tls://127.0.0.1:${secured.port}`, weir)).result).toBe("delivered")
      // The server asks for TLS, so the other scheme gets it too.
      expect((await send(`nats://localhost:${secured.port}`, weir)).result).toBe("delivered")
      const wrong = await send(`tls://localhost:${secured.port}`, { user: "weir", password: "closed" })
      expect(wrong).toMatchObject({ result: "retry", fault: "auth", detail: "Authorization Violation" })
      expect(JSON.stringify(wrong)).not.toContain("closed")
      expect(await send(`tls://localhost:${secured.port}`, {})).toMatchObject({ result: "retry", fault: "auth" })
    })

    test("a certificate with another name, or that nobody vouches for, is not trusted", async () => {
      for (const scheme of ["tls", "nats"]) {
        const named = await send(`${scheme}://other.example.com:${secured.port}`, weir)
        expect(named).toMatchObject({ result: "retry", fault: "tls" })
        const unknown = await send(`${scheme}://localhost:${secured.port}`, weir, "")
        expect(unknown).toMatchObject({ result: "retry", fault: "tls" })
        expect(unknown.detail).toMatch(/certificate/i)
      }
    })

    test("a token is proof", async () => {
      const url = `nats://localhost:${tokened.port}`
      expect((await send(url, { token: "s3cr3t-token" })).result).toBe("delivered")
      const outcome = await send(url, { token: "another-token" })
      expect(outcome).toMatchObject({ result: "retry", fault: "auth" })
      expect(JSON.stringify(outcome)).not.toContain("another-token")
    })

    test("tls:// to a server without TLS sends it nothing", async () => {
      const outcome = await send(`tls://localhost:${tokened.port}`, { token: "s3cr3t-token" })
      expect(outcome).toMatchObject({ result: "retry", fault: "tls" })
    })

    test("a user who may not publish, or not hear the answer, is told so at once", async () => {
      for (const user of ["reader", "deaf"]) {
        const outcome = await send(`tls://localhost:${secured.port}`, { user, password: "abc" })
        expect(outcome).toMatchObject({ result: "retry", fault: "auth" })
        expect(outcome.detail).toMatch(/^Permissions Violation for (Publish|Subscription) to /i)
        expect(outcome.durationMs).toBeLessThan(1_500)
      }
    })
  })
}

describe("case 62", () => {
  test("case 62: only addresses that may be connected to are", async () => {
    const server = rawServer(() => {})
    const watched: Outgoing = {
      ...outgoing,
      addressesOf: async () => {
        throw new OutgoingError("refused-address", 0)
      },
    }
    const own = target(`nats://inner.example.com:${server.port}`)
    expect(await newSender({ outgoing: watched }).send(deliveryTo(own), nowMs)).toMatchObject({
      result: "retry",
      fault: "refused-address",
    })
    const guarded = closes(createOutgoing({ allowPrivate: false }))
    for (const host of ["127.0.0.1", "0x7f.1", "[::ffff:7f00:1]", "localhost"]) {
      const outcome = await newSender({ outgoing: guarded }).send(
        deliveryTo(target(`nats://${host}:${server.port}`)),
        nowMs,
      )
      expect([host, outcome.result, outcome.fault]).toEqual([host, "retry", expect.stringMatching(/^refused-/)])
    }
    expect(server.connectionCount).toBe(0)
  })
})

describe("servers that behave badly", () => {
  const info = (parts: object = {}): string =>
    `INFO ${JSON.stringify({ server_id: "x", version: "2.10.0", proto: 1, headers: true, max_payload: 65_536, ...parts })}\r\n`
  /** Answers a publication with `answer`, in which REPLY stands for the subject to answer to. */
  const natsLike = (answer: string, greeting = info()): RawServer =>
    rawServer(
      (socket, text) => {
        if (text.includes("PING\r\n")) socket.write("PONG\r\n")
        const replyTo = /HPUB \S+ (\S+) /.exec(text)?.[1]
        if (replyTo !== undefined) socket.write(answer.replaceAll("REPLY", replyTo))
      },
      (socket) => socket.write(greeting),
    )
  const send = (server: RawServer, timeoutMs = 300, own: Partial<TargetOf<"nats">> = {}): Promise<AttemptOutcome> =>
    newSender().send(deliveryTo(target(`nats://127.0.0.1:${server.port}`, own), {}, { timeoutMs }), nowMs)
  const message = (text: string): string => `MSG REPLY 1 ${Buffer.byteLength(text)}\r\n${text}\r\n`

  test("the double of the tests below is one that delivers", async () => {
    const server = natsLike(message('{"stream":"EVENTS","seq":7}'))
    expect(await send(server)).toMatchObject({ result: "delivered" })
  })

  const answers: [string, string, string][] = [
    ["no JSON", message("thanks"), "protocol"],
    ["JSON that is no object", message("null"), "protocol"],
    ["an acknowledgement of no stream", message('{"stream":"","seq":1}'), "protocol"],
    ["an error", message('{"error":{"code":503,"err_code":10077,"description":"no space"}}'), "rejected"],
    ["an error without words", message('{"error":{}}'), "rejected"],
    ["nobody there", "HMSG REPLY 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", "not-found"],
    ["another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"],
    ["bytes of no protocol", "\u0000\u0001\u0002", "protocol"],
    ["a count that is none", "MSG REPLY 1 x\r\n", "protocol"],
    ["a negative count", "MSG REPLY 1 -5\r\n", "protocol"],
    ["more headers than message", "HMSG REPLY 1 20 10\r\n0123456789\r\n", "protocol"],
    ["a message that is too big", "MSG REPLY 1 2000000000\r\n", "protocol"],
    ["half a message", "MSG REPLY 1 10\r\nabc", "timeout"],
    ["an answer to somebody else", `MSG _INBOX.other.1 1 2\r\n{}\r\n`, "timeout"],
    ["nothing but pings", "PING\r\n".repeat(2_000), "protocol"],
    ["an error that ends it", "-ERR 'Stale Connection'\r\n", "rejected"],
    ["settings that are none", "INFO {\r\n", "protocol"],
  ]
  for (const [name, answer, fault] of answers) {
    test(`${name} is tried again: ${fault}`, async () => {
      expect(await send(natsLike(answer))).toMatchObject({ result: "retry", fault })
    })
  }

  const greetings: [string, string, string][] = [
    ["no greeting", "", "timeout"],
    ["another protocol's greeting", "220 mail.example.com\r\n", "protocol"],
    ["a greeting without an end", "INFO {", "timeout"],
    ["a greeting that knows no headers", info({ headers: false }), "protocol"],
    ["TLS that does not come", info({ tls_required: true }), "tls"],
    ["words before TLS", `${info({ tls_required: true })}PING\r\n`, "protocol"],
  ]
  for (const [name, greeting, fault] of greetings) {
    test(`${name} is tried again: ${fault}`, async () => {
      let said = ""
      const server = rawServer(
        (socket, text) => {
          said += text
          socket.end()
        },
        (socket) => socket.write(greeting),
      )
      const outcome = await send(server, 300, { user: "weir", password: "open-sesame" })
      expect(outcome).toMatchObject({ result: "retry", fault })
      expect(said).not.toContain("open-sesame")
    })
  }

  test("a line that never ends is cut off before it fills the memory", async () => {
    let isOver = false
    const chunk = Buffer.alloc(16 * 1024, 97)
    const pump = (socket: Bun.Socket<undefined>): void => {
      if (isOver || socket.write(chunk) < 0) return
      setTimeout(pump, 1, socket)
    }
    const server = rawServer(
      () => {},
      (socket) => {
        socket.write("INFO {")
        pump(socket)
      },
    )
    const outcome = await send(server, 3_000)
    isOver = true
    expect(outcome).toMatchObject({ result: "retry", fault: "protocol" })
    expect(outcome.durationMs).toBeLessThan(2_000)
  })

  test("one that sends pings and reads nothing is left before the memory fills with what it does not read", async () => {
    const beats: ReturnType<typeof setInterval>[] = []
    const server = rawServer(
      (socket, text) => {
        if (!text.includes("PING\r\n")) return
        socket.write("PONG\r\n")
        socket.pause()
        beats.push(setInterval(() => socket.write("PING\r\n"), 20))
      },
      (socket) => socket.write(info({ max_payload: 2 * limits.brokerBodyBytesMax })),
    )
    closes({ close: () => beats.map(clearInterval) })
    const sender = newSender()
    const body = "x".repeat(limits.brokerBodyBytesMax)
    const faults: (string | null)[] = []
    while (faults.length < 10 && faults.at(-1) !== "busy") {
      const own = deliveryTo(target(`nats://127.0.0.1:${server.port}`), { body }, { timeoutMs: 400 })
      const outcome = await sender.send(own, nowMs)
      expect(outcome.result).toBe("retry")
      faults.push(outcome.fault)
    }
    // The pings show that the line is not dead, so what ends it is the bound.
    expect(faults.slice(0, -1).every((fault) => fault === "timeout")).toBe(true)
    expect(faults.at(-1)).toBe("busy")
    expect(server.connectionCount).toBe(1)
    await sender.send(deliveryTo(target(`nats://127.0.0.1:${server.port}`), {}, { timeoutMs: 150 }), nowMs)
    expect(server.connectionCount).toBe(2)
  })

  test("what a server says is in the outcome and nowhere else", async () => {
    const lines: unknown[] = []
    const real = { log: console.log, error: console.error, warn: console.warn }
    console.log = console.error = console.warn = (...parts: unknown[]) => void lines.push(parts)
    try {
      await send(natsLike('x\n{"level":"error","message":"a line of somebody else"}\n'))
      await send(natsLike("", "INFO {\n\n"))
    } finally {
      Object.assign(console, real)
    }
    expect(lines).toEqual([])
  })

  test("a stream that does not answer does not end the connection for another one", async () => {
    let count = 0
    const server = rawServer(
      (socket, text) => {
        if (text.includes("PING\r\n")) socket.write("PONG\r\n")
        for (const [, subject, replyTo] of text.matchAll(/HPUB (\S+) (\S+) /g)) {
          count += 1
          const ack = '{"stream":"EVENTS","seq":1}'
          if (subject !== "slow.events") socket.write(`MSG ${replyTo} 1 ${ack.length}\r\n${ack}\r\n`)
        }
      },
      (socket) => socket.write(info()),
    )
    const sender = newSender()
    const one = (subject: string, timeoutMs: number): Promise<AttemptOutcome> => {
      const own = target(`nats://127.0.0.1:${server.port}`, { subject })
      return sender.send(deliveryTo(own, {}, { timeoutMs }), nowMs)
    }
    const slow = one("slow.events", 150)
    await Bun.sleep(30)
    expect((await one("weir.events", 1_000)).result).toBe("delivered")
    expect(await slow).toMatchObject({ result: "retry", fault: "timeout" })
    expect((await one("weir.events", 1_000)).result).toBe("delivered")
    expect([count, server.connectionCount]).toEqual([3, 1])
  })

  test("one that is not there", async () => {
    const own = target(`nats://127.0.0.1:${await freePort()}`)
    expect(await newSender().send(deliveryTo(own), nowMs)).toMatchObject({ result: "retry", fault: "connect" })
  })
})

test("settings that are none are outcomes too", async () => {
  const sender = newSender()
  for (const url of ["", "no url", "http://127.0.0.1", "nats://", "nats://h:0", "ws://127.0.0.1"]) {
    expect(await sender.send(deliveryTo(target(url)), nowMs)).toMatchObject({ result: "retry", fault: "refused-url" })
  }
  for (const subject of ["", "a b", "a\r\nPUB b 0\r\n", "a.*", "a.>", ".a", "a.", "a..b", "x".repeat(300)]) {
    const own = target("nats://127.0.0.1:1", { subject })
    expect(await sender.send(deliveryTo(own), nowMs)).toMatchObject({ result: "retry", fault: "refused-url" })
  }
  const other: HookTarget = { kind: "webhook", url: "https://backend.example.com" }
  expect(await sender.send(deliveryTo(other), nowMs)).toMatchObject({ result: "refused", fault: "target" })
  const big = deliveryTo(target("nats://127.0.0.1:1"), { body: "x".repeat(limits.brokerBodyBytesMax + 1) })
  expect(await sender.send(big, nowMs)).toMatchObject({ result: "refused", fault: "too-big" })
  await sender.close()
  const late = await sender.send(deliveryTo(target("nats://127.0.0.1:1")), nowMs)
  expect(late).toMatchObject({ result: "retry", fault: "closing" })
})
