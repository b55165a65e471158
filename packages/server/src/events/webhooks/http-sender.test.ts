// Deliveries to a receiver that is really there: what arrives, what each answer means, and what is kept of it for people.

import { describe, expect, test } from "bun:test"
import { createServer } from "node:net"
import { gunzipSync } from "node:zlib"
import { Webhook } from "standardwebhooks"
import {
  apiSecret,
  deliveryTo,
  fakeServiceForTests,
  hexHmac,
  hookSecret,
  type SignedRequest,
  webhookId,
} from "../../../test/queues.ts"
import { createOutgoing, type Outgoing, OutgoingError, type OutgoingFault } from "../../base/outgoing.ts"
import { version } from "../../base/version.ts"
import type { AttemptOutcome, Hook, HookDelivery, HookTarget } from "./hook.ts"
import { createHttpSender } from "./http-sender.ts"
import { limits } from "./limits.ts"
import { newHookSecret } from "./sign.ts"

const pair = newHookSecret("ed25519")
const body = '{"type":"message.new","text":"grüezi 👋"}'
const bigBody = JSON.stringify({ type: "message.new", text: "grüezi 👋 ".repeat(500) })

const { fake, outgoing } = fakeServiceForTests()
const sender = createHttpSender({ outgoing })

type Parts = Omit<Partial<HookDelivery>, "hook"> & { readonly hook?: Partial<Hook> }

function delivery({ hook, ...parts }: Parts = {}): HookDelivery {
  const given = deliveryTo({ kind: "webhook", url: `${fake.url}/hook?app=1` }, { attempt: 3, body, ...parts }, hook)
  const own = [...given.signer.own, { id: "s2", alg: "ed25519", secret: pair.secret } as const]
  return { ...given, signer: parts.signer ?? { ...given.signer, own } }
}

/** Sends, and gives what arrived and what was made of the answer. */
async function sent(
  answer: Response | (() => Response | Promise<Response>),
  parts: Parts = {},
  nowMs = Date.now(),
): Promise<{ outcome: AttemptOutcome; request: SignedRequest }> {
  fake.answer = typeof answer === "function" ? answer : () => answer
  fake.requests.length = 0
  const outcome = await sender.send(delivery(parts), nowMs)
  expect(fake.requests).toHaveLength(1)
  return { outcome, request: fake.requests[0] as SignedRequest }
}

describe("what arrives", () => {
  test("is the JSON with its signatures, which the standardwebhooks library accepts", async () => {
    const { outcome, request } = await sent(new Response("ok"))
    expect(request.method).toBe("POST")
    expect(Buffer.from(request.bytes).toString("utf8")).toBe(body)
    const headers = Object.fromEntries(request.headers)
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": `weir/${version}`,
      "x-webhook-id": webhookId,
      "x-webhook-attempt": "3",
      "x-api-key": "a1b2c3d4e5f6",
      "x-signature": hexHmac(body),
      "webhook-id": webhookId,
    })
    expect(request.headers.has("content-encoding")).toBe(false)
    expect(new Webhook(hookSecret).verify(body, headers)).toEqual(JSON.parse(body))
    expect(outcome).toEqual({
      result: "delivered",
      status: 200,
      fault: null,
      detail: null,
      retryAfterMs: null,
      durationMs: expect.any(Number),
      request: { target: `${fake.url}/hook?app=1`, headers: expect.anything() },
      response: { headers: expect.anything(), body: "ok" },
    })
  })

  test("is packed when the hook wants it and it pays, and signed before that", async () => {
    const { request, outcome } = await sent(new Response(), { body: bigBody, hook: { compression: "gzip" } })
    expect(request.headers.get("content-encoding")).toBe("gzip")
    expect(request.bytes.length).toBeLessThan(Buffer.byteLength(bigBody) / 4)
    expect(gunzipSync(request.bytes).toString("utf8")).toBe(bigBody)
    expect(new Webhook(hookSecret).verify(bigBody, Object.fromEntries(request.headers))).toEqual(JSON.parse(bigBody))
    expect(request.headers.get("x-signature")).toBe(hexHmac(bigBody))
    expect(outcome.request.headers["content-encoding"]).toBe("gzip")
  })

  test("is not packed when it is short, or nobody asked", async () => {
    const short = JSON.stringify({ type: "t", text: "x".repeat(limits.compressedBytesMin - 23) })
    expect(Buffer.byteLength(short)).toBe(limits.compressedBytesMin - 1)
    for (const parts of [{ body: short, hook: { compression: "gzip" } }, { body: bigBody }] as const) {
      const { request } = await sent(new Response(), parts)
      expect(request.headers.has("content-encoding")).toBe(false)
      expect(Buffer.from(request.bytes).toString("utf8")).toBe(parts.body)
    }
    const { request } = await sent(new Response(), { body: `${short} `, hook: { compression: "gzip" } })
    expect(request.headers.get("content-encoding")).toBe("gzip")
  })
})

