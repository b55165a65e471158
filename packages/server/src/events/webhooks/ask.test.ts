// Questions to a backend that is really there: what it is asked, what each answer means, and how long one that is away
// is waited for.

import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { createServer, type Server, type Socket } from "node:net"
import { inputError } from "@weir/protocol"
import { fakeServiceForTests } from "../../../test/queues.ts"
import { type Clock, systemClock } from "../../base/clock.ts"
import { createLogger } from "../../base/log.ts"
import { createOutgoing, type Outgoing } from "../../base/outgoing.ts"
import { parseBody } from "../../request/input.ts"
import { type AskFault, createHookAsk, type HookAsk, type Question, type Reading, type Reply } from "./ask.ts"
import type { HookSigner } from "./hook.ts"
import { limits } from "./limits.ts"

const signer: HookSigner = { api: { apiKey: "a1b2c3d4e5f6", secret: "0123456789abcdef".repeat(4) }, own: [] }
const body = '{"message":{"text":"grüezi 👋"}}'

const { fake: backend, outgoing } = fakeServiceForTests()
const log: { message: string; [name: string]: unknown }[] = []
/** Added to the machine's monotonic time, so that no test waits for a pause to end. */
let aheadMs = 0
const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + aheadMs }

beforeEach(() => {
  log.length = 0
  backend.answer = () => new Response("{}")
})
const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

const hookAsk = (more: { outgoing?: Outgoing; signerOf?: () => Promise<HookSigner> } = {}): HookAsk =>
  createHookAsk({
    outgoing,
    signerOf: () => signer,
    parse: parseBody,
    clock,
    log: createLogger({ level: "warn", format: "json", write: (line) => log.push(JSON.parse(line)) }),
    ...more,
  })

interface Said extends Reading {
  readonly json: unknown
}
const question = (more: Partial<Question<Said>> = {}): Question<Said> => ({
  purpose: "test-question",
  appId: 7,
  url: `${backend.url}/ask?token=hidden`,
  timeoutMs: 2_000,
  body,
  read: (json) => ({ kind: "said", json }),
  ...more,
})
const faultOf = (reply: Reply<Reading>): AskFault | null => (reply.kind === "failed" ? reply.fault : null)

/** A server of bare TCP: what it does with a connection is the test's. */
async function listen(onConnection: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createServer((socket) => {
    socket.on("error", () => {})
    onConnection(socket)
  })
  await new Promise<void>((go) => server.listen(0, "127.0.0.1", go))
  cleanUps.push(() => void server.close())
  return { port: (server.address() as { port: number }).port, server }
}

describe("what is asked", () => {
  test("is one signed POST, each with an id of its own", async () => {
    backend.answer = () => Response.json({ text: "ja" })
    const ask = hookAsk()
    for (let n = 0; n < 2; n++) {
      expect(await ask.ask(question())).toEqual({ kind: "answer", answer: { kind: "said", json: { text: "ja" } } })
    }
    expect(backend.requests.map(({ url, body: sent }) => [new URL(url).pathname, sent])).toEqual([
      ["/ask", body],
      ["/ask", body],
    ])
    for (const { headers } of backend.requests) {
      expect(headers.get("content-type")).toBe("application/json")
      expect(headers.get("x-api-key")).toBe("a1b2c3d4e5f6")
      expect(headers.get("x-webhook-attempt")).toBe("1")
      const secret = signer.api?.secret as string
      expect(headers.get("x-signature")).toBe(createHmac("sha256", secret).update(body).digest("hex"))
    }
    const ids = backend.requests.map(({ headers }) => headers.get("x-webhook-id"))
    expect(ids[0]).toMatch(/^ask_[\w-]{10,}$/)
    expect(new Set(ids).size).toBe(2)
  })

  test("an empty answer of any 2xx is null", async () => {
    for (const answer of [
      () => new Response(null, { status: 204 }),
      () => new Response(""),
      () => new Response("null"),
    ]) {
      backend.answer = answer
      expect(await hookAsk().ask(question())).toEqual({ kind: "answer", answer: { kind: "said", json: null } })
    }
  })
})

