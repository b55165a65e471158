// `weir webhooks …` against a running server, with a receiver that checks what it gets as a backend would.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createPostgresDatabase, startTestServer, type TestServer, testAdminToken } from "@weir/server/testing"
import { createWebhookVerifier } from "../../sdk-server/src/webhooks-verifier.ts"
import { run } from "../src/main.ts"

const launcher = join(import.meta.dir, "../bin/weir.js")
const kinds = process.env.WEIR_TEST_POSTGRES_URL ? (["sqlite", "postgres"] as const) : (["sqlite"] as const)

interface Running {
  readonly out: string[]
  readonly err: string[]
  /** Ends the command as Ctrl-C would, and gives its exit code. */
  stop(): Promise<number>
  readonly code: Promise<number>
}

async function until<T>(what: string, look: () => T | undefined | false, timeoutMs = 10_000): Promise<T> {
  const endMs = performance.now() + timeoutMs
  for (;;) {
    const found = look()
    if (found) return found
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await Bun.sleep(10)
  }
}

for (const kind of kinds) describe(`weir webhooks on ${kind}`, () => webhooksOn(kind))

function webhooksOn(kind: (typeof kinds)[number]): void {
  let server: TestServer
  let folder: string
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null
  const started: Running[] = []
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "weir-webhooks-"))
    if (kind === "postgres") database = await createPostgresDatabase()
    server = await startServer()
  })
  afterEach(() => Promise.all(started.splice(0).map((command) => command.stop())))
  afterAll(async () => {
    await server.close()
    await database?.drop()
    rmSync(folder, { recursive: true, force: true })
  })

  const startServer = (port = "0"): Promise<TestServer> =>
    startTestServer({
      dataDir: folder,
      env: { WEIR_PORT: port, ...(database === null ? {} : { WEIR_DATABASE_URL: database.url }) },
    })
  const start = (words: string[], input = "", more: Record<string, string | undefined> = {}): Running => {
    const out: string[] = []
    const err: string[] = []
    const interrupt = new AbortController()
    const code = run(["webhooks", ...words], {
      env: { WEIR_URL: server.url, WEIR_ADMIN_TOKEN: testAdminToken, ...more },
      print: (line) => out.push(line),
      complain: (line) => err.push(line),
      readInput: async () => input,
      now: Date.now,
      interrupted: () => interrupt.signal,
    })
    const stop = (): Promise<number> => {
      interrupt.abort()
      return code
    }
    const running = { out, err, stop, code }
    started.push(running)
    return running
  }
  const weir = async (words: string[], input = "", more: Record<string, string | undefined> = {}) => {
    const { code, out, err } = start(words, input, more)
    return { code: await code, out: out.join("\n"), err: err.join("\n") }
  }
  const listen = async (...words: string[]): Promise<Running & { hookId: string; secret: string }> => {
    const known = await hookIds()
    const command = start(["listen", ...words])
    await until("it listens", () => command.out.length > 0)
    const added = (await hookIds()).filter((id) => !known.includes(id))
    const secret = /whsec_\S+?(?="|$)/m.exec(command.out.join("\n"))?.[0] as string
    return { ...command, hookId: added[0] as string, secret }
  }
  const hookIds = async (): Promise<string[]> =>
    JSON.parse((await weir(["list", "--json"])).out).hooks.map(({ id }: { id: string }) => id)
  const deliveryId = (text: string): string => /msg_[0-9a-z]+-[0-9a-f-]{36}/.exec(text)?.[0] as string

  describe("listen", () => {
    /** A receiver that says what it is told to and remembers what it got. */
    let receiver: ReturnType<typeof Bun.serve>
    let answer: () => Response | Promise<Response>
    let received: { headers: Record<string, string>; body: string }[]
    beforeEach(() => {
      answer = () => new Response("thanks", { headers: { "x-receiver": "local" } })
      received = []
      receiver = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        async fetch(request) {
          received.push({ headers: request.headers.toJSON(), body: await request.text() })
          return answer()
        },
      })
    })
    afterEach(() => receiver.stop(true))
    const forward = () => `http://127.0.0.1:${receiver.port}/hook`

    test("forwards what comes, byte for byte and with signatures that the printed secrets prove", async () => {
      const listening = await listen("--forward", forward(), "--events", "message.*, user.updated")
      expect(listening.out[0]).toBe(`listening, forwards to ${forward()}`)
      const publicKey = /whpk_\S+/.exec(listening.out.join("\n"))?.[0] as string
      const sent = await weir(
        ["send", "message.new", "--body", "-", "--hook", listening.hookId],
        '{"text":"grüß \\u0007"}',
      )
      expect(sent).toMatchObject({ code: 0, err: "" })
      expect(sent.out).toMatch(/^msg_\S+ {2}200 {2}[\d.]+ ms {2}delivered {2}a listener$/)
      const id = deliveryId(sent.out)
      const [{ headers, body }] = received as [(typeof received)[number]]
      expect(headers).toMatchObject({
        "webhook-id": id,
        "x-webhook-id": id,
        "x-webhook-attempt": "1",
        "content-type": "application/json",
      })
      expect(headers["user-agent"]).toMatch(/^weir\//)
      for (const secrets of [{ secrets: [listening.secret] }, { publicKeys: [publicKey] }]) {
        const event = await createWebhookVerifier(secrets).verify(body, headers)
        expect(event).toMatchObject({ type: "message.new", text: "grüß \u0007" })
      }
      const line = await until("a line is printed", () => listening.out.find((text) => text.includes(id)))
      expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z {2}message\.new {2}msg_\S+ {2}200 {2}\d+ ms$/)
      const shownDelivery = await weir(["show", id])
      expect(shownDelivery.out).toContain("< x-receiver: local")
      expect(shownDelivery.out).toContain("< thanks")
      expect(shownDelivery.out).toContain("webhook-signature is right, x-signature is right")
      expect(await listening.stop()).toBe(0)
      expect(listening.err).toEqual([])
    })

    test("a receiver that refuses or is not there is told to the server, which tries again", async () => {
      const listening = await listen("--forward", forward())
      answer = () => new Response("broken\u0000", { status: 500 })
      const refused = await weir(["send", "message.new", "--body", "-", "--hook", listening.hookId], "{}")
      expect(refused.code).toBe(1)
      expect(refused.out).toMatch(/ {2}500 {2}[\d.]+ ms {2}the receiver answered 500, next attempt \d{4}-/)
      answer = () => Response.redirect("http://127.0.0.1:1/elsewhere")
      const redirected = await weir(["send", "message.new", "--body", "-", "--hook", listening.hookId], "{}")
      expect(redirected.out).toContain("302")
      const big = "x".repeat(300_000)
      answer = () => new Response(big)
      expect((await weir(["send", "message.new", "--body", "-", "--hook", listening.hookId], "{}")).code).toBe(0)
      receiver.stop(true)
      const unreached = await weir(["send", "message.new", "--body", "-", "--hook", listening.hookId], "{}")
      expect(unreached.out).toContain("the listener reached no receiver")
      const lines = listening.out.filter((line) => line.includes(deliveryId(unreached.out)))
      expect(lines).toEqual([expect.stringContaining("no answer: ")])
    })

    test("without a receiver, events are printed and count as delivered", async () => {
      const listening = await listen("--events", "message.new")
      expect(listening.out[0]).toBe("listening")
      const { code } = await weir(["send", "message.new", "--body", "-"], '{"text":"\\u001b[31mred"}')
      expect(code).toBe(0)
      const body = await until("it is printed", () => listening.out.find((text) => text.includes("[31mred")))
      expect(body).not.toContain("\u001b")
      expect(JSON.parse(body)).toMatchObject({ type: "message.new" })
    })

    test("as JSON it prints a line for each thing", async () => {
      const listening = await listen("--json")
      expect(JSON.parse(listening.out[0] as string)).toMatchObject({ type: "ready", secrets: [{}, {}] })
      await weir(["send", "user.updated", "--body", "-", "--hook", listening.hookId], "{}")
      const line = await until("it is printed", () => listening.out[1])
      expect(JSON.parse(line)).toMatchObject({
        type: "delivery",
        attempt: 1,
        headers: { "x-webhook-attempt": "1" },
        answer: { status: 200, duration_ms: expect.any(Number) },
      })
    })

    test("it comes back after the server did, with the same secrets", async () => {
      const listening = await listen("--forward", forward())
      const port = new URL(server.url).port
      await server.close()
      await until("it says so", () => listening.err.find((line) => line.includes("trying again")))
      server = await startServer(port)
      await until("it listens again", () => listening.err.includes("weir: listening again"), 20_000)
      expect(listening.out.filter((line) => line.includes("whsec_"))).toHaveLength(1)
      const [hookId] = await hookIds()
      expect(hookId).not.toBe(listening.hookId)
      expect((await weir(["send", "message.new", "--body", "-", "--hook", hookId as string], "{}")).code).toBe(0)
      const { headers, body } = received.at(-1) as (typeof received)[number]
      const verifier = createWebhookVerifier({ secrets: [listening.secret] })
      expect(await verifier.verify(body, headers)).toMatchObject({ type: "message.new" })
    }, 40_000)

    test("what cannot be asked for is one line", async () => {
      for (const words of [["--forward", "ftp://localhost/x"], ["--forward", "localhost:4000"], ["more"]]) {
        const { code, err } = await weir(["listen", ...words])
        expect({ words, code, lines: err.split("\n").length }).toEqual({ words, code: 2, lines: 2 })
      }
      expect(await weir(["listen", "--events", "message.nwe"])).toMatchObject({
        code: 1,
        err: expect.stringMatching(/^weir: .*event_types holds message\.nwe.*did you mean message\.new/),
      })
      expect((await weir(["listen"], "", { WEIR_ADMIN_TOKEN: "wrong-token-0123456789" })).code).toBe(1)
      expect((await weir(["listen"], "", { WEIR_URL: "http://127.0.0.1:1" })).err).toContain("does not answer")
    })

    test("as a program it ends with Ctrl-C, and its hook with it", async () => {
      const child = Bun.spawn(["node", launcher, "webhooks", "listen", "--forward", forward()], {
        env: { PATH: process.env.PATH as string, WEIR_URL: server.url, WEIR_ADMIN_TOKEN: testAdminToken },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      })
      const first = await child.stdout.getReader().read()
      expect(new TextDecoder().decode(first.value)).toStartWith("listening")
      expect(await hookIds()).toHaveLength(1)
      child.kill("SIGINT")
      expect(await child.exited).toBe(0)
      expect(await new Response(child.stderr).text()).toBe("")
      const endMs = performance.now() + 5_000
      while ((await hookIds()).length > 0 && performance.now() < endMs) await Bun.sleep(20)
      expect(await hookIds()).toEqual([])
    }, 20_000)
  })

  describe("what was sent", () => {
    let hookId: string
    let receiver: ReturnType<typeof Bun.serve>
    let status = 200
    beforeAll(async () => {
      receiver = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("", { status }) })
    })
    afterAll(() => receiver.stop(true))
    beforeEach(async () => {
      status = 200
      hookId = (await listen("--forward", `http://127.0.0.1:${receiver.port}/`)).hookId
    })
    const send = async (type: string): Promise<string> =>
      deliveryId((await weir(["send", type, "--body", "-", "--hook", hookId], "{}")).out)

    test("list: hooks, their state and what waits for them", async () => {
      status = 500
      await send("message.new")
      const { code, out } = await weir(["list"])
      expect(code).toBe(0)
      expect(out).toContain(`${hookId}  listen  enabled  a listener`)
      expect(out).toMatch(/pending {9}1, the oldest since \d{4}-/)
      expect(out).toMatch(/failing since {3}\d{4}-/)
      expect((await weir(["list", "--app", "nowhere"])).code).toBe(1)
    })

    test("log: newest last, filtered, bounded, followed", async () => {
      const first = await send("message.new")
      const second = await send("user.updated")
      status = 503
      const failed = await send("message.new")
      const ids = async (...words: string[]): Promise<string[]> =>
        (await weir(["log", "--hook", hookId, ...words])).out.split("\n").filter(Boolean).map(deliveryId)
      expect(await ids()).toEqual([first, second, failed])
      expect(await ids("--lines", "2")).toEqual([second, failed])
      expect(await ids("--type", "message.*")).toEqual([first, failed])
      expect(await ids("--state", "pending")).toEqual([failed])
      expect(await ids("--since", "1h")).toEqual([first, second, failed])
      expect(await ids("--until", "1h")).toEqual([])
      const json = (await weir(["log", "--hook", hookId, "--json", "--lines", "1"])).out
      expect(JSON.parse(json)).toMatchObject({ id: failed, state: "pending", status: 503 })

      const following = start(["log", "--hook", hookId, "--follow", "--lines", "1"])
      await until("it began", () => following.out.length === 1)
      status = 200
      const later = await send("message.new")
      await until("the new one is printed", () => following.out.find((line) => line.includes(later)))
      expect(await weir(["replay", failed])).toMatchObject({ code: 0, out: "1 delivery is sent again" })
      const changed = () => following.out.find((line) => line.includes(failed) && line.includes("delivered"))
      await until("what became of the old one is printed", changed)
      expect(following.out.some((line) => line.includes(first))).toBe(false)
      expect(await following.stop()).toBe(0)
    }, 20_000)

    test("replay: by filters, as many as there are", async () => {
      const sent = [await send("message.new"), await send("message.new"), await send("user.updated")]
      const replay = (...words: string[]) => weir(["replay", "--hook", hookId, ...words])
      expect((await replay()).out).toBe("0 deliveries are sent again")
      expect(JSON.parse((await replay("--state", "delivered", "--json")).out)).toEqual({ replayed: 3 })
      const delivered = async () => (await weir(["log", "--hook", hookId, "--state", "delivered"])).out.split("\n")
      const untilDelivered = async () => {
        const endMs = performance.now() + 5_000
        while ((await delivered()).length < 3 && performance.now() < endMs) await Bun.sleep(20)
      }
      await untilDelivered()
      expect((await replay("--state", "delivered", "--type", "user.*")).out).toBe("1 delivery is sent again")
      await untilDelivered()
      expect((await weir(["replay", ...sent])).out).toBe("3 deliveries are sent again")
      for (const words of [[], [sent[0] as string, "--state", "dead"], ["msg_1"]]) {
        expect({ words, code: (await weir(["replay", ...words])).code }).toEqual({ words, code: 2 })
      }
    })

    test("send: to all that want the type, and says when nobody does", async () => {
      const other = await listen("--events", "user.updated")
      const { code, out } = await weir(["send", "message.new", "--body", "-", "--json"], "{}")
      expect(code).toBe(0)
      expect(JSON.parse(out).deliveries).toMatchObject([{ hook_id: hookId, state: "delivered" }])
      const both = JSON.parse((await weir(["send", "user.updated", "--body", "-", "--json"], "{}")).out).deliveries
      expect(both.map(({ hook_id }: { hook_id: string }) => hook_id).sort()).toEqual([hookId, other.hookId].sort())
      const sample = await weir(["send", "message.new", "--sample", "--hook", hookId])
      expect(sample).toMatchObject({ code: 0, err: "" })
      const { body } = JSON.parse((await weir(["show", deliveryId(sample.out), "--json"])).out)
      expect(JSON.parse(body)).toMatchObject({ type: "message.new", message: { text: expect.any(String) } })
      const file = join(folder, "event.json")
      writeFileSync(file, '{"type":"message.new","text":"from a file"}')
      const sent = await weir(["send", "message.new", "--body", file])
      expect((await weir(["show", deliveryId(sent.out)])).out).toContain('"text":"from a file"')
      expect((await weir(["send", "own.event", "--body", file])).err).toBe("weir: no enabled hook wants own.event")
      writeFileSync(file, "[1]")
      for (const [words, code] of [
        [["send"], 2],
        [["send", "message.new", "--sample", "--body", file], 2],
        [["send", "message.new", "--body", file], 1],
        [["send", "message.new", "--body", join(folder, "missing")], 1],
        [["send", "message.new", "--hook", "x"], 2],
        [["send", "message.new", "--hook", "00000000-0000-4000-8000-000000000000"], 1],
        [["show", "x"], 2],
        [["show", `msg_1-${hookId}`], 1],
        [["log", "--lines", "-1"], 2],
        [["log", "--lines", "x"], 2],
        [["log", "--state", "lost"], 2],
        [["log", "--since", "yesterday"], 2],
        [["log", "--hook", "x"], 2],
      ] as const) {
        expect({ words, code: (await weir([...words])).code }).toEqual({ words, code })
      }
    })

    test("show: everything of a delivery, and of text from elsewhere nothing that steers a terminal", async () => {
      const id = await send("message.new")
      const { code, out } = await weir(["show", id])
      expect(code).toBe(0)
      expect(out).toStartWith(id)
      expect(out).toContain("attempt at ")
      expect(out).toContain("> listener")
      expect(out).toContain(`> webhook-id: ${id}`)
      expect(out).toContain("< 200")
      const delivery = JSON.parse((await weir(["show", id, "--json"])).out)
      expect(delivery).toMatchObject({ id, state: "delivered", source: "test", log: [{ fault: null }] })
    })
  })
}
