import { describe, expect, test } from "bun:test"
import { createSecretKey } from "node:crypto"
import { ApiError } from "@weir/protocol"
import { Webhook } from "standardwebhooks"
import type { LoggedAttempt } from "../../events/webhooks/engine.ts"
import type { HookSecret } from "../../events/webhooks/hook.ts"
import { newHookSecret, signatureHeaders } from "../../events/webhooks/sign.ts"
import { limits } from "./limits.ts"
import {
  attemptNumbers,
  checkSignatures,
  cursorText,
  deliveryView,
  type OwnKey,
  parseCursor,
  type SignatureKeys,
} from "./rules.ts"
import type { ShownRow } from "./store.ts"

const hookId = "0198a0d5-0000-7000-8000-000000000001"
const webhookId = `msg_1-${hookId}`
const body = JSON.stringify({ type: "message.new", text: "grüße 🎉" })
const nowMs = Date.UTC(2026, 5, 1)
const apiSecret = "s".repeat(64)

const hmac = newHookSecret("hmac")
const pair = newHookSecret("ed25519")
const stranger = newHookSecret("hmac")
const strangersPair = newHookSecret("ed25519")

const ownKey = (alg: OwnKey["alg"], key: OwnKey["key"], more: Partial<OwnKey> = {}): OwnKey => ({
  alg,
  key,
  createdAt: nowMs - 3_600_000,
  expiresAt: null,
  ...more,
})
const hmacKey = ownKey("hmac", hmac.secret)
const pairKey = ownKey("ed25519", pair.publicKey as string)

const keysOf = (own: readonly OwnKey[], api: SignatureKeys["api"] = new Map()): SignatureKeys => ({ own, api })
const apiOf = (secrets: readonly string[], isComplete = true): SignatureKeys["api"] =>
  new Map([["key1", { keys: secrets.map((secret) => createSecretKey(Buffer.from(secret))), isComplete }]])

const signedWith = async (
  own: readonly HookSecret[],
  more: { id?: string; api?: boolean } = {},
): Promise<LoggedAttempt["request"]> => ({
  target: "https://example.com",
  headers: await signatureHeaders(
    {
      signer: { api: more.api === false ? null : { apiKey: "key1", secret: apiSecret }, own },
      webhookId: more.id ?? webhookId,
      attempt: 1,
      body,
    },
    nowMs,
  ),
})
const both: readonly HookSecret[] = [
  { id: "a", alg: "hmac", secret: hmac.secret },
  { id: "b", alg: "ed25519", secret: pair.secret },
]
const at = new Date(nowMs).toISOString()
const check = (request: LoggedAttempt["request"], keys: SignatureKeys, of = body) =>
  checkSignatures({ at, request }, webhookId, of, keys)

describe("the signature check of a logged attempt", () => {
  test("case 60: agrees with the reference library on what is right", async () => {
    const { headers } = await signedWith(both)
    const library = new Webhook(hmac.secret)
    const signature = library.sign(webhookId, new Date(nowMs), body)
    expect(headers["webhook-signature"]?.split(" ")).toContain(signature)
    expect(
      check({ target: "", headers: { ...headers, "webhook-signature": signature } }, keysOf([hmacKey])).standard,
    ).toBe(true)
  })

  test("one right signature of several is enough, by either kind of secret", async () => {
    const request = await signedWith(both)
    for (const own of [[hmacKey], [pairKey], [hmacKey, pairKey], [ownKey("hmac", stranger.secret), pairKey]]) {
      expect(check(request, keysOf(own)).standard).toBe(true)
    }
  })

  test("a changed body, time or id is false while a secret of that time is there", async () => {
    const request = await signedWith(both)
    const keys = keysOf([hmacKey, pairKey], apiOf([apiSecret]))
    expect(check(request, keys)).toEqual({ standard: true, api: true })
    expect(check(request, keys, `${body} `)).toEqual({ standard: false, api: false })
    const later = { ...request, headers: { ...request.headers, "webhook-timestamp": "1" } }
    expect(check(later, keys)).toEqual({ standard: false, api: true })
    const other = await signedWith(both, { id: `msg_2-${hookId}` })
    expect(check(other, keys).standard).toBe(false)
  })

  test("a signature is looked at with secrets of its own kind only", async () => {
    const { headers } = await signedWith([both[0] as HookSecret])
    const renamed = headers["webhook-signature"]?.replace("v1,", "v1a,") as string
    expect(
      check({ target: "", headers: { ...headers, "webhook-signature": renamed } }, keysOf([hmacKey, pairKey])).standard,
    ).toBe(false)
  })

  test("what a secret that is gone may have signed is unknown", async () => {
    const request = await signedWith(both)
    expect(check(request, keysOf([])).standard).toBeNull()
    // Made after the attempt, or so shortly before that its node may not have known; or ended before.
    for (const more of [
      { createdAt: nowMs + 1 },
      { createdAt: nowMs - limits.secretSettlesMs + 1 },
      { expiresAt: nowMs - 1 },
    ]) {
      expect(check(request, keysOf([ownKey("hmac", stranger.secret, more)])).standard).toBeNull()
    }
    const old = ownKey("ed25519", strangersPair.publicKey as string)
    expect(check(request, keysOf([old])).standard).toBe(false)
    // One that cannot be opened may have made it; another that made it settles the question.
    const closed = ownKey("hmac", null)
    expect(check(request, keysOf([old, closed])).standard).toBeNull()
    expect(check(request, keysOf([closed, pairKey])).standard).toBe(true)
    expect(check(request, keysOf([], apiOf(["t".repeat(64)], false))).api).toBeNull()
    expect(check(request, keysOf([], apiOf(["t".repeat(64)]))).api).toBe(false)
    expect(check(request, keysOf([], apiOf([]))).api).toBeNull()
    expect(check(request, keysOf([])).api).toBeNull()
  })

  test("what was not signed is unknown", async () => {
    expect(check({ target: "", headers: {} }, keysOf([hmacKey], apiOf([apiSecret])))).toEqual({
      standard: null,
      api: null,
    })
    expect(check(await signedWith([], { api: false }), keysOf([hmacKey], apiOf([apiSecret])))).toEqual({
      standard: null,
      api: null,
    })
  })

  test("headers that are no signatures are false, and nothing throws", () => {
    for (const text of ["", " ", "v1", "v1,", "v1,%%%", "v1a,AAAA", "v2,AAAA", ",,,", "x".repeat(5_000)]) {
      const request = {
        target: "",
        headers: { "webhook-id": webhookId, "webhook-signature": text, "x-api-key": "key1", "x-signature": text },
      }
      expect(check(request, keysOf([hmacKey, pairKey], apiOf([apiSecret])))).toEqual({ standard: false, api: false })
    }
  })
})

