import type { Bans } from "@weir/protocol"
import { type Expression, type SqlBool, sql } from "kysely"
import { count, jsonText } from "../../store/columns.ts"
import type { Read, Tx } from "../../store/database.ts"
import { type FilterNode, type FilterTable, parseFilter } from "../../store/filter.ts"
import { filterCondition } from "../../store/filter-condition.ts"
import { type NamePattern, nameCondition } from "../../store/name-condition.ts"
import { applyPage, finishPage, parsePage, parseSort, type SortTable } from "../../store/paginate.ts"
import { type Places, statement } from "../../store/statement.ts"
import { newUser } from "./rules.ts"

export interface UserRow {
  app_id: number
  id: string
  role: string
  name: string | null
  image: string | null
  language: string
  /** 0 or 1. */
  invisible: number
  /** JSON array of team names. */
  teams: string
  /** JSON object. */
  custom: string
  /** JSON object, or null for the defaults. */
  privacy_settings: string | null
  created_at: number
  updated_at: number
  last_active: number | null
  deactivated_at: number | null
  deleted_at: number | null
  revoke_tokens_issued_before: number | null
  /** JSON of what stands in `User.bans`; null for none. Written by setBans alone. */
  bans: string | null
}

declare module "../../store/database.ts" {
  interface Tables {
    users: UserRow
  }
}

/** Users of an app, deleted ones not among them; counted up to `max`. */
export async function countUsers(read: Read, appId: number, max: number): Promise<number> {
  const some = read.selectFrom("users").select("id").where("app_id", "=", appId).where("deleted_at", "is", null)
  const row = await read.selectFrom(some.limit(max).as("some")).select(count().as("users")).executeTakeFirstOrThrow()
  return Number(row.users)
}

/** A user as the server thinks of them. Times are milliseconds. */
export interface User {
  readonly appId: number
  readonly id: string
  readonly role: string
  readonly name: string | null
  readonly image: string | null
  readonly language: string
  readonly invisible: boolean
  readonly teams: readonly string[]
  readonly custom: Readonly<Record<string, unknown>>
  readonly privacySettings: PrivacySettings | null
  readonly createdAt: number
  readonly updatedAt: number
  readonly lastActive: number | null
  readonly deactivatedAt: number | null
  readonly deletedAt: number | null
  readonly revokeTokensIssuedBefore: number | null
  /** Where the user is banned, bans that ran out a moment ago included; null for nowhere. */
  readonly bans: Bans | null
}

export interface PrivacySettings {
  readonly typing_indicators?: { readonly enabled: boolean }
  readonly read_receipts?: { readonly enabled: boolean }
  readonly delivery_receipts?: { readonly enabled: boolean }
}

const userById = statement((read: Read, value: Places<{ appId: number; id: string }>) =>
  read.selectFrom("users").selectAll().where("app_id", "=", value("appId")).where("id", "=", value("id")),
)

export async function selectUser(read: Read, appId: number, id: string): Promise<User | null> {
  const row = await userById.first(read, { appId, id })
  return row === undefined ? null : userOf(row)
}

const usersByIds = statement((read: Read, value: Places<{ appId: number; ids: readonly string[] }>) =>
  read.selectFrom("users").selectAll().where("app_id", "=", value("appId")).where("id", "in", value("ids")),
)

/** Those of the ids that exist, by id. */
export async function selectUsers(read: Read, appId: number, ids: readonly string[]): Promise<Map<string, User>> {
  if (ids.length === 0) return new Map()
  const rows = await usersByIds.rows(read, { appId, ids })
  return new Map(rows.map((row) => [row.id, userOf(row)]))
}

/**
 * The users of these ids as they stand, theirs to write until the commit: what is read here and written back whole
 * cannot undo what somebody else changes meanwhile. With `makeAt` (milliseconds) those who are missing are made first,
 * so that two who make the same user do not overwrite each other either.
 */
