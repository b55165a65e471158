import {
  ApiError,
  inputError,
  notFoundError,
  type OperatorPrincipal,
  type OperatorRole,
  operators as operations,
  operatorRoles,
} from "@weir/protocol"
import { mayManage, roleActions } from "../../authorize/operators.ts"
import type { Clock } from "../../base/clock.ts"
import { randomId } from "../../base/ids.ts"
import { type AdminRoute, adminRead, adminRoute } from "../../request/route.ts"
import type { Read, Tx } from "../../store/database.ts"
import type { Revocations } from "../revocations/index.ts"
import { revokeMinted } from "../tokens/index.ts"
import type { OperatorSessions } from "./cache.ts"
import { limits } from "./limits.ts"
import { emailOf, inviteResponse, linkPath, newLinkToken, operatorResponse, sessionEndMs } from "./rules.ts"
import {
  countPasskeys,
  countSessions,
  deleteLinksTo,
  deleteOperator,
  deleteSessions,
  deleteVerificationsOf,
  insertLink,
  lockOperator,
  lockOwners,
  type OperatorLinkRow,
  type OperatorRow,
  selectLinks,
  selectLinksBy,
  selectOperator,
  selectOperatorByEmail,
  selectOperators,
  selectPassword,
  selectSessions,
  selectSessionTokens,
  takeLink,
  updateOperator,
} from "./store.ts"
import { notLoggedIn } from "./wire.ts"

export interface OperatorRouteParts {
  readonly sessions: OperatorSessions
  /** Origin of the settings, in front of links; null: the caller knows theirs. */
  readonly publicOrigin: string | null
  readonly revocations: Pick<Revocations, "receipt">
  readonly clock: Clock
}

