// What the dashboard asks before and about a login. No operations of the API: these work with cookies, and only our own
// page may call them. accounts.ts and logins.ts say what there is; here is what holds for all of it.

import { ApiError, errorEnvelope, type OperatorPrincipal } from "@weir/protocol"
import { requireFresh } from "../../authorize/operators.ts"
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import { type Attempts, createAttempts } from "../../request/attempts.ts"
import { errorPagesOf, type Peer } from "../../request/http.ts"
import { requireOwnPage } from "../../request/own-page.ts"
import { networkOf } from "../../request/rate-limit.ts"
import { durationSince } from "../../request/respond.ts"
import type { AuditEntry } from "../../request/route.ts"
import type { Database, Tx } from "../../store/database.ts"
import type { Audit } from "../audit/index.ts"
import { accountHandlers } from "./accounts.ts"
import type { OperatorSession, OperatorSessions } from "./cache.ts"
import { limits } from "./limits.ts"
import { type Auth, addressHeader, basePath } from "./login.ts"
import { loginHandlers, ssoCallbackPath } from "./logins.ts"
import { sessionTokenIn } from "./rules.ts"
import { deleteSessions, selectSessions, updateOperator } from "./store.ts"
import {
  apiErrorOf,
  bodyOf,
  type Call,
  failureOf,
  type Handle,
  json,
  notLoggedIn,
  ownCookies,
  principalOf,
  tokenSet,
} from "./wire.ts"

export interface AccessParts {
  readonly db: Database
  readonly clock: Clock
  readonly log: Logger
  readonly auth: Auth
  readonly sessions: OperatorSessions
  readonly audit: Audit
  readonly publicOrigin: string | null
  /** Name of single sign-on; null: there is none. */
  readonly ssoName: string | null
  /** False: attempts are not counted. */
  readonly rateLimits: boolean
}

export interface Access {
  /** Answers what is below `/dashboard/api/`. */
  serve(request: Request, path: string, peer: Peer): Promise<Response>
  /** The operator of a request's session. Throws authentication without one, notAllowed for what no own page sent. */
  authenticate(request: Request): Promise<OperatorPrincipal>
}

export const accessBase = "/dashboard/api/"

/** What the handlers work with. */
export interface AccessTools extends AccessParts {
  /**
   * Runs an attempt to prove something about an account; null: about none that is certain. Whoever has failed too often
   * is told what a wrong one is told, and when to come back.
   */
  attempt<T>(call: Call, account: string | null, failed: string, run: () => Promise<T>): Promise<T>
  /** Writes into the audit log with the change. */
  record(tx: Tx, call: Call, actor: string, entry: AuditEntry): Promise<void>
  /** Notes that somebody failed; nobody waits for it. */
  noteFailure(call: Call, action: string, email: string | null): void
  /** Throws authentication. */
  requireSession(call: Call): OperatorSession
  /** Throws authentication, notAllowed. */
  requireFreshSession(call: Call): OperatorSession
  /** Asks the login's library, with headers and a body that are made here and hold nothing that was not meant. */
  ask(
    call: Call,
    method: "GET" | "POST",
    path: string,
    body: object | null,
    query?: URLSearchParams | null,
  ): Promise<Response>
  /** After a login: says so in the log, ends the session that the browser had before, and keeps their number bounded. */
  loggedIn(call: Call, cookies: readonly string[], method: string, action?: string): Promise<void>
  /** Logs somebody in who has just chosen their password. */
  logIn(call: Call, email: string, password: string, method: string): Promise<Response>
}

