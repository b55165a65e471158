// Deliveries as people see them: how one is shown, whether its signatures are right, and the numbers of a hook. Pure.

import { createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from "node:crypto"
import { inputError } from "@weir/protocol"
import type { LoggedAttempt } from "../../events/webhooks/engine.ts"
import { webhookIdOf } from "../dispatch/index.ts"
import { limits } from "./limits.ts"
import type { DeliveryPlace, ShownRow, TypeFilter } from "./store.ts"

const timeOf = (ms: number): string => new Date(ms).toISOString()
const timeOrNull = (ms: number | null): string | null => (ms === null ? null : timeOf(ms))

/** A delivery as the management API shows it. `now` in milliseconds: while a node holds it, it has no next time. */
export function deliveryView(row: ShownRow, now: number) {
  const isHeld = row.leased_by !== null && row.due_at > now
  return {
    id: webhookIdOf(row.event_id, row.hook_id),
    hook_id: row.hook_id,
    type: row.type,
    stream: row.stream,
    state: row.state,
    source: row.source,
    attempts: row.attempts,
    status: row.status,
    fault: row.fault,
    due_at: row.state !== "pending" || isHeld ? null : timeOf(row.due_at),
    created_at: timeOf(row.created_at),
    finished_at: timeOrNull(row.finished_at),
  }
}

/** A place in a list, as text for the wire; null stays null. */
export const cursorText = (place: DeliveryPlace | null): string | null =>
  place === null ? null : `${place.event_id}.${place.hook_id}`

/** Reads a cursor; undefined means the beginning. Throws inputError. */
export function parseCursor(next: string | undefined): DeliveryPlace | null {
  if (next === undefined) return null
  const [, id, hookId] = /^(\d{1,16})\.([0-9a-f-]{36})$/.exec(next) ?? []
  if (id === undefined || hookId === undefined || !Number.isSafeInteger(Number(id))) {
    throw inputError("next is not a cursor of this list", { next: "is not a cursor of this list" })
  }
  return { event_id: Number(id), hook_id: hookId }
}

/** A type, or the beginning of types with `*` at the end. */
export const typeFilterOf = (text: string): TypeFilter =>
  text.endsWith("*") ? { typePrefix: text.slice(0, -1) } : { type: text }

/** A secret of a hook, as far as it takes to check a signature. Times in milliseconds. */
export interface OwnKey {
  readonly alg: "hmac" | "ed25519"
  /** `whsec_…` of an HMAC, `whpk_…` of a key pair; null: this node has not the master key that opens it. */
  readonly key: string | null
  readonly createdAt: number
  /** Null: it has no end. */
  readonly expiresAt: number | null
}

/** The HMAC secrets of an API key that are not revoked. */
export interface ApiSecrets {
  readonly keys: readonly KeyObject[]
  /** False: others were revoked or do not open, so a signature that none of these makes may have been right. */
  readonly isComplete: boolean
}

export interface SignatureKeys {
  readonly own: readonly OwnKey[]
  /** By API key; none: the app has no such key. */
  readonly api: ReadonlyMap<string, ApiSecrets>
}

export interface SignatureCheck {
  readonly standard: boolean | null
  readonly api: boolean | null
}

/**
 * Whether the signatures of a logged attempt are right for the body: true when one is, as receivers ask for no more;
 * false when it cannot be; null when there is none, or it may have been made with a secret that is gone.
 */
export const checkSignatures = (
  { at, request }: Pick<LoggedAttempt, "at" | "request">,
  webhookId: string,
  body: string,
  keys: SignatureKeys,
): SignatureCheck => ({
  standard: checkStandard(request.headers, Date.parse(at), webhookId, body, keys.own),
  api: checkApi(request.headers, body, keys.api),
})

type HeaderMap = Readonly<Record<string, string>>

function checkStandard(
  headers: HeaderMap,
  atMs: number,
  webhookId: string,
  body: string,
  own: readonly OwnKey[],
): boolean | null {
  const given = headers["webhook-signature"]
  if (given === undefined) return null
  // The id is signed along: a receiver would look up another delivery under it.
  if (headers["webhook-id"] !== webhookId) return false
  const signed = Buffer.from(`${webhookId}.${headers["webhook-timestamp"]}.${body}`, "utf8")
  const signatures = given.split(" ").map((signature) => signature.split(",", 2))
  for (const key of own) {
    if (key.key === null) continue
    const version = key.alg === "hmac" ? "v1" : "v1a"
    for (const [of, text = ""] of signatures) {
      if (of === version && isMadeWith(key.alg, key.key, signed, Buffer.from(text, "base64"))) return true
    }
  }
  if (own.some(({ key }) => key === null)) return null
  // Every secret of that time signed. When one of them is still here and made none of these, none is right.
  const wasThere = own.some(
    ({ createdAt, expiresAt }) =>
      createdAt + limits.secretSettlesMs <= atMs && (expiresAt === null || expiresAt > atMs + limits.secretSettlesMs),
  )
  return wasThere ? false : null
}

function isMadeWith(alg: OwnKey["alg"], key: string, signed: Buffer, signature: Buffer): boolean {
  if (alg === "hmac") {
    const secret = Buffer.from(key.slice("whsec_".length), "base64")
    return isSame(createHmac("sha256", secret).update(signed).digest(), signature)
  }
  const x = Buffer.from(key.slice("whpk_".length), "base64").toString("base64url")
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" })
  return verify(null, signed, publicKey, signature)
}

function checkApi(headers: HeaderMap, body: string, api: SignatureKeys["api"]): boolean | null {
  const given = headers["x-signature"]
  const secrets = api.get(headers["x-api-key"] ?? "")
  if (given === undefined || secrets === undefined) return null
  const signature = Buffer.from(given, "hex")
  const isRight = secrets.keys.some((key) => isSame(createHmac("sha256", key).update(body, "utf8").digest(), signature))
  if (isRight) return true
  return secrets.isComplete && secrets.keys.length > 0 ? false : null
}

const isSame = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b)

