import { type Expression, type SqlBool, sql } from "kysely"
import type { Read, Tx } from "../../../store/database.ts"
import type { FieldComparison, FilterNode, FilterTable } from "../../../store/filter.ts"
import { filterCondition } from "../../../store/filter-condition.ts"
import { type NamePattern, nameCondition } from "../../../store/name-condition.ts"
import { applyPage, type Page, type Sort, type SortTable } from "../../../store/paginate.ts"
import { type Places, statement } from "../../../store/statement.ts"
import { type ChannelMemberRow, selectMembers } from "../members/index.ts"

export interface ChannelRow {
  app_id: number
  /** `type:id`. */
  cid: string
  type: string
  id: string
  created_by_id: string | null
  team: string | null
  /** 0 or 1. */
  frozen: number
  disabled: number
  /** JSON object. */
  custom: string
  member_count: number
  /** Number of the newest message. */
  message_seq: number
  /** How many messages have counted as unread so far; readers remember where they were (reads/store.ts). */
  counted: number
  /** Messages up to this number belong to a deleted channel of the same id. */
  cleared_seq: number
  /** Milliseconds. */
  last_message_at: number | null
  created_at: number
  updated_at: number
  deleted_at: number | null
}

declare module "../../../store/database.ts" {
  interface Tables {
    channels: ChannelRow
  }
}

const channelByCid = statement((read: Read, value: Places<{ appId: number; cid: string }>) =>
  read.selectFrom("channels").selectAll().where("app_id", "=", value("appId")).where("cid", "=", value("cid")),
)

export const selectChannel = (read: Read, appId: number, cid: string): Promise<ChannelRow | undefined> =>
  channelByCid.first(read, { appId, cid })

interface FirstMembers {
  readonly appId: number
  readonly cid: string
  readonly membersMax: number
}

const channelWithMembers = statement((read: Read, value: Places<FirstMembers>) =>
  read
    .selectFrom("channels")
    .leftJoin(
      (from) =>
        from
          .selectFrom("channel_members")
          .selectAll()
          .where("app_id", "=", value("appId"))
          .where("cid", "=", value("cid"))
          .orderBy("created_at")
          .orderBy("user_id")
          .limit(value("membersMax"))
          .as("member"),
      (join) => join.onTrue(),
    )
    .select(["channels.created_by_id", "channels.member_count", "channels.last_message_at", "channels.counted"])
    .selectAll("member")
    .where("channels.app_id", "=", value("appId"))
    .where("channels.cid", "=", value("cid"))
    .orderBy("member.created_at")
    .orderBy("member.user_id"),
)

type ChannelCounts = Pick<ChannelRow, "created_by_id" | "member_count" | "last_message_at" | "counted">

/** What changes of a channel with every message, with its first members; undefined when it is gone. */
export async function selectWithMembers(
  read: Read,
  appId: number,
  cid: string,
  membersMax: number,
): Promise<{ channel: ChannelCounts; members: ChannelMemberRow[] } | undefined> {
  if (!read.capabilities.supportsManyNodes) {
    // In the process two looks take 0.6 of the join's time; over a connection the join takes half of theirs.
    const channel = await selectChannel(read, appId, cid)
    if (channel === undefined) return undefined
    return { channel, members: await selectMembers(read, appId, cid, { limit: membersMax, offset: 0 }) }
  }
  const rows = await channelWithMembers.rows(read, { appId, cid, membersMax })
  const [channel] = rows
  if (channel === undefined) return undefined
  // A channel without members has one row without one.
  return { channel, members: rows.filter((row): row is typeof row & ChannelMemberRow => row.user_id !== null) }
}

/** Whether it was made; false when there is one with this cid already, deleted or not. */
export async function insertChannel(tx: Tx, row: ChannelRow): Promise<boolean> {
  const result = await tx
    .insertInto("channels")
    .values(row)
    .onConflict((conflict) => conflict.columns(["app_id", "cid"]).doNothing())
    .executeTakeFirst()
  return Number(result.numInsertedOrUpdatedRows ?? 0) > 0
}

/** Makes a deleted channel anew and empty; false when it is not deleted any more. Its former members are gone. */
export async function reviveChannel(tx: Tx, row: ChannelRow): Promise<boolean> {
  const revived = await tx
    .updateTable("channels")
    .set((update) => ({
      created_by_id: row.created_by_id,
      team: row.team,
      frozen: row.frozen,
      disabled: row.disabled,
      custom: row.custom,
      member_count: 0,
      cleared_seq: update.ref("message_seq"),
      last_message_at: null,
      created_at: row.created_at,
      updated_at: row.updated_at,
      deleted_at: null,
    }))
    .where("app_id", "=", row.app_id)
    .where("cid", "=", row.cid)
    .where("deleted_at", "is not", null)
    .executeTakeFirst()
  if (Number(revived.numUpdatedRows) === 0) return false
  await tx.deleteFrom("channel_members").where("app_id", "=", row.app_id).where("cid", "=", row.cid).execute()
  return true
}