describe("a delivery in a list", () => {
  const row: ShownRow = {
    event_id: 46_655,
    hook_id: hookId,
    type: "message.new",
    stream: "channel:messaging:general",
    state: "pending",
    source: "event",
    attempts: 2,
    status: 503,
    fault: "status",
    due_at: nowMs + 30_000,
    leased_by: null,
    created_at: nowMs,
    finished_at: null,
  }
  test("has a next time only while nobody holds it", () => {
    expect(deliveryView(row, nowMs)).toMatchObject({ id: `msg_zzz-${hookId}`, due_at: "2026-06-01T00:00:30.000Z" })
    expect(deliveryView({ ...row, leased_by: "n1" }, nowMs).due_at).toBeNull()
    // A lease that is over: whoever asks first has it.
    expect(deliveryView({ ...row, leased_by: "n1" }, nowMs + 30_000).due_at).not.toBeNull()
    expect(deliveryView({ ...row, state: "delivered", finished_at: nowMs }, nowMs)).toMatchObject({
      due_at: null,
      finished_at: "2026-06-01T00:00:00.000Z",
    })
  })

  test("a cursor reads back; anything else is named", () => {
    expect(parseCursor(cursorText(row) ?? "")).toEqual({ event_id: 46_655, hook_id: hookId })
    expect(cursorText(null)).toBeNull()
    for (const text of ["", "1", `1.${hookId}x`, `-1.${hookId}`, `9999999999999999.${hookId}`, `1e3.${hookId}`]) {
      expect(() => parseCursor(text)).toThrow(ApiError)
    }
  })
})

test("numbers of attempts leave out what is older, and bound the names of faults", () => {
  const attempt = (ago: number, duration_ms: number, fault: string | null): Partial<LoggedAttempt> => ({
    at: new Date(nowMs - ago).toISOString(),
    duration_ms,
    fault,
  })
  const log = [
    ...Array.from({ length: 100 }, (_, index) => attempt(1_000, index + 1, null)),
    attempt(5_000, 9_999, "dns"),
  ]
  expect(attemptNumbers([JSON.stringify(log)], nowMs - 4_000)).toEqual({
    sampled: 100,
    faults: {},
    p50_ms: 50,
    p95_ms: 95,
  })
  expect(attemptNumbers([JSON.stringify(log)], nowMs - 6_000)).toMatchObject({ sampled: 101, faults: { dns: 1 } })
  expect(attemptNumbers([], 0)).toEqual({ sampled: 0, faults: {}, p50_ms: null, p95_ms: null })
  const many = Array.from({ length: limits.faultsMax + 5 }, (_, index) => attempt(0, 1, `fault${index}`))
  const { faults } = attemptNumbers([JSON.stringify(many)], 0)
  expect(Object.keys(faults).length).toBe(limits.faultsMax + 1)
  expect(faults.other).toBe(5)
})
