// What every sender shares: how one attempt runs and is shown, what goes along with a body that travels by HTTP, and what
// an HTTP answer means.

import { promisify } from "node:util"
import { gzip } from "node:zlib"
import type { Awaitable } from "../../base/chain.ts"
import { OutgoingError, type OutgoingFault } from "../../base/outgoing.ts"
import { version } from "../../base/version.ts"
import type { AttemptOutcome, HookDelivery, HookSender, HookTarget } from "./hook.ts"
import { limits } from "./limits.ts"
import { type Signed, signatureHeaders } from "./sign.ts"
import { WireError } from "./wire.ts"

/** One attempt, as its sender gets it. */
export interface Attempt<Target extends HookTarget> {
  readonly target: Target
  readonly delivery: HookDelivery
  /** What goes along with the event: what `headersOf` has made. */
  readonly headers: Readonly<Record<string, string>>
  /** The time that is signed, in milliseconds since 1970. */
  readonly nowMs: number
}

/**
 * How an attempt ended: the members of an outcome that are the sender's to say. `durationMs` stands for the time that
 * passed here. The response is not yet cut.
 */
export type AttemptEnd = Pick<AttemptOutcome, "result" | "fault" | "detail"> &
  Partial<Pick<AttemptOutcome, "status" | "retryAfterMs" | "durationMs" | "response">>

/** What tells one sender from another. `headersOf` and `deliver` may throw: that is an end as well. */
export interface SenderParts<Target extends HookTarget> {
  /** Where it goes, as it may be shown. */
  readonly shownTarget: (target: Target) => string
  /** What must never be shown, whoever says it: receivers may repeat what they were sent. None when absent. */
  readonly secretsOf?: (target: Target) => Secrets
  /** What goes along with the event, and is shown even if nothing is sent. `nowMs` is the time that is signed. */
  readonly headersOf: (delivery: HookDelivery, nowMs: number) => Promise<Readonly<Record<string, string>>>
  readonly deliver: (attempt: Attempt<Target>) => Awaitable<AttemptEnd>
  readonly close?: () => void
}

type Secrets = readonly (string | null)[]
type Response = NonNullable<AttemptOutcome["response"]>

