// What an endpoint for webhooks must answer, whichever framework it stands in: success only for what was handled, since
// the sender never sends that again. The signatures are made by the standardwebhooks library.

import { afterEach, describe, expect, spyOn, test } from "bun:test"
import { createHash, createHmac } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { connect } from "node:net"
import { gzipSync } from "node:zlib"
import { Webhook } from "standardwebhooks"
import {
  createReplayCache,
  expressWebhook,
  type HonoContext,
  honoWebhook,
  limits,
  nextWebhook,
  type WebhookAnswer,
  type WebhookEvent,
  type WebhookVerifierOptions,
} from "../src/index.ts"

const secret = `whsec_${createHash("sha256").update("secret").digest("base64")}`
const apiSecret = "0123456789abcdefghijklmnopqrstuv".repeat(2)
const body = '{"type":"message.new","text":"grüezi 👋"}'

let count = 0
function signedBy(
  parts: { body?: string | Uint8Array<ArrayBuffer>; plain?: string; id?: string; atMs?: number } = {},
): RequestInit {
  count += 1
  const { id = `msg_${count}`, plain = body, atMs = Date.now() } = parts
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(atMs / 1000)),
    "webhook-signature": new Webhook(secret).sign(id, new Date(atMs), plain),
  }
  return { method: "POST", headers, body: parts.body ?? plain }
}

/** What a handler may do, in the words of each style: resolve, reject, or answer by itself. */
type Act = (event: WebhookEvent) => Promise<{ status: number; text: string } | null>
const acting =
  (act: (event: WebhookEvent) => unknown): Act =>
  async (event) => {
    act(event)
    return null
  }
type Options = Omit<WebhookVerifierOptions, "now"> & { act?: Act }
type Ask = (init: RequestInit) => Promise<Response>
interface Style {
  readonly name: string
  start(options: Options): Promise<{ ask: Ask; port: number | null }>
}

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

async function listening(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  const http = createServer(handler)
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
  stops.push(() => {
    http.close()
    http.closeAllConnections()
  })
  return (http.address() as { port: number }).port
}

const split = ({ act = async () => null, ...rest }: Options) => ({
  act,
  options: { ...(rest.apiSecret === undefined ? { secrets: [secret] } : {}), onError: () => {}, ...rest },
})
const responseOf = async (act: Act, event: WebhookEvent): Promise<Response | undefined> => {
  const own = await act(event)
  return own === null ? undefined : new Response(own.text, { status: own.status })
}

const styles: Style[] = [
  {
    name: "Express style on node:http",
    async start(given) {
      const { act, options } = split(given)
      const handler = expressWebhook<IncomingMessage, ServerResponse>({
        ...options,
        async onEvent(event, _, response) {
          const own = await act(event)
          if (own !== null) response.writeHead(own.status).end(own.text)
        },
      })
      const port = await listening((request, response) => void handler(request, response))
      return { ask: (init) => fetch(`http://127.0.0.1:${port}/hook`, init), port }
    },
  },
  {
    name: "Hono style",
    async start(given) {
      const { act, options } = split(given)
      const handler = honoWebhook<HonoContext & { kept: string }>({
        ...options,
        onEvent(event, context) {
          expect(context.kept).toBe("context")
          return responseOf(act, event)
        },
      })
      const ask: Ask = (init) =>
        handler({ req: { raw: new Request("https://backend.example.com/hook", init) }, kept: "context" })
      return { ask, port: null }
    },
  },
  {
    name: "Next style",
    async start(given) {
      const { act, options } = split(given)
      const handler = nextWebhook({
        ...options,
        onEvent(event, request) {
          expect(request.url).toBe("https://backend.example.com/hook")
          return responseOf(act, event)
        },
      })
      return { ask: (init) => handler(new Request("https://backend.example.com/hook", init)), port: null }
    },
  },
]

const read = async (answer: Response) => [answer.status, (await answer.json()) as WebhookAnswer] as const

