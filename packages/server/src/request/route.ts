// A route is a value. Its keys are the pipeline, in order: who may knock (in the operation), how often, what it is
// about, may they, then what. Routing, validation, the permission check and the reference docs come from it.

import {
  type AppCaller,
  type InputOf,
  type Operation,
  type OperatorPrincipal,
  type OutputOf,
  userIdOf,
} from "@weir/protocol"
import type { Decision } from "../authorize/decide.ts"
import type { Awaitable } from "../base/chain.ts"
import type { Read, Tx } from "../store/database.ts"
import type { RateLimit } from "./rate-limit.ts"
import type { RequestInfo } from "./request-info.ts"

/** What every step of a route sees. */
export interface RouteContext<Op extends Operation> {
  readonly input: InputOf<Op>
  readonly principal: AppCaller
  readonly appId: number
  /** The user this is done as: the caller, or the one that a server call acts for; null when there is none. */
  readonly actor: string | null
  /** Socket that the caller wants to bind to, from the query. */
  readonly connectionId: string | null
  readonly read: Read
  /** Milliseconds since 1970, the same for the whole request. */
  readonly now: number
  /** Who made the request, as backends are told; made when it is asked for. */
  readonly requestInfo: () => RequestInfo
}

type Handle<Writes extends boolean> = Writes extends true ? { readonly tx: Tx } : object

export interface RouteDefinition<
  Op extends Operation,
  Loaded extends object,
  Writes extends boolean,
  Consulted extends object = object,
  Changed extends object = object,
> {
  /** Whether `handle` changes anything; only then does it get a transaction. */
  writes?: Writes
  /** `required`: a server call must name the user it acts for, else 400/4. */
  actor?: "required" | "optional"
  /**
   * Where the acting user stands in the input, if not in `user_id` or `user`; undefined falls back to those. Null:
   * the ids in this input name somebody who is acted on, so nobody is acted for.
   */
  actorOf?: (input: InputOf<Op>) => string | null | undefined
  limit?: RateLimit
  /** Brings the nouns that the decision and the handler need. Throws notFoundError when there is nothing. */
  load?: (context: RouteContext<Op>) => Awaitable<Loaded>
  /** Every decision must allow it; the first that does not is the refusal. */
  authorize: (context: RouteContext<Op> & Loaded) => Decision | readonly Decision[]
  /**
   * Asks somebody outside, such as the app's backend, about what is allowed. No transaction is open meanwhile, so that
   * nobody waits for a backend but the caller. When it takes its time, caller, nouns and decisions are asked once more
   * afterwards: what ended while a backend thought counts. What it answers joins the context.
   */
  consult?: (context: RouteContext<Op> & Loaded) => Awaitable<Consulted>
  /**
   * What is changed in a transaction of its own, committed before `handle` begins. For routes that then bind a socket
   * and read what they answer in this order, so that whatever others do from the commit on is read or heard. What it
   * answers joins the context.
   */
  change?: (context: RouteContext<Op> & Loaded & Consulted & { readonly tx: Tx }) => Awaitable<Changed>
  handle: (context: RouteContext<Op> & Loaded & Consulted & Changed & Handle<Writes>) => Awaitable<OutputOf<Op>>
}

/** A route as the router keeps it, its types no longer needed. */
export interface Route {
  readonly operation: Operation
  readonly definition: RouteDefinition<Operation, object, boolean>
}

/** Binds an operation to what answers it. */
export const route = <
  Op extends Operation,
  Loaded extends object = object,
  Writes extends boolean = false,
  Consulted extends object = object,
  Changed extends object = object,
>(
  operation: Op,
  definition: RouteDefinition<Op, Loaded, Writes, Consulted, Changed>,
): Route => ({ operation, definition: definition as unknown as Route["definition"] })

/** What the audit log is told of a management action or a security event. Secrets never stand in it. */
export interface AuditEntry {
  /** `noun.verb`, such as `secret.revoked`. */
  readonly action: string
  /** Absent or null: the whole deployment. */
  readonly appId?: number | null
  /** What it was done to, by its names. */
  readonly target?: Readonly<Record<string, unknown>>
  readonly before?: Readonly<Record<string, unknown>>
  readonly after?: Readonly<Record<string, unknown>>
}

/** How the audit log names a caller that comes through an app's key. */
export const actorNameOf = (principal: AppCaller): string =>
  principal.kind === "server"
    ? `server, secret ${principal.proof?.kid ?? "unknown"}`
    : `${principal.kind} ${userIdOf(principal)}`

/** What a route of the management API sees. */
export interface AdminReadContext<Op extends Operation> {
  readonly input: InputOf<Op>
  readonly principal: OperatorPrincipal
  /** The operator's end of the connection. */
  readonly address: string
  readonly read: Read
  readonly now: number
}

export interface AdminContext<Op extends Operation> extends AdminReadContext<Op> {
  readonly tx: Tx
  /** Writes into the audit log with the change, in its transaction. */
  readonly audit: (entry: AuditEntry) => void
  /** Runs after the commit and before the answer, which it may complete: what other nodes have to say. */
  readonly afterwards: (complete: (output: OutputOf<Op>) => Promise<OutputOf<Op>>) => void
}

/** A route of the management API: its callers are operators. One that writes is one transaction. */
export interface AdminRoute {
  readonly operation: Operation
  readonly writes: boolean
  /** Runs before the transaction begins. */
  readonly prepare: (() => Promise<void>) | null
  readonly handle: (context: AdminContext<Operation>) => Awaitable<object>
}

export const adminRoute = <Op extends Operation>(
  operation: Op,
  handle: (context: AdminContext<Op>) => Awaitable<OutputOf<Op>>,
  prepare: (() => Promise<void>) | null = null,
): AdminRoute => ({ operation, writes: true, prepare, handle: handle as unknown as AdminRoute["handle"] })

/** A route of the management API that only looks. */
export const adminRead = <Op extends Operation>(
  operation: Op,
  handle: (context: AdminReadContext<Op>) => Awaitable<OutputOf<Op>>,
): AdminRoute => ({ operation, writes: false, prepare: null, handle: handle as unknown as AdminRoute["handle"] })

/**
 * A route of the management API that only looks and answers in lines, made as they are read: its operation says in
 * which media type. What `handle` throws before the first of them is a refusal; later the answer just breaks off.
 */
export const adminStream = <Op extends Operation>(
  operation: Op,
  handle: (context: AdminReadContext<Op>) => Awaitable<AsyncGenerator<string, void, undefined>>,
): AdminRoute => ({ operation, writes: false, prepare: null, handle: handle as unknown as AdminRoute["handle"] })