export const operatorRoutes = ({ sessions, publicOrigin, revocations, clock }: OperatorRouteParts): AdminRoute[] => {
  const drop = (tokens: readonly string[]): void => {
    for (const token of tokens) sessions.drop(token)
  }
  const monotonic = (): number => clock.monotonic()
  return [
    adminRead(operations.readMe, async ({ principal, read, now }) => {
      const { operatorId, sessionId, role } = principal
      const actions = roleActions[role]
      const row = operatorId === null ? undefined : await selectOperator(read, operatorId)
      if (operatorId === null || row === undefined) {
        return {
          operator: { id: null, name: principal.name, email: null, role },
          role,
          actions,
          session: null,
          has_password: false,
          has_totp: false,
          passkeys: 0,
        }
      }
      const open = await selectSessions(read, operatorId, limits.recordsReadMax)
      const session = open.find(({ id }) => id === sessionId)
      const [counts] = await countsOf(read, [row], now)
      return {
        operator: { id: row.id, name: row.name, email: row.email, role },
        role,
        actions,
        session:
          session === undefined
            ? null
            : {
                id: session.id,
                verified_at: session.verified_at === null ? null : new Date(session.verified_at).toISOString(),
                expires_at: new Date(sessionEndMs(session)).toISOString(),
              },
        has_password: (await selectPassword(read, operatorId))?.password != null,
        has_totp: row.two_factor_enabled === 1,
        passkeys: counts?.passkeys ?? 0,
      }
    }),

    adminRead(operations.listOperators, async ({ read, now }) => {
      const rows = await selectOperators(read, limits.operatorsMax)
      const roles = operatorRoles.map((role) => ({ role, actions: [...roleActions[role]] }))
      return { operators: await shown(read, rows, now), roles }
    }),

    adminRoute(operations.updateOperator, async ({ input, principal, tx, now, audit, afterwards }) => {
      const owners = await lockOwners(tx)
      const row = await requireManaged(tx, principal, input.path.operator)
      const { role = row.role, disabled = row.disabled === 1 } = input.body
      if (!mayManage(principal.role, role)) throw onlyOwners()
      if (row.id === principal.operatorId && disabled) throw inputError("you cannot shut yourself out")
      requireOwnerLeft(owners, row, role === "owner" && !disabled)
      const change = { role, disabled: disabled ? 1 : 0, updated_at: now }
      await updateOperator(tx, row.id, change)
      const tokens = disabled ? await deleteSessions(tx, row.id) : await selectSessionTokens(tx, row.id)
      if (disabled) await deleteVerificationsOf(tx, row.id)
      const linksEnded = await endLinksOf(tx, row.email, disabled ? null : role)
      const revoked = await revokeMinted(revocations, monotonic, tx, {
        operatorId: row.id,
        role: disabled ? null : role,
        reason: disabled ? "whoever made it was shut out" : "whoever made it may make it no more",
        actor: principal.name,
        now,
      })
      afterwards(async (output) => {
        await revoked.wait()
        return output
      })
      tx.afterCommit(() => drop(tokens))
      audit({
        action: "operator.updated",
        target: { operator: row.id, email: row.email },
        before: { role: row.role, disabled: row.disabled === 1 },
        after: { role, disabled, ...linksEnded, ...tokensRevoked(revoked) },
      })
      const [operator] = await shown(tx, [{ ...row, ...change }], now)
      return { operator: operator as NonNullable<typeof operator> }
    }),

    adminRoute(operations.removeOperator, async ({ input, principal, tx, now, audit, afterwards }) => {
      const owners = await lockOwners(tx)
      const row = await requireManaged(tx, principal, input.path.operator)
      requireOwnerLeft(owners, row, false)
      const tokens = await selectSessionTokens(tx, row.id)
      await deleteVerificationsOf(tx, row.id)
      await deleteOperator(tx, row.id)
      const linksEnded = await endLinksOf(tx, row.email, null)
      const revoked = await revokeMinted(revocations, monotonic, tx, {
        operatorId: row.id,
        role: null,
        reason: "whoever made it was removed",
        actor: principal.name,
        now,
      })
      afterwards(async (output) => {
        await revoked.wait()
        return output
      })
      tx.afterCommit(() => drop(tokens))
      audit({
        action: "operator.removed",
        target: { operator: row.id, email: row.email },
        before: { role: row.role },
        after: { ...linksEnded, ...tokensRevoked(revoked) },
      })
      return {}
    }),

    adminRoute(operations.createResetLink, async ({ input, principal, tx, now, audit }) => {
      // Whoever resets an account can enter it, so this is for those who can do everything anyway.
      if (principal.role !== "owner") throw onlyOwners()
      await requireStill(tx, principal)
      const row = await requireManaged(tx, principal, input.path.operator)
      const { path, link } = await makeResetLink(tx, row, principal.name, now)
      audit({ action: "operator.reset_link_made", target: { operator: row.id, email: row.email } })
      return { link: `${publicOrigin ?? ""}${path}`, expires_at: new Date(link.expires_at).toISOString() }
    }),

    adminRoute(operations.inviteOperator, async ({ input, principal, tx, now, audit }) => {
      const email = emailOf(input.body.email)
      const { role } = input.body
      if (!mayManage(principal.role, role)) throw onlyOwners()
      await requireStill(tx, principal)
      if ((await selectOperatorByEmail(tx, email)) !== undefined) {
        throw inputError("there is an operator with this address", { email: "is an operator" })
      }
      // One invite to an address: the newest.
      await deleteLinksTo(tx, "invite", { email })
      const open = await selectLinks(tx, "invite", now, limits.invitesOpenMax)
      if (open.length >= limits.invitesOpenMax) {
        throw inputError(`at most ${limits.invitesOpenMax} invites are open at a time; withdraw some`)
      }
      const { token, sha256 } = newLinkToken()
      const row: OperatorLinkRow = {
        id: randomId(20),
        kind: "invite",
        token_sha256: sha256,
        email,
        role,
        operator_id: null,
        invited_by: principal.name,
        created_at: now,
        expires_at: now + limits.inviteMs,
      }
      await insertLink(tx, row)
      audit({ action: "operator.invited", target: { invite: row.id, email }, after: { role } })
      return { invite: inviteResponse(row), link: `${publicOrigin ?? ""}${linkPath("invite", token)}` }
    }),

    adminRead(operations.listInvites, async ({ read, now }) => ({
      invites: (await selectLinks(read, "invite", now, limits.invitesOpenMax)).map(inviteResponse),
    })),

    adminRoute(operations.withdrawInvite, async ({ input, principal, tx, audit }) => {
      const row = await takeLink(tx, input.path.invite)
      if (row === undefined || row.kind !== "invite") throw notFoundError("invite", input.path.invite)
      if (!mayManage(principal.role, row.role)) throw onlyOwners()
      audit({ action: "operator.invite_withdrawn", target: { invite: row.id, email: row.email } })
      return {}
    }),
  ]
}