for (const style of styles) {
  describe(style.name, () => {
    test("a genuine event is handled, and answered when it is", async () => {
      const events: WebhookEvent[] = []
      const working = Promise.withResolvers<void>()
      const { ask } = await style.start({
        async act(event) {
          events.push(event)
          await working.promise
          return null
        },
      })
      let isAnswered = false
      const answering = ask(signedBy()).finally(() => {
        isAnswered = true
      })
      while (events.length === 0) await Bun.sleep(1)
      await Bun.sleep(20)
      expect(isAnswered).toBe(false)
      working.resolve()
      const answer = await answering
      expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8")
      expect(await read(answer)).toEqual([200, { result: "handled" }])
      expect(events).toEqual([JSON.parse(body)])
    })

    test("packed, and in many pieces", async () => {
      const events: WebhookEvent[] = []
      const { ask } = await style.start({ act: acting((event) => events.push(event)) })
      expect((await ask(signedBy({ body: gzipSync(body) }))).status).toBe(200)
      const plain = JSON.stringify({ type: "message.new", text: "grüezi 👋 ".repeat(100_000) })
      expect((await ask(signedBy({ plain }))).status).toBe(200)
      expect(events).toEqual([JSON.parse(body), JSON.parse(plain)])
    })

    test("case 61: a duplicate is answered with success and not handled again", async () => {
      let calls = 0
      const { ask } = await style.start({ act: acting(() => calls++) })
      const delivery = signedBy({ id: "msg_duplicate" })
      expect(await read(await ask(delivery))).toEqual([200, { result: "handled" }])
      expect(await read(await ask(delivery))).toEqual([200, { result: "duplicate" }])
      const retry = signedBy({ id: "msg_duplicate", atMs: Date.now() + 2_000 })
      expect(await read(await ask(retry))).toEqual([200, { result: "duplicate" }])
      expect(calls).toBe(1)
    })

    test("a duplicate of what is still at work is asked to come again", async () => {
      const working = Promise.withResolvers<void>()
      let calls = 0
      const { ask } = await style.start({
        async act() {
          calls += 1
          await working.promise
          return null
        },
      })
      const delivery = signedBy()
      const first = ask(delivery)
      while (calls === 0) await Bun.sleep(1)
      const second = await ask(delivery)
      expect(second.headers.get("retry-after")).toBe(String(limits.webhookRetrySeconds))
      expect(await read(second)).toEqual([503, { error: expect.any(String), code: "being-handled" }])
      working.resolve()
      expect((await first).status).toBe(200)
      expect(calls).toBe(1)
    })

    test("a handler that fails is answered with 500 and heard by the log alone, and the event comes again", async () => {
      const heard: unknown[] = []
      let calls = 0
      const { ask } = await style.start({
        onError: (error) => heard.push(error),
        async act() {
          calls += 1
          if (calls < 3) throw new Error("canary")
          return null
        },
      })
      const delivery = signedBy()
      for (let attempt = 1; attempt < 3; attempt += 1) {
        const [status, answer] = await read(await ask(delivery))
        expect([status, answer]).toEqual([500, { error: expect.not.stringContaining("canary") }])
      }
      expect(heard.map(String)).toEqual(["Error: canary", "Error: canary"])
      expect(await read(await ask(delivery))).toEqual([200, { result: "handled" }])
      expect(await read(await ask(delivery))).toEqual([200, { result: "duplicate" }])
    })

    test("an answer of the handler itself stands; one that is no success brings the event back", async () => {
      const answers = [503, 422, 202]
      let calls = 0
      const { ask } = await style.start({
        act: async () => ({ status: answers[calls++] as number, text: "its own" }),
      })
      const delivery = signedBy()
      for (const status of answers) {
        const answer = await ask(delivery)
        expect([answer.status, await answer.text()]).toEqual([status, "its own"])
      }
      expect(await read(await ask(delivery))).toEqual([200, { result: "duplicate" }])
      expect(calls).toBe(3)
    })

    test("case 60: what is not genuine does not reach the handler", async () => {
      let calls = 0
      const heard: unknown[] = []
      const { ask } = await style.start({ act: acting(() => calls++), onError: (error) => heard.push(error) })
      const refused: [RequestInit, number, string][] = [
        [{ ...signedBy(), body: `${body} ` }, 401, "signature-mismatch"],
        [signedBy({ atMs: Date.now() - 302_000 }), 401, "timestamp-too-old"],
        [signedBy({ atMs: Date.now() + 302_000 }), 401, "timestamp-too-new"],
        [{ method: "POST", body }, 401, "missing-header"],
        [signedBy({ id: "msg.1" }), 400, "invalid-header"],
        [signedBy({ plain: "{" }), 400, "invalid-json"],
        [signedBy({ plain: "{}" }), 400, "no-type"],
        [signedBy({ body: gzipSync(body).subarray(0, 20) }), 400, "invalid-gzip"],
        [signedBy({ body: "" }), 401, "signature-mismatch"],
        [signedBy({ body: gzipSync(Buffer.alloc(limits.webhookBytesMax + 1, 32)) }), 413, "too-big"],
      ]
      for (const [init, status, code] of refused) {
        expect([code, ...(await read(await ask(init)))]).toEqual([
          code,
          status,
          { error: expect.any(String), code: code as never },
        ])
      }
      expect([calls, heard]).toEqual([0, []])
    })

    test("only POST", async () => {
      const { ask } = await style.start({})
      for (const method of ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
        const answer = await ask({ method, ...(method === "GET" ? {} : { body }) })
        expect([method, answer.status, answer.headers.get("allow")]).toEqual([method, 405, "POST"])
      }
    })

    test("a body beyond the bound is refused, whether its length was said or not", async () => {
      const { ask } = await style.start({})
      const big = new Uint8Array(limits.webhookBytesMax + 1).fill(32)
      expect((await read(await ask(signedBy({ body: big }))))[1].code).toBe("too-big")
    })

    test("case 61: a memory that is full or down accepts nothing", async () => {
      let calls = 0
      const act = acting(() => calls++)
      const full = await style.start({ act, replayCache: createReplayCache({ entriesMax: 1 }) })
      expect((await full.ask(signedBy())).status).toBe(200)
      const answer = await full.ask(signedBy())
      expect(answer.headers.get("retry-after")).toBe(String(limits.webhookRetryFullSeconds))
      expect((await read(answer))[0]).toBe(503)
      const down = await style.start({
        act,
        replayCache: { ...createReplayCache(), claim: () => Promise.reject(new Error("down")) },
      })
      expect((await down.ask(signedBy())).status).toBe(500)
      expect(calls).toBe(1)
    })

    test("with the API secret alone, the documented headers are enough", async () => {
      const { ask } = await style.start({ apiSecret })
      const signature = createHmac("sha256", apiSecret).update(body).digest("hex")
      const init = { method: "POST", body, headers: { "x-webhook-id": "msg_1", "x-signature": signature } }
      expect(await read(await ask(init))).toEqual([200, { result: "handled" }])
      expect(await read(await ask(init))).toEqual([200, { result: "duplicate" }])
      expect((await ask({ ...init, body: `${body} ` })).status).toBe(401)
    })
  })
}

