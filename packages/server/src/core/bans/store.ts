import type { Read, Tx } from "../../store/database.ts"
import { comparisonsOf, type FilterNode, type FilterTable, parseFilter } from "../../store/filter.ts"
import { filterCondition } from "../../store/filter-condition.ts"
import { type NamePattern, nameCondition } from "../../store/name-condition.ts"
import { applyPage, finishPage, parsePage, parseSort, type SortTable } from "../../store/paginate.ts"

export interface BanRow {
  app_id: number
  user_id: string
  /** `type:id` of a channel; empty: the whole app. */
  cid: string
  id: string
  /** Null: a server call that named nobody. */
  banned_by_id: string | null
  reason: string | null
  /** Milliseconds. */
  created_at: number
  /** Null: for ever. */
  expires_at: number | null
}

declare module "../../store/database.ts" {
  interface Tables {
    bans: BanRow
  }
}

/** Writes a ban in the place of the one that the user may have there already. */
export const upsertBan = (tx: Tx, row: BanRow): Promise<unknown> =>
  tx
    .insertInto("bans")
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(["app_id", "user_id", "cid"]).doUpdateSet((update) => ({
        id: update.ref("excluded.id"),
        banned_by_id: update.ref("excluded.banned_by_id"),
        reason: update.ref("excluded.reason"),
        created_at: update.ref("excluded.created_at"),
        expires_at: update.ref("excluded.expires_at"),
      })),
    )
    .execute()

export const selectBan = (read: Read, appId: number, userId: string, cid: string): Promise<BanRow | undefined> =>
  read
    .selectFrom("bans")
    .selectAll()
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .where("cid", "=", cid)
    .executeTakeFirst()

/** Takes a ban away and answers it; undefined when there was none. */
export const deleteBan = (tx: Tx, appId: number, userId: string, cid: string): Promise<BanRow | undefined> =>
  tx
    .deleteFrom("bans")
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .where("cid", "=", cid)
    .returningAll()
    .executeTakeFirst()

/** What bans can be found by (contract/chat.md §2.13). */
const banFilters: FilterTable = {
  fields: {
    user_id: { type: "string", operators: ["$eq", "$in"], column: "bans.user_id" },
    banned_by_id: { type: "string", operators: ["$eq", "$in"], column: "bans.banned_by_id" },
    channel_cid: { type: "string", operators: ["$eq"], column: "bans.cid" },
    reason: { type: "string", operators: ["$eq", "$autocomplete"], column: "bans.reason" },
    created_at: { type: "timestamp", operators: ["$eq", "$gt", "$gte", "$lt", "$lte"], column: "bans.created_at" },
  },
}

const banSorts: SortTable = {
  fields: {
    created_at: { type: "number", column: "bans.created_at" },
    id: { type: "string", column: "bans.id" },
  },
  standard: [{ field: "created_at", direction: -1 }],
  unique: "id",
}

/** Throws inputError for a filter that is not offered. */
export const parseBanFilter = (filter: unknown): FilterNode => parseFilter(filter, banFilters)

/** The one channel that the filter speaks of, wherever it says so; null when it speaks of none or of several. */
export function channelOf(filter: FilterNode): string | null {
  const cids = comparisonsOf(filter).filter(({ kind, ...rest }) => kind === "field" && named(rest) === "channel_cid")
  const [only] = cids
  return cids.length === 1 && only !== undefined ? String(only.value) : null
}

const named = (comparison: object): unknown => ("field" in comparison ? comparison.field : null)

export interface BansQuery {
  readonly filter: FilterNode
  readonly sort: unknown
  readonly limit: number
  readonly offset?: number
  /** Only bans of this channel, or of the app when empty; null for all. */
  readonly cid: string | null
  /** Only users who share one of these teams, or none has any; null for all. */
  readonly teams: readonly string[] | null
  /** Only users whom the caller's token reaches. */
  readonly reach: readonly (readonly NamePattern[])[]
  /** Milliseconds; bans that ran out by then are left out. Null: all that are stored. */
  readonly standingAt: number | null
}

const teamFilters: FilterTable = {
  fields: { teams: { type: "string[]", operators: ["$eq", "$in"], column: "users.teams" } },
}

/** Finds bans. Throws inputError for a sort that is not offered. */
export async function selectBans(read: Read, appId: number, query: BansQuery): Promise<BanRow[]> {
  const { cid, standingAt, teams, reach } = query
  const sort = parseSort(query.sort, banSorts)
  const page = parsePage({ limit: query.limit, offset: query.offset }, sort, { limitDefault: query.limit })
  let select = read
    .selectFrom("bans")
    .innerJoin("users", (join) => join.onRef("users.app_id", "=", "bans.app_id").onRef("users.id", "=", "bans.user_id"))
    .selectAll("bans")
    .where("bans.app_id", "=", appId)
    .where(filterCondition(query.filter, banFilters, read.capabilities))
  if (cid !== null) select = select.where("bans.cid", "=", cid)
  if (standingAt !== null) {
    select = select.where((where) =>
      where.or([where("bans.expires_at", "is", null), where("bans.expires_at", ">", standingAt)]),
    )
  }
  if (teams !== null) {
    // Without a team one reaches those without a team (contract/auth.md §6.9).
    const operator = teams.length === 0 ? "$eq" : "$in"
    const sharing: FilterNode = { kind: "field", field: "teams", operator, value: teams }
    select = select.where(filterCondition(sharing, teamFilters, read.capabilities))
  }
  if (reach.length > 0) select = select.where(nameCondition(reach, { type: { is: "user" }, id: "bans.user_id" }))
  const found = await applyPage(select, page, sort, read.capabilities).execute()
  return finishPage(found, page, sort).rows
}
