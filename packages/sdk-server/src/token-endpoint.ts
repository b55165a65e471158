// The endpoint of your own backend that gives users their tokens, for the ways in which backends are written. The safe
// way is the short one: you say who is calling, from your own session, and nothing that the caller sends is believed.

import type { Scopes } from "@weir/protocol"
import { createTokenAsync, type Duration, durationSecondsOf } from "./tokens.ts"

type MaybePromise<T> = T | Promise<T>

export interface TokenEndpointOptions<Caller> {
  apiKey: string
  /** API secret, or private key in PEM. */
  apiSecret: string
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
}

interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: object
}

const json = { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" }
const answer = (status: number, body: object, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { ...json, ...headers },
  body,
})

const defaultLife = "1h"

/** Checks the options once, when the endpoint is set up. Throws TypeError. */
function endpoint<Caller>(options: TokenEndpointOptions<Caller>): (method: string, request: Caller) => Promise<Answer> {
  if (typeof options.authenticate !== "function") {
    throw new TypeError(
      "authenticate is missing: without a function that says who is calling, anybody could be anybody",
    )
  }
  if (!options.apiKey || !options.apiSecret) throw new TypeError("apiKey and apiSecret are needed")
  const lifeSeconds = durationSecondsOf(options.expiresIn ?? defaultLife)
  return async (method, request) => {
    // Not GET: browsers prefetch it, and other sites can have it asked for with a link.
    if (method !== "POST") return answer(405, { error: "use POST" }, { allow: "POST" })
    try {
      const userId = await options.authenticate(request)
      if (typeof userId !== "string" || userId === "") return answer(401, { error: "not signed in" })
      const scopes = await options.scopes?.(userId, request)
      const issuedAt = Math.floor(Date.now() / 1000)
      const token = await createTokenAsync(options.apiSecret, userId, {
        issuedAt,
        expiresIn: lifeSeconds,
        ...(options.kid === undefined ? {} : { kid: options.kid }),
        ...(scopes === undefined ? {} : { scopes }),
      })
      const expires_at = new Date((issuedAt + lifeSeconds) * 1000).toISOString()
      return answer(200, { token, api_key: options.apiKey, user_id: userId, expires_at })
    } catch (cause) {
      // What went wrong is for the backend's own log; a message could hold the secret or a path.
      console.error("weir: the token endpoint failed:", cause instanceof Error ? cause.message : "unknown error")
      return answer(500, { error: "no token could be made" })
    }
  }
}

/** What Express, Connect and node:http have in common. */
export interface NodeRequest {
  readonly method?: string | undefined
  on(event: string, listener: (...args: never[]) => void): unknown
  resume(): unknown
}
export interface NodeResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(body: string): unknown
}

/** For Express, Connect and node:http: `app.post("/token", expressTokenEndpoint({ …, authenticate: (req) => req.user?.id }))`. */
export function expressTokenEndpoint<Req extends NodeRequest = NodeRequest>(
  options: TokenEndpointOptions<Req>,
): (request: Req, response: NodeResponse) => Promise<void> {
  const respond = endpoint(options)
  return async (request, response) => {
    // Nothing of the body is looked at, and a body that nobody reads would hold the connection.
    request.resume()
    const { status, headers, body } = await respond(request.method ?? "", request)
    response.statusCode = status
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    response.end(JSON.stringify(body))
  }
}

/** The part of a Hono context that is used. */
export interface HonoContext {
  readonly req: { readonly raw: Request }
}

/** For Hono: `app.post("/token", honoTokenEndpoint({ …, authenticate: (c) => c.get("userId") }))`. */
export function honoTokenEndpoint<Context extends HonoContext = HonoContext>(
  options: TokenEndpointOptions<Context>,
): (context: Context) => Promise<Response> {
  const respond = endpoint(options)
  return async (context) => responseOf(await respond(context.req.raw.method, context))
}

/** For Next's route handlers and whatever else takes a Request: `export const POST = nextTokenEndpoint({ … })`. */
export function nextTokenEndpoint(options: TokenEndpointOptions<Request>): (request: Request) => Promise<Response> {
  const respond = endpoint(options)
  return async (request) => responseOf(await respond(request.method, request))
}

const responseOf = ({ status, headers, body }: Answer): Response =>
  new Response(JSON.stringify(body), { status, headers })
