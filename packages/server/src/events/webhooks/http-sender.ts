// Deliveries over HTTP: one POST for each attempt. What the answer means is decided here; when the next attempt is due,
// the schedule decides.

import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { type Outgoing, OutgoingError, type OutgoingFault, type OutgoingResponse } from "../../base/outgoing.ts"
import { version } from "../../base/version.ts"
import type { AttemptOutcome, HookDelivery, HookSender } from "./hook.ts"
import { limits } from "./limits.ts"
import { signatureHeaders } from "./sign.ts"

/**
 * Sends deliveries of hooks of the kind `webhook`. `outgoing` stays its owner's and is not closed with the sender.
 *
 * - 2xx: `delivered`. 410: `gone`.
 * - Everything else is `retry`. The schedule runs over days, and within days people mend what is broken: a receiver
 *   that is being rolled out answers 404, one with yesterday's secret 401, one with a bug 400. A redirect is not
 *   followed (it would send the event to where nobody configured it), so somebody has to correct the URL, and can. The
 *   same holds for a URL and an address that are refused: the hook's URL, the host's DNS entry and the operator's
 *   setting may all change, and each attempt is judged anew.
 * - `refused` is only for a delivery that was given to the wrong sender.
 *
 * `Retry-After` of any answer that is no success is handed on, at most `limits.retryAfterMsMax`.
 */
export function createHttpSender({ outgoing }: { readonly outgoing: Outgoing }): HookSender {
  async function send(delivery: HookDelivery, nowMs: number): Promise<AttemptOutcome> {
    const { target, timeoutMs } = delivery.hook
    if (target.kind !== "webhook") {
      return failure(target.kind, {}, 0, "refused", "target", `a target of kind ${target.kind} is not reached by HTTP`)
    }
    const { url } = target
    let headers: Record<string, string> = {}
    try {
      headers = headersOf(delivery, nowMs)
      const body = await bodyOf(delivery, headers)
      const responseBytesMax = limits.responseBytesMax
      const response = await outgoing.send({ url, method: "POST", headers, body, timeoutMs, responseBytesMax })
      return outcomeOf(response, url, headers, nowMs)
    } catch (error) {
      if (error instanceof OutgoingError) {
        return failure(url, headers, error.durationMs, "retry", error.fault, sentences[error.fault])
      }
      // A secret that does not sign, say: an operator can replace it.
      return failure(url, headers, 0, "retry", "internal", `the delivery could not be sent: ${messageOf(error)}`)
    }
  }
  return { send, close: async () => {} }
}

const headersOf = (delivery: HookDelivery, nowMs: number): Record<string, string> => ({
  "content-type": "application/json",
  "user-agent": `weir/${version}`,
  // Answers are kept for people to read, and read up to a bound.
  "accept-encoding": "identity",
  ...signatureHeaders(delivery, nowMs),
})

const gzipAsync = promisify(gzip)

/** The body as it travels; says so in `headers` when it is packed. */
async function bodyOf({ body, hook }: HookDelivery, headers: Record<string, string>): Promise<string | Uint8Array> {
  if (hook.compression !== "gzip" || Buffer.byteLength(body) < limits.compressedBytesMin) return body
  headers["content-encoding"] = "gzip"
  return gzipAsync(body)
}

function outcomeOf(
  response: OutgoingResponse,
  target: string,
  requestHeaders: Readonly<Record<string, string>>,
  nowMs: number,
): AttemptOutcome {
  const { status } = response
  const durationMs = Math.round(response.durationMs)
  const isDelivered = status >= 200 && status < 300
  const isRedirect = status >= 300 && status < 400
  return {
    result: isDelivered ? "delivered" : status === 410 ? "gone" : "retry",
    status,
    fault: isDelivered ? null : isRedirect ? "redirect" : status === 410 ? "gone" : "status",
    detail: isDelivered ? null : detailOf(status, isRedirect),
    retryAfterMs: isDelivered ? null : retryAfterMsOf(response.headers["retry-after"], nowMs + durationMs),
    durationMs,
    // Whole, so that the signatures can be checked later; their number is that of the hook's secrets.
    request: { target, headers: requestHeaders },
    response: { headers: shownHeaders(response.headers), body: shownBody(response.body) },
  }
}

function detailOf(status: number, isRedirect: boolean): string {
  if (isRedirect) return `the receiver answered ${status}: redirects are not followed, so the hook needs the new URL`
  if (status === 410) return "the receiver answered 410: it wants no more deliveries"
  return `the receiver answered ${status}`
}

function failure(
  target: string,
  headers: Readonly<Record<string, string>>,
  durationMs: number,
  result: AttemptOutcome["result"],
  fault: string,
  detail: string,
): AttemptOutcome {
  return {
    result,
    status: null,
    fault,
    detail,
    retryAfterMs: null,
    durationMs: Math.round(durationMs),
    request: { target, headers },
    response: null,
  }
}

const sentences: Readonly<Record<OutgoingFault, string>> = {
  "refused-url": "the URL is not one that may be called",
  "refused-address": "the host has an address that is not public",
  dns: "the host's name was not resolved",
  connect: "no connection came about",
  tls: "the TLS handshake failed",
  timeout: "the receiver did not answer in time",
  reset: "the connection ended before the answer",
  protocol: "the answer was no HTTP",
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

/** Without cookies, which are the receiver's secrets and none of ours. */
const shownHeaders = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name !== "set-cookie")
      .slice(0, limits.headersShownMax)
      .map(([name, value]) => [shown(name, limits.headerShownCharsMax), shown(value, limits.headerShownCharsMax)]),
  )

// At most four bytes a character: more of them are not looked at.
const shownBody = (body: Uint8Array): string =>
  shown(new TextDecoder().decode(body.subarray(0, limits.responseShownCharsMax * 4)), limits.responseShownCharsMax)

/**
 * A stranger's text cut to a bound. It ends up in databases and on terminals, so no half of a surrogate pair is left,
 * and no control character but tab and line feeds.
 */
const shown = (text: string, charsMax: number): string =>
  text
    .slice(0, charsMax)
    .toWellFormed()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, "\ufffd")

const messageOf = (error: unknown): string =>
  shown(error instanceof Error ? error.message : String(error), limits.detailShownCharsMax)
