// The endpoint of your own backend that gives users their tokens, for the ways in which backends are written. The safe
// way is the short one: you say who is calling, from your own session, and nothing that the caller sends is believed.

import type { Scopes } from "../../protocol/src/principal.ts"
import {
  answer,
  answerNode,
  type EndpointAnswer,
  type HonoContext,
  logOf,
  type NodeRequest,
  type NodeResponse,
  responseOf,
} from "./endpoint.ts"
import { limits } from "./limits.ts"
import type { MaybePromise } from "./maybe-promise.ts"
import { algorithmOf, type SigningKey } from "./signing.ts"
import { createTokenAsync, type Duration, durationSecondsOf } from "./tokens.ts"

export interface TokenEndpointOptions<Caller> {
  apiKey: string
  /** API secret, or the private key of a pair. */
  apiSecret: SigningKey
  /**
   * Who is calling, by your own session or login: the user's id, or null for nobody. Never read it from what the
   * request says of itself, or any caller can be any user.
   */
  authenticate: (request: Caller) => MaybePromise<string | null | undefined>
  /** Life of a token; 1 h unless told otherwise, because a new one is only a request away. */
  expiresIn?: Duration
  kid?: string
  /** What the token is narrowed to. */
  scopes?: (userId: string, request: Caller) => MaybePromise<Scopes | undefined>
  /** The device that the token is for, by which all tokens of a device can be revoked. */
  deviceId?: (userId: string, request: Caller) => MaybePromise<string | undefined>
  /**
   * Origins of pages that may ask, such as `https://app.example.com`. With the list, pages of every other origin are
   * refused and those on it are answered across origins, with cookies. Without it no header of CORS is sent, so pages
   * of other origins cannot read the answer.
   */
  allowedOrigins?: readonly string[]
  /** How many tokens one user may have within a minute from this process; 60 unless told otherwise. Null: no bound. */
  tokensPerMinute?: number | null
  /** Hears what went wrong, for the backend's own log: the caller is told nothing of it. console.error otherwise. */
  onError?: (error: unknown) => void
}

/** What is answered with status 200. */
export interface TokenAnswer {
  token: string
  api_key: string
  user_id: string
  /** RFC 3339. */
  expires_at: string
}

/** What of a request is looked at, whatever framework brought it. */
interface Asked {
  readonly method: string
  /** A header, or null. */
  readonly header: (name: string) => string | null
}

type Endpoint<Caller> = (asked: Asked, request: Caller) => Promise<EndpointAnswer>

/** Checks the options once, when the endpoint is set up. Throws TypeError, Error in a browser. */
function endpoint<Caller>(options: TokenEndpointOptions<Caller>): Endpoint<Caller> {
  if (typeof options.authenticate !== "function") {
    throw new TypeError(
      "authenticate is missing: without a function that says who is calling, anybody could be anybody",
    )
  }
  if (!options.apiKey || !options.apiSecret) throw new TypeError("apiKey and apiSecret are needed")
  algorithmOf(options.apiSecret)
  const lifeSeconds = durationSecondsOf(options.expiresIn ?? limits.endpointTokenLifeSecondsDefault)
  const origins = options.allowedOrigins === undefined ? null : checkedOrigins(options.allowedOrigins)
  const mayHaveAnother = tokenCounter(options.tokensPerMinute)
  const onError = logOf(options.onError, "the token endpoint failed")

  async function give(request: Caller): Promise<EndpointAnswer> {
    const userId = await options.authenticate(request)
    if (typeof userId !== "string" || userId === "") return answer(401, { error: "not signed in" })
    const nowMs = Date.now()
    const waitSeconds = mayHaveAnother(userId, nowMs)
    if (waitSeconds > 0) {
      return answer(429, { error: "too many tokens in a minute" }, { "retry-after": String(waitSeconds) })
    }
    const scopes = await options.scopes?.(userId, request)
    const deviceId = await options.deviceId?.(userId, request)
    const issuedAt = Math.floor(nowMs / 1000)
    const token = await createTokenAsync(options.apiSecret, userId, {
      issuedAt,
      expiresIn: lifeSeconds,
      ...(options.kid === undefined ? {} : { kid: options.kid }),
      ...(scopes === undefined ? {} : { scopes }),
      ...(deviceId === undefined ? {} : { deviceId }),
    })
    const expires_at = new Date((issuedAt + lifeSeconds) * 1000).toISOString()
    return answer(200, { token, api_key: options.apiKey, user_id: userId, expires_at } satisfies TokenAnswer)
  }

  return async (asked, request) => {
    const { isRefused, headers } = originHeaders(asked, origins)
    const withOrigin = (given: EndpointAnswer): EndpointAnswer => ({
      ...given,
      headers: { ...given.headers, ...headers },
    })
    if (isRefused) return withOrigin(answer(403, { error: "this origin may not ask" }))
    if (asked.method === "OPTIONS" && origins !== null) return withOrigin(answer(204, null, preflightHeaders(asked)))
    // Not GET: browsers prefetch it, and other sites can have it asked for with a link.
    if (asked.method !== "POST") return withOrigin(answer(405, { error: "use POST" }, { allow: "POST" }))
    // Nothing of a body is ever read. A long one could only be a mistake or an attack.
    if (!(Number(asked.header("content-length") ?? 0) <= limits.endpointBodyBytesMax)) {
      return withOrigin(answer(413, { error: "no body is needed" }, { connection: "close" }))
    }
    try {
      return withOrigin(await give(request))
    } catch (error) {
      onError(error)
      return withOrigin(answer(500, { error: "no token could be made" }))
    }
  }
}

