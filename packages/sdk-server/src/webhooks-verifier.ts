// A receiver's check of what its Weir sends: by whom, when, and whether for the first time.
//
// Standard Webhooks signs the time, so a delivery ends with the tolerance. `X-Signature` signs the body alone: whoever
// once saw a delivery can send it again for ever, with any id. So when a hook's own secrets are given, only they count;
// otherwise it would be enough to leave their headers out and to replay the rest.

import { logOf } from "./endpoint.ts"
import { limits } from "./limits.ts"
import type { MaybePromise } from "./maybe-promise.ts"
import { checkNoBrowser, checkSecret, hmacSha256Async } from "./secret.ts"
import { plainBodyAsync, type WebhookBody } from "./webhooks-body.ts"
import { WeirWebhookError } from "./webhooks-error.ts"
import { createReplayCache, type ReplayCache } from "./webhooks-replay.ts"
import { hex, hmacKey, isSame, publicKey, signaturesOf, type WebhookKey } from "./webhooks-signature.ts"

export interface WebhookEvent {
  type: string
  created_at?: string
  [member: string]: unknown
}

/** Headers of any framework; names in any case. */
export type WebhookHeaders =
  | Pick<Headers, "get">
  | { readonly [name: string]: string | readonly string[] | undefined; readonly get?: undefined }

export interface WebhookVerifierOptions {
  /** The hook's own secrets, `whsec_…`: during a rotation both. */
  secrets?: readonly string[]
  /** The public keys of the hook's own pairs, `whpk_…`: during a rotation both. */
  publicKeys?: readonly string[]
  /** API secret, for `X-Signature`: during a rotation both. */
  apiSecret?: string | readonly string[]
  /**
   * Whether a signed time is asked for: always so where `secrets` or `publicKeys` are given, unless this is false. Then
   * `X-Signature` is enough where no `webhook-signature` came along, and replays of it are accepted once more after
   * each time that they are forgotten.
   */
  requireTimestamp?: boolean
  /** How far the signed time may be from now, to either side; 300 unless told otherwise. */
  toleranceSeconds?: number
  /**
   * How long the id of what was handled is remembered at least, beyond what the tolerance asks; 0 unless told
   * otherwise. A delivery that was handled comes again when its answer was lost, at the latest after the three days of
   * the schedule.
   */
  rememberSeconds?: number
  /**
   * Where ids are remembered: in this process unless told otherwise. Null: nowhere, for backends that drop by
   * themselves what they have already seen.
   */
  replayCache?: ReplayCache | null
  /** Milliseconds since 1970. */
  now?: () => number
  /** Hears what went wrong where nobody waits for an answer. console.error otherwise. */
  onError?: (error: unknown) => void
}

export interface WebhookVerifier {
  /**
   * The event, when it is genuine and new. It then counts as handled: see `handle` for work that can fail. Rejects with
   * WeirWebhookError, whose `code` says why, and with whatever a replay cache of your own rejects with.
   */
  verify(body: WebhookBody, headers: WebhookHeaders): Promise<WebhookEvent>
  /**
   * Hands the event to `handler` when it is genuine and new, and counts it as handled once that has resolved. When it
   * rejects, so does this, and the delivery is new when it comes again. `duplicate`: it was handled before, and the
   * handler was not called. Rejects as `verify` does, with `being-handled` where another call has not ended yet:
   * answer that with 503, because that call can still fail, and what you answer with success never comes again.
   */
  handle(
    body: WebhookBody,
    headers: WebhookHeaders,
    handler: (event: WebhookEvent) => MaybePromise<unknown>,
  ): Promise<"handled" | "duplicate">
}

/** What is known of a delivery that is genuine. */
interface Genuine {
  readonly event: WebhookEvent
  /** What it is remembered by. */
  readonly id: string
  /** Until when its signed time is accepted. */
  readonly untilMs: number
}

/**
 * A verifier of one hook's deliveries; give it the raw body, never one that was parsed and written again. Throws
 * TypeError when the options cannot be right, Error in a browser.
 */
