import type { OperatorRole } from "@weir/protocol"
import { count } from "../../store/columns.ts"
import type { Read, Tx } from "../../store/database.ts"
import { limits } from "./limits.ts"

export interface OperatorRow {
  id: string
  name: string
  /** Lower case. */
  email: string
  /** 0 or 1, as all flags. */
  email_verified: number
  role: OperatorRole
  disabled: number
  two_factor_enabled: number
  created_at: number
  updated_at: number
  last_login_at: number | null
}

/** `token` alone opens nothing: the cookie that carries it is signed with a secret that lies sealed. */
export interface OperatorSessionRow {
  id: string
  token: string
  operator_id: string
  address: string | null
  user_agent: string | null
  /** When the operator last proved who they are. */
  verified_at: number | null
  expires_at: number
  created_at: number
  updated_at: number
}

/** A way to log in: `credential` with a password hash, or `sso` with the provider's subject. */
export interface OperatorAccountRow {
  id: string
  operator_id: string
  account_id: string
  provider_id: string
  password: string | null
  created_at: number
  updated_at: number
}

/** What waits for its second half: a second factor, a passkey's challenge, a way back from single sign-on. */
export interface OperatorVerificationRow {
  id: string
  /** Hashed. */
  identifier: string
  value: string
  expires_at: number
  created_at: number
  updated_at: number
}

export interface OperatorTwoFactorRow {
  id: string
  operator_id: string
  /** The TOTP secret, sealed with the master key. */
  sealed: string
  /** JSON list of keyed hashes; one that was used is taken out. */
  backup_codes: string
  /** 0 until the operator has shown one code. */
  verified: number
  failed_verification_count: number
  locked_until: number | null
  /** Time step of the last code that counted (RFC 6238 §5.2: each counts once). */
  last_step: number | null
}

export interface OperatorPasskeyRow {
  id: string
  operator_id: string
  name: string | null
  public_key: string
  credential_id: string
  counter: number
  device_type: string
  backed_up: number
  transports: string | null
  created_at: number | null
  aaguid: string | null
}

/** A one-time link. `setup`: to the first account; `invite`: to another one; `reset`: to a new password. */
export type LinkKind = "setup" | "invite" | "reset"

export interface OperatorLinkRow {
  id: string
  kind: LinkKind
  token_sha256: string
  email: string
  role: OperatorRole
  /** Of a reset: whose. */
  operator_id: string | null
  invited_by: string
  created_at: number
  expires_at: number
}

declare module "../../store/database.ts" {
  interface Tables {
    operators: OperatorRow
    operator_sessions: OperatorSessionRow
    operator_accounts: OperatorAccountRow
    operator_verifications: OperatorVerificationRow
    operator_two_factors: OperatorTwoFactorRow
    operator_passkeys: OperatorPasskeyRow
    operator_links: OperatorLinkRow
    operator_secrets: { id: number; sealed: string }
  }
}

/** Tables that the login's library works on, as records of columns. */
export type RecordTable =
  | "operators"
  | "operator_sessions"
  | "operator_accounts"
  | "operator_verifications"
  | "operator_two_factors"
  | "operator_passkeys"
export type Value = string | number | null
export type Fields = Record<string, Value>

/** A condition on one column; all of them must hold. */
export interface Condition {
  readonly column: string
  readonly operator: "=" | "<>" | "<" | "<=" | ">" | ">=" | "in" | "not in"
  readonly value: Value | readonly Value[]
}

export interface RecordOrder {
  readonly column: string
  readonly direction: "asc" | "desc"
}

// The table and columns come from the library's models by a fixed table (auth.ts), so they stand for ones whose types
// the compiler knows.
interface Conditional<Query> {
  where(column: never, operator: never, value: never): Query
}

const conditioned = <Query extends Conditional<Query>>(query: Query, conditions: readonly Condition[]): Query =>
  conditions.reduce((narrowed, { column, operator, value }) => {
    const isNull = value === null && (operator === "=" || operator === "<>")
    const compared = isNull ? (operator === "=" ? "is" : "is not") : operator
    return narrowed.where(column as never, compared as never, value as never)
  }, query)

export async function insertRecord(tx: Tx, table: RecordTable, fields: Fields): Promise<Fields> {
  const query = tx.insertInto(table as "operators").values(fields as unknown as OperatorRow)
  return (await query.returningAll().executeTakeFirstOrThrow()) as unknown as Fields
}

