// What the dashboard asks before and about a login: the state of the deployment, the first account, invites, the login
// itself behind an allow-list, sessions, and proving afresh who one is. No operations of the API: these work with
// cookies, and only our own page may call them.

import {
  ApiError,
  type ErrorName,
  errorCatalogue,
  errorEnvelope,
  inputError,
  type OperatorPrincipal,
} from "@weir/protocol"
import { requireFresh } from "../../authorize/operators.ts"
import type { Clock } from "../../base/clock.ts"
import { randomId } from "../../base/ids.ts"
import type { Logger } from "../../base/log.ts"
import { version } from "../../base/version.ts"
import { createAttempts } from "../../request/attempts.ts"
import { parseBytes, readBytes } from "../../request/body.ts"
import { errorPagesOf, type Peer } from "../../request/http.ts"
import { requireOwnPage } from "../../request/own-page.ts"
import { networkOf } from "../../request/rate-limit.ts"
import { durationSince } from "../../request/respond.ts"
import type { AuditEntry } from "../../request/route.ts"
import type { Database, Tx } from "../../store/database.ts"
import { UniqueViolation } from "../../store/errors.ts"
import type { Audit } from "../audit/index.ts"
import { type Auth, addressHeader, basePath, cookiePrefix, ssoProviderId, wrongLogin } from "./auth.ts"
import type { OperatorSession, OperatorSessions } from "./cache.ts"
import { limits } from "./limits.ts"
import {
  emailOf,
  linkTokenSha256,
  requireGoodPassword,
  sessionCookieName,
  sessionResponse,
  sessionTokenIn,
} from "./rules.ts"
import {
  countOperators,
  deleteLinksTo,
  deleteSecondFactors,
  deleteSessions,
  deleteSetupLinks,
  deleteVerificationsOf,
  hasOperators,
  insertAccount,
  insertOperator,
  lockOperator,
  type OperatorLinkRow,
  selectLink,
  selectOperator,
  selectOperatorByEmail,
  selectPassword,
  selectSessions,
  takeLink,
  updateOperator,
  updatePassword,
  updateVerifiedAt,
} from "./store.ts"

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

/** A request as its handler sees it. */
interface Call {
  readonly request: Request
  readonly peer: Peer
  readonly body: Readonly<Record<string, unknown>>
  /** The caller's session and its token, when they have one that counts. */
  readonly session: OperatorSession | null
  readonly token: string | null
  readonly now: number
}
type Handle = (call: Call) => Promise<Response>
type FieldKind = "text" | "flag" | "credential"