describe("what an answer means", () => {
  test.each([
    [200, "delivered", null],
    [201, "delivered", null],
    [202, "delivered", null],
    [204, "delivered", null],
    [299, "delivered", null],
    [410, "gone", "gone"],
    [301, "retry", "redirect"],
    [302, "retry", "redirect"],
    [307, "retry", "redirect"],
    [308, "retry", "redirect"],
    [400, "retry", "status"],
    [401, "retry", "status"],
    [403, "retry", "status"],
    [404, "retry", "status"],
    [408, "retry", "status"],
    [413, "retry", "status"],
    [425, "retry", "status"],
    [429, "retry", "status"],
    [500, "retry", "status"],
    [502, "retry", "status"],
    [503, "retry", "status"],
    [504, "retry", "status"],
    [599, "retry", "status"],
  ] as const)("%d: %s", async (status, result, fault) => {
    const { outcome } = await sent(() => new Response(null, { status, headers: { location: `${fake.url}/elsewhere` } }))
    expect(outcome).toMatchObject({ result, status, fault })
    if (result === "delivered") expect(outcome.detail).toBeNull()
    else expect(outcome.detail).toContain(String(status))
    // A redirect that is followed would have made a second request.
    expect(fake.requests).toHaveLength(1)
  })

  const nowMs = Date.UTC(2030, 0, 1, 0, 0, 0)
  const max = limits.retryAfterMsMax
  test.each<[string, number | null]>([
    ["0", 0],
    ["120", 120_000],
    [" 7 ", 7_000],
    [String(max / 1000), max],
    [String(max / 1000 + 1), max],
    ["999999999999999", max],
    ["Tue, 01 Jan 2030 00:02:00 GMT", 120_000],
    ["Tuesday, 01-Jan-30 00:02:00 GMT", 120_000],
    ["Tue Jan  1 00:02:00 2030", 120_000],
    ["Mon, 31 Dec 2029 23:59:00 GMT", 0],
    ["Sun, 06 Nov 1994 08:49:37 GMT", 0],
    ["Sat, 01 Jan 2050 00:00:00 GMT", max],
    ["-1", null],
    ["1.5", null],
    ["1e3", null],
    ["2030-01-01T00:02:00Z", null],
    ["soon", null],
    ["Tue, soon", null],
    ["", null],
  ])("Retry-After %j", async (value, expected) => {
    const headers = { "retry-after": value }
    const { outcome } = await sent(() => new Response(null, { status: 503, headers }), {}, nowMs)
    // A date is counted from when the answer came.
    const shortfallMs = (expected ?? 0) - (outcome.retryAfterMs ?? 0)
    expect(outcome.retryAfterMs === null).toBe(expected === null)
    expect(shortfallMs).toBeGreaterThanOrEqual(0)
    expect(shortfallMs).toBeLessThanOrEqual(outcome.durationMs)
  })

  test("Retry-After is handed on with every answer that is no success, and with no other", async () => {
    const headers = { "retry-after": "5" }
    for (const status of [302, 404, 410, 429, 500]) {
      expect((await sent(() => new Response(null, { status, headers }))).outcome.retryAfterMs).toBe(5_000)
    }
    expect((await sent(() => new Response(null, { status: 200, headers }))).outcome.retryAfterMs).toBeNull()
    expect((await sent(() => new Response(null, { status: 500 }))).outcome.retryAfterMs).toBeNull()
  })
})