describe("Express style, beside parsers of bodies", () => {
  /** As a parser of Express does it: reads the stream and keeps what it made of it. */
  const parser =
    (keep: (raw: Buffer) => object) =>
    async (request: IncomingMessage): Promise<void> => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      Object.assign(request, keep(Buffer.concat(chunks)))
    }
  async function behind(parse: (request: IncomingMessage) => Promise<void>) {
    const heard: string[] = []
    const handler = expressWebhook({ secrets: [secret], onEvent() {}, onError: (error) => heard.push(String(error)) })
    const port = await listening((request, response) => {
      void parse(request).then(() => handler(request, response))
    })
    const answer = await fetch(`http://127.0.0.1:${port}/hook`, signedBy())
    return { status: answer.status, answer: (await answer.json()) as WebhookAnswer, heard }
  }

  test("raw bytes and text that were kept are taken", async () => {
    for (const keep of [
      (raw: Buffer) => ({ body: raw }),
      (raw: Buffer) => ({ body: raw.toString("utf8") }),
      (raw: Buffer) => ({ body: JSON.parse(raw.toString("utf8")), rawBody: raw }),
    ]) {
      expect((await behind(parser(keep))).status).toBe(200)
    }
  })

  test("a body that another parser passed over is read", async () => {
    const passOver = async (request: IncomingMessage) => void Object.assign(request, { body: {} })
    expect((await behind(passOver)).status).toBe(200)
  })

  test("after express.json() the backend's log says what to do, and the sender learns nothing", async () => {
    const { status, answer, heard } = await behind(parser((raw) => ({ body: JSON.parse(raw.toString("utf8")) })))
    expect([status, answer.code]).toEqual([500, undefined])
    expect(heard).toEqual([expect.stringContaining("before express.json()")])
  })

  test("a body without an end keeps nothing, and one without a length is bounded", async () => {
    const heard: string[] = []
    let calls = 0
    const handler = expressWebhook({
      secrets: [secret],
      onEvent: () => calls++,
      onError: (error) => heard.push(String(error)),
    })
    const port = await listening((request, response) => void handler(request, response))
    const half = connect(port, "127.0.0.1")
    half.write("POST /hook HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{")
    await Bun.sleep(50)
    half.destroy()
    for (let waited = 0; heard.length === 0 && waited < 2_000; waited += 10) await Bun.sleep(10)
    expect([calls, heard.length]).toEqual([0, 1])

    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024).fill(32)),
    })
    const { headers } = signedBy()
    const answer = await fetch(`http://127.0.0.1:${port}/hook`, { method: "POST", headers, body: endless }).catch(
      () => null,
    )
    // The connection is closed at the bound, so the sender may be gone before it reads the answer.
    expect([413, null]).toContain(answer?.status ?? null)
    expect(calls).toBe(0)
  })
})