export type ChannelChange = Partial<Pick<ChannelRow, "custom" | "frozen" | "disabled" | "team">>

/** Changes what is said of a channel and answers its row; undefined when it is gone. */
export const updateChannelRow = (
  tx: Tx,
  appId: number,
  cid: string,
  change: ChannelChange,
  now: number,
): Promise<ChannelRow | undefined> =>
  tx
    .updateTable("channels")
    .set({ ...change, updated_at: now })
    .where("app_id", "=", appId)
    .where("cid", "=", cid)
    .where("deleted_at", "is", null)
    .returningAll()
    .executeTakeFirst()

/** Number of the newest message sent before a time; 0 when there is none. */
export async function selectSeqBefore(read: Read, appId: number, cid: string, atMs: number): Promise<number> {
  const row = await read
    .selectFrom("messages")
    .select("seq")
    .where("app_id", "=", appId)
    .where("cid", "=", cid)
    .where("in_channel", "=", 1)
    .where("created_at", "<", atMs)
    .orderBy("created_at", "desc")
    .orderBy("seq", "desc")
    .limit(1)
    .executeTakeFirst()
  return row?.seq ?? 0
}

const memberOf = (userIds: readonly string[]): Expression<SqlBool> =>
  sql<SqlBool>`channels.cid in (select cid from channel_members
    where channel_members.app_id = channels.app_id and user_id in (${sql.join(userIds)}))`

/** `members` with `$in`: any of them; with a single id: that one; with a list: exactly these. */
function membersCondition({ operator, value }: FieldComparison): Expression<SqlBool> {
  const ids = (Array.isArray(value) ? value : [value]) as string[]
  if (ids.length === 0) return operator === "$in" ? sql<SqlBool>`(1 = 0)` : sql<SqlBool>`(member_count = 0)`
  if (operator === "$in" || !Array.isArray(value)) return memberOf(ids)
  const each = ids.map((id) => sql`${memberOf([id])}`)
  return sql<SqlBool>`(member_count = ${ids.length} and ${sql.join(each, sql` and `)})`
}

const lastUpdated = sql`coalesce(last_message_at, created_at)`
const comparable = ["$eq", "$gt", "$gte", "$lt", "$lte", "$exists"] as const
const equatable = ["$eq", "$in"] as const

/** What channels can be found by (contract/chat.md §3.6). */
export const channelFilters: FilterTable = {
  fields: {
    id: { type: "string", operators: equatable, column: "channels.id" },
    cid: { type: "string", operators: equatable, column: "channels.cid" },
    type: { type: "string", operators: equatable, column: "channels.type" },
    team: { type: "string", operators: [...equatable, "$exists"] },
    created_by_id: { type: "string", operators: equatable },
    members: { type: "string[]", operators: ["$eq", "$in", "$contains"], build: membersCondition },
    frozen: { type: "bool", operators: ["$eq"] },
    disabled: { type: "bool", operators: ["$eq"] },
    member_count: { type: "number", operators: ["$eq", "$gt", "$gte", "$lt", "$lte"] },
    last_message_at: { type: "timestamp", operators: comparable },
    created_at: { type: "timestamp", operators: comparable },
    updated_at: { type: "timestamp", operators: comparable },
    last_updated: {
      type: "timestamp",
      operators: ["$eq", "$gt", "$gte", "$lt", "$lte"],
      build: ({ operator, value }) => sql<SqlBool>`${lastUpdated} ${sql.raw(symbols[operator] ?? "=")} ${value}`,
    },
  },
  custom: { column: "channels.custom" },
}

const symbols: Readonly<Record<string, string>> = { $gt: ">", $gte: ">=", $lt: "<", $lte: "<=" }

export const channelSorts: SortTable = {
  fields: {
    last_updated: { type: "number", column: lastUpdated },
    last_message_at: { type: "number", isNullable: true },
    created_at: { type: "number" },
    updated_at: { type: "number" },
    member_count: { type: "number" },
    cid: { type: "string", column: "channels.cid" },
  },
  custom: { column: "channels.custom" },
  standard: [{ field: "last_updated", direction: -1 }],
  unique: "cid",
}

/** Which channels a caller may read, as data; null means all of them. */
export interface Readable {
  readonly userId: string
  /** Types that the caller's own role opens. */
  readonly openTypes: readonly string[]
  /** Types in which whoever made a channel reads it. */
  readonly ownedTypes: readonly string[]
  /** Member roles that read, by type. */
  readonly memberRoles: readonly { readonly type: string; readonly roles: readonly string[] }[]
  /** The same where the channel belongs to a team that the caller is not in. */
  readonly teams: readonly string[] | null
}

/**
 * Channels that match, may be read and are within `reach` of the caller's token (authorize/decide.ts); deleted ones
 * never. One row more than the page is for finishPage.
 */
