// The pipeline of a request, stage by stage: find the route, know the caller, count, read the input, load, decide,
// handle, answer. Whatever is answered from caches runs to its end in one tick (base/chain.ts).

import {
  ApiError,
  type AppCaller,
  inputError,
  type Operation,
  type OperatorInput,
  type OperatorPrincipal,
  userIdOf,
  userIdPattern,
} from "@weir/protocol"
import type { Authenticate, Credentials } from "../authenticate/authenticate.ts"
import type { SignedRequest } from "../authenticate/signed-request.ts"
import { DeniedError, requireAllowed, requireScoped } from "../authorize/decide.ts"
import { requireActions, requireForInput, requireRole } from "../authorize/operators.ts"
import { type Awaitable, chain, isPromise } from "../base/chain.ts"
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Database, Tx } from "../store/database.ts"
import { parseBytes, readBody, readBytes } from "./body.ts"
import { type InputReader, inputReader } from "./input.ts"
import type { ObserveRequest } from "./observe.ts"
import { type CountedOperation, type LimitState, RateLimitError, type RateLimiter } from "./rate-limit.ts"
import type { RecordRefusal, RefusalStage } from "./refusal.ts"
import { type RequestInfo, requestInfoOf, setRequestInfo } from "./request-info.ts"
import { answer, lines, preflight, refusal, whileAllowed } from "./respond.ts"
import {
  type AdminReadContext,
  type AdminRoute,
  type AuditEntry,
  type Route,
  type RouteContext,
  route as routeOf,
} from "./route.ts"
import { createRouter } from "./router.ts"
import { firstOf, parseTarget, pathStartOf, type Query } from "./target.ts"

export { routeOf as route }

/** Makes sure that the acting user exists; `create` when the caller vouches for them. Throws inputError. */
export type EnsureActor = (tx: Tx, appId: number, userId: string, create: boolean, now: number) => Awaitable<void>

/** An entry of the audit log, with who did it from where, and when in milliseconds. */
export interface AuditRecord extends AuditEntry {
  readonly actor: string
  readonly address: string | null
  readonly at: number
}
/** Appends to the audit log in the transaction of the change. */
export type AppendAudit = (tx: Tx, record: AuditRecord) => Promise<void>

export interface HttpParts {
  readonly routes: readonly Route[]
  readonly adminRoutes: readonly AdminRoute[]
  readonly authenticate: Authenticate
  /** Asks again what authenticate asked, and leaves no trace of a use: for requests that waited for a backend. */
  readonly recheck: Authenticate
  /** Knows an operator by the admin token or by their session. Throws ApiError authentication, notAllowed, rateLimit. */
  readonly authenticateOperator: (request: Request, peer: Peer) => Awaitable<OperatorPrincipal>
  readonly audit: AppendAudit
  readonly ensureActor: EnsureActor
  readonly db: Database
  readonly limiter: RateLimiter
  readonly recordRefusal: RecordRefusal
  readonly observe: ObserveRequest
  readonly clock: Clock
  readonly log: Logger
}

/** What is known of the caller's end of the connection. */
export interface Peer {
  /** Asked for only where somebody is counted or logged, because finding it out costs a little. */
  readonly address: string
  /** Nobody between the caller and the gate can read along: TLS here or in front, or the same machine. */
  readonly isSecure: boolean
}

export type ServeHttp = (request: Request, peer: Peer) => Awaitable<Response>

export interface Http {
  readonly serve: ServeHttp
  /** Every operation that answers here, as the security matrix needs them. */
  readonly operations: readonly Operation[]
}

interface Entry {
  readonly operation: Operation
  readonly reader: InputReader<Operation>
  readonly route: Route | null
  readonly admin: AdminRoute | null
  /** Null: operators are not counted here. */
  readonly counted: CountedOperation | null
}

