import { count } from "../../../store/columns.ts"
import type { Read, Tx } from "../../../store/database.ts"
import { type FilterNode, type FilterTable, parseFilter } from "../../../store/filter.ts"
import { filterCondition } from "../../../store/filter-condition.ts"
import {
  applyPage,
  finishPage,
  type PageInput,
  type PageOf,
  parsePage,
  parseSort,
  type SortTable,
} from "../../../store/paginate.ts"

export type FollowStatus = "accepted" | "pending" | "rejected"

export interface FollowRow {
  app_id: number
  id: string
  /** Feed that follows, and feed that is followed, as `group:id`. */
  source: string
  target: string
  /** Owners of the two feeds; a feed keeps its owner. */
  source_user_id: string
  target_user_id: string
  status: FollowStatus
  push_preference: "all" | "none"
  /** JSON object. */
  custom: string
  created_at: number
  updated_at: number
  request_accepted_at: number | null
  request_rejected_at: number | null
}

declare module "../../../store/database.ts" {
  interface Tables {
    feed_follows: FollowRow
  }
}

export const selectFollow = (
  read: Read,
  appId: number,
  source: string,
  target: string,
): Promise<FollowRow | undefined> =>
  read
    .selectFrom("feed_follows")
    .selectAll()
    .where("app_id", "=", appId)
    .where("source", "=", source)
    .where("target", "=", target)
    .executeTakeFirst()

/** Whether any feed of the user follows the target and was accepted. */
export async function isFollower(read: Read, appId: number, target: string, userId: string): Promise<boolean> {
  const row = await read
    .selectFrom("feed_follows")
    .select("id")
    .where("app_id", "=", appId)
    .where("target", "=", target)
    .where("source_user_id", "=", userId)
    .where("status", "=", "accepted")
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Follows and requests of a feed, whatever came of them; counts no further than `max`. */
export async function countFollowing(read: Read, appId: number, source: string, max: number): Promise<number> {
  const { total } = await read
    .selectFrom((query) =>
      query
        .selectFrom("feed_follows")
        .select("id")
        .where("app_id", "=", appId)
        .where("source", "=", source)
        .limit(max)
        .as("bounded"),
    )
    .select(count().as("total"))
    .executeTakeFirstOrThrow()
  return total
}

/** Whether the follow is new. */
export async function insertFollow(tx: Tx, row: FollowRow): Promise<boolean> {
  const inserted = await tx
    .insertInto("feed_follows")
    .values(row)
    .onConflict((conflict) => conflict.columns(["app_id", "source", "target"]).doNothing())
    .executeTakeFirst()
  return Number(inserted.numInsertedOrUpdatedRows ?? 0) === 1
}

export const updateFollow = (tx: Tx, row: FollowRow): Promise<unknown> =>
  tx
    .updateTable("feed_follows")
    .set({
      status: row.status,
      updated_at: row.updated_at,
      request_accepted_at: row.request_accepted_at,
      request_rejected_at: row.request_rejected_at,
    })
    .where("app_id", "=", row.app_id)
    .where("source", "=", row.source)
    .where("target", "=", row.target)
    .execute()

export const deleteFollow = (tx: Tx, row: FollowRow): Promise<unknown> =>
  tx
    .deleteFrom("feed_follows")
    .where("app_id", "=", row.app_id)
    .where("source", "=", row.source)
    .where("target", "=", row.target)
    .execute()

/** Follows that do not fit a closed feed: not the owner's own, and not its members' either when they may stay. */
export const selectUnfit = (
  tx: Tx,
  appId: number,
  target: string,
  membersStay: boolean,
  limit: number,
): Promise<FollowRow[]> =>
  tx
    .selectFrom("feed_follows")
    .selectAll()
    .where("app_id", "=", appId)
    .where("target", "=", target)
    .where((where) => where("source_user_id", "<>", where.ref("target_user_id")))
    .$if(membersStay, (query) =>
      query.where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom("feed_members")
              .select("feed_members.user_id")
              .whereRef("feed_members.app_id", "=", "feed_follows.app_id")
              .whereRef("feed_members.feed", "=", "feed_follows.target")
              .whereRef("feed_members.user_id", "=", "feed_follows.source_user_id"),
          ),
        ),
      ),
    )
    .limit(limit)
    .execute()

export const selectPending = (tx: Tx, appId: number, target: string, limit: number): Promise<FollowRow[]> =>
  tx
    .selectFrom("feed_follows")
    .selectAll()
    .where("app_id", "=", appId)
    .where("target", "=", target)
    .where("status", "=", "pending")
    .orderBy("created_at")
    .limit(limit)
    .execute()

/** Some of the follows to and from a user's feeds. */
export async function selectFollowsOf(tx: Tx, appId: number, userId: string, limit: number): Promise<FollowRow[]> {
  // One side after the other, because an index serves each and none serves both.
  const on = (side: "source_user_id" | "target_user_id") =>
    tx
      .selectFrom("feed_follows")
      .selectAll()
      .where("app_id", "=", appId)
      .where(side, "=", userId)
      .limit(limit)
      .execute()
  const by = await on("source_user_id")
  return by.length > 0 ? by : on("target_user_id")
}

const sortTable: SortTable = {
  fields: { created_at: { type: "number" }, id: { type: "string" } },
  standard: [{ field: "created_at", direction: -1 }],
  unique: "id",
}

/** Accepted follows of a feed, newest first: of it (`target`) or by it (`source`). Throws inputError for a cursor. */
export async function pageFollows(
  read: Read,
  appId: number,
  side: "source" | "target",
  feed: string,
  input: PageInput,
  bounds: { limitDefault: number; limitMax: number },
): Promise<PageOf<FollowRow>> {
  const sort = parseSort(undefined, sortTable)
  const page = parsePage(input, sort, bounds)
  const query = read
    .selectFrom("feed_follows")
    .selectAll()
    .where("app_id", "=", appId)
    .where(side, "=", feed)
    .where("status", "=", "accepted")
  return finishPage(await applyPage(query, page, sort, read.capabilities).execute(), page, sort)
}

const name = { type: "string", operators: ["$eq", "$in"] } as const

const filterTable: FilterTable = {
  fields: {
    source_feed: { ...name, column: "source" },
    target_feed: { ...name, column: "target" },
    status: name,
    created_at: { type: "timestamp", operators: ["$eq", "$gt", "$gte", "$lt", "$lte"] },
  },
}

/** Throws inputError for a filter that follows do not have. */
export const parseFollowFilter = (input: unknown): FilterNode => parseFilter(input, filterTable)

export interface FollowQuery extends PageInput {
  readonly filter: FilterNode
  readonly sort?: unknown
}

/** Finds follows; of one user's feeds only, unless `userId` is null. Throws inputError for a sort or a cursor. */
export async function findFollows(
  read: Read,
  appId: number,
  userId: string | null,
  query: FollowQuery,
  bounds: { limitDefault: number; limitMax: number },
): Promise<PageOf<FollowRow>> {
  const sort = parseSort(query.sort, sortTable)
  const page = parsePage(query, sort, bounds)
  const found = read
    .selectFrom("feed_follows")
    .selectAll()
    .where("app_id", "=", appId)
    .where(filterCondition(query.filter, filterTable, read.capabilities))
    .$if(userId !== null, (own) =>
      own.where((where) =>
        where.or([where("source_user_id", "=", userId as string), where("target_user_id", "=", userId as string)]),
      ),
    )
  return finishPage(await applyPage(found, page, sort, read.capabilities).execute(), page, sort)
}
