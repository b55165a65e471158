import type { Read, Tx } from "../../../store/database.ts"
import {
  applyPage,
  finishPage,
  type PageInput,
  type PageOf,
  parsePage,
  parseSort,
  type SortTable,
} from "../../../store/paginate.ts"
import type { Visibility } from "./actions.ts"

/** What a feed is; it changes seldom and is held in memory. */
export interface Feed {
  app_id: number
  /** `group:id`. */
  feed: string
  group_id: string
  id: string
  /** The owner, for ever. */
  created_by_id: string
  visibility: Visibility
  name: string
  description: string
  /** JSON array of strings. */
  filter_tags: string
  /** JSON object. */
  custom: string
  created_at: number
  updated_at: number
}

/** Counters move with every activity and follow, so they are read when they are shown and never cached. */
export interface FeedCounts {
  activity_count: number
  /** Accepted follows only, both ways. */
  follower_count: number
  following_count: number
  member_count: number
}

export type FeedRow = Feed & FeedCounts

export interface FeedMemberRow {
  app_id: number
  feed: string
  user_id: string
  role: string
  /** JSON object. */
  custom: string
  created_at: number
  updated_at: number
}

declare module "../../../store/database.ts" {
  interface Tables {
    feeds: FeedRow
    feed_members: FeedMemberRow
  }
}

const feedColumns = [
  "app_id",
  "feed",
  "group_id",
  "id",
  "created_by_id",
  "visibility",
  "name",
  "description",
  "filter_tags",
  "custom",
  "created_at",
  "updated_at",
] as const

/** The feed without its counters. */
export const selectFeed = (read: Read, appId: number, feed: string): Promise<Feed | undefined> =>
  read.selectFrom("feeds").select(feedColumns).where("app_id", "=", appId).where("feed", "=", feed).executeTakeFirst()

/** Those of the feeds that exist, by name, with their counters as they stand. */
export async function selectFeedRows(
  read: Read,
  appId: number,
  feeds: readonly string[],
): Promise<ReadonlyMap<string, FeedRow>> {
  if (feeds.length === 0) return new Map()
  const rows = await read
    .selectFrom("feeds")
    .selectAll()
    .where("app_id", "=", appId)
    .where("feed", "in", [...new Set(feeds)])
    .execute()
  return new Map(rows.map((row) => [row.feed, row]))
}

/** Whether the feed is new; two requests at once make one feed. */
export async function insertFeed(tx: Tx, row: FeedRow): Promise<boolean> {
  const inserted = await tx
    .insertInto("feeds")
    .values(row)
    .onConflict((conflict) => conflict.columns(["app_id", "feed"]).doNothing())
    .executeTakeFirst()
  return Number(inserted.numInsertedOrUpdatedRows ?? 0) === 1
}

/**
 * The feeds as they stand, and nobody else changes them until this transaction ends. The order of the locks is the
 * same for everybody, so that two transactions do not wait for each other.
 */
export async function lockFeeds(
  tx: Tx,
  appId: number,
  feeds: readonly string[],
): Promise<ReadonlyMap<string, FeedRow>> {
  const rows = new Map<string, FeedRow>()
  for (const feed of [...new Set(feeds)].sort()) {
    // An update that changes nothing takes the lock on both databases, and answers what the last commit left.
    const row = await tx
      .updateTable("feeds")
      .set((update) => ({ updated_at: update.ref("updated_at") }))
      .where("app_id", "=", appId)
      .where("feed", "=", feed)
      .returningAll()
      .executeTakeFirst()
    if (row !== undefined) rows.set(feed, row)
  }
  return rows
}

export const updateVisibility = (tx: Tx, appId: number, feed: string, visibility: Visibility, now: number) =>
  tx
    .updateTable("feeds")
    .set({ visibility, updated_at: now })
    .where("app_id", "=", appId)
    .where("feed", "=", feed)
    .execute()