describe("when there is no answer, another attempt may succeed", () => {
  test("the receiver takes too long", async () => {
    const slow = () => Bun.sleep(1_000).then(() => new Response())
    const { outcome } = await sent(slow, { hook: { timeoutMs: 100 } })
    expect(outcome).toMatchObject({ result: "retry", status: null, fault: "timeout", response: null })
    expect(outcome.durationMs).toBeGreaterThanOrEqual(90)
    expect(outcome.durationMs).toBeLessThan(900)
    expect(outcome.request.headers["webhook-signature"]).toStartWith("v1,")
  })

  test("nobody listens, or the connection is cut", async () => {
    const cutting = createServer((socket) => socket.on("data", () => socket.destroy()))
    await new Promise<void>((resolve) => cutting.listen(0, "127.0.0.1", resolve))
    const { port } = cutting.address() as { port: number }
    const target: HookTarget = { kind: "webhook", url: `http://127.0.0.1:${port}/hook` }
    expect(await sender.send(delivery({ hook: { target } }), Date.now())).toMatchObject({
      result: "retry",
      fault: "reset",
    })
    await new Promise<void>((resolve) => cutting.close(() => resolve()))
    expect(await sender.send(delivery({ hook: { target } }), Date.now())).toMatchObject({
      result: "retry",
      fault: "connect",
    })
  })

  test("case 62: a private address and a URL that may not be called are faults, and nothing is sent", async () => {
    const guarded = createOutgoing({ allowPrivate: false })
    const guardedSender = createHttpSender({ outgoing: guarded })
    const outcomeOf = (url: string) =>
      guardedSender.send(delivery({ hook: { target: { kind: "webhook", url } } }), Date.now())
    try {
      for (const url of [`https://127.0.0.1:${fake.port}/`, `${fake.url}/`, "file:///etc/hosts"]) {
        const { result, status, fault } = await outcomeOf(url)
        expect([result, status]).toEqual(["retry", null])
        expect(fault).toMatch(/^refused-(?:url|address)$/)
      }
    } finally {
      await guarded.close()
    }
    expect(fake.requests).toEqual([])
  })

  // Those that cannot be brought about on one machine, from the part that sends.
  test.each([
    "refused-url",
    "refused-address",
    "dns",
    "connect",
    "tls",
    "timeout",
    "reset",
    "protocol",
  ] as const satisfies OutgoingFault[])("%s has a sentence of its own", async (fault) => {
    const failing: Outgoing = { ...outgoing, send: () => Promise.reject(new OutgoingError(fault, 12.4)) }
    const outcome = await createHttpSender({ outgoing: failing }).send(delivery(), Date.now())
    expect(outcome).toMatchObject({ result: "retry", status: null, fault, durationMs: 12, retryAfterMs: null })
    expect(outcome.detail).toMatch(/^[a-z].{10,}/i)
  })
})

describe("never rejects", () => {
  test("a secret that does not sign can be replaced, so it is tried again, and not told", async () => {
    const own = [{ id: "s1", alg: "hmac", secret: "whsec_canary" }] as const
    const outcome = await sender.send(delivery({ signer: { api: null, own } }), Date.now())
    expect(outcome).toMatchObject({ result: "retry", status: null, fault: "internal", response: null })
    expect(JSON.stringify(outcome)).not.toContain("canary")
  })

  test("what is not its own to send is refused", async () => {
    const target: HookTarget = { kind: "listen", nodeId: "node-1" }
    const outcome = await sender.send(delivery({ hook: { target } }), Date.now())
    expect(outcome).toMatchObject({ result: "refused", fault: "target", status: null })
  })
})

describe("what is kept to be looked at", () => {
  test("the request as it was sent, with the signatures and without the secrets", async () => {
    const { outcome, request } = await sent(new Response())
    for (const [name, value] of Object.entries(outcome.request.headers)) expect(request.headers.get(name)).toBe(value)
    const shown = JSON.stringify(outcome)
    expect(shown).toContain("v1a,")
    for (const text of [apiSecret, hookSecret.slice(6), pair.secret.slice(5)]) expect(shown).not.toContain(text)
  })

  test("the answer, cut to bounds, as text that is safe to store and to print", async () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`x-header-${index}`, "v".repeat(300)]))
    const { outcome } = await sent(
      new Response(`\u001b[2J\u0000ok\n${"👋".repeat(5_000)}`, {
        headers: { ...many, "set-cookie": "session=canary" },
      }),
    )
    const { headers, body: text } = outcome.response as { headers: Record<string, string>; body: string }
    expect(Object.keys(headers).length).toBeLessThanOrEqual(limits.headersShownMax)
    for (const value of Object.values(headers)) expect(value.length).toBeLessThanOrEqual(limits.headerShownCharsMax)
    expect(text).toStartWith("\ufffd[2J\ufffdok\n👋👋")
    expect(text.length).toBeLessThanOrEqual(limits.responseShownCharsMax)
    expect(text.isWellFormed()).toBe(true)
    expect(JSON.stringify(outcome)).not.toContain("canary")
  })

  test("an answer that is no text, and one that never ends", async () => {
    const { outcome } = await sent(new Response(new Uint8Array([0xff, 0xfe, 0x41])))
    expect(outcome.response?.body).toBe("\ufffd\ufffdA")
    const endless = () =>
      new Response(
        new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(16_384).fill(0x61)) }),
      )
    const { outcome: cut } = await sent(endless)
    expect(cut).toMatchObject({ result: "delivered", response: { body: "a".repeat(limits.responseShownCharsMax) } })
  })
})
