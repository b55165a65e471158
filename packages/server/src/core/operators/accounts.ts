// What operators do with their accounts by our own hand: the first one, invites and resets, passwords, sessions, and
// proving afresh who one is.

import { inputError } from "@weir/protocol"
import { randomId } from "../../base/ids.ts"
import { version } from "../../base/version.ts"
import type { Tx } from "../../store/database.ts"
import type { AccessTools } from "./access.ts"
import { limits } from "./limits.ts"
import { linkTokenSha256, requireGoodPassword, sessionCookieName, sessionResponse } from "./rules.ts"
import {
  countOperators,
  deleteLinksTo,
  deleteSecondFactors,
  deleteSessions,
  deleteSetupLinks,
  deleteVerificationsOf,
  hasOwner,
  insertAccount,
  insertOperator,
  lockOperator,
  lockPassword,
  lockSession,
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
import {
  type Call,
  type Handle,
  json,
  notLoggedIn,
  requireEmail,
  requireName,
  texts,
  tooLong,
  wrongLink,
} from "./wire.ts"

/** Handlers by method and path below /dashboard/api/. */
export function accountHandlers(tools: AccessTools): Readonly<Record<string, Handle>> {
  const { db, auth, sessions, ssoName, attempt, record, noteFailure, requireSession, ask, logIn } = tools
  return {
    async "GET state"(call) {
      // Opening the dashboard renews the session; the library sends the cookie again when it is time.
      const renewed = call.session === null ? null : await ask(call, "GET", "/get-session", null)
      return json(
        {
          setup_needed: !(await hasOwner(db.read)),
          sso: ssoName === null ? null : { name: ssoName },
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
      await attempt(call, null, wrongLink, async () => {
        await requireLink(token, ["setup"], call.now)
        const hashed = await auth.hash(password)
        await db.transact(async (tx) => {
          await takeLinkOf(tx, token, call.now)
          await deleteSetupLinks(tx)
          if (await hasOwner(tx)) throw inputError("this deployment has an owner already; ask them for an invite")
          await addOperator(tx, call, { name, email, role: "owner", invitedBy: null }, hashed)
        })
      })
      return logIn(call, email, password, "first account")
    },

    async "POST invite/read"(call) {
      const { token } = texts(call.body, "token")
      return attempt(call, null, wrongLink, async () => {
        const link = await requireLink(token, ["invite", "reset"], call.now)
        return json({ kind: link.kind, email: link.email, role: link.role, invited_by: link.invited_by })
      })
    },

    async "POST invite/accept"(call) {
      const { token, name, password } = texts(call.body, "token", "name", "password")
      const email = await attempt(call, null, wrongLink, async () => {
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
        // Hashing takes its time, and in it somebody may have chosen another password, or ended this very session.
        const present = await lockPassword(tx, session.operatorId)
        if (!(await lockSession(tx, session.id))) throw notLoggedIn()
        if (present?.password !== hashed) {
          throw inputError("the password is wrong", { currentPassword: "is another one by now" })
        }
        await updatePassword(tx, account.id, fresh, call.now)
        await deleteVerificationsOf(tx, session.operatorId)
        // The old password alone proves who it is only where no second factor is asked for.
        const operator = await selectOperator(tx, session.operatorId)
        if (operator?.two_factor_enabled === 0) await updateVerifiedAt(tx, session.id, call.now)
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
      // Whoever ends all of them does not mean to leave a device that comes in again by half a login.
      if (which.only === undefined) await deleteVerificationsOf(tx, session.operatorId)
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
}
