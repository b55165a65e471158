import type { Read, Tx } from "../../../store/database.ts"
import type { FilterNode, FilterTable } from "../../../store/filter.ts"
import { filterCondition } from "../../../store/filter-condition.ts"
import { applyPage, type Page, type Sort, type SortTable } from "../../../store/paginate.ts"
import { type Places, statement } from "../../../store/statement.ts"

export interface ChannelMemberRow {
  app_id: number
  cid: string
  user_id: string
  channel_role: string
  /** JSON object. */
  custom: string
  created_at: number
  updated_at: number
  /** Messages up to this number are hidden from the member. */
  history_after_seq: number
  /** What the member has read; written by the reads module. Milliseconds. */
  last_read: number
  last_read_message_id: string | null
  /** Number of the newest message that is read. */
  read_seq: number
  /** Of the messages that count as unread, how many are read. */
  read_counted: number
}

declare module "../../../store/database.ts" {
  interface Tables {
    channel_members: ChannelMemberRow
  }
}

const memberById = statement((read: Read, value: Places<{ appId: number; cid: string; userId: string }>) =>
  read
    .selectFrom("channel_members")
    .selectAll()
    .where("app_id", "=", value("appId"))
    .where("cid", "=", value("cid"))
    .where("user_id", "=", value("userId")),
)

export const selectMember = (
  read: Read,
  appId: number,
  cid: string,
  userId: string,
): Promise<ChannelMemberRow | undefined> => memberById.first(read, { appId, cid, userId })

export type RosterRow = Pick<ChannelMemberRow, "user_id" | "channel_role" | "history_after_seq">

const rosterOf = statement((read: Read, value: Places<{ appId: number; cid: string; limit: number }>) =>
  read
    .selectFrom("channel_members")
    .select(["user_id", "channel_role", "history_after_seq"])
    .where("app_id", "=", value("appId"))
    .where("cid", "=", value("cid"))
    .limit(value("limit")),
)

/** The first `limit` members with what a permission check needs of them. */
export const selectRoster = (read: Read, appId: number, cid: string, limit: number): Promise<RosterRow[]> =>
  rosterOf.rows(read, { appId, cid, limit })

/** Ids of the first `limit` members. */
export const selectRosterIds = async (read: Read, appId: number, cid: string, limit: number): Promise<string[]> =>
  (await selectRoster(read, appId, cid, limit)).map((row) => row.user_id)

interface MembersPage {
  readonly limit: number
  readonly offset: number
}

const membersByTime = statement((read: Read, value: Places<MembersPage & { appId: number; cid: string }>) =>
  read
    .selectFrom("channel_members")
    .selectAll()
    .where("app_id", "=", value("appId"))
    .where("cid", "=", value("cid"))
    .orderBy("created_at")
    .orderBy("user_id")
    .limit(value("limit"))
    .offset(value("offset")),
)

/** Members in the order in which they came. */
export const selectMembers = (
  read: Read,
  appId: number,
  cid: string,
  { limit, offset }: MembersPage,
): Promise<ChannelMemberRow[]> => membersByTime.rows(read, { appId, cid, limit, offset })

/** What members can be found by (contract/chat.md §3.8). */
export const memberFilters: FilterTable = {
  fields: {
    id: { type: "string", operators: ["$eq", "$in"], column: "channel_members.user_id" },
    user_id: { type: "string", operators: ["$eq", "$in"], column: "channel_members.user_id" },
    name: { type: "string", operators: ["$eq", "$in", "$autocomplete", "$q"], column: "users.name" },
    channel_role: { type: "string", operators: ["$eq", "$in"] },
    created_at: {
      type: "timestamp",
      operators: ["$eq", "$gt", "$gte", "$lt", "$lte"],
      column: "channel_members.created_at",
    },
    updated_at: {
      type: "timestamp",
      operators: ["$eq", "$gt", "$gte", "$lt", "$lte"],
      column: "channel_members.updated_at",
    },
  },
  custom: { column: "channel_members.custom" },
}