/** A one-time link with which an operator sets a new password; those that were made before open nothing any more. */
export async function makeResetLink(
  tx: Tx,
  operator: Pick<OperatorRow, "id" | "email" | "role">,
  madeBy: string,
  now: number,
): Promise<{ path: string; link: OperatorLinkRow }> {
  await deleteLinksTo(tx, "reset", { operatorId: operator.id })
  const { token, sha256 } = newLinkToken()
  const link: OperatorLinkRow = {
    id: randomId(20),
    kind: "reset",
    token_sha256: sha256,
    email: operator.email,
    role: operator.role,
    operator_id: operator.id,
    invited_by: madeBy,
    created_at: now,
    expires_at: now + limits.resetMs,
  }
  await insertLink(tx, link)
  return { path: linkPath("reset", token), link }
}

/**
 * Holds the operator who asks as they are until the commit, so that a link or token which is made while they are removed is
 * either there to be ended or not made. Throws authentication when they are not as they were when they asked.
 */
export async function requireStill(tx: Tx, { operatorId, role }: OperatorPrincipal): Promise<void> {
  if (operatorId === null) return
  const row = await lockOperator(tx, operatorId)
  if (row === undefined || row.disabled === 1 || row.role !== role) throw notLoggedIn()
}

/**
 * Ends the links that an operator handed out and could not hand out any more; `role` null: none any more. Else whoever
 * is removed would come back by an invite of their own.
 */
async function endLinksOf(tx: Tx, email: string, role: OperatorRole | null): Promise<{ links_ended?: number }> {
  let count = 0
  for (const link of await selectLinksBy(tx, email, limits.recordsReadMax)) {
    const mayStill = role !== null && (link.kind === "invite" ? mayManage(role, link.role) : role === "owner")
    if (!mayStill && (await takeLink(tx, link.id)) !== undefined) count += 1
  }
  return count === 0 ? {} : { links_ended: count }
}

const tokensRevoked = ({ count }: { readonly count: number }): { tokens_revoked?: number } =>
  count === 0 ? {} : { tokens_revoked: count }

async function requireManaged(tx: Tx, principal: OperatorPrincipal, id: string): Promise<OperatorRow> {
  const row = await lockOperator(tx, id)
  if (row === undefined) throw notFoundError("operator", id)
  if (!mayManage(principal.role, row.role)) throw onlyOwners()
  return row
}

/** Throws notAllowed when nobody would be left who can do everything. `owners` are those that can log in now. */
function requireOwnerLeft(owners: readonly { id: string }[], row: OperatorRow, staysOwner: boolean): void {
  if (staysOwner || row.role !== "owner" || row.disabled === 1) return
  if (owners.some(({ id }) => id !== row.id)) return
  throw new ApiError("notAllowed", "this is the last owner; make somebody else an owner first", {
    why: {
      check: "operator",
      rule: "last-owner",
      detail: "a deployment has an owner",
      remedy: "make another owner first",
    },
  })
}

const onlyOwners = (): ApiError =>
  new ApiError("notAllowed", "only owners make, change or remove owners", {
    fields: { needs: "owner" },
    why: { check: "operator", rule: "owners", detail: "only owners touch owners", remedy: "ask an owner" },
  })

async function countsOf(read: Read, rows: readonly OperatorRow[], now: number) {
  if (rows.length === 0) return []
  const ids = rows.map(({ id }) => id)
  const [passkeys, sessions] = await Promise.all([countPasskeys(read, ids), countSessions(read, ids, now)])
  const totalOf = (counts: typeof passkeys, id: string): number =>
    counts.find(({ operator_id }) => operator_id === id)?.total ?? 0
  return ids.map((id) => ({ passkeys: totalOf(passkeys, id), sessions: totalOf(sessions, id) }))
}

async function shown(read: Read, rows: readonly OperatorRow[], now: number) {
  const counts = await countsOf(read, rows, now)
  return rows.map((row, index) => operatorResponse(row, counts[index] ?? { passkeys: 0, sessions: 0 }))
}
