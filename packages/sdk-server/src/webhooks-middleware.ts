// The endpoint of your own backend that receives webhooks, for the ways in which backends are written. It answers with
// success only after your handler has resolved, because what is answered with success never comes again.

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
import { collected, streamed, tooBig, type WebhookBody } from "./webhooks-body.ts"
import { type WebhookErrorCode, WeirWebhookError } from "./webhooks-error.ts"
import {
  createWebhookVerifier,
  type WebhookEvent,
  type WebhookHeaders,
  type WebhookVerifierOptions,
} from "./webhooks-verifier.ts"

/** What decides whether an event is genuine and new, and what is done with it. `Call`: what the framework hands over. */
export interface WebhookOptions<Call extends readonly unknown[]> extends WebhookVerifierOptions {
  /**
   * Does your work with an event, once for each. When it rejects, 500 is answered and the event comes again later. It
   * may answer by itself: with a Response, or by the response of Express. An answer that is no success brings the event
   * back as well.
   */
  onEvent: (event: WebhookEvent, ...call: Call) => MaybePromise<unknown>
}

/** What is answered as JSON. */
export interface WebhookAnswer {
  result?: "handled" | "duplicate"
  error?: string
  code?: WebhookErrorCode
}

/** What of a request is looked at, whatever framework brought it. */
interface Asked {
  readonly method: string
  readonly headers: WebhookHeaders
  /** Rejects with WeirWebhookError when there is no raw body, or too much of it. */
  readonly readBody: () => Promise<WebhookBody>
}

/** Answers null when the handler answered by itself. `act` resolves with the status of that, or with null. */
type Endpoint = (asked: Asked, act: (event: WebhookEvent) => Promise<number | null>) => Promise<EndpointAnswer | null>

/** Checks the options once, when the endpoint is set up. Throws TypeError, Error in a browser. */
function endpoint(options: WebhookOptions<never>): Endpoint {
  if (typeof options.onEvent !== "function") throw new TypeError("onEvent is missing: what shall be done with events?")
  const onError = logOf(options.onError, "a webhook was not handled")
  const verifier = createWebhookVerifier({ ...options, onError })

  return async ({ method, headers, readBody }, act) => {
    if (method !== "POST") return answer(405, { error: "use POST" } satisfies WebhookAnswer, { allow: "POST" })
    // Thrown where the handler's own answer is no success, so that the event is not taken for handled.
    const unhandled = new Error("the handler answered that it failed")
    let hasAnswered = false
    try {
      const result = await verifier.handle(await readBody(), headers, async (event) => {
        const status = await act(event)
        hasAnswered = status !== null
        if (status !== null && (status < 200 || status > 299)) throw unhandled
      })
      return hasAnswered ? null : answer(200, { result } satisfies WebhookAnswer)
    } catch (error) {
      if (error === unhandled) return null
      if (error instanceof WeirWebhookError && error.code !== "body-parsed") return refusal(error)
      onError(error)
      return answer(500, { error: "the webhook could not be handled" } satisfies WebhookAnswer)
    }
  }
}

function refusal({ code, message }: WeirWebhookError): EndpointAnswer {
  const body: WebhookAnswer = { error: message, code }
  switch (code) {
    case "being-handled":
      return answer(503, body, { "retry-after": String(limits.webhookRetrySeconds) })
    case "replay-cache-full":
      return answer(503, body, { "retry-after": String(limits.webhookRetryFullSeconds) })
    case "too-big":
      // What was not read of the body would otherwise be taken for the next request.
      return answer(413, body, { connection: "close" })
    case "missing-header":
    case "signature-mismatch":
    case "timestamp-too-old":
    case "timestamp-too-new":
      return answer(401, body)
    default:
      return answer(400, body)
  }
}

const parsed = (how: string): WeirWebhookError =>
  new WeirWebhookError(
    "body-parsed",
    `the body was read before the webhook's endpoint saw it, so the bytes that were signed are gone: ${how}`,
  )