export async function selectRecords(
  read: Read,
  table: RecordTable,
  conditions: readonly Condition[],
  { limit, offset, order }: { limit: number; offset?: number; order?: RecordOrder | undefined },
): Promise<Fields[]> {
  let query = conditioned(read.selectFrom(table as "operators").selectAll(), conditions)
  if (order !== undefined) query = query.orderBy(order.column as "id", order.direction)
  if (offset !== undefined && offset > 0) query = query.offset(offset)
  return (await query.limit(Math.min(limit, limits.recordsReadMax)).execute()) as unknown as Fields[]
}

export async function countRecords(read: Read, table: RecordTable, conditions: readonly Condition[]): Promise<number> {
  const query = conditioned(read.selectFrom(table as "operators").select(count().as("total")), conditions)
  return (await query.executeTakeFirstOrThrow()).total
}

/** Changes what matches, in one statement, and answers it as it is now. `increments` are added to what is there. */
export async function updateRecords(
  tx: Tx,
  table: RecordTable,
  conditions: readonly Condition[],
  fields: Fields,
  increments: Readonly<Record<string, number>> = {},
): Promise<Fields[]> {
  const query = tx.updateTable(table as "operators").set((update) => ({
    ...(fields as object),
    ...Object.fromEntries(
      Object.entries(increments).map(([column, by]) => [column, update(column as "created_at", "+", by)]),
    ),
  }))
  return (await conditioned(query, conditions).returningAll().execute()) as unknown as Fields[]
}

/** Takes away what matches, in one statement, and answers it as it was. */
export const deleteRecords = async (tx: Tx, table: RecordTable, conditions: readonly Condition[]): Promise<Fields[]> =>
  (await conditioned(tx.deleteFrom(table as "operators"), conditions)
    .returningAll()
    .execute()) as unknown as Fields[]

export const selectOperator = (read: Read, id: string): Promise<OperatorRow | undefined> =>
  read.selectFrom("operators").selectAll().where("id", "=", id).executeTakeFirst()

export const selectOperatorByEmail = (read: Read, email: string): Promise<OperatorRow | undefined> =>
  read.selectFrom("operators").selectAll().where("email", "=", email).executeTakeFirst()

export const selectOperators = (read: Read, limit: number): Promise<OperatorRow[]> =>
  read.selectFrom("operators").selectAll().orderBy("created_at").orderBy("id").limit(limit).execute()

/** Whether somebody has ever taken the first account: the last owner stays, so there is one from then on. */
export const hasOwner = async (read: Read): Promise<boolean> =>
  (await read.selectFrom("operators").select("id").where("role", "=", "owner").limit(1).executeTakeFirst()) !==
  undefined

export const countOperators = async (read: Read): Promise<number> =>
  (await read.selectFrom("operators").select(count().as("total")).executeTakeFirstOrThrow()).total

/** All operators who can own the deployment: owners that are not shut out. They stay so until the commit. */
export const lockOwners = (tx: Tx): Promise<{ id: string }[]> =>
  tx
    .selectFrom("operators")
    .select("id")
    .where("role", "=", "owner")
    .where("disabled", "=", 0)
    .orderBy("id")
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate())
    .execute()

export const lockOperator = (tx: Tx, id: string): Promise<OperatorRow | undefined> =>
  tx
    .selectFrom("operators")
    .selectAll()
    .where("id", "=", id)
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate())
    .executeTakeFirst()

export const insertOperator = (tx: Tx, row: OperatorRow): Promise<unknown> =>
  tx.insertInto("operators").values(row).execute()

export const updateOperator = (
  tx: Tx,
  id: string,
  change: Partial<Pick<OperatorRow, "role" | "disabled" | "two_factor_enabled" | "last_login_at" | "updated_at">>,
): Promise<unknown> => tx.updateTable("operators").set(change).where("id", "=", id).execute()

/** With everything that hangs on it. */
export const deleteOperator = (tx: Tx, id: string): Promise<unknown> =>
  tx.deleteFrom("operators").where("id", "=", id).execute()

export const insertAccount = (tx: Tx, row: OperatorAccountRow): Promise<unknown> =>
  tx.insertInto("operator_accounts").values(row).execute()

export const selectPassword = (
  read: Read,
  operatorId: string,
): Promise<Pick<OperatorAccountRow, "id" | "password"> | undefined> =>
  read
    .selectFrom("operator_accounts")
    .select(["id", "password"])
    .where("operator_id", "=", operatorId)
    .where("provider_id", "=", "credential")
    .executeTakeFirst()