/** An endpoint of the login's library: which members of the body go through, and what it asks besides. */
interface Passed {
  readonly fields: Readonly<Record<string, FieldKind>>
  /** A login that this completes, as the audit log names it. */
  readonly logsIn?: string
  /** What it is called when somebody is logged in already. */
  readonly again?: string
  /** Counts as an attempt to guess, with the account that is attacked. */
  readonly guesses?: (call: Call) => string
  /** The session must be fresh. */
  readonly isFresh?: boolean
  /** What it did to the operator's own account, for the audit log. */
  readonly audited?: string
  readonly guard?: (call: Call, session: OperatorSession) => Promise<void>
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
  const attempt = async <T>(call: Call, account: string, failed: string, run: () => Promise<T>): Promise<T> => {
    if (!parts.rateLimits) return run()
    const network = networkOf(call.peer.address)
    const both = `${account}|${network}`
    const waitMs = Math.max(
      attempts.network.take(network),
      attempts.accountAndNetwork.take(both),
      attempts.account.take(account),
    )
    if (waitMs > 0) {
      throw new ApiError(call.session === null ? "authentication" : "input", failed, {
        retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
        internal: "too many attempts",
        why: {
          check: "operator",
          rule: "attempts",
          detail: `too many failed attempts for this account or from this network`,
          remedy: "wait, or use a passkey",
        },
      })
    }
    const result = await run()
    attempts.network.giveBack(network)
    attempts.accountAndNetwork.forget(both)
    attempts.account.giveBack(account)
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

  const pass =
    (method: "GET" | "POST", path: string, passed: Passed): Handle =>
    async (call) => {
      if (passed.isFresh === true) requireFreshSession(call)
      if (passed.guard !== undefined) await passed.guard(call, requireSession(call))
      const query =
        method === "GET" ? new URLSearchParams(pickTexts(new URL(call.request.url).searchParams, passed)) : null
      const body = method === "POST" ? pick(call.body, passed.fields) : null
      const send = async (): Promise<Response> => {
        const response = await ask(call, method, path, body, query)
        if (!response.ok && response.status !== 302) {
          const failure = await failureOf(response, call)
          if (passed.guesses !== undefined && isGuess(failure)) {
            noteFailure(call, "operator.login_failed", typeof body?.email === "string" ? emailOf(body.email) : null)
          }
          throw failure
        }
        return response
      }
      const account = passed.guesses?.(call) ?? null
      const failed = path === "/sign-in/email" ? wrongLogin : "this is not right, or was used before"
      const response = account === null ? await send() : await attempt(call, account, failed, send)
      const cookies = response.headers.getSetCookie()
      if (passed.logsIn !== undefined) {
        await loggedIn(call, cookies, passed.logsIn, call.session === null ? undefined : passed.again)
      }
      if (passed.audited !== undefined) {
        const { action, session } = { action: passed.audited, session: requireSession(call) }
        await db.transact((tx) => record(tx, call, session.email, { action, target: { operator: session.operatorId } }))
      }
      if (response.status === 302) return redirect(response.headers.get("location") ?? "/dashboard/", cookies)
      return json(withoutTokens(await response.json().catch(() => ({}))), 200, cookies)
    }

  const accountOf = ({ body }: Call): string => emailOf(String(body.email ?? ""))
  // The account is in a cookie that only the library reads; its own lock counts by account, on all nodes.
  const secondStepOf = ({ session, request }: Call): string =>
    session?.operatorId ?? `second step ${cookieValue(request, `${cookiePrefix}two_factor`) ?? ""}`

  const passedOn: readonly (readonly [method: "GET" | "POST", path: string, passed: Passed])[] = [
    ["POST", "/sign-in/email", { fields: { email: "text", password: "text" }, logsIn: "password", guesses: accountOf }],
    ["GET", "/get-session", { fields: {} }],
    [
      "POST",
      "/two-factor/verify-totp",
      {
        fields: { code: "text", trustDevice: "flag" },
        logsIn: "password and code",
        again: "operator.totp_added",
        guesses: secondStepOf,
      },
    ],
    [
      "POST",
      "/two-factor/verify-backup-code",
      { fields: { code: "text", trustDevice: "flag" }, logsIn: "password and recovery code", guesses: secondStepOf },
    ],
    ["POST", "/two-factor/enable", { fields: { password: "text" }, guesses: secondStepOf, guard: needsSession }],
    [
      "POST",
      "/two-factor/disable",
      { fields: { password: "text" }, guesses: secondStepOf, isFresh: true, audited: "operator.totp_removed" },
    ],
    [
      "POST",
      "/two-factor/generate-backup-codes",
      { fields: { password: "text" }, guesses: secondStepOf, isFresh: true, audited: "operator.recovery_codes_made" },
    ],
    ["POST", "/two-factor/get-totp-uri", { fields: { password: "text" }, guesses: secondStepOf, isFresh: true }],
    ["GET", "/passkey/generate-register-options", { fields: { name: "text" }, isFresh: true, guard: fewPasskeys }],
    [
      "POST",
      "/passkey/verify-registration",
      {
        fields: { response: "credential", name: "text" },
        isFresh: true,
        guard: fewPasskeys,
        audited: "operator.passkey_added",
      },
    ],
    ["GET", "/passkey/list-user-passkeys", { fields: {} }],
    ["POST", "/passkey/delete-passkey", { fields: { id: "text" }, isFresh: true, audited: "operator.passkey_removed" }],
    ["POST", "/passkey/update-passkey", { fields: { id: "text", name: "text" }, guard: needsSession }],
  ]

  async function needsSession(): Promise<void> {}
  async function fewPasskeys(call: Call): Promise<void> {
    requirePasskeysHere(call)
    const name = call.body.name
    if (typeof name === "string" && name.length > limits.passkeyNameCharsMax) throw tooLong("name")
    const response = await ask(call, "GET", "/passkey/list-user-passkeys", null)
    const known = (await response.json().catch(() => [])) as unknown[]
    if (Array.isArray(known) && known.length >= limits.passkeysPerOperatorMax) {
      throw inputError(`an operator has at most ${limits.passkeysPerOperatorMax} passkeys`)
    }
  }
  /** A passkey belongs to one host name: the one of the settings, or this machine's own. */
  function requirePasskeysHere({ request }: Call): void {
    const origin = request.headers.get("origin")
    const host = request.headers.get("host") ?? ""
    const here = publicOrigin ?? "http://localhost"
    const isHere = publicOrigin === null ? /^localhost(:\d+)?$/.test(host) : origin === null || origin === publicOrigin
    if (isHere) return
    throw inputError(
      publicOrigin === null
        ? "passkeys work at http://localhost, or at the address that WEIR_PUBLIC_URL names"
        : `passkeys work at ${here}`,
    )
  }

  const ownHandlers: Readonly<Record<string, Handle>> = {
    async "GET state"(call) {
      // Opening the dashboard renews the session; the library sends the cookie again when it is time.
      const renewed = call.session === null ? null : await ask(call, "GET", "/get-session", null)
      return json(
        {
          setup_needed: !(await hasOperators(db.read)),
          sso: parts.ssoName === null ? null : { name: parts.ssoName },
          secure_context_needed: !call.peer.isSecure,
          version,
        },
        200,
        renewed?.headers.getSetCookie() ?? [],
      )
    },

    async "POST setup"(call) {
      const { token, name, email: given, password } = texts(call.body, "token", "name", "email", "password")
      const email = requireEmail(given)
      requireName(name)
      requireGoodPassword(password, email)
      await attempt(call, "setup", wrongLink, async () => {
        await requireLink(token, ["setup"], call.now)
        const hashed = await auth.hash(password)
        await db.transact(async (tx) => {
          await takeLinkOf(tx, token, call.now)
          await deleteSetupLinks(tx)
          if (await hasOperators(tx))
            throw inputError("this deployment has an operator already; ask them for an invite")
          await addOperator(tx, call, { name, email, role: "owner", invitedBy: null }, hashed)
        })
      })
      return logIn(call, email, password, "first account")
    },

    async "POST invite/read"(call) {
      const { token } = texts(call.body, "token")
      return attempt(call, "invite", wrongLink, async () => {
        const link = await requireLink(token, ["invite", "reset"], call.now)
        return json({ kind: link.kind, email: link.email, role: link.role, invited_by: link.invited_by })
      })
    },

    async "POST invite/accept"(call) {
      const { token, name, password } = texts(call.body, "token", "name", "password")
      const email = await attempt(call, "invite", wrongLink, async () => {
        const link = await requireLink(token, ["invite", "reset"], call.now)
        if (link.kind === "invite") requireName(name)
        requireGoodPassword(password, link.email)
        const hashed = await auth.hash(password)
        const ended = await db.transact(async (tx) => {
          const taken = await takeLinkOf(tx, token, call.now)
          if (taken.kind === "reset") return resetPassword(tx, call, taken, hashed)
          await deleteLinksTo(tx, "invite", { email: taken.email })
          const { email, role, invited_by: invitedBy } = taken
          await addOperator(tx, call, { name, email, role, invitedBy }, hashed)
          return []
        })
        for (const gone of ended) sessions.drop(gone)
        return link.email
      })
      return logIn(call, email, password, "link")
    },

    async "POST step-up"(call) {
      const session = requireSession(call)
      const password = typeof call.body.password === "string" ? call.body.password : ""
      const code = typeof call.body.code === "string" ? call.body.code.trim() : ""
      if (password.length > limits.passwordCharsMax || code.length > limits.textCharsMax) throw tooLong("password")
      const operator = await selectOperator(db.read, session.operatorId)
      const account = await selectPassword(db.read, session.operatorId)
      if (operator === undefined) throw notLoggedIn()
      if (account?.password == null) {
        throw inputError("your account has no password: log in again with your provider, or use a passkey", {
          password: "there is none",
        })
      }
      const hashed = account.password
      await attempt(call, session.operatorId, "the password or the code is wrong", async () => {
        const isRight =
          (await auth.verify(hashed, password)) &&
          (operator.two_factor_enabled !== 1 || (await auth.takeTotp(session.operatorId, code)))
        if (isRight) return
        noteFailure(call, "operator.step_up_failed", session.email)
        throw inputError("the password or the code is wrong", { password: "or the code is wrong" })
      })
      await db.transact(async (tx) => {
        const row = await updateVerifiedAt(tx, session.id, call.now)
        await record(tx, call, session.email, {
          action: "operator.stepped_up",
          target: { operator: session.operatorId, session: session.id },
        })
        if (row !== undefined) tx.afterCommit(() => sessions.drop(row.token))
      })
      return json({ verified_at: new Date(call.now).toISOString() })
    },

    async "POST auth/sign-in/social"(call) {
      const to = call.body.callbackURL
      const callbackURL = typeof to === "string" && /^\/dashboard\/[\w\-./~%:!]*$/.test(to) ? to : "/dashboard/"
      if (parts.ssoName === null) throw inputError("there is no single sign-on here")
      const response = await ask(call, "POST", "/sign-in/social", {
        provider: ssoProviderId,
        callbackURL,
        errorCallbackURL: "/dashboard/login",
        disableRedirect: true,
      })
      if (!response.ok) {
        log.error("single sign-on does not work", { status: response.status })
        throw new ApiError("unavailable", "the provider cannot be reached; log in with your password or a passkey", {
          retryAfterSeconds: 30,
        })
      }
      const { url } = (await response.json()) as { url: string }
      return json({ url }, 200, response.headers.getSetCookie())
    },

    async "POST auth/sign-out"(call) {
      const { session } = call
      if (session !== null) {
        const ended = await db.transact(async (tx) => {
          const target = { operator: session.operatorId, session: session.id }
          await record(tx, call, session.email, { action: "operator.logged_out", target })
          return deleteSessions(tx, session.operatorId, { only: session.id })
        })
        for (const gone of ended) sessions.drop(gone)
      }
      return json({}, 200, [`${sessionCookieName}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict`])
    },

    async "POST auth/change-password"(call) {
      const session = requireSession(call)
      const { currentPassword, newPassword } = texts(call.body, "currentPassword", "newPassword")
      requireGoodPassword(newPassword, session.email)
      const account = await selectPassword(db.read, session.operatorId)
      const hashed = account?.password ?? null
      if (account === undefined || hashed === null) throw inputError("your account has no password")
      await attempt(call, session.operatorId, "the password is wrong", async () => {
        if (currentPassword.length <= limits.passwordCharsMax && (await auth.verify(hashed, currentPassword))) return
        noteFailure(call, "operator.step_up_failed", session.email)
        throw inputError("the password is wrong", { currentPassword: "is wrong" })
      })
      const fresh = await auth.hash(newPassword)
      const ended = await db.transact(async (tx) => {
        await updatePassword(tx, account.id, fresh, call.now)
        await deleteVerificationsOf(tx, session.operatorId)
        await updateVerifiedAt(tx, session.id, call.now)
        await record(tx, call, session.email, {
          action: "operator.password_changed",
          target: { operator: session.operatorId },
        })
        return deleteSessions(tx, session.operatorId, { butNot: session.id })
      })
      for (const gone of [...ended, call.token as string]) sessions.drop(gone)
      return json({ sessions_ended: ended.length })
    },

    async "GET auth/list-sessions"(call) {
      const session = requireSession(call)
      const rows = await selectSessions(db.read, session.operatorId, limits.sessionsPerOperatorMax)
      return json({ sessions: rows.map((row) => sessionResponse(row, session.id)) })
    },
    "POST auth/revoke-session": (call) => {
      const { id } = texts(call.body, "id")
      return endSessions(call, { only: id })
    },
    "POST auth/revoke-other-sessions": (call) => endSessions(call, { butNot: requireSession(call).id }),
    "POST auth/revoke-sessions": (call) => endSessions(call, {}),
  }

  async function endSessions(call: Call, which: { only?: string; butNot?: string }): Promise<Response> {
    const session = requireSession(call)
    const ended = await db.transact(async (tx) => {
      const tokens = await deleteSessions(tx, session.operatorId, which)
      await record(tx, call, session.email, {
        action: "operator.sessions_ended",
        target: { operator: session.operatorId, ...which },
        after: { sessions: tokens.length },
      })
      return tokens
    })
    for (const gone of ended) sessions.drop(gone)
    return json({ sessions_ended: ended.length })
  }

  async function requireLink(
    token: string,
    kinds: readonly OperatorLinkRow["kind"][],
    now: number,
  ): Promise<OperatorLinkRow> {
    const isToken = token.length <= limits.linkTokenCharsMax
    const link = isToken ? await selectLink(db.read, linkTokenSha256(token), now) : undefined
    if (link === undefined || !kinds.includes(link.kind)) throw inputError(wrongLink, { token: "opens nothing" })
    return link
  }
  async function takeLinkOf(tx: Tx, token: string, now: number): Promise<OperatorLinkRow> {
    const found = await selectLink(tx, linkTokenSha256(token), now)
    const taken = found === undefined ? undefined : await takeLink(tx, found.id)
    if (taken === undefined) throw inputError(wrongLink, { token: "opens nothing" })
    return taken
  }

  interface NewOperator {
    readonly name: string
    readonly email: string
    readonly role: OperatorLinkRow["role"]
    readonly invitedBy: string | null
  }
  async function addOperator(tx: Tx, call: Call, given: NewOperator, password: string): Promise<void> {
    const { email, role, invitedBy } = given
    if ((await countOperators(tx)) >= limits.operatorsMax) {
      throw inputError(`a deployment has at most ${limits.operatorsMax} operators`)
    }
    if ((await selectOperatorByEmail(tx, email)) !== undefined)
      throw inputError("there is an operator with this address")
    const id = randomId(24)
    const times = { created_at: call.now, updated_at: call.now }
    await insertOperator(tx, {
      id,
      name: given.name.trim(),
      email,
      email_verified: 0,
      role,
      disabled: 0,
      two_factor_enabled: 0,
      last_login_at: null,
      ...times,
    })
    const account = { id: randomId(24), operator_id: id, account_id: id, provider_id: "credential", password }
    await insertAccount(tx, { ...account, ...times })
    await record(tx, call, email, {
      action: "operator.joined",
      target: { operator: id, email },
      after: { role, ...(invitedBy === null ? {} : { invited_by: invitedBy }) },
    })
  }

  /** A new password, and whatever somebody else may have had of the account is gone. */
  async function resetPassword(tx: Tx, call: Call, link: OperatorLinkRow, password: string): Promise<string[]> {
    const operator = await lockOperator(tx, link.operator_id ?? "")
    if (operator === undefined || operator.disabled === 1) throw inputError(wrongLink, { token: "opens nothing" })
    const account = await selectPassword(tx, operator.id)
    if (account === undefined) {
      const times = { created_at: call.now, updated_at: call.now }
      const row = { operator_id: operator.id, account_id: operator.id, provider_id: "credential", password }
      await insertAccount(tx, { id: randomId(24), ...row, ...times })
    } else {
      await updatePassword(tx, account.id, password, call.now)
    }
    await deleteSecondFactors(tx, operator.id)
    await updateOperator(tx, operator.id, { two_factor_enabled: 0, updated_at: call.now })
    await deleteVerificationsOf(tx, operator.id)
    await deleteLinksTo(tx, "reset", { operatorId: operator.id })
    await record(tx, call, operator.email, {
      action: "operator.reset",
      target: { operator: operator.id, email: operator.email },
      after: { link_by: link.invited_by },
    })
    return deleteSessions(tx, operator.id)
  }

  const passkeyOptions: Handle = async (call) => {
    requirePasskeysHere(call)
    const response = await ask(call, "GET", "/passkey/generate-authenticate-options", null)
    if (!response.ok) throw await failureOf(response, call)
    const options = (await response.json()) as Record<string, unknown>
    return json({ ...options, userVerification: "required" }, 200, response.headers.getSetCookie())
  }
  const passkeyLogin: Handle = async (call) => {
    requirePasskeysHere(call)
    return pass("POST", "/passkey/verify-authentication", {
      fields: { response: "credential" },
      logsIn: "passkey",
      again: "operator.stepped_up",
      guesses: () => "passkeys",
    })(call)
  }

  const handlers = new Map<string, Handle>([
    ...Object.entries(ownHandlers),
    ...passedOn.map(([method, path, passed]): [string, Handle] => [
      `${method} auth${path}`,
      pass(method, path, passed),
    ]),
    ["GET auth/passkey/generate-authenticate-options", passkeyOptions],
    ["POST auth/passkey/verify-authentication", passkeyLogin],
  ])
  const ssoCallback: Handle = async (call) => {
    const given = new URL(call.request.url).searchParams
    const query = new URLSearchParams()
    for (const name of ["code", "state", "error", "error_description", "iss"]) {
      const value = given.get(name)
      if (value !== null) query.set(name, value.slice(0, limits.bodyBytesMax))
    }
    const response = await ask(call, "GET", `/callback/${ssoProviderId}`, null, query)
    const location = response.headers.get("location") ?? "/dashboard/login?error=failed"
    const cookies = response.headers.getSetCookie()
    await loggedIn(call, cookies, "single sign-on")
    if (tokenSet(cookies, auth.secret) === null) noteFailure(call, "operator.login_failed", null)
    return redirect(location, cookies)
  }

  const serve = async (request: Request, path: string, peer: Peer): Promise<Response> => {
    const name = `${request.method} ${path.slice(accessBase.length)}`
    const isCallback = name === `GET auth/callback/${ssoProviderId}`
    const handle = isCallback && parts.ssoName !== null ? ssoCallback : handlers.get(name)
    if (handle === undefined) throw new ApiError("notFound", "there is nothing here")
    // The provider sends the browser back: that is a navigation from elsewhere, and proves itself by its state.
    if (!isCallback) requireOwnPage(request, publicOrigin)
    const found = await sessionOf(request)
    return handle({
      request,
      peer,
      body: request.method === "POST" ? await bodyOf(request) : {},
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

const wrongLink = "this link opens nothing: it was used, withdrawn, or is too old"
const notLoggedIn = (): ApiError =>
  new ApiError("authentication", "log in, or come with the admin token", {
    why: { check: "operator", rule: "session", detail: "there is no session, or it has ended", remedy: "log in" },
  })
const tooLong = (field: string): ApiError => inputError(`${field} is too long`, { [field]: "is too long" })

const principalOf = ({ id, operatorId, email, role, verifiedAtMs }: OperatorSession): OperatorPrincipal => ({
  kind: "operator",
  name: email,
  role,
  operatorId,
  sessionId: id,
  verifiedAtMs,
})

function apiErrorOf(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown
  if (thrown instanceof UniqueViolation) return inputError("somebody was a moment faster, try again")
  return new ApiError("internal", "internal error", { internal: String(thrown), cause: thrown })
}

async function bodyOf(request: Request): Promise<Readonly<Record<string, unknown>>> {
  if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) {
    throw inputError("send JSON, with content-type application/json")
  }
  const bytes = await readBytes(request)
  if (bytes.length > limits.bodyBytesMax) {
    throw new ApiError("payloadTooBig", `the request body is larger than ${limits.bodyBytesMax} bytes`)
  }
  const body = parseBytes(request, bytes)
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw inputError("the body is no JSON object")
  return body as Record<string, unknown>
}

/** Members of a body that must be texts. Throws inputError for others. */
function texts<Name extends string>(body: Readonly<Record<string, unknown>>, ...names: Name[]): Record<Name, string> {
  const found = {} as Record<Name, string>
  for (const name of names) {
    const value = Object.hasOwn(body, name) ? body[name] : undefined
    if (typeof value !== "string") throw inputError(`${name} must be a text`, { [name]: "must be a text" })
    if (value.length > limits.textCharsMax) throw tooLong(name)
    found[name] = value
  }
  return found
}

/** What of a body goes on to the library: the members that were named, each of its kind, and nothing else. */
function pick(body: Readonly<Record<string, unknown>>, fields: Passed["fields"]): Record<string, unknown> {
  const picked: Record<string, unknown> = {}
  for (const [name, kind] of Object.entries(fields)) {
    const value = Object.hasOwn(body, name) ? body[name] : undefined
    if (value === undefined) continue
    const isRight =
      kind === "text"
        ? typeof value === "string" && value.length <= limits.textCharsMax
        : kind === "flag"
          ? typeof value === "boolean"
          : isCredential(value)
    if (!isRight) throw inputError(`${name} is not valid`, { [name]: "is not valid" })
    picked[name] = value
  }
  return picked
}

/** A browser's answer to a passkey's challenge, as far as it can be told before it is proved (WebAuthn §5.1). */
const isCredential = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return false
  const { id, response } = value as { id?: unknown; response?: unknown }
  return typeof id === "string" && id !== "" && typeof response === "object" && response !== null
}

function pickTexts(query: URLSearchParams, { fields }: Passed): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of Object.keys(fields)) {
    const value = query.get(name)
    if (value !== null) picked[name] = value.slice(0, limits.textCharsMax)
  }
  return picked
}

function requireEmail(given: string): string {
  const email = emailOf(given)
  if (email.length > limits.emailCharsMax || !/^[^\s@,;<>"]{1,64}@[^\s@,;<>"]{1,190}$/.test(email)) {
    throw inputError("email is no address", { email: "is no address" })
  }
  return email
}

function requireName(name: string): void {
  const { nameCharsMax } = limits
  if (name.trim() === "") throw inputError("name is empty", { name: "is empty" })
  if (name.trim().length > nameCharsMax)
    throw inputError(`name is too long`, { name: `at most ${nameCharsMax} characters` })
}

/** The library's cookies among those of a request; the session's only while it counts. */
const ownCookies = (header: string | null, hasSession: boolean): string =>
  (header ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(cookiePrefix) && (hasSession || !pair.startsWith(`${sessionCookieName}=`)))
    .join("; ")

const cookieValue = ({ headers }: Request, name: string): string | null =>
  (headers.get("cookie") ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1) ?? null

/** Token of the session that an answer of the library sets; null when it sets none. */
function tokenSet(cookies: readonly string[], secret: string): string | null {
  const set = cookies.findLast((cookie) => cookie.startsWith(`${sessionCookieName}=`))?.split(";")[0] ?? null
  return set === null || set === `${sessionCookieName}=` ? null : sessionTokenIn(set, secret)
}

/** The library's answers repeat the session's token, which pages have no use for. */
function withoutTokens(value: unknown): object {
  const clean = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(clean)
    if (typeof item !== "object" || item === null) return item
    return Object.fromEntries(
      Object.entries(item)
        .filter(([name]) => name !== "token")
        .map(([name, member]) => [name, clean(member)]),
    )
  }
  return (clean(value) ?? {}) as object
}