export function selectChannels(
  read: Read,
  appId: number,
  filter: FilterNode,
  sort: Sort,
  page: Page,
  readable: Readable | null,
  reach: readonly (readonly NamePattern[])[],
): Promise<ChannelRow[]> {
  let query = read
    .selectFrom("channels")
    .selectAll()
    .where("app_id", "=", appId)
    .where("deleted_at", "is", null)
    .where(filterCondition(filter, channelFilters, read.capabilities))
  if (readable !== null) query = query.where(readableCondition(readable))
  if (reach.length > 0) query = query.where(nameCondition(reach, { type: "channels.type", id: "channels.id" }))
  return applyPage(query, page, sort, read.capabilities).execute()
}

function readableCondition({ userId, openTypes, ownedTypes, memberRoles, teams }: Readable): Expression<SqlBool> {
  const ways: Expression<unknown>[] = memberRoles
    .filter(({ roles }) => roles.length > 0)
    .map(
      ({ type, roles }) => sql`(channels.type = ${type} and channels.cid in (select cid from channel_members
        where channel_members.app_id = channels.app_id and user_id = ${userId}
        and channel_role in (${sql.join(roles)})))`,
    )
  if (openTypes.length > 0) ways.push(sql`channels.type in (${sql.join(openTypes)})`)
  if (ownedTypes.length > 0) {
    ways.push(sql`(created_by_id = ${userId} and channels.type in (${sql.join(ownedTypes)}))`)
  }
  if (ways.length === 0) return sql<SqlBool>`(1 = 0)`
  const byRole = sql`(${sql.join(ways, sql` or `)})`
  if (teams === null) return sql<SqlBool>`${byRole}`
  const inTeam = teams.length === 0 ? sql`team is null` : sql`(team is null or team in (${sql.join(teams)}))`
  return sql<SqlBool>`(${byRole} and ${inTeam})`
}

/** Conversations of two that a user is in and that are not deleted. */
export const selectConversations = (
  read: Read,
  appId: number,
  userId: string,
  limit: number,
  deletedToo: boolean,
): Promise<ChannelRow[]> => {
  const query = read
    .selectFrom("channel_members")
    .innerJoin("channels", (join) =>
      join.onRef("channels.app_id", "=", "channel_members.app_id").onRef("channels.cid", "=", "channel_members.cid"),
    )
    .selectAll("channels")
    .where("channel_members.app_id", "=", appId)
    .where("channel_members.user_id", "=", userId)
    .where("channels.member_count", "=", 2)
    .where("channels.id", "like", "!members-%")
    .limit(limit)
  return (deletedToo ? query : query.where("channels.deleted_at", "is", null)).execute()
}

export const markChannelDeleted = (tx: Tx, appId: number, cid: string, now: number): Promise<unknown> =>
  tx
    .updateTable("channels")
    .set({ deleted_at: now, updated_at: now })
    .where("app_id", "=", appId)
    .where("cid", "=", cid)
    .where("deleted_at", "is", null)
    .execute()

/** The channel and its memberships; its messages must be gone before. */
export async function deleteChannelRow(tx: Tx, appId: number, cid: string): Promise<void> {
  await tx.deleteFrom("channel_members").where("app_id", "=", appId).where("cid", "=", cid).execute()
  await tx.deleteFrom("channels").where("app_id", "=", appId).where("cid", "=", cid).execute()
}

/** Gives a batch of a user's channels to somebody else, or to nobody; answers their cids. */
export async function giveChannels(
  tx: Tx,
  appId: number,
  userId: string,
  toId: string | null,
  limit: number,
  now: number,
): Promise<string[]> {
  const rows = await tx
    .selectFrom("channels")
    .select("cid")
    .where("app_id", "=", appId)
    .where("created_by_id", "=", userId)
    .limit(limit)
    .execute()
  const cids = rows.map(({ cid }) => cid)
  if (cids.length === 0) return []
  await tx
    .updateTable("channels")
    .set({ created_by_id: toId, updated_at: now })
    .where("app_id", "=", appId)
    .where("cid", "in", cids)
    .execute()
  return cids
}

/** Channels as they stand now, by cid. */
export async function selectStanding(
  read: Read,
  appId: number,
  cids: readonly string[],
): Promise<Map<string, ChannelRow>> {
  if (cids.length === 0) return new Map()
  const rows = await read
    .selectFrom("channels")
    .selectAll()
    .where("app_id", "=", appId)
    .where("cid", "in", cids)
    .execute()
  return new Map(rows.map((row) => [row.cid, row]))
}

/** What a user is to these channels now, by cid. */
export async function selectOwnMemberships(
  read: Read,
  appId: number,
  userId: string,
  cids: readonly string[],
): Promise<Map<string, { role: string; historyAfterSeq: number }>> {
  if (cids.length === 0) return new Map()
  const rows = await read
    .selectFrom("channel_members")
    .select(["cid", "channel_role", "history_after_seq"])
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .where("cid", "in", cids)
    .execute()
  return new Map(rows.map((row) => [row.cid, { role: row.channel_role, historyAfterSeq: row.history_after_seq }]))
}
