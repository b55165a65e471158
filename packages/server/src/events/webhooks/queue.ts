// What the senders to queues share: the form that an event has there, what goes along with it, and how an attempt is
// told. A queue has no headers of its own, so the headers of a delivery travel as attributes of the message.

import { createHash } from "node:crypto"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { OutgoingError, type OutgoingFault } from "../../base/outgoing.ts"
import type { AttemptOutcome, HookDelivery, HookKind } from "./hook.ts"
import { limits } from "./limits.ts"
import { signatureHeaders } from "./sign.ts"
import { WireError } from "./wire.ts"

/**
 * The event as text for a queue that carries text (SQS, SNS, Redis): the JSON itself, or base64 of its gzip where the
 * hook compresses. Small ones too: a queue has no place that says which form it is, so a hook has one form.
 *
 * Text that the services would change (XML 1.0 §2.2 has no U+FFFE, U+FFFF and no control characters) goes as base64 of
 * the JSON, which receivers know as well: the signature covers each byte.
 */
export async function queueText({ body, hook }: HookDelivery): Promise<string> {
  if (hook.compression === "gzip") return (await packed(body)).toString("base64")
  return changedByQueues.test(body) ? Buffer.from(body).toString("base64") : body
}

/** The gzip of a text. Not on this thread: a big one would hold up everything else. */
export const packed: (text: string) => Promise<Buffer> = promisify(gzip)

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what the pattern is about
const changedByQueues = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/

/**
 * The headers of a delivery under the names that receivers look for where case counts, and `event_type`, by which
 * subscriptions are filtered. At most limits.queueAttributesMax, none empty: SQS allows no more, and SNS drops what it
 * hands on to SQS when there are more. `nowMs` is the time that is signed.
 */
export function messageAttributes(delivery: HookDelivery, nowMs: number): Record<string, string> {
  const attributes: Record<string, string> = {}
  for (const [name, value] of Object.entries(signatureHeaders(delivery, nowMs))) {
    if (value !== "") attributes[attributeNames[name] ?? name] = value
  }
  // An app's own type may have any characters; the attribute is a help, and the body has the type as it is.
  attributes.event_type = delivery.type.replace(/[^\x20-\x7e]/g, "?")
  const names = Object.keys(attributes)
  if (names.length > limits.queueAttributesMax) {
    throw new RangeError(`a message has at most ${limits.queueAttributesMax} attributes, not ${names.length}`)
  }
  return attributes
}

const attributeNames: Readonly<Record<string, string>> = {
  "x-signature": "X-Signature",
  "x-api-key": "X-Api-Key",
  "x-webhook-id": "X-Webhook-Id",
  "x-webhook-attempt": "X-Webhook-Attempt",
}

/** Bytes of the attributes as the services count them: name, type and value. */
export function attributeBytes(attributes: Readonly<Record<string, string>>): number {
  let bytes = 0
  for (const [name, value] of Object.entries(attributes)) bytes += Buffer.byteLength(name + value) + "String".length
  return bytes
}

/**
 * What keeps messages of a FIFO queue or topic in order: the name itself where the service allows it (letters, digits
 * and punctuation, at most limits.groupIdCharsMax), else its SHA-256, so that two streams never share a group.
 */
export const groupId = (name: string): string =>
  name.length <= limits.groupIdCharsMax && /^[!-~]+$/.test(name)
    ? name
    : `sha256:${createHash("sha256").update(name).digest("base64url")}`

/** An attempt while it runs. */
export interface Attempt {
  /** Where it goes, as it may be shown. */
  readonly target: string
  /** What must never be shown, whoever says it: receivers may repeat what they were sent. */
  readonly secrets: readonly string[]
  /** What goes along with the event, for people to look at. */
  headers: Readonly<Record<string, string>>
}

/** How an attempt ended: the members of an outcome that are the sender's to say. The response is not yet cut. */
export type AttemptEnd = Pick<AttemptOutcome, "result" | "fault" | "detail"> &
  Partial<Pick<AttemptOutcome, "status" | "response">>

/** A failure after which another attempt may succeed. */
export const retry = (fault: string, detail: string): AttemptEnd => ({ result: "retry", fault, detail })

/** A failure that belongs to the delivery itself. */
export const refuse = (fault: string, detail: string): AttemptEnd => ({ result: "refused", fault, detail })

/** A delivery to a sender of another kind. */
export const wrongKind = (kind: HookKind): AttemptEnd =>
  refuse("target", `this sender does not reach a target: ${kind}`)

/**
 * Runs one attempt and makes its outcome, also of what it throws. All that is shown is cut to the limits and free of the
 * attempt's secrets.
 */
export async function runAttempt(attempt: Attempt, run: () => Promise<AttemptEnd>): Promise<AttemptOutcome> {
  const startedMs = performance.now()
  const end = await run().catch(endOfError)
  return {
    result: end.result,
    status: end.status ?? null,
    fault: end.fault,
    detail: end.detail === null ? null : shown(attempt, end.detail, limits.detailShownCharsMax),
    // None of the queues has a way to say when to come back.
    retryAfterMs: null,
    durationMs: Math.round(performance.now() - startedMs),
    request: { target: attempt.target, headers: attempt.headers },
    response: end.response == null ? null : shownResponse(attempt, end.response),
  }
}

function endOfError(error: unknown): AttemptEnd {
  if (error instanceof WireError) return retry(error.fault, error.message)
  if (error instanceof OutgoingError) return retry(error.fault, outgoingSentences[error.fault])
  // A secret that does not sign, say: an operator can replace it.
  return retry("internal", `the delivery could not be sent: ${error instanceof Error ? error.message : error}`)
}

const outgoingSentences: Readonly<Record<OutgoingFault, string>> = {
  "refused-url": "the address is not one that may be called",
  "refused-address": "the host has an address that is not public",
  dns: "the host's name was not resolved",
  connect: "no connection came about",
  tls: "the TLS handshake failed",
  timeout: "there was no answer in time",
  reset: "the connection ended before the answer",
  protocol: "the answer was no HTTP",
}

const shownResponse = (
  attempt: Attempt,
  { headers, body }: NonNullable<AttemptOutcome["response"]>,
): NonNullable<AttemptOutcome["response"]> => ({
  headers: Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name !== "set-cookie")
      .slice(0, limits.headersShownMax)
      .map(([name, value]) => [
        shown(attempt, name, limits.headerShownCharsMax),
        shown(attempt, value, limits.headerShownCharsMax),
      ]),
  ),
  body: shown(attempt, body, limits.responseShownCharsMax),
})

/**
 * A stranger's text: without our secrets, cut to a bound, well-formed, and with no control character but tab and line
 * feeds, since it ends up in databases and on terminals.
 */
function shown({ secrets }: Attempt, text: string, charsMax: number): string {
  let clean = text
  for (const secret of secrets) if (secret !== "") clean = clean.replaceAll(secret, "[masked]")
  return (
    clean
      .slice(0, charsMax)
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, "\ufffd")
  )
}
