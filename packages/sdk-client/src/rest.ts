// One REST call: query, headers, time-out, error envelope, the single repeat after an expired token, and the few
// repeats that an idempotent request may have when no answer came.

import { apiErrorOf, TOKEN_EXPIRED, UNAVAILABLE, WeirApiError, WeirTransportError } from "./errors.ts"
import { limits } from "./limits.ts"
import { backoffMs, sleep, type Timers } from "./timers.ts"

export type Fetch = (url: string, init: RequestInit) => Promise<Response>
export type QueryValue = string | number | boolean | readonly string[] | object | undefined

export interface RestRequest {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** From `/api/v2/` on; parameters are already escaped, see `path`. */
  path: string
  /** Undefined members are left out; arrays are joined by commas, objects sent as one JSON text. */
  query?: Record<string, QueryValue>
  body?: object
}

/** Who a request comes from. */
export interface RestAuth {
  /** Anonymous callers have no token. */
  readonly kind: "jwt" | "anonymous"
  token(): Promise<string | null>
  /** A token instead of one that the server called expired; null when there cannot be one. */
  replace: ((refused: string) => Promise<string> | null) | null
  /** Headers that prove this very request, where the caller proves itself so. Asked anew for each repeat. */
  readonly sign?: (request: SignedParts) => Promise<Record<string, string>>
}

/** What a signature covers. */
export interface SignedParts {
  readonly method: string
  /** Absolute. */
  readonly url: string
  /** The text that is sent, or undefined. */
  readonly body: string | undefined
}

export interface RestOptions {
  baseUrl: string
  /** Null where whoever asks belongs to no app; `api_key` is then a parameter like any other. */
  apiKey: string | null
  /** Sent as `X-Stream-Client`. */
  clientTag: string
  timeoutMs: number
  fetch: Fetch
  timers: Timers
  /** The server's `Date` (milliseconds since 1970, whole seconds), and when the request went out by the local clock. */
  onDate?: (serverMs: number, sentAtMs: number) => void
}

export interface Rest {
  /** The parsed answer. Rejects with WeirApiError or WeirTransportError. */
  call<Answer>(request: RestRequest, auth: RestAuth): Promise<Answer>
}

// RFC 9110 §9.2.2. Our POSTs create things or are not safe to repeat, PATCH is neither.
const idempotentMethods: ReadonlySet<string> = new Set(["GET", "PUT", "DELETE"])

export function createRest(options: RestOptions): Rest {
  return {
    async call<Answer>(request: RestRequest, auth: RestAuth): Promise<Answer> {
      const token = await auth.token()
      try {
        return await withRepeats(request, auth, token)
      } catch (error) {
        const isExpired = error instanceof WeirApiError && error.code === TOKEN_EXPIRED
        const replacement = isExpired && token !== null ? (auth.replace?.(token) ?? null) : null
        if (replacement === null) throw error
        return withRepeats(request, auth, await replacement)
      }
    },
  }

  async function withRepeats<Answer>(request: RestRequest, auth: RestAuth, token: string | null): Promise<Answer> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await once(request, auth, token)
      } catch (error) {
        const askedMs = repeatAfterMs(error, request.method)
        if (askedMs === null || failures >= limits.requestRetriesMax) throw error
        const waitMs = backoffMs(failures, limits.backoffBaseMs, limits.backoffMaxMs, options.timers.random())
        await sleep(options.timers, Math.max(waitMs, askedMs))
      }
    }
  }

  async function once<Answer>(request: RestRequest, auth: RestAuth, token: string | null): Promise<Answer> {
    const { response, text } = await exchange(request, auth, token)
    if (!response.ok) throw apiErrorOf(response.status, response.headers, text, options.timers.now())
    try {
      return JSON.parse(text) as Answer
    } catch (cause) {
      throw new WeirTransportError("network", `${request.path}: the answer is not JSON`, { cause })
    }
  }

  async function exchange(request: RestRequest, auth: RestAuth, token: string | null) {
    const { fetch, timers, timeoutMs } = options
    const abort = new AbortController()
    let isTimeout = false
    const timer = timers.setTimeout(() => {
      isTimeout = true
      abort.abort()
    }, timeoutMs)
    try {
      const url = urlOf(request)
      const init = initOf(request, auth, token, abort.signal)
      if (auth.sign !== undefined) {
        const body = init.body === undefined ? undefined : String(init.body)
        Object.assign(init.headers as object, await auth.sign({ method: request.method, url, body }))
      }
      const sentAtMs = timers.now()
      const response = await fetch(url, init)
      const date = response.headers.get("date")
      // What a cache has kept is of another time.
      if (date !== null && !response.headers.has("age")) options.onDate?.(Date.parse(date), sentAtMs)
      return { response, text: await response.text() }
    } catch (cause) {
      if (isTimeout)
        throw new WeirTransportError("timeout", `${request.path}: no answer within ${timeoutMs} ms`, { cause })
      throw new WeirTransportError("network", `${request.path}: ${messageOf(cause)}`, { cause })
    } finally {
      timers.clearTimeout(timer)
    }
  }

  function urlOf(request: RestRequest): string {
    const query = new URLSearchParams(options.apiKey === null ? {} : { api_key: options.apiKey })
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) query.set(name, queryText(value))
    }
    const text = query.toString()
    return `${options.baseUrl}${request.path}${text === "" ? "" : `?${text}`}`
  }

  function initOf(request: RestRequest, auth: RestAuth, token: string | null, signal: AbortSignal): RequestInit {
    const headers: Record<string, string> = {
      "stream-auth-type": auth.kind,
      "X-Stream-Client": options.clientTag,
    }
    if (token !== null) headers.Authorization = token
    if (request.body === undefined) return { method: request.method, headers, signal }
    headers["Content-Type"] = "application/json"
    return { method: request.method, headers, body: JSON.stringify(request.body), signal }
  }
}

/** The least wait before a repeat, or null when the request must not be repeated. */
function repeatAfterMs(error: unknown, method: string): number | null {
  if (error instanceof WeirTransportError) return idempotentMethods.has(method) ? 0 : null
  // The gate was closed, so nothing can have happened yet, whatever the method.
  if (!(error instanceof WeirApiError) || error.code !== UNAVAILABLE) return null
  const askedMs = (error.retryAfterSeconds ?? 0) * 1000
  return askedMs <= limits.retryAfterMaxMs ? askedMs : null
}

/**
 * Builds a path with each value escaped, so that an id can never reach into another segment.
 * Throws TypeError for an empty id and for `.` and `..`, which URL parsers fold away even when they are escaped.
 */
export const path = (texts: TemplateStringsArray, ...values: string[]): string =>
  texts.reduce((built, text, index) => `${built}${segmentOf(values[index - 1])}${text}`)

function segmentOf(value: unknown): string {
  if (typeof value !== "string" || value === "" || value === "." || value === "..") {
    throw new TypeError(`an id must be a non-empty string other than . and .., got ${JSON.stringify(value)}`)
  }
  return encodeURIComponent(value)
}

function queryText(value: Exclude<QueryValue, undefined>): string {
  if (Array.isArray(value)) return value.join(",")
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}

function messageOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  // Node puts the real reason (ECONNREFUSED, ENOTFOUND) one level down.
  return cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message
}