/** Builds the pipeline. Throws when a route lacks what it must say or two answer at one address. */
export function createHttp(parts: HttpParts): Http {
  const router = createRouter<Entry>()
  for (const route of parts.routes) addRoute(route.operation, { route, admin: null })
  for (const admin of parts.adminRoutes) addRoute(admin.operation, { route: null, admin })

  function addRoute(operation: Operation, target: { route: Route | null; admin: AdminRoute | null }): void {
    if (operation.access.length === 0) throw new Error(`operation ${operation.name} does not say who may call it`)
    if ((target.admin !== null) !== operation.access.includes("operator")) {
      throw new Error(`operation ${operation.name} mixes the operators' door with the apps'`)
    }
    if ((target.admin !== null) !== (operation.needs !== undefined)) {
      throw new Error(`operation ${operation.name} must say what it needs of operators if they call it, and only then`)
    }
    if (target.route !== null && typeof target.route.definition.authorize !== "function") {
      throw new Error(`route ${operation.name} decides nothing`)
    }
    const counted =
      target.route === null ? null : parts.limiter.operation(operation.name, target.route.definition.limit ?? null)
    router.add(operation.method, operation.path, { operation, reader: inputReader(operation), counted, ...target })
  }

  const answerRequest: ServeHttp = (request, peer) => {
    const exchange: Exchange = {
      request,
      peer,
      startedMs: performance.now(),
      operation: "Request",
      stage: "authenticate",
      credentials: null,
      caller: null,
      limitState: null,
    }
    if (request.method === "OPTIONS") return preflight(request)
    try {
      const response = serve(exchange)
      return isPromise(response) ? response.catch((error) => fail(exchange, error)) : response
    } catch (error) {
      return fail(exchange, error)
    }
  }
  const operations = [...parts.routes, ...parts.adminRoutes].map(({ operation }) => operation)
  return { serve: answerRequest, operations }

  function serve(exchange: Exchange): Awaitable<Response> {
    const { request } = exchange
    const { path, query } = parseTarget(request.url)
    // Whatever answers GET answers HEAD too (RFC 9110 §9.3.2); the runtime leaves out the body.
    const match = router.find(request.method === "HEAD" ? "GET" : request.method, path)
    if (match === null) throw new ApiError("notFound", `no endpoint answers ${request.method} ${path.slice(0, 200)}`)
    const entry = match.value
    exchange.operation = entry.operation.name
    const now = parts.clock.now()
    if (entry.admin !== null) return serveAdmin(exchange, entry, entry.admin, match.params, query)
    const { params } = match
    // A signature covers the body, so it is read before anything is proved; its bound holds all the same.
    if (request.headers.has("signature-input") && !entry.operation.keyOnly) {
      return readBytes(request).then((bytes) => serveApp(exchange, entry, params, query, now, bytes))
    }
    return serveApp(exchange, entry, params, query, now, null)
  }

  function serveApp(
    exchange: Exchange,
    entry: Entry,
    params: Record<string, string>,
    query: Query,
    now: number,
    signedBytes: Buffer | null,
  ): Awaitable<Response> {
    const { request } = exchange
    const route = entry.route as Route
    const credentials = entry.operation.keyOnly
      ? keyOnly(query, request.headers, exchange.peer)
      : credentialsOf(
          request.headers,
          query,
          exchange.peer,
          signedBytes === null ? null : signedOf(request, signedBytes),
        )
    exchange.credentials = credentials
    return chain(parts.authenticate(credentials, now), (principal) => {
      exchange.caller = principal
      exchange.stage = "access"
      if (!entry.operation.access.includes(principal.kind)) throw wrongKind(principal, entry.operation)
      exchange.stage = "rate-limit"
      return chain(takeLimit(entry, credentials, principal, now), (limitState) => {
        exchange.limitState = limitState
        exchange.stage = "input"
        return chain(bodyOf(request, entry.operation, signedBytes), (body) => {
          const input = entry.reader.read(params, query, body)
          const run = (caller: AppCaller) => runRoute(exchange, route, caller, input, query, now)
          // A body may take as long to come as its sender likes, and in that time they may have been shut out.
          if (performance.now() - exchange.startedMs < slowBodyMs) return run(principal)
          return letInAgain(exchange, entry.operation, now).then(run)
        })
      })
    })
  }

  /** Before the body is read, so that a caller who is over the limit costs no more than their headers. */
  function takeLimit(
    { counted }: Entry,
    { client, address }: Credentials,
    principal: AppCaller,
    now: number,
  ): Awaitable<LimitState | null> {
    return counted === null ? null : parts.limiter.take(counted, principal, client, address, now)
  }

  function runRoute(
    exchange: Exchange,
    route: Route,
    principal: AppCaller,
    input: RouteContext<Operation>["input"],
    query: Query,
    now: number,
  ): Awaitable<Response> {
    const { definition, operation } = route
    const acting = actingUser(principal, route, input)
    const { request, peer } = exchange
    let requestInfo: RequestInfo | undefined
    const context: RouteContext<Operation> = {
      input,
      principal,
      appId: principal.appId,
      actor: acting.userId,
      connectionId: firstOf(query, "connection_id"),
      read: parts.db.read,
      now,
      requestInfo() {
        requestInfo ??= requestInfoOf(principal, request.headers, peer)
        return requestInfo
      },
    }
    const inTransaction = <T extends object>(
      step: (full: RouteContext<Operation> & { readonly tx: Tx }) => Awaitable<T>,
    ): Promise<T> =>
      parts.db.transact(async (tx) => {
        setRequestInfo(tx, context.requestInfo)
        if (acting.userId !== null) {
          await parts.ensureActor(tx, principal.appId, acting.userId, acting.vouched, now)
        }
        return step({ ...context, tx })
      })
    const { change, consult, handle, writes } = definition
    const work = (): Awaitable<object> =>
      chain(change === undefined ? nothing : inTransaction(change), (changed) => {
        Object.assign(context, changed)
        return writes ? inTransaction(handle) : handle(context as never)
      })
    exchange.stage = "load"
    const handled = chain(definition.load ? definition.load(context) : nothing, (loaded) => {
      decide(exchange, route, Object.assign(context, loaded))
      exchange.stage = "handle"
      if (consult === undefined) return work()
      return chain(consulted(exchange, route, context, consult(context)), (more) => {
        Object.assign(context, more)
        return work()
      })
    })
    return chain(handled, (output) => {
      parts.observe(exchange, operation.status, null)
      return answer(output, exchange.startedMs, {
        status: operation.status,
        acceptsGzip: () => acceptsGzip(exchange.request),
        limitState: exchange.limitState,
      })
    })
  }

  /** The decisions of a route, all of which must allow it. Throws ApiError. */
  function decide(exchange: Exchange, { definition, operation }: Route, context: RouteContext<Operation>): void {
    exchange.stage = "authorize"
    const decisions = definition.authorize(context)
    // Decisions that depend on the input must not leave a door open to the input that leads to none.
    if (Array.isArray(decisions) && decisions.length === 0) throw nothingDecided()
    requireAllowed(decisions)
    requireScoped(context.principal, decisions, operation.name)
  }

  /**
   * What was consulted. A backend may think for seconds, and in them the caller may have been banned or revoked and the
   * channel closed; so whoever had to wait is let in, loads and is decided about once more. Times are those of the
   * request: a token that was valid when it came is not refused for the slowness of a backend.
   */
  function consulted(
    exchange: Exchange,
    route: Route,
    context: RouteContext<Operation>,
    asked: Awaitable<object>,
  ): Awaitable<object> {
    if (!isPromise(asked)) return asked
    const { definition, operation } = route
    return asked.then(async (more) => {
      const principal = await letInAgain(exchange, operation, context.now)
      exchange.stage = "load"
      Object.assign(context, { principal })
      Object.assign(context, await definition.load?.(context))
      decide(exchange, route, context)
      exchange.stage = "handle"
      return more
    })
  }

  async function letInAgain(exchange: Exchange, operation: Operation, now: number): Promise<AppCaller> {
    exchange.stage = "authenticate"
    const principal = await parts.recheck(exchange.credentials as Credentials, now)
    exchange.caller = principal
    exchange.stage = "access"
    if (!operation.access.includes(principal.kind)) throw wrongKind(principal, operation)
    return principal
  }

  async function serveAdmin(
    exchange: Exchange,
    entry: Entry,
    admin: AdminRoute,
    params: Record<string, string>,
    query: Query,
  ): Promise<Response> {
    const { request, peer } = exchange
    const known = await parts.authenticateOperator(request, peer)
    exchange.stage = "access"
    requireRole(known, entry.operation)
    exchange.stage = "input"
    const input = entry.reader.read(params, query, await bodyOf(request, entry.operation))
    // A body may take as long to come as its sender likes, so who asks is asked again once it is whole.
    exchange.stage = "authenticate"
    const principal = known.sessionId === null ? known : await parts.authenticateOperator(request, peer)
    const now = parts.clock.now()
    exchange.stage = "authorize"
    requireForInput(principal, entry.operation, input, now)
    exchange.stage = "handle"
    const context = { input, principal, address: peer.address, read: parts.db.read, now }
    const output = admin.writes
      ? await changeAsOperator(admin, context)
      : await admin.handle(context as unknown as Parameters<AdminRoute["handle"]>[0])
    parts.observe(exchange, entry.operation.status, null)
    const { contentType } = entry.operation
    if (contentType !== undefined) {
      const text = output as AsyncGenerator<string, void, undefined>
      const mayGoOn = () => maySee(exchange, entry.operation, input)
      return lines(principal.sessionId === null ? text : whileAllowed(text, mayGoOn), contentType)
    }
    const options = { status: entry.operation.status, acceptsGzip: () => acceptsGzip(request) }
    return answer(output, exchange.startedMs, options)
  }

  /** Whether the operator is still there, with a role that holds what the operation needs. */
  async function maySee({ request, peer }: Exchange, operation: Operation, input: OperatorInput): Promise<boolean> {
    try {
      requireActions(await parts.authenticateOperator(request, peer), operation, input)
      return true
    } catch {
      return false
    }
  }

  async function changeAsOperator(admin: AdminRoute, context: AdminReadContext<Operation>): Promise<object> {
    await admin.prepare?.()
    const { principal, address, now } = context
    type Complete = (output: object) => Promise<object>
    const { output, completes } = await parts.db.transact(async (tx) => {
      const entries: AuditEntry[] = []
      const completes: Complete[] = []
      const output = await admin.handle({
        ...context,
        tx,
        audit: (audited) => entries.push(audited),
        afterwards: (complete) => completes.push(complete as Complete),
      })
      for (const audited of entries) await parts.audit(tx, { ...audited, actor: principal.name, address, at: now })
      return { output, completes }
    })
    let completed: object = output
    for (const complete of completes) completed = await complete(completed)
    return completed
  }

  function fail(exchange: Exchange, thrown: unknown): Response {
    const error = thrown instanceof ApiError ? thrown : unexpected(thrown)
    const denied = thrown instanceof DeniedError ? thrown.denied : null
    // What is absent gets an id as well: one that only hidden things had would tell the two apart.
    const decisionId = decidedStatuses.has(error.status)
      ? parts.recordRefusal({
          at: parts.clock.now(),
          operation: exchange.operation,
          stage: exchange.stage,
          error,
          caller: exchange.caller,
          denied,
          apiKey: exchange.credentials?.apiKey ?? null,
          authorization: exchange.credentials?.authorization ?? null,
          client: exchange.credentials?.client ?? null,
          address: exchange.peer.address,
        })
      : null
    const line = {
      operation: exchange.operation,
      code: error.code,
      status: error.status,
      reason: error.reason,
      internal: error.internal,
      why: error.why,
      decision_id: decisionId,
      caller: exchange.caller?.kind,
      user_id: exchange.caller === null ? undefined : userIdOf(exchange.caller),
      app_id: exchange.caller?.appId,
      checks: denied?.checks,
      address: exchange.peer.address,
    }
    if (isOurFault(error)) parts.log.error("request failed", { ...line, cause: thrown })
    else parts.log.info("request refused", line)
    parts.observe(exchange, error.status, { error, decisionId })
    return refusal(error, {
      operation: exchange.operation,
      startedMs: exchange.startedMs,
      errorPages: errorPagesOf(exchange.request),
      decisionId,
      limitState: error instanceof RateLimitError ? error.state : exchange.limitState,
    })
  }
}