describe("what counts as no answer", () => {
  const answers: readonly (readonly [string, () => Response, AskFault])[] = [
    ["an error", () => Response.json({ text: "no" }, { status: 500 }), "status"],
    ["a refusal", () => new Response("{}", { status: 404 }), "status"],
    ["a redirect", () => new Response(null, { status: 302, headers: { location: "/elsewhere" } }), "redirect"],
    ["no JSON", () => new Response("<html>"), "answer"],
    ["no UTF-8", () => new Response(new Uint8Array([0x22, 0xff, 0x22])), "answer"],
    ["JSON that is nested too deep", () => new Response("[".repeat(5_000) + "]".repeat(5_000)), "answer"],
    ["half a surrogate pair", () => new Response('{"text":"\\ud800"}'), "answer"],
    ["one byte too many", () => new Response(`"${"x".repeat(limits.responseBytesMax - 1)}"`), "too-big"],
  ]
  for (const [name, answer, fault] of answers) {
    test(name, async () => {
      backend.answer = answer
      const ask = hookAsk()
      const reply = await ask.ask(question())
      expect(faultOf(reply)).toBe(fault)
      expect(backend.requests).toHaveLength(1)
      expect(ask.failuresOf(7)).toMatchObject([{ purpose: "test-question", fault }])
      expect(ask.failuresOf(8)).toEqual([])
    })
  }
  test("the longest answer still is one", async () => {
    backend.answer = () => new Response(`"${"x".repeat(limits.responseBytesMax - 2)}"`)
    expect((await hookAsk().ask(question())).kind).toBe("answer")
  })

  test("one that means nothing here, and operators are told why", async () => {
    const read = () => {
      throw inputError("text is missing")
    }
    const ask = hookAsk()
    expect(await ask.ask(question({ read }))).toEqual({ kind: "failed", fault: "answer", detail: "text is missing" })
    expect(ask.failuresOf(7)).toMatchObject([{ fault: "answer", detail: "text is missing" }])
  })

  test("one that comes too late, whether nothing of it comes or only half", async () => {
    const slow = [() => {}, (socket: Socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{")]
    for (const onConnection of slow) {
      const { port } = await listen(onConnection)
      const startedMs = performance.now()
      const reply = await hookAsk().ask(question({ url: `http://127.0.0.1:${port}/`, timeoutMs: 200 }))
      expect(faultOf(reply)).toBe("timeout")
      const tookMs = performance.now() - startedMs
      expect(tookMs).toBeGreaterThanOrEqual(190)
      expect(tookMs).toBeLessThan(200 + limits.askSlackMs + 300)
    }
  })

  test("the whole question has an end, also when it is not the backend that is slow", async () => {
    const ask = hookAsk()
    const stuck = question({ timeoutMs: 100, read: () => new Promise<Said>(() => {}) })
    expect(faultOf(await ask.ask(stuck))).toBe("timeout")
  })

  test("a connection that ends or does not come about, and a secret that does not open", async () => {
    const { port } = await listen((socket) => socket.destroy())
    expect(faultOf(await hookAsk().ask(question({ url: `http://127.0.0.1:${port}/` })))).toMatch(/^(reset|protocol)$/)
    const { port: closed, server } = await listen(() => {})
    await new Promise((go) => server.close(go))
    expect(faultOf(await hookAsk().ask(question({ url: `http://127.0.0.1:${closed}/` })))).toBe("connect")
    const ask = hookAsk({ signerOf: () => Promise.reject(new Error("sealed with another key")) })
    expect(await ask.ask(question())).toEqual({ kind: "failed", fault: "internal", detail: "sealed with another key" })
    expect(backend.requests).toEqual([])
  })

  test("case 62: a backend at a private address is not asked unless that is allowed", async () => {
    const guarded = createOutgoing({ allowPrivate: false })
    cleanUps.push(() => guarded.close())
    const ask = hookAsk({ outgoing: guarded })
    for (const host of ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"]) {
      const reply = await ask.ask(question({ url: `https://${host}:${backend.port}/ask` }))
      expect(faultOf(reply)).toMatch(/^refused-(address|url)$/)
    }
    expect(backend.requests).toEqual([])
  })
})

describe("many questions", () => {
  test("of one app wait at the same time up to a bound, and other apps are not held up", async () => {
    let open = (): void => {}
    const gate = new Promise<void>((go) => {
      open = go
    })
    backend.answer = () => gate.then(() => new Response("{}"))
    const ask = hookAsk()
    const waiting = Array.from({ length: limits.asksInFlightMax }, () => ask.ask(question({ timeoutMs: 10_000 })))
    expect(faultOf(await ask.ask(question()))).toBe("busy")
    const other = ask.ask(question({ appId: 8, timeoutMs: 10_000 }))
    open()
    expect((await Promise.all([...waiting, other])).map(({ kind }) => kind)).not.toContain("failed")
    // Those that are answered make room.
    expect((await ask.ask(question())).kind).toBe("answer")
  })

  test("are counted by how they ended", async () => {
    const ask = hookAsk()
    await ask.ask(question())
    await ask.ask(question({ read: () => ({ kind: "rewritten", json: null }) }))
    backend.answer = () => new Response(null, { status: 500 })
    await ask.ask(question())
    await ask.ask(question())
    const { questions, durations } = ask.counts()
    expect(questions).toEqual([
      { purpose: "test-question", result: "answer", outcome: "said", total: 1 },
      { purpose: "test-question", result: "answer", outcome: "rewritten", total: 1 },
      { purpose: "test-question", result: "failed", outcome: "status", total: 2 },
    ])
    expect(durations.count).toBe(4)
    expect(durations.buckets.reduce((sum, value) => sum + value, 0)).toBe(4)
  })

  test("that fail are logged once in a while, without what may be secret in the URL, and kept up to a bound", async () => {
    backend.answer = () => new Response(null, { status: 500 })
    const ask = hookAsk()
    for (let n = 0; n < limits.askFailuresKeptMax + 3; n++) await ask.ask(question())
    expect(log).toHaveLength(1)
    expect(log[0]).toMatchObject({ app_id: 7, fault: "status", origin: backend.url })
    expect(JSON.stringify(log)).not.toContain("hidden")
    expect(ask.failuresOf(7)).toHaveLength(limits.askFailuresKeptMax)
    aheadMs += limits.askWarnEveryMs
    await ask.ask(question())
    expect(log).toHaveLength(2)
    expect(log[1]).toMatchObject({ failed_since: limits.askFailuresKeptMax + 3 })
  })
})

describe("a backend that is away", () => {
  let silent: { port: number; server: Server }
  let connections = 0
  let isSilent = true
  beforeEach(async () => {
    connections = 0
    isSilent = true
    silent = await listen((socket) => {
      connections++
      if (!isSilent) socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
    })
  })
  const toSilent = () => question({ url: `http://127.0.0.1:${silent.port}/`, timeoutMs: 60 })
  const away = async (ask: HookAsk): Promise<void> => {
    for (let n = 0; n < limits.unansweredUntilAway; n++) expect(faultOf(await ask.ask(toSilent()))).toBe("timeout")
  }

  test("is not waited for, and asked again after a pause by one question at a time", async () => {
    const ask = hookAsk()
    await away(ask)
    const startedMs = performance.now()
    for (let n = 0; n < 50; n++) expect(faultOf(await ask.ask(toSilent()))).toBe("away")
    expect(performance.now() - startedMs).toBeLessThan(1_000)
    expect(connections).toBe(limits.unansweredUntilAway)
    // Other backends, of this app and of others, are not held responsible.
    expect((await ask.ask(question())).kind).toBe("answer")
    expect(faultOf(await ask.ask({ ...toSilent(), appId: 8 }))).toBe("timeout")
    connections = 0

    aheadMs += limits.awayMsMin
    const replies = await Promise.all([toSilent(), toSilent(), toSilent()].map((asked) => ask.ask(asked)))
    expect(replies.map(faultOf)).toEqual(["timeout", "away", "away"])
    expect(connections).toBe(1)
    // It did not answer, so the next pause is twice as long.
    aheadMs += limits.awayMsMin
    expect(faultOf(await ask.ask(toSilent()))).toBe("away")
    aheadMs += limits.awayMsMin
    isSilent = false
    expect((await ask.ask(toSilent())).kind).toBe("answer")
    expect((await ask.ask(toSilent())).kind).toBe("answer")
    // What it did wrong before is forgotten: it takes as many failures as the first time.
    isSilent = true
    await away(ask)
    expect(faultOf(await ask.ask(toSilent()))).toBe("away")
  })

  test("is left alone for no longer than a bound", async () => {
    const ask = hookAsk()
    await away(ask)
    for (let n = 0; n < 8; n++) {
      aheadMs += limits.awayMsMax
      expect(faultOf(await ask.ask(toSilent()))).toBe("timeout")
    }
  })

  test("is none that answers with errors: whoever finds what breaks it must not switch it off for others", async () => {
    const ask = hookAsk()
    backend.answer = () => new Response(null, { status: 500 })
    for (let n = 0; n < limits.unansweredUntilAway * 3; n++) expect(faultOf(await ask.ask(question()))).toBe("status")
    backend.answer = () => new Response("{}")
    expect((await ask.ask(question())).kind).toBe("answer")
  })
})