/** As selectPassword; it stays so until the commit, and whoever is changing it is waited for. */
export const lockPassword = (
  tx: Tx,
  operatorId: string,
): Promise<Pick<OperatorAccountRow, "id" | "password"> | undefined> =>
  tx
    .selectFrom("operator_accounts")
    .select(["id", "password"])
    .where("operator_id", "=", operatorId)
    .where("provider_id", "=", "credential")
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate())
    .executeTakeFirst()

export const updatePassword = (tx: Tx, accountId: string, password: string, now: number): Promise<unknown> =>
  tx.updateTable("operator_accounts").set({ password, updated_at: now }).where("id", "=", accountId).execute()

/** A session with its operator, by the token that its cookie carries. */
export const selectSessionByToken = (read: Read, token: string) =>
  read
    .selectFrom("operator_sessions as session")
    .innerJoin("operators as operator", "operator.id", "session.operator_id")
    .select([
      "session.id",
      "session.operator_id",
      "session.verified_at",
      "session.expires_at",
      "session.created_at",
      "operator.email",
      "operator.role",
      "operator.disabled",
    ])
    .where("session.token", "=", token)
    .executeTakeFirst()

/** Sessions of an operator, the one that was used to log in last first. */
export const selectSessions = (read: Read, operatorId: string, limit: number): Promise<OperatorSessionRow[]> =>
  read
    .selectFrom("operator_sessions")
    .selectAll()
    .where("operator_id", "=", operatorId)
    .orderBy("created_at", "desc")
    .orderBy("id")
    .limit(limit)
    .execute()

export const selectSessionTokens = async (read: Read, operatorId: string): Promise<string[]> =>
  (await read.selectFrom("operator_sessions").select("token").where("operator_id", "=", operatorId).execute()).map(
    ({ token }) => token,
  )

/** Whether a session is there; it stays so until the commit. */
export const lockSession = async (tx: Tx, id: string): Promise<boolean> =>
  (await tx
    .selectFrom("operator_sessions")
    .select("id")
    .where("id", "=", id)
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate())
    .executeTakeFirst()) !== undefined

/** Ends sessions of an operator: all, all but one, or one. Answers their tokens. */
export async function deleteSessions(
  tx: Tx,
  operatorId: string,
  which: { readonly only?: string; readonly butNot?: string } = {},
): Promise<string[]> {
  let query = tx.deleteFrom("operator_sessions").where("operator_id", "=", operatorId)
  if (which.only !== undefined) query = query.where("id", "=", which.only)
  if (which.butNot !== undefined) query = query.where("id", "<>", which.butNot)
  return (await query.returning("token").execute()).map(({ token }) => token)
}

export const updateVerifiedAt = (tx: Tx, sessionId: string, now: number): Promise<{ token: string } | undefined> =>
  tx
    .updateTable("operator_sessions")
    .set({ verified_at: now })
    .where("id", "=", sessionId)
    .returning("token")
    .executeTakeFirst()

/** Sessions, unfinished logins and links that have run out. */
export async function pruneExpired(tx: Tx, now: number): Promise<void> {
  await tx.deleteFrom("operator_sessions").where("expires_at", "<=", now).execute()
  await tx.deleteFrom("operator_verifications").where("expires_at", "<=", now).execute()
  await tx.deleteFrom("operator_links").where("expires_at", "<=", now).execute()
}

/** Half-finished logins and trusted devices of an operator. */
export const deleteVerificationsOf = (tx: Tx, operatorId: string): Promise<unknown> =>
  tx.deleteFrom("operator_verifications").where("value", "=", operatorId).execute()

export const selectTwoFactor = (read: Read, operatorId: string): Promise<OperatorTwoFactorRow | undefined> =>
  read.selectFrom("operator_two_factors").selectAll().where("operator_id", "=", operatorId).executeTakeFirst()

/** Uses up a time step: false when it, or a later one, has been used before. */
export async function takeStep(tx: Tx, operatorId: string, step: number): Promise<boolean> {
  const taken = await tx
    .updateTable("operator_two_factors")
    .set({ last_step: step })
    .where("operator_id", "=", operatorId)
    .where((where) => where.or([where("last_step", "is", null), where("last_step", "<", step)]))
    .returning("id")
    .execute()
  return taken.length > 0
}

export async function deleteSecondFactors(tx: Tx, operatorId: string): Promise<void> {
  await tx.deleteFrom("operator_two_factors").where("operator_id", "=", operatorId).execute()
  await tx.deleteFrom("operator_passkeys").where("operator_id", "=", operatorId).execute()
}