const isGuess = (error: ApiError): boolean => error.kind === "authentication" || error.kind === "input"

const kinds: Readonly<Record<number, ErrorName>> = {
  400: "input",
  401: "authentication",
  403: "notAllowed",
  404: "notFound",
  409: "input",
  422: "input",
  429: "rateLimit",
  503: "unavailable",
}

/** A refusal of the library as one of ours. */
async function failureOf(response: Response, { session }: Call): Promise<ApiError> {
  const said = (await response.json().catch(() => ({}))) as { code?: unknown; message?: unknown }
  const code = typeof said.code === "string" ? said.code : ""
  const known = kinds[response.status] ?? "internal"
  const reason = code === "INVALID_EMAIL_OR_PASSWORD" ? wrongLogin : plainReason(said.message)
  if (known === "internal") return new ApiError("internal", errorCatalogue.internal.title, { internal: reason })
  // Whoever is logged in and mistypes a code is logged in still.
  const kind = known === "authentication" && session !== null ? "input" : known
  return new ApiError(kind, reason, {
    ...(code === "" ? {} : { fields: { reason: code.toLowerCase() } }),
    ...(kind === "unavailable" ? { retryAfterSeconds: 1 } : {}),
    ...(kind === "rateLimit" ? { retryAfterSeconds: limits.totpShutSeconds } : {}),
  })
}

const plainReason = (message: unknown): string =>
  typeof message === "string" && message !== "" ? message.slice(0, 200) : "this was refused"

const pageHeaders = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "cross-origin-resource-policy": "same-origin",
} as const

function json(body: object, status = 200, cookies: readonly string[] = []): Response {
  const response = new Response(JSON.stringify(body), {
    status,
    headers: { ...pageHeaders, "content-type": "application/json; charset=utf-8" },
  })
  for (const cookie of cookies) response.headers.append("set-cookie", cookie)
  return response
}

function redirect(location: string, cookies: readonly string[]): Response {
  const response = new Response(null, { status: 302, headers: { ...pageHeaders, location } })
  for (const cookie of cookies) response.headers.append("set-cookie", cookie)
  return response
}