interface Exchange {
  readonly request: Request
  readonly peer: Peer
  readonly startedMs: number
  operation: string
  stage: RefusalStage
  credentials: Credentials | null
  caller: AppCaller | null
  /** What is left of the tightest limit; null where nothing was counted. */
  limitState: LimitState | null
}

const nothing = {}
const decidedStatuses: ReadonlySet<number> = new Set([401, 403, 404, 429, 503])
const userIdCharsMax = 255
/** A request whose body was whole so soon after its head is decided by what was known at its head. */
const slowBodyMs = 250

/** Reads what a caller brought: from headers, or for the kind and key from the query. */
export const credentialsOf = (
  headers: Headers,
  query: Query,
  peer: Peer,
  signed: SignedRequest | null = null,
): Credentials => ({
  apiKey: firstOf(query, "api_key"),
  authType: headers.get("stream-auth-type") ?? firstOf(query, "stream-auth-type"),
  authorization: headers.get("authorization"),
  client: headers.get("x-stream-client"),
  address: () => peer.address,
  isSecure: () => peer.isSecure,
  signed,
})

const keyOnly = (query: Query, headers: Headers, peer: Peer): Credentials => ({
  ...credentialsOf(headers, query, peer),
  authType: "anonymous",
  authorization: null,
})

function signedOf(request: Request, body: Buffer): SignedRequest {
  const { url } = request
  const pathStart = Math.max(0, pathStartOf(url))
  return {
    method: request.method,
    targetUri: url.slice(pathStart),
    authority: request.headers.get("host") ?? "",
    header: (name) => request.headers.get(name),
    body,
  }
}