/** What Express, Connect and node:http have in common. */
export interface NodeWebhookRequest extends NodeRequest, AsyncIterable<unknown> {
  /** What express.raw or express.text made of the body. */
  readonly body?: unknown
  /** The raw bytes where something keeps them beside what it parsed. */
  readonly rawBody?: unknown
  readonly readableDidRead?: boolean
  readonly readableEnded?: boolean
}

/**
 * For Express, Connect and node:http: `app.post("/hook", expressWebhook({ secrets, onEvent: (event) => … }))`, before
 * `express.json()` or behind `express.raw({ type: "application/json" })`, because the raw bytes are needed. It always
 * answers, so it never calls `next`. Throws TypeError when the options cannot be right.
 */
export function expressWebhook<
  Req extends NodeWebhookRequest = NodeWebhookRequest,
  Res extends NodeResponse = NodeResponse,
>(options: WebhookOptions<[request: Req, response: Res]>): (request: Req, response: Res) => Promise<void> {
  const respond = endpoint(options)
  return async (request, response) => {
    const asked: Asked = {
      method: request.method ?? "",
      headers: request.headers as WebhookHeaders,
      readBody: () => readNodeBody(request),
    }
    const given = await respond(asked, async (event) => {
      await options.onEvent(event, request, response)
      return response.headersSent ? response.statusCode : null
    })
    if (given !== null) answerNode(response, given)
  }
}

async function readNodeBody(request: NodeWebhookRequest): Promise<WebhookBody> {
  for (const kept of [request.rawBody, request.body]) {
    if (kept instanceof Uint8Array || typeof kept === "string") return kept
  }
  if (request.readableDidRead === true || request.readableEnded === true) {
    throw parsed("put expressWebhook before express.json(), or express.raw() in its place")
  }
  if (Number(request.headers["content-length"] ?? 0) > limits.webhookBytesMax) throw tooBig()
  // Not with `for await`, which would end the connection at the bound, before the answer.
  const chunks = request[Symbol.asyncIterator]()
  return collected(() => chunks.next())
}

/**
 * For Hono: `app.post("/hook", honoWebhook({ secrets, onEvent: (event, c) => … }))`. Throws TypeError when the options
 * cannot be right.
 */
export function honoWebhook<Context extends HonoContext = HonoContext>(
  options: WebhookOptions<[context: Context]>,
): (context: Context) => Promise<Response> {
  const respond = endpoint(options)
  return (context) => respondTo(respond, context.req.raw, (event) => options.onEvent(event, context))
}

/**
 * For Next's route handlers and whatever else takes a Request: `export const POST = nextWebhook({ secrets, onEvent })`.
 * Throws TypeError when the options cannot be right.
 */
export function nextWebhook<Req extends Request = Request>(
  options: WebhookOptions<[request: Req]>,
): (request: Req) => Promise<Response> {
  const respond = endpoint(options)
  return (request) => respondTo(respond, request, (event) => options.onEvent(event, request))
}

async function respondTo(
  respond: Endpoint,
  request: Request,
  act: (event: WebhookEvent) => MaybePromise<unknown>,
): Promise<Response> {
  let own: Response | null = null
  const asked: Asked = { method: request.method, headers: request.headers, readBody: () => readFetchBody(request) }
  const given = await respond(asked, async (event) => {
    const result = await act(event)
    own = isResponse(result) ? result : null
    return own?.status ?? null
  })
  if (given === null) return own as unknown as Response
  return responseOf(given)
}

async function readFetchBody(request: Request): Promise<WebhookBody> {
  if (request.bodyUsed) throw parsed("let nothing before it call json() or text() of the request")
  if (Number(request.headers.get("content-length") ?? 0) > limits.webhookBytesMax) throw tooBig()
  return request.body === null ? new Uint8Array() : await streamed(request.body)
}

// Not by instanceof: frameworks bring classes of their own.
const isResponse = (value: unknown): value is Response =>
  typeof value === "object" && value !== null && "headers" in value && "status" in value && "body" in value