export function createAccess(parts: AccessParts): Access {
  const { db, clock, log, auth, sessions, audit, publicOrigin } = parts
  const attempts = {
    account: createAttempts({
      attemptsMax: limits.failuresPerAccountMax,
      windowMs: limits.failuresWindowMs,
      clock,
    }),
    accountAndNetwork: createAttempts({
      attemptsMax: limits.failuresPerAccountAndNetworkMax,
      windowMs: limits.failuresWindowMs,
      clock,
    }),
    network: createAttempts({
      attemptsMax: limits.failuresPerNetworkMax,
      windowMs: limits.failuresWindowMs,
      clock,
    }),
  }

  const sessionOf = async (request: Request): Promise<{ token: string; session: OperatorSession } | null> => {
    const token = sessionTokenIn(request.headers.get("cookie"), auth.secret)
    const session = token === null ? null : await sessions.get(token)
    return token === null || session === null || session.expiresAtMs <= clock.now() ? null : { token, session }
  }

  const record = (tx: Tx, call: Call, actor: string, entry: AuditEntry): Promise<void> =>
    audit.append(tx, { ...entry, actor, address: call.peer.address, at: call.now })
  const noteFailure = (call: Call, action: string, email: string | null): void => {
    // What was typed into the wrong field might be a password.
    const target = email !== null && /^[^\s@]{1,64}@[^\s@]{1,190}$/.test(email) ? { email } : {}
    audit.note({ action, actor: "unknown", address: call.peer.address, at: call.now, target })
  }

  /**
   * Runs an attempt to prove something about an account. Whoever has failed too often is told what a wrong one is told,
   * and when to come back.
   */
  const attempt = async <T>(call: Call, account: string | null, failed: string, run: () => Promise<T>): Promise<T> => {
    if (!parts.rateLimits) return run()
    const network = networkOf(call.peer.address)
    const counted: [Attempts, string][] = [[attempts.network, network]]
    if (account !== null) {
      counted.push([attempts.accountAndNetwork, `${account}|${network}`], [attempts.account, account])
    }
    // Whoever is told to wait is not counted any more: else one network could use up what an account has everywhere.
    const waitMs = Math.max(...counted.map(([of, who]) => of.leftMs(who)))
    if (waitMs > 0) {
      noteFailure(call, "operator.shut_out", null)
      throw new ApiError(call.session === null ? "authentication" : "input", failed, {
        retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
        internal: "too many attempts",
        why: {
          check: "operator",
          rule: "attempts",
          detail: "too many failed attempts for this account or from this network",
          remedy: "wait, or use a passkey",
        },
      })
    }
    for (const [of, who] of counted) of.take(who)
    const result = await run()
    for (const [of, who] of counted) of.giveBack(who)
    if (account !== null) attempts.accountAndNetwork.forget(`${account}|${network}`)
    return result
  }

  const requireSession = ({ session }: Call): OperatorSession => {
    if (session === null) throw notLoggedIn()
    return session
  }
  const requireFreshSession = (call: Call): OperatorSession => {
    const session = requireSession(call)
    requireFresh(principalOf(session), call.now)
    return session
  }

  /** Asks the login's library, with headers and a body that are made here and hold nothing that was not meant. */
  const ask = (
    call: Call,
    method: "GET" | "POST",
    path: string,
    body: object | null,
    query: URLSearchParams | null = null,
  ): Promise<Response> => {
    const { headers } = call.request
    const url = new URL(`${publicOrigin ?? "http://localhost"}${basePath}${path}`)
    if (query !== null) url.search = query.toString()
    return auth.handler(
      new Request(url, {
        method,
        headers: {
          [addressHeader]: call.peer.address,
          "user-agent": (headers.get("user-agent") ?? "").slice(0, limits.userAgentCharsMax),
          cookie: ownCookies(headers.get("cookie"), call.session !== null),
          origin: headers.get("origin") ?? publicOrigin ?? "http://localhost",
          ...(body === null ? {} : { "content-type": "application/json" }),
        },
        ...(body === null ? {} : { body: JSON.stringify(body) }),
      }),
    )
  }

  /** After a login: says so in the log, ends the session that the browser had before, and keeps their number bounded. */
  const loggedIn = async (
    call: Call,
    cookies: readonly string[],
    method: string,
    action = "operator.logged_in",
  ): Promise<void> => {
    const token = tokenSet(cookies, auth.secret)
    const session = token === null ? null : await sessions.get(token)
    if (session === null) return
    const ended = await db.transact(async (tx) => {
      await updateOperator(tx, session.operatorId, { last_login_at: call.now })
      const open = await selectSessions(tx, session.operatorId, limits.recordsReadMax)
      const surplus = open.slice(limits.sessionsPerOperatorMax).map(({ id }) => id)
      const tokens: string[] = []
      for (const only of surplus) tokens.push(...(await deleteSessions(tx, session.operatorId, { only })))
      const before = call.session
      if (before !== null && before.id !== session.id) {
        tokens.push(...(await deleteSessions(tx, before.operatorId, { only: before.id })))
      }
      await record(tx, call, session.email, {
        action,
        target: { operator: session.operatorId, email: session.email },
        after: { method },
      })
      return tokens
    })
    for (const gone of ended) sessions.drop(gone)
  }

  /** Logs somebody in who has just chosen their password. */
  const logIn = async (call: Call, email: string, password: string, method: string): Promise<Response> => {
    const fresh = { ...call, session: null, token: null }
    const response = await ask(fresh, "POST", "/sign-in/email", { email, password })
    if (!response.ok) throw await failureOf(response, fresh)
    const cookies = response.headers.getSetCookie()
    await loggedIn(call, cookies, method)
    return json({}, 200, cookies)
  }

  const tools: AccessTools = {
    ...parts,
    attempt,
    record,
    noteFailure,
    requireSession,
    requireFreshSession,
    ask,
    loggedIn,
    logIn,
  }
  const handlers = new Map<string, Handle>([...Object.entries(accountHandlers(tools)), ...loginHandlers(tools)])

  const serve = async (request: Request, path: string, peer: Peer): Promise<Response> => {
    const name = `${request.method} ${path.slice(accessBase.length)}`
    const handle = handlers.get(name)
    if (handle === undefined) throw new ApiError("notFound", "there is nothing here")
    // The provider sends the browser back: that is a navigation from elsewhere, and proves itself by its state.
    if (name !== `GET ${ssoCallbackPath}`) requireOwnPage(request, publicOrigin)
    // A body may take as long to come as its sender likes, so whose session it is is asked once it is whole.
    const body = request.method === "POST" ? await bodyOf(request) : {}
    const found = await sessionOf(request)
    return handle({
      request,
      peer,
      body,
      session: found?.session ?? null,
      token: found?.token ?? null,
      now: clock.now(),
    })
  }

  return {
    async serve(request, path, peer) {
      const startedMs = performance.now()
      try {
        return await serve(request, path, peer)
      } catch (thrown) {
        const error = apiErrorOf(thrown)
        if (error.status >= 500) log.error("a login failed", { cause: thrown })
        else log.info("login refused", { reason: error.reason, status: error.status, address: peer.address })
        const envelope = errorEnvelope(
          error,
          "Login",
          durationSince(startedMs),
          `${errorPagesOf(request)}/${error.code}`,
        )
        const response = json(envelope, error.status)
        if (error.retryAfterSeconds !== undefined) response.headers.set("retry-after", String(error.retryAfterSeconds))
        return response
      }
    },
    async authenticate(request) {
      const found = await sessionOf(request)
      if (found === null) throw notLoggedIn()
      requireOwnPage(request, publicOrigin)
      return principalOf(found.session)
    },
  }
}