export async function lockUsers(
  tx: Tx,
  appId: number,
  ids: readonly string[],
  makeAt: number | null = null,
): Promise<Map<string, User>> {
  const found = await selectLocked(tx, appId, ids)
  const missing = makeAt === null ? [] : [...new Set(ids)].filter((id) => !found.has(id)).sort()
  if (missing.length === 0) return found
  await insertMissingUsers(
    tx,
    missing.map((id) => newUser(appId, id, makeAt as number)),
  )
  return new Map([...found, ...(await selectLocked(tx, appId, missing))])
}

// In the order of their ids, so that two who lock the same users wait for each other and not in a circle.
const lockedByIds = statement((tx: Tx, value: Places<{ appId: number; ids: readonly string[] }>) =>
  tx
    .selectFrom("users")
    .selectAll()
    .where("app_id", "=", value("appId"))
    .where("id", "in", value("ids"))
    .orderBy("id")
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate()),
)

async function selectLocked(tx: Tx, appId: number, ids: readonly string[]): Promise<Map<string, User>> {
  if (ids.length === 0) return new Map()
  const rows = await lockedByIds.rows(tx, { appId, ids })
  return new Map(rows.map((row) => [row.id, userOf(row)]))
}

const upsertRows = statement((tx: Tx, value: Places<{ rows: readonly UserRow[] }>) =>
  tx
    .insertInto("users")
    .values(value("rows"))
    .onConflict((conflict) =>
      conflict.columns(["app_id", "id"]).doUpdateSet((update) => ({
        role: update.ref("excluded.role"),
        name: update.ref("excluded.name"),
        image: update.ref("excluded.image"),
        language: update.ref("excluded.language"),
        invisible: update.ref("excluded.invisible"),
        teams: update.ref("excluded.teams"),
        custom: update.ref("excluded.custom"),
        privacy_settings: update.ref("excluded.privacy_settings"),
        updated_at: update.ref("excluded.updated_at"),
        last_active: update.ref("excluded.last_active"),
        deactivated_at: update.ref("excluded.deactivated_at"),
        deleted_at: update.ref("excluded.deleted_at"),
        revoke_tokens_issued_before: update.ref("excluded.revoke_tokens_issued_before"),
      })),
    ),
)

/**
 * Writes users whole, whether they exist or not. Those who may exist are to be locked before (lockUsers). Bans stay as
 * they are: they have a door of their own.
 */
export async function upsertUsers(tx: Tx, users: readonly User[]): Promise<void> {
  if (users.length > 0) await upsertRows.run(tx, { rows: users.map(rowOf) })
}

/** Writes what the gate has to know of a user's bans. The user is to be locked before. */
export const setBans = (tx: Tx, appId: number, userId: string, bans: Bans | null): Promise<unknown> =>
  tx
    .updateTable("users")
    .set({ bans: bans === null ? null : JSON.stringify(bans) })
    .where("app_id", "=", appId)
    .where("id", "=", userId)
    .execute()

const insertMissingRows = statement((tx: Tx, value: Places<{ rows: readonly UserRow[] }>) =>
  tx
    .insertInto("users")
    .values(value("rows"))
    .onConflict((conflict) => conflict.columns(["app_id", "id"]).doNothing()),
)

/** Adds users that are not there yet and leaves the others alone. */
export async function insertMissingUsers(tx: Tx, users: readonly User[]): Promise<void> {
  if (users.length > 0) await insertMissingRows.run(tx, { rows: users.map(rowOf) })
}

export function userOf(row: UserRow): User {
  return {
    appId: row.app_id,
    id: row.id,
    role: row.role,
    name: row.name,
    image: row.image,
    language: row.language,
    invisible: row.invisible === 1,
    teams: JSON.parse(row.teams) as string[],
    custom: JSON.parse(row.custom) as Record<string, unknown>,
    privacySettings: row.privacy_settings === null ? null : (JSON.parse(row.privacy_settings) as PrivacySettings),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastActive: row.last_active,
    deactivatedAt: row.deactivated_at,
    deletedAt: row.deleted_at,
    revokeTokensIssuedBefore: row.revoke_tokens_issued_before,
    bans: row.bans === null ? null : (JSON.parse(row.bans) as Bans),
  }
}