/** The API keys that logged attempts name. */
export const apiKeysOf = (log: readonly LoggedAttempt[]): string[] => [
  ...new Set(log.flatMap(({ request }) => request.headers["x-api-key"] ?? [])),
]

/** An attempt as it is shown. */
export const attemptView = (attempt: LoggedAttempt, signature_check: SignatureCheck) => ({
  at: attempt.at,
  duration_ms: attempt.duration_ms,
  request: attempt.request,
  response: attempt.response === null ? null : { status: attempt.status, ...attempt.response },
  fault: attempt.fault,
  detail: attempt.detail,
  signature_check,
})

/** Attempts of one hook in a sample of its deliveries. Durations in milliseconds; null: there were none. */
export interface AttemptNumbers {
  readonly sampled: number
  readonly faults: Readonly<Record<string, number>>
  readonly p50_ms: number | null
  readonly p95_ms: number | null
}

/** Counts the attempts since then in logs of deliveries, each a JSON list. */
export function attemptNumbers(logs: readonly string[], sinceMs: number): AttemptNumbers {
  const attempts = logs
    .flatMap((log) => JSON.parse(log) as LoggedAttempt[])
    .filter(({ at }) => Date.parse(at) >= sinceMs)
  const faults = new Map<string, number>()
  for (const { fault } of attempts) {
    if (fault === null) continue
    const name = faults.has(fault) || faults.size < limits.faultsMax ? fault : "other"
    faults.set(name, (faults.get(name) ?? 0) + 1)
  }
  const durations = attempts.map(({ duration_ms }) => duration_ms).sort((a, b) => a - b)
  return {
    sampled: attempts.length,
    faults: Object.fromEntries(faults),
    p50_ms: quantile(durations, 0.5),
    p95_ms: quantile(durations, 0.95),
  }
}

/** The smallest value that at least this share of them does not exceed; null of none. */
const quantile = (sorted: readonly number[], share: number): number | null =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null