export function createWebhookVerifier(options: WebhookVerifierOptions): WebhookVerifier {
  const { now = Date.now } = options
  const onError = logOf(options.onError, "a webhook's memory failed")
  const { keys, apiSecrets, mayLackTimestamp } = checkedSecrets(options)
  const toleranceSeconds = options.toleranceSeconds ?? limits.webhookToleranceSecondsDefault
  const rememberSeconds = options.rememberSeconds ?? 0
  checkSeconds("toleranceSeconds", toleranceSeconds, 1, limits.webhookToleranceSecondsMax)
  checkSeconds("rememberSeconds", rememberSeconds, 0, limits.webhookRememberSecondsMax)
  const toleranceMs = 1000 * toleranceSeconds
  const rememberMs = 1000 * rememberSeconds
  const cache = options.replayCache === undefined ? createReplayCache({ now }) : options.replayCache

  async function genuine(body: WebhookBody, headers: WebhookHeaders): Promise<Genuine> {
    const isDocumented = mayLackTimestamp && (keys.length === 0 || headerOf(headers, "webhook-signature") === null)
    const { plain, id, untilMs } = isDocumented ? await documented(body, headers) : await standard(body, headers)
    return { event: eventOf(plain), id, untilMs }
  }

  async function standard(body: WebhookBody, headers: WebhookHeaders) {
    const id = idOf(headers, "webhook-id")
    const timestamp = neededHeaderOf(headers, "webhook-timestamp")
    const signatures = signaturesOf(neededHeaderOf(headers, "webhook-signature"))
    if (!/^\d{1,12}$/.test(timestamp)) throw new WeirWebhookError("invalid-header", "webhook-timestamp is in seconds")
    const signedAtMs = Number(timestamp) * 1000
    const ageMs = now() - signedAtMs
    if (ageMs > toleranceMs) throw new WeirWebhookError("timestamp-too-old", "the webhook is too old")
    if (-ageMs > toleranceMs) throw new WeirWebhookError("timestamp-too-new", "the webhook is from the future")
    const plain = await plainBodyAsync(body)
    const head = new TextEncoder().encode(`${id}.${timestamp}.`)
    const signed = new Uint8Array(head.length + plain.length)
    signed.set(head)
    signed.set(plain, head.length)
    for (const key of keys) {
      if (await key.isSigner(signatures, signed)) return { plain, id, untilMs: signedAtMs + toleranceMs }
    }
    throw mismatch()
  }

  async function documented(body: WebhookBody, headers: WebhookHeaders) {
    const id = idOf(headers, "x-webhook-id")
    const signature = neededHeaderOf(headers, "x-signature")
    const plain = await plainBodyAsync(body)
    for (const secret of apiSecrets) {
      // The id is not signed. Alone it would let whoever replays one delivery have others taken for seen.
      const known = { plain, id: `${id}:${signature}`, untilMs: now() + toleranceMs }
      if (isSame(hex(await hmacSha256Async(secret, plain)), signature)) return known
    }
    throw mismatch()
  }

  // Retries that came while the first was handled carry times up to now. Only what is handled is remembered for longer
  // than the tolerance: the claim of a process that died would otherwise turn away all retries, and the event be lost.
  const confirmedUntilMs = (untilMs: number): number => Math.max(untilMs, now() + Math.max(toleranceMs, rememberMs))

  /** What fails here changes nothing of how the event was handled. */
  async function quietly(act: () => MaybePromise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      onError(error)
    }
  }

  return {
    async verify(body, headers) {
      const { event, id, untilMs } = await genuine(body, headers)
      if (cache === null) return event
      if ((await cache.claim(id, untilMs)) !== "new") throw new WeirWebhookError("replayed", "the webhook came before")
      await cache.confirm(id, confirmedUntilMs(untilMs))
      return event
    },

    async handle(body, headers, handler) {
      const { event, id, untilMs } = await genuine(body, headers)
      const state = cache === null ? "new" : await cache.claim(id, untilMs)
      if (state === "handled") return "duplicate"
      if (state === "handling") throw new WeirWebhookError("being-handled", "the webhook is being handled")
      try {
        await handler(event)
      } catch (error) {
        await quietly(() => cache?.forget(id))
        throw error
      }
      await quietly(() => cache?.confirm(id, confirmedUntilMs(untilMs)))
      return "handled"
    },
  }
}