/** Adds to counters of feeds, in the order in which lockFeeds takes them. */
export async function addToCounts(
  tx: Tx,
  appId: number,
  changes: ReadonlyMap<string, Partial<FeedCounts>>,
): Promise<void> {
  for (const [feed, change] of [...changes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await tx
      .updateTable("feeds")
      .set((update) => ({
        activity_count: update("activity_count", "+", change.activity_count ?? 0),
        follower_count: update("follower_count", "+", change.follower_count ?? 0),
        following_count: update("following_count", "+", change.following_count ?? 0),
        member_count: update("member_count", "+", change.member_count ?? 0),
      }))
      .where("app_id", "=", appId)
      .where("feed", "=", feed)
      .execute()
  }
}

export const selectFeedMember = (
  read: Read,
  appId: number,
  feed: string,
  userId: string,
): Promise<FeedMemberRow | undefined> =>
  read
    .selectFrom("feed_members")
    .selectAll()
    .where("app_id", "=", appId)
    .where("feed", "=", feed)
    .where("user_id", "=", userId)
    .executeTakeFirst()

/** All members; there are at most feedLimits.membersPerFeedMax. */
export const selectFeedMembers = (read: Read, appId: number, feed: string): Promise<FeedMemberRow[]> =>
  read.selectFrom("feed_members").selectAll().where("app_id", "=", appId).where("feed", "=", feed).execute()

const memberSort: SortTable = {
  fields: { created_at: { type: "number" }, user_id: { type: "string" } },
  standard: [{ field: "created_at", direction: 1 }],
  unique: "user_id",
}

/** Members in the order in which they came. Throws inputError for a cursor that is not one of ours. */
export async function pageFeedMembers(
  read: Read,
  appId: number,
  feed: string,
  input: PageInput,
  bounds: { limitDefault: number; limitMax: number },
): Promise<PageOf<FeedMemberRow>> {
  const sort = parseSort(undefined, memberSort)
  const page = parsePage(input, sort, bounds)
  const query = read.selectFrom("feed_members").selectAll().where("app_id", "=", appId).where("feed", "=", feed)
  return finishPage(await applyPage(query, page, sort, read.capabilities).execute(), page, sort)
}

/** Adds members; whoever is one already gets the new role and custom data and keeps their place. */
export async function upsertFeedMembers(tx: Tx, rows: readonly FeedMemberRow[]): Promise<void> {
  if (rows.length === 0) return
  await tx
    .insertInto("feed_members")
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(["app_id", "feed", "user_id"]).doUpdateSet((update) => ({
        role: update.ref("excluded.role"),
        custom: update.ref("excluded.custom"),
        updated_at: update.ref("excluded.updated_at"),
      })),
    )
    .execute()
}

export async function deleteFeedMembers(
  tx: Tx,
  appId: number,
  feed: string,
  userIds: readonly string[],
): Promise<void> {
  if (userIds.length === 0) return
  await tx
    .deleteFrom("feed_members")
    .where("app_id", "=", appId)
    .where("feed", "=", feed)
    .where("user_id", "in", userIds)
    .execute()
}

/** Ends a batch of a user's memberships and answers which feeds they were in. */
export async function deleteMembershipsOf(tx: Tx, appId: number, userId: string, limit: number): Promise<FeedRow[]> {
  const rows = await tx
    .selectFrom("feed_members")
    .select("feed")
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .limit(limit)
    .execute()
  const feeds = await lockFeeds(
    tx,
    appId,
    rows.map((row) => row.feed),
  )
  for (const feed of feeds.keys()) await deleteFeedMembers(tx, appId, feed, [userId])
  await addToCounts(tx, appId, new Map([...feeds.keys()].map((feed) => [feed, { member_count: -1 }])))
  return [...feeds.values()]
}

/** Empties a batch of a user's own feeds of everything that was said in them, and answers which. */
export async function emptyFeeds(
  tx: Tx,
  appId: number,
  ownerId: string,
  now: number,
  limit: number,
): Promise<string[]> {
  const empty = { visibility: "private", name: "", description: "", filter_tags: "[]", custom: "{}" } as const
  const rows = await tx
    .selectFrom("feeds")
    .select("feed")
    .where("app_id", "=", appId)
    .where("created_by_id", "=", ownerId)
    .where((where) =>
      where.or(Object.entries(empty).map(([column, value]) => where(column as keyof typeof empty, "<>", value))),
    )
    .limit(limit)
    .execute()
  const feeds = rows.map((row) => row.feed)
  if (feeds.length === 0) return []
  await tx
    .updateTable("feeds")
    .set({ ...empty, updated_at: now })
    .where("app_id", "=", appId)
    .where("feed", "in", feeds)
    .execute()
  return feeds
}