const bodyOf = (request: Request, operation: Operation, signedBytes: Buffer | null = null): Awaitable<unknown> => {
  if (operation.body === null) return null
  return signedBytes === null ? readBody(request) : parseBytes(request, signedBytes)
}

function wrongKind(principal: AppCaller, operation: Operation): ApiError {
  const who = principal.kind === "server" ? "a server token" : `${principal.kind} callers`
  return new ApiError("notAllowed", `this endpoint is not open to ${who}`, {
    why: {
      check: "access",
      rule: "kind",
      detail: `${operation.name} is open to ${operation.access.join(", ")}, and the caller is ${principal.kind}`,
      remedy: `call it as one of: ${operation.access.join(", ")}`,
    },
  })
}

const nothingDecided = (): ApiError =>
  new ApiError("notAllowed", "nothing was asked for", {
    internal: "the route made no decision for this input",
    why: { check: "grant", rule: "nothing", detail: "the input names nothing to decide about" },
  })

interface Acting {
  readonly userId: string | null
  /** The caller proved or described the user, so a missing row may be made. */
  readonly vouched: boolean
}

// Not every operation has these in its schema, so nothing is known of their types.
interface ActingInput {
  user_id?: unknown
  user?: { id?: unknown } | null
}

// A client may only act as itself; the id that it sends along is checked against the token, never believed.
function actingUser(principal: AppCaller, route: Route, input: RouteContext<Operation>["input"]): Acting {
  const { definition } = route
  const body = (input.body ?? {}) as ActingInput
  const query = input.query as ActingInput
  const pointed = definition.actorOf?.(input)
  const named = pointed === null ? undefined : (pointed ?? body.user_id ?? body.user?.id ?? query.user_id)
  if (principal.kind === "server") {
    if (named === undefined && definition.actor === "required") {
      throw inputError("user_id is required for server side requests", { user_id: "is required" })
    }
    if (named !== undefined && !isUserId(named))
      throw inputError("user_id is not valid", { user_id: "is not a user id" })
    return { userId: named ?? null, vouched: body.user?.id !== undefined && principal.scopes === null }
  }
  const own = userIdOf(principal) as string
  if (named !== undefined && named !== own) {
    throw new ApiError("notAllowed", `user_id is not the user of the token, '${own}'`, {
      why: {
        check: "actor",
        rule: "own-user",
        detail: "a client acts as the user of its token and as nobody else",
        remedy: `leave user_id out, or send it as '${own}'; a backend may name another user`,
      },
    })
  }
  return { userId: own, vouched: principal.kind !== "anonymous" }
}

const userIds = new RegExp(userIdPattern)
const isUserId = (value: unknown): value is string =>
  typeof value === "string" && value.length <= userIdCharsMax && userIds.test(value)

/** Whether the client takes gzip; `q=0` says that it does not (RFC 9110 §12.5.3). */
const acceptsGzip = (request: Request): boolean => {
  const accepted = request.headers.get("accept-encoding")
  return accepted?.includes("gzip") === true && !/gzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)/i.test(accepted)
}

/** Error pages are served by this server, so the link leads to the address that the client used. */
export function errorPagesOf(request: Request): string {
  return `${request.url.slice(0, Math.max(0, pathStartOf(request.url)))}/errors`
}

/** An app's backend that gives no answer is the app's to mend; it is warned of where it is asked, once in a while. */
const isOurFault = (error: ApiError): boolean => error.status >= 500 && error.why?.check !== "hook"

const unexpected = (thrown: unknown): ApiError =>
  new ApiError("internal", "internal error", { internal: String(thrown), cause: thrown })
