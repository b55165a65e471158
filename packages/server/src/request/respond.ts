// Responses: the JSON of an answer or a refusal, with the headers that browsers and clients need.

import { type ApiError, errorEnvelope } from "@weir/protocol"
import type { LimitState } from "./rate-limit.ts"

/** Below this a compressed body is hardly smaller and costs time. */
const gzipBytesMin = 1400

const exposedHeaders = "x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, retry-after, x-decision-id, date"

// Any origin may call: the token, not the origin, is the credential (contract/auth.md §9). Without
// `access-control-allow-credentials` no browser sends a cookie along, and where one counts, own-page.ts asks for more.
const baseHeaders: Record<string, string> = {
  "content-type": "application/json; charset=utf-8",
  "access-control-allow-origin": "*",
  "access-control-expose-headers": exposedHeaders,
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
}

// Made once: turning a plain object into headers costs more than the rest of a small response.
const plainHeaders = new Headers(baseHeaders)
// A response copies its headers, so one object serves all that differ in these three alone.
const limitedHeaders = new Headers(baseHeaders)
let lastLimit = -1
let lastReset = -1

/** Good until the next call, for a response that is made now. */
function headersWith({ limit, remaining, reset }: LimitState): Headers {
  if (limit !== lastLimit) limitedHeaders.set("x-ratelimit-limit", String(limit))
  if (reset !== lastReset) limitedHeaders.set("x-ratelimit-reset", String(reset))
  limitedHeaders.set("x-ratelimit-remaining", String(remaining))
  lastLimit = limit
  lastReset = reset
  return limitedHeaders
}

export interface ResponseOptions {
  status: number
  /** Asked only when the body is worth it. */
  acceptsGzip: () => boolean
  limitState?: LimitState | null
  /** Further headers, lower-case. */
  headers?: Record<string, string>
}

export const durationSince = (startedMs: number): string => `${(performance.now() - startedMs).toFixed(2)}ms`

/** JSON of outputs that are shared, as long as they are. */
const encodings = new WeakMap<object, string>()

/**
 * Marks an output that a route will give again, unchanged, to others: its JSON is then made once. For what is read
 * far more often than it changes.
 */
export function shared<Output extends object>(output: Output): Output {
  encodings.set(output, JSON.stringify(output))
  return output
}

/** The answer of an operation; `duration` is put in at the end. */
export function answer(output: object, startedMs: number, options: ResponseOptions): Response {
  const json = encodings.get(output) ?? JSON.stringify(output)
  const duration = `"duration":"${durationSince(startedMs)}"}`
  return jsonResponse(json === "{}" ? `{${duration}` : `${json.slice(0, -1)},${duration}`, options)
}

/** An answer whose text is made as the caller reads it. The generator is ended when the caller goes away. */
export function lines(text: AsyncGenerator<string, void, undefined>, contentType: string): Response {
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await text.next()
      if (next.done === true) controller.close()
      else controller.enqueue(encoder.encode(next.value))
    },
    async cancel() {
      await text.return()
    },
  })
  return new Response(body, { headers: { ...baseHeaders, "content-type": contentType } })
}

/**
 * The lines of a text for as long as its reader may have them: asked before each is handed over, and the text is ended at
 * the first no. Not a generator function, whose end would wait for a line that may never come.
 */
export function whileAllowed(
  text: AsyncGenerator<string, void, undefined>,
  mayGoOn: () => Promise<boolean>,
): AsyncGenerator<string, void, undefined> {
  return {
    async next() {
      const line = await text.next()
      if (line.done === true || (await mayGoOn())) return line
      return text.return()
    },
    return: () => text.return(),
    throw: (error) => text.throw(error),
    [Symbol.asyncIterator]() {
      return this
    },
  } as AsyncGenerator<string, void, undefined>
}

export interface RefusalContext {
  operation: string
  startedMs: number
  /** Where the pages of the error codes are, without a trailing slash. */
  errorPages: string
  decisionId: string | null
  /** Where the request was counted before it was refused, or because of it. */
  limitState?: LimitState | null
}

/** The error envelope as a response. */
export function refusal(error: ApiError, context: RefusalContext): Response {
  const envelope = errorEnvelope(
    error,
    context.operation,
    durationSince(context.startedMs),
    `${context.errorPages}/${error.code}`,
  )
  const headers: Record<string, string> = {}
  if (error.retryAfterSeconds !== undefined) headers["retry-after"] = String(error.retryAfterSeconds)
  if (context.decisionId !== null) headers["x-decision-id"] = context.decisionId
  const { limitState } = context
  return jsonResponse(JSON.stringify(envelope), { status: error.status, acceptsGzip: () => false, headers, limitState })
}

function jsonResponse(json: string, options: ResponseOptions): Response {
  const { limitState } = options
  const zips = json.length >= gzipBytesMin && options.acceptsGzip()
  if (!options.headers && !zips) {
    return new Response(json, { status: options.status, headers: limitState ? headersWith(limitState) : plainHeaders })
  }
  const headers: Record<string, string> = { ...baseHeaders, ...options.headers }
  if (limitState) {
    headers["x-ratelimit-limit"] = String(limitState.limit)
    headers["x-ratelimit-remaining"] = String(limitState.remaining)
    headers["x-ratelimit-reset"] = String(limitState.reset)
  }
  if (!zips) return new Response(json, { status: options.status, headers })
  headers["content-encoding"] = "gzip"
  headers.vary = "accept-encoding"
  return new Response(Bun.gzipSync(Buffer.from(json), { level: 1 }), { status: options.status, headers })
}

/** Answer to a preflight: any method and header, from anywhere, remembered for a day. */
export function preflight(request: Request): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-origin": "*",
      "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
      "access-control-allow-headers":
        request.headers.get("access-control-request-headers") ??
        "authorization, content-type, stream-auth-type, x-stream-client",
      "access-control-max-age": "86400",
      vary: "access-control-request-headers",
    },
  })
}