/** Takes the authenticator away, and with it that codes are asked for. */
export async function deleteTotp(tx: Tx, operatorId: string): Promise<void> {
  await tx.deleteFrom("operator_two_factors").where("operator_id", "=", operatorId).execute()
  await tx.updateTable("operators").set({ two_factor_enabled: 0 }).where("id", "=", operatorId).execute()
}

/** Whose a passkey is; it stays theirs until the commit, and whoever is taking it away is waited for. */
export const lockPasskey = (tx: Tx, credentialId: string): Promise<{ operator_id: string } | undefined> =>
  tx
    .selectFrom("operator_passkeys")
    .select("operator_id")
    .where("credential_id", "=", credentialId)
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate())
    .executeTakeFirst()

export const deletePasskey = (tx: Tx, operatorId: string, credentialId: string): Promise<unknown> =>
  tx
    .deleteFrom("operator_passkeys")
    .where("operator_id", "=", operatorId)
    .where("credential_id", "=", credentialId)
    .execute()

interface Counted {
  readonly operator_id: string
  readonly total: number
}

/** How many passkeys each of some operators has. */
export const countPasskeys = (read: Read, operatorIds: readonly string[]): Promise<Counted[]> =>
  read
    .selectFrom("operator_passkeys")
    .select(["operator_id", count().as("total")])
    .where("operator_id", "in", operatorIds)
    .groupBy("operator_id")
    .execute()

/** How many sessions of each of some operators are open. */
export const countSessions = (read: Read, operatorIds: readonly string[], now: number): Promise<Counted[]> =>
  read
    .selectFrom("operator_sessions")
    .select(["operator_id", count().as("total")])
    .where("operator_id", "in", operatorIds)
    .where("expires_at", ">", now)
    .groupBy("operator_id")
    .execute()

export const insertLink = (tx: Tx, row: OperatorLinkRow): Promise<unknown> =>
  tx.insertInto("operator_links").values(row).execute()

export const selectLink = (read: Read, tokenSha256: string, now: number): Promise<OperatorLinkRow | undefined> =>
  read
    .selectFrom("operator_links")
    .selectAll()
    .where("token_sha256", "=", tokenSha256)
    .where("expires_at", ">", now)
    .executeTakeFirst()

/** Links of a kind that still open something, newest first. */
export const selectLinks = (read: Read, kind: LinkKind, now: number, limit: number): Promise<OperatorLinkRow[]> =>
  read
    .selectFrom("operator_links")
    .selectAll()
    .where("kind", "=", kind)
    .where("expires_at", ">", now)
    .orderBy("created_at", "desc")
    .orderBy("id")
    .limit(limit)
    .execute()

/** Links that somebody handed out, whether they still open anything or not. */
export const selectLinksBy = (
  read: Read,
  invitedBy: string,
  limit: number,
): Promise<Pick<OperatorLinkRow, "id" | "kind" | "role">[]> =>
  read
    .selectFrom("operator_links")
    .select(["id", "kind", "role"])
    .where("invited_by", "=", invitedBy)
    .orderBy("id")
    .limit(limit)
    .execute()

export const selectInviteTo = (read: Read, email: string, now: number): Promise<OperatorLinkRow | undefined> =>
  read
    .selectFrom("operator_links")
    .selectAll()
    .where("kind", "=", "invite")
    .where("email", "=", email)
    .where("expires_at", ">", now)
    .orderBy("created_at", "desc")
    .limit(1)
    .executeTakeFirst()

/** Uses a link up: undefined when somebody else has just done so. */
export const takeLink = (tx: Tx, id: string): Promise<OperatorLinkRow | undefined> =>
  tx.deleteFrom("operator_links").where("id", "=", id).returningAll().executeTakeFirst()

export const deleteSetupLinks = (tx: Tx): Promise<unknown> =>
  tx.deleteFrom("operator_links").where("kind", "=", "setup").execute()

/** Links to somebody: invites by their address, resets by their operator. */
export const deleteLinksTo = (
  tx: Tx,
  kind: "invite" | "reset",
  to: { email: string } | { operatorId: string },
): Promise<unknown> =>
  tx
    .deleteFrom("operator_links")
    .where("kind", "=", kind)
    .where("email" in to ? "email" : "operator_id", "=", "email" in to ? to.email : to.operatorId)
    .execute()

export const selectSecret = (read: Read): Promise<{ sealed: string } | undefined> =>
  read.selectFrom("operator_secrets").select("sealed").where("id", "=", 1).executeTakeFirst()

/** Another node's secret, if it was faster, stays. */
export const insertSecret = (tx: Tx, sealed: string): Promise<unknown> =>
  tx
    .insertInto("operator_secrets")
    .values({ id: 1, sealed })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