/** The answer of a receiver by HTTP. `body` need not be whole: it is shown and not read. */
export interface HttpAnswer {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export const delivered: AttemptEnd = { result: "delivered", fault: null, detail: null }

/** A failure after which another attempt may succeed. */
export const retry = (fault: string, detail: string): AttemptEnd => ({ result: "retry", fault, detail })

/** A failure that belongs to the delivery itself. */
export const refuse = (fault: string, detail: string): AttemptEnd => ({ result: "refused", fault, detail })

/**
 * A sender for targets of the kind `kind`; a delivery to any other is refused. All that is shown of an attempt is cut to
 * the limits and free of the target's secrets.
 */
export function createSender<Target extends HookTarget>(kind: Target["kind"], parts: SenderParts<Target>): HookSender {
  return {
    async send(delivery, nowMs) {
      const startedMs = performance.now()
      const target = delivery.hook.target as Target
      if (target.kind !== kind) {
        const end = refuse("target", `a target of the kind ${target.kind} is not reached by this sender`)
        return outcomeOf(end, { target: target.kind, headers: {} }, [], startedMs)
      }
      let headers: Readonly<Record<string, string>> = {}
      let end: AttemptEnd
      try {
        headers = await parts.headersOf(delivery, nowMs)
        end = await parts.deliver({ target, delivery, headers, nowMs })
      } catch (error) {
        end = endOfError(error)
      }
      const request = { target: parts.shownTarget(target), headers }
      return outcomeOf(end, request, parts.secretsOf?.(target) ?? [], startedMs)
    },
    close: async () => parts.close?.(),
  }
}

function outcomeOf(
  end: AttemptEnd,
  request: AttemptOutcome["request"],
  secrets: Secrets,
  startedMs: number,
): AttemptOutcome {
  return {
    result: end.result,
    status: end.status ?? null,
    fault: end.fault,
    detail: end.detail === null ? null : shown(end.detail, secrets, limits.detailShownCharsMax),
    retryAfterMs: end.retryAfterMs ?? null,
    durationMs: Math.round(end.durationMs ?? performance.now() - startedMs),
    // Whole, so that the signatures can be checked later; their number is that of the hook's secrets.
    request,
    response: end.response == null ? null : shownResponse(end.response, secrets),
  }
}

function endOfError(error: unknown): AttemptEnd {
  if (error instanceof WireError) return retry(error.fault, error.message)
  if (error instanceof OutgoingError) {
    return { ...retry(error.fault, faultSentences[error.fault]), durationMs: error.durationMs }
  }
  // A secret that does not sign, say: an operator can replace it.
  return retry("internal", `the delivery could not be sent: ${error instanceof Error ? error.message : error}`)
}

/** What a request without an answer is told as. */
export const faultSentences: Readonly<Record<OutgoingFault, string>> = {
  "refused-url": "the URL is not one that may be called",
  "refused-address": "the host has an address that is not public",
  dns: "the host's name was not resolved",
  connect: "no connection came about",
  tls: "the TLS handshake failed",
  timeout: "there was no answer in time",
  reset: "the connection ended before the answer",
  protocol: "the answer was no HTTP",
}

/** Headers of a JSON body that goes to a backend, with its signatures. `nowMs` is the time that is signed. */
export const requestHeaders = async (signed: Signed, nowMs: number): Promise<Record<string, string>> => ({
  "content-type": "application/json",
  "user-agent": `weir/${version}`,
  // Answers are kept for people to read, and read up to a bound.
  "accept-encoding": "identity",
  ...(await signatureHeaders(signed, nowMs)),
})

/** The gzip of a text. Not on this thread: a big one would hold up everything else. */
export const packed: (text: string) => Promise<Buffer> = promisify(gzip)

/**
 * What an HTTP answer means that came at `atMs` (milliseconds since 1970).
 *
 * - 2xx: `delivered`. 410: `gone`.
 * - Everything else is `retry`. The schedule runs over days, and within days people mend what is broken: a receiver
 *   that is being rolled out answers 404, one with yesterday's secret 401, one with a bug 400. A redirect is not
 *   followed (it would send the event to where nobody configured it), so somebody has to correct the URL, and can.
 *
 * `Retry-After` of any answer that is no success is handed on, at most `limits.retryAfterMsMax`.
 */
export function endOfAnswer({ status, headers, body }: HttpAnswer, atMs: number): AttemptEnd {
  const answer = { status, response: { headers, body } }
  if (status >= 200 && status < 300) return { ...delivered, ...answer }
  return { ...failureOf(status), ...answer, retryAfterMs: retryAfterMsOf(headers["retry-after"], atMs) }
}

function failureOf(status: number): AttemptEnd {
  if (status === 410) {
    return { result: "gone", fault: "gone", detail: "the receiver answered 410: it wants no more deliveries" }
  }
  const said = `the receiver answered ${status}`
  if (status < 300 || status > 399) return retry("status", said)
  return retry("redirect", `${said}: redirects are not followed, so the new URL must be set`)
}

/**
 * `Retry-After` (RFC 9110 §10.2.3) in milliseconds from `nowMs`: whole seconds, or a date, which is no wait at all once
 * it has passed. At most `limits.retryAfterMsMax`. Null when there is none, or none that can be read.
 */
function retryAfterMsOf(value: string | undefined, nowMs: number): number | null {
  const text = value?.trim() ?? ""
  if (/^\d{1,15}$/.test(text)) return Math.min(Number(text) * 1000, limits.retryAfterMsMax)
  // All three forms of a date begin with a day's name, which keeps out what a lenient parser takes for a date.
  if (text.length > 40 || !/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /.test(text)) return null
  // The form of C's asctime names no zone and means UTC.
  const atMs = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`)
  return Number.isNaN(atMs) ? null : Math.min(Math.max(0, atMs - nowMs), limits.retryAfterMsMax)
}

const shownResponse = ({ headers, body }: Response, secrets: Secrets): Response => ({
  headers: Object.fromEntries(
    Object.entries(headers)
      // Cookies are the receiver's secrets and none of ours.
      .filter(([name]) => name !== "set-cookie")
      .slice(0, limits.headersShownMax)
      .map((header) => header.map((text) => shown(text, secrets, limits.headerShownCharsMax))),
  ),
  body: shown(body, secrets, limits.responseShownCharsMax),
})

/**
 * A stranger's text: without our secrets, cut to a bound, well-formed, and with no control character but tab and line
 * feeds, since it ends up in databases and on terminals.
 */
function shown(text: string, secrets: Secrets, charsMax: number): string {
  let clean = text
  for (const secret of secrets) if (secret) clean = clean.replaceAll(secret, "[masked]")
  return (
    clean
      .slice(0, charsMax)
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, "\ufffd")
  )
}