function checkedOrigins(origins: readonly string[]): ReadonlySet<string> {
  if (!Array.isArray(origins) || origins.length > limits.endpointOriginsMax) {
    throw new TypeError(`allowedOrigins is a list of up to ${limits.endpointOriginsMax} origins`)
  }
  for (const origin of origins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw new TypeError(`allowedOrigins: ${JSON.stringify(origin)} is no origin such as https://app.example.com`)
    }
  }
  return new Set(origins)
}

// Clients that are no pages (apps, servers) send no Origin, and nothing of theirs could be misused by a page.
function originHeaders(
  { header }: Asked,
  origins: ReadonlySet<string> | null,
): { isRefused: boolean; headers: Record<string, string> } {
  const origin = header("origin")
  if (origins === null) return { isRefused: false, headers: {} }
  if (origin === null) return { isRefused: false, headers: { vary: "Origin" } }
  if (!origins.has(origin)) return { isRefused: true, headers: { vary: "Origin" } }
  const headers = {
    vary: "Origin",
    "access-control-allow-origin": origin,
    "access-control-allow-credentials": "true",
  }
  return { isRefused: false, headers }
}

function preflightHeaders({ header }: Asked): Record<string, string> {
  const asked = header("access-control-request-headers")
  // The very names that were asked for: which headers carry the login is the backend's own matter.
  const isList = asked !== null && /^[\w-]{1,64}(?:, ?[\w-]{1,64}){0,15}$/.test(asked)
  return {
    "access-control-allow-methods": "POST",
    "access-control-max-age": "600",
    ...(isList ? { "access-control-allow-headers": asked } : {}),
  }
}

/** Counts tokens by user and minute. Answers the seconds to wait, 0 for none. Throws TypeError for a bad bound. */
function tokenCounter(perMinute: number | null = limits.endpointTokensPerMinuteDefault) {
  if (perMinute === null) return () => 0
  if (!Number.isSafeInteger(perMinute) || perMinute < 1) {
    throw new TypeError("tokensPerMinute is a whole number from 1, or null for no bound")
  }
  const windowMs = 60_000
  const counts = new Map<string, number>()
  let endsAtMs = 0
  return (userId: string, nowMs: number): number => {
    // A clock that was set back would otherwise keep a window open for as long as it was set back.
    if (nowMs >= endsAtMs || endsAtMs - nowMs > windowMs) {
      counts.clear()
      endsAtMs = nowMs + windowMs
    }
    const count = counts.get(userId) ?? 0
    if (count >= perMinute) return Math.max(1, Math.ceil((endsAtMs - nowMs) / 1000))
    if (count > 0 || counts.size < limits.endpointUsersCountedMax) counts.set(userId, count + 1)
    return 0
  }
}

/**
 * For Express, Connect and node:http: `app.post("/token", expressTokenEndpoint({ …, authenticate: (req) => … }))`. It
 * always answers, so it never calls `next`. Throws TypeError when the options cannot be right.
 */
export function expressTokenEndpoint<Req extends NodeRequest = NodeRequest>(
  options: TokenEndpointOptions<Req>,
): (request: Req, response: NodeResponse) => Promise<void> {
  const respond = endpoint(options)
  return async (request, response) => {
    const header = (name: string): string | null => {
      const value = request.headers[name]
      return (Array.isArray(value) ? value[0] : value) ?? null
    }
    // Where `authenticate` answered by itself, such as with a redirect to the login, that stands.
    answerNode(response, await respond({ method: request.method ?? "", header }, request))
  }
}

/**
 * For Hono: `app.post("/token", honoTokenEndpoint({ …, authenticate: (c) => c.get("userId") }))`. With `allowedOrigins`
 * use `app.all`, so that preflights come through. Throws TypeError when the options cannot be right.
 */
export function honoTokenEndpoint<Context extends HonoContext = HonoContext>(
  options: TokenEndpointOptions<Context>,
): (context: Context) => Promise<Response> {
  const respond = endpoint(options)
  return (context) => respondTo(respond, context.req.raw, context)
}

/**
 * For Next's route handlers and whatever else takes a Request: `export const POST = nextTokenEndpoint({ … })`. With
 * `allowedOrigins` export it as OPTIONS, too. Throws TypeError when the options cannot be right.
 */
export function nextTokenEndpoint<Req extends Request = Request>(
  options: TokenEndpointOptions<Req>,
): (request: Req) => Promise<Response> {
  const respond = endpoint(options)
  return (request) => respondTo(respond, request, request)
}

async function respondTo<Caller>(respond: Endpoint<Caller>, request: Request, caller: Caller): Promise<Response> {
  const asked: Asked = { method: request.method, header: (name) => request.headers.get(name) }
  return responseOf(await respond(asked, caller))
}