const rowOf = (user: User): UserRow => ({
  app_id: user.appId,
  id: user.id,
  role: user.role,
  name: user.name,
  image: user.image,
  language: user.language,
  invisible: user.invisible ? 1 : 0,
  teams: JSON.stringify(user.teams),
  custom: JSON.stringify(user.custom),
  privacy_settings: user.privacySettings === null ? null : JSON.stringify(user.privacySettings),
  created_at: user.createdAt,
  updated_at: user.updatedAt,
  last_active: user.lastActive,
  deactivated_at: user.deactivatedAt,
  deleted_at: user.deletedAt,
  revoke_tokens_issued_before: user.revokeTokensIssuedBefore,
  bans: user.bans === null ? null : JSON.stringify(user.bans),
})

/** What users can be found by (contract/chat.md §2.4). */
const filterTable: FilterTable = {
  fields: {
    id: { type: "string", operators: ["$eq", "$in", "$gt", "$gte", "$lt", "$lte", "$autocomplete"] },
    name: { type: "string", operators: ["$eq", "$in", "$autocomplete", "$q"] },
    role: { type: "string", operators: ["$eq", "$in"] },
    language: { type: "string", operators: ["$eq", "$in"] },
    teams: { type: "string[]", operators: ["$eq", "$contains", "$in"] },
    banned: {
      type: "bool",
      operators: ["$eq"],
      build({ value }, capabilities) {
        const ban = jsonText(capabilities, sql.ref("users.bans"), ["app"])
        return value === true ? sql<SqlBool>`(${ban} is not null)` : sql<SqlBool>`(${ban} is null)`
      },
    },
    created_at: { type: "timestamp", operators: ["$eq", "$gt", "$gte", "$lt", "$lte"] },
    updated_at: { type: "timestamp", operators: ["$eq", "$gt", "$gte", "$lt", "$lte"] },
    last_active: { type: "timestamp", operators: ["$eq", "$gt", "$gte", "$lt", "$lte", "$exists"] },
  },
  custom: { column: "custom", bare: true },
}

const sortTable: SortTable = {
  fields: {
    id: { type: "string" },
    name: { type: "string", isNullable: true },
    role: { type: "string" },
    created_at: { type: "number" },
    updated_at: { type: "number" },
    last_active: { type: "number", isNullable: true },
  },
  custom: { column: "custom" },
  standard: [
    { field: "created_at", direction: -1 },
    { field: "id", direction: -1 },
  ],
  unique: "id",
}

export interface UsersQuery {
  readonly filter: unknown
  readonly sort: unknown
  readonly limit?: number
  readonly offset?: number
  readonly includeDeactivated: boolean
  /** Only users who share one of these teams, or none has any; null for all. */
  readonly teams: readonly string[] | null
  /** Only users whom the caller's token reaches (authorize/decide.ts, reachOf). */
  readonly reach: readonly (readonly NamePattern[])[]
}

/** Finds users; throws inputError for a filter or sort that is not offered. */
export async function queryUsers(read: Read, appId: number, query: UsersQuery): Promise<User[]> {
  const filter = parseFilter(query.filter, filterTable)
  const sort = parseSort(query.sort, sortTable)
  const page = parsePage({ limit: query.limit, offset: query.offset }, sort, { limitDefault: 30 })
  let select = read
    .selectFrom("users")
    .selectAll()
    .where("app_id", "=", appId)
    .where("deleted_at", "is", null)
    .where(filterCondition(filter, filterTable, read.capabilities))
  if (!query.includeDeactivated) select = select.where("deactivated_at", "is", null)
  if (query.teams !== null) select = select.where(inOneOf(query.teams, read.capabilities))
  if (query.reach.length > 0)
    select = select.where(nameCondition(query.reach, { type: { is: "user" }, id: "users.id" }))
  const found = await applyPage(select, page, sort, read.capabilities).execute()
  return finishPage(found, page, sort).rows.map(userOf)
}

// A caller without teams reaches users without teams only (contract/auth.md §6.9).
function inOneOf(teams: readonly string[], capabilities: Read["capabilities"]): Expression<SqlBool> {
  const condition: FilterNode =
    teams.length === 0
      ? { kind: "field", field: "teams", operator: "$eq", value: [] }
      : { kind: "field", field: "teams", operator: "$in", value: teams }
  return filterCondition(condition, filterTable, capabilities)
}