export const memberSorts: SortTable = {
  fields: {
    created_at: { type: "number", column: "channel_members.created_at" },
    updated_at: { type: "number", column: "channel_members.updated_at" },
    user_id: { type: "string", column: "channel_members.user_id" },
    name: { type: "string", column: "users.name", isNullable: true },
    channel_role: { type: "string" },
  },
  standard: [{ field: "created_at", direction: 1 }],
  unique: "user_id",
}

/** Members of a channel that match, one row more than the page for finishPage. */
export const selectMatchingMembers = (
  read: Read,
  appId: number,
  cid: string,
  filter: FilterNode,
  sort: Sort,
  page: Page,
): Promise<ChannelMemberRow[]> =>
  applyPage(
    read
      .selectFrom("channel_members")
      .leftJoin("users", (join) =>
        join.onRef("users.app_id", "=", "channel_members.app_id").onRef("users.id", "=", "channel_members.user_id"),
      )
      .selectAll("channel_members")
      .where("channel_members.app_id", "=", appId)
      .where("channel_members.cid", "=", cid)
      .where(filterCondition(filter, memberFilters, read.capabilities)),
    page,
    sort,
    read.capabilities,
  ).execute()

export const selectMembersById = (
  read: Read,
  appId: number,
  cid: string,
  userIds: readonly string[],
): Promise<ChannelMemberRow[]> =>
  userIds.length === 0
    ? Promise.resolve([])
    : read
        .selectFrom("channel_members")
        .selectAll()
        .where("app_id", "=", appId)
        .where("cid", "=", cid)
        .where("user_id", "in", userIds)
        .execute()

/** Adds those who are no members yet and answers their rows. */
export async function insertMembers(tx: Tx, rows: readonly ChannelMemberRow[]): Promise<ChannelMemberRow[]> {
  const [first] = rows
  if (first === undefined) return []
  await lockChannel(tx, first.app_id, first.cid)
  const added = await tx
    .insertInto("channel_members")
    .values(rows)
    .onConflict((conflict) => conflict.columns(["app_id", "cid", "user_id"]).doNothing())
    .returning("user_id")
    .execute()
  const ids = new Set(added.map((row) => row.user_id))
  if (ids.size > 0) await addToMemberCount(tx, first.app_id, first.cid, ids.size)
  return rows.filter((row) => ids.has(row.user_id))
}

/** Ends memberships and answers the rows that were there. */
export async function deleteMembers(
  tx: Tx,
  appId: number,
  cid: string,
  userIds: readonly string[],
): Promise<ChannelMemberRow[]> {
  if (userIds.length === 0) return []
  await lockChannel(tx, appId, cid)
  const gone = await tx
    .deleteFrom("channel_members")
    .where("app_id", "=", appId)
    .where("cid", "=", cid)
    .where("user_id", "in", userIds)
    .returningAll()
    .execute()
  if (gone.length > 0) await addToMemberCount(tx, appId, cid, -gone.length)
  return gone
}

/** Gives members a role and answers the rows that changed. */
export const updateMemberRoles = (
  tx: Tx,
  appId: number,
  cid: string,
  userIds: readonly string[],
  role: string,
  now: number,
): Promise<ChannelMemberRow[]> =>
  userIds.length === 0
    ? Promise.resolve([])
    : tx
        .updateTable("channel_members")
        .set({ channel_role: role, updated_at: now })
        .where("app_id", "=", appId)
        .where("cid", "=", cid)
        .where("user_id", "in", userIds)
        .where("channel_role", "<>", role)
        .returningAll()
        .execute()

/** The first channels of a user, in the order of their cids. */
export const selectChannelsOf = (
  read: Read,
  appId: number,
  userId: string,
  limit: number,
): Promise<{ cid: string }[]> =>
  read
    .selectFrom("channel_members")
    .select("cid")
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .orderBy("cid")
    .limit(limit)
    .execute()

// Whoever sends a message locks the channel's row first and then their membership's. The same order here, or the two
// could wait for each other.
const lockChannel = (tx: Tx, appId: number, cid: string): Promise<unknown> => addToMemberCount(tx, appId, cid, 0)

const addToMemberCount = (tx: Tx, appId: number, cid: string, more: number): Promise<unknown> =>
  tx
    .updateTable("channels")
    .set((update) => ({ member_count: update("member_count", "+", more) }))
    .where("app_id", "=", appId)
    .where("cid", "=", cid)
    .execute()