/** The event in a plain body. Throws WeirWebhookError: `invalid-json`, `no-type`. */
export function eventOf(plain: Uint8Array): WebhookEvent {
  let event: unknown
  try {
    event = JSON.parse(new TextDecoder().decode(plain))
  } catch {
    throw new WeirWebhookError("invalid-json", "invalid JSON payload")
  }
  const { type } = (event ?? {}) as { type?: unknown }
  if (typeof type !== "string" || type === "") throw new WeirWebhookError("no-type", "the payload has no type")
  return event as WebhookEvent
}

export const mismatch = (): WeirWebhookError => new WeirWebhookError("signature-mismatch", "signature mismatch")

function checkedSecrets(options: WebhookVerifierOptions) {
  checkNoBrowser()
  const { secrets, publicKeys, apiSecret } = options
  const keys: WebhookKey[] = [
    ...checkedList("secrets", secrets).map(hmacKey),
    ...checkedList("publicKeys", publicKeys).map(publicKey),
  ]
  const apiSecrets = checkedList("apiSecret", typeof apiSecret === "string" ? [apiSecret] : apiSecret)
  for (const secret of apiSecrets) checkSecret(secret)
  if (keys.length === 0 && apiSecrets.length === 0) {
    throw new TypeError("secrets, publicKeys or apiSecret is needed: without one, anybody could have sent it")
  }
  const requiresTimestamp = options.requireTimestamp ?? keys.length > 0
  if (requiresTimestamp && keys.length === 0) {
    throw new TypeError("X-Signature holds no time: requireTimestamp needs the hook's own secrets or publicKeys")
  }
  return { keys, apiSecrets, mayLackTimestamp: !requiresTimestamp && apiSecrets.length > 0 }
}

// An empty list is refused, because it is what a variable gives that is not set: with an apiSecret beside it, nobody
// would notice that replays are no longer refused.
function checkedList(name: string, list: readonly string[] | undefined): readonly string[] {
  if (list === undefined) return []
  if (!Array.isArray(list) || list.length === 0 || list.length > limits.webhookSecretsMax) {
    throw new TypeError(`${name} is a list of 1 to ${limits.webhookSecretsMax}`)
  }
  return list
}

function checkSeconds(name: string, seconds: number, min: number, max: number): void {
  if (Number.isSafeInteger(seconds) && seconds >= min && seconds <= max) return
  throw new TypeError(`${name} is a whole number from ${min} to ${max}`)
}

// A full stop would make two readings of what is signed.
function idOf(headers: WebhookHeaders, name: string): string {
  const id = neededHeaderOf(headers, name)
  if (!/^[\w-]{1,255}$/.test(id)) throw new WeirWebhookError("invalid-header", `${name} is no id`)
  return id
}

function neededHeaderOf(headers: WebhookHeaders, name: string): string {
  const value = headerOf(headers, name)
  if (value === null) throw new WeirWebhookError("missing-header", `the header ${name} is missing`)
  return value
}

/** A header, or null when it is absent or empty. */
function headerOf(headers: WebhookHeaders, name: string): string | null {
  if (typeof headers.get === "function") return headers.get(name) || null
  const fields = headers as Readonly<Record<string, string | readonly string[] | undefined>>
  const spelt = name in fields ? name : Object.keys(fields).find((key) => key.toLowerCase() === name)
  const value = spelt === undefined ? undefined : fields[spelt]
  return (Array.isArray(value) ? value.join(", ") : (value as string | undefined)) || null
}