test("a Request that was read before is a mistake that the log is told", async () => {
  const heard: string[] = []
  const handler = nextWebhook({ secrets: [secret], onEvent() {}, onError: (error) => heard.push(String(error)) })
  const request = new Request("https://backend.example.com/hook", signedBy())
  await request.json()
  expect((await handler(request)).status).toBe(500)
  expect(heard).toEqual([expect.stringContaining("json()")])
})

test("a log that fails leaves nobody without an answer, and there is one without a log", async () => {
  const failing = () => Promise.reject(new Error("failed"))
  const broken = () => {
    throw new Error("the log is full")
  }
  const request = () => new Request("https://backend.example.com/hook", signedBy())
  expect((await nextWebhook({ secrets: [secret], onEvent: failing, onError: broken })(request())).status).toBe(500)
  const written = spyOn(console, "error").mockImplementation(() => {})
  try {
    expect((await nextWebhook({ secrets: [secret], onEvent: failing })(request())).status).toBe(500)
    expect(written).toHaveBeenCalledTimes(1)
  } finally {
    written.mockRestore()
  }
})

test("options that cannot be right are refused at the start", () => {
  for (const make of [expressWebhook, honoWebhook, nextWebhook] as ((options: never) => unknown)[]) {
    expect(() => make({ secrets: [secret] } as never)).toThrow("onEvent")
    expect(() => make({ onEvent() {} } as never)).toThrow(TypeError)
    expect(() => make({ onEvent() {}, secrets: [] } as never)).toThrow(TypeError)
  }
})
