import type { Read, Tx } from "../../../store/database.ts"
import { limits } from "./limits.ts"

export interface ActivityRow {
  app_id: number
  id: string
  type: string
  /** The author. */
  user_id: string
  /** JSON array of `group:id`, in the order in which the author named them. */
  feeds: string
  text: string | null
  /** JSON arrays. */
  attachments: string
  mentioned_user_ids: string
  filter_tags: string
  interest_tags: string
  restrict_replies: "everyone" | "people_i_follow" | "nobody"
  visibility: "public" | "private"
  /** JSON object, or null. */
  location: string | null
  /** JSON objects. */
  search_data: string
  custom: string
  created_at: number
  updated_at: number
  edited_at: number | null
  /** A deleted activity stands in no feed any more. */
  deleted_at: number | null
}

/** An activity's place in one feed. */
export interface FeedActivityRow {
  app_id: number
  feed: string
  /** 0 or 1: for the feed's owner only. Part of the key, so that what a reader may not see costs the reader nothing. */
  is_private: number
  /** Time and id (rules.ts, positionOf): newest is greatest. */
  position: string
  activity_id: string
}

declare module "../../../store/database.ts" {
  interface Tables {
    activities: ActivityRow
    feed_activities: FeedActivityRow
  }
}

export const selectActivity = (read: Read, appId: number, id: string): Promise<ActivityRow | undefined> =>
  read.selectFrom("activities").selectAll().where("app_id", "=", appId).where("id", "=", id).executeTakeFirst()

/**
 * The activity as the last commit left it, the transaction's own until its end: what is read here and written back
 * whole cannot bring back what somebody else deletes meanwhile. Activities are locked before feeds.
 */
export const lockActivity = (tx: Tx, appId: number, id: string): Promise<ActivityRow | undefined> =>
  tx
    .selectFrom("activities")
    .selectAll()
    .where("app_id", "=", appId)
    .where("id", "=", id)
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate())
    .executeTakeFirst()

/** Those of the activities that exist, by id. */
export async function selectActivities(
  read: Read,
  appId: number,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ActivityRow>> {
  if (ids.length === 0) return new Map()
  const rows = await read
    .selectFrom("activities")
    .selectAll()
    .where("app_id", "=", appId)
    .where("id", "in", ids)
    .execute()
  return new Map(rows.map((row) => [row.id, row]))
}

/** Some of what a user wrote, deleted or not, locked as by lockActivity. */
export const lockActivitiesOf = (tx: Tx, appId: number, userId: string, limit: number): Promise<ActivityRow[]> =>
  tx
    .selectFrom("activities")
    .selectAll()
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .orderBy("id")
    .limit(limit)
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate())
    .execute()

/** Whether the activity is new; false when its id is taken. */
export async function insertActivity(tx: Tx, row: ActivityRow): Promise<boolean> {
  const inserted = await tx
    .insertInto("activities")
    .values(row)
    .onConflict((conflict) => conflict.columns(["app_id", "id"]).doNothing())
    .executeTakeFirst()
  return Number(inserted.numInsertedOrUpdatedRows ?? 0) === 1
}

/** Writes everything of an activity but its id, its author and when it was made. */
export const updateActivityRow = (tx: Tx, row: ActivityRow): Promise<unknown> =>
  tx
    .updateTable("activities")
    .set({
      feeds: row.feeds,
      text: row.text,
      attachments: row.attachments,
      mentioned_user_ids: row.mentioned_user_ids,
      filter_tags: row.filter_tags,
      interest_tags: row.interest_tags,
      restrict_replies: row.restrict_replies,
      visibility: row.visibility,
      location: row.location,
      search_data: row.search_data,
      custom: row.custom,
      updated_at: row.updated_at,
      edited_at: row.edited_at,
      deleted_at: row.deleted_at,
    })
    .where("app_id", "=", row.app_id)
    .where("id", "=", row.id)
    .execute()

export const deleteActivityRow = (tx: Tx, appId: number, id: string): Promise<unknown> =>
  tx.deleteFrom("activities").where("app_id", "=", appId).where("id", "=", id).execute()

/** Puts an activity where these rows say, and nowhere else. */
export async function replacePlaces(
  tx: Tx,
  appId: number,
  activityId: string,
  places: readonly FeedActivityRow[],
): Promise<void> {
  await tx.deleteFrom("feed_activities").where("app_id", "=", appId).where("activity_id", "=", activityId).execute()
  if (places.length > 0) await tx.insertInto("feed_activities").values(places).execute()
}

/** Part of a feed that is read in one go: its public activities or its private ones. */
export interface Stream {
  readonly feed: string
  readonly isPrivate: boolean
}

export interface Place {
  readonly position: string
  readonly activity_id: string
}

/** Between two positions: below `before`, and not below `from` when there is one. */
export interface Range {
  readonly before: string
  readonly from: string | null
}

/** The newest places of each stream within the range, at most `limit` of each, in no order. */
export async function selectPlaces(
  read: Read,
  appId: number,
  streams: readonly Stream[],
  { before, from }: Range,
  limit: number,
): Promise<Place[]> {
  const newestOf = ({ feed, isPrivate }: Stream) =>
    read
      .selectFrom((query) =>
        query
          .selectFrom("feed_activities")
          .select(["position", "activity_id"])
          .where("app_id", "=", appId)
          .where("feed", "=", feed)
          .where("is_private", "=", isPrivate ? 1 : 0)
          .where("position", "<", before)
          .$if(from !== null, (bounded) => bounded.where("position", ">=", from as string))
          .orderBy("position", "desc")
          .limit(limit)
          .as("newest"),
      )
      .select(["newest.position", "newest.activity_id"])
  const places: Place[] = []
  for (let start = 0; start < streams.length; start += limits.feedsPerStatementMax) {
    const [first, ...rest] = streams.slice(start, start + limits.feedsPerStatementMax).map(newestOf)
    if (first === undefined) break
    places.push(...(await rest.reduce((all, next) => all.unionAll(next), first).execute()))
  }
  return places
}

/** A followed feed and where its newest public activity stands. */
export interface FollowedFeed {
  readonly feed: string
  readonly ownerId: string
  /** Null: there is none below the position that was asked for. */
  readonly newest: string | null
}

/**
 * Feeds whose activities a timeline shows. Follows outlive a feed's change of mind, so the visibility counts as it is
 * now. `asOwner`: what the timeline's owner may read; else only what everybody may.
 */
export async function selectFollowed(
  read: Read,
  timeline: { readonly app_id: number; readonly feed: string; readonly created_by_id: string },
  asOwner: boolean,
  before: string,
  limit: number,
): Promise<FollowedFeed[]> {
  const rows = await read
    .selectFrom("feed_follows as follow")
    .innerJoin("feeds as target", (join) =>
      join.onRef("target.app_id", "=", "follow.app_id").onRef("target.feed", "=", "follow.target"),
    )
    .select(["target.feed", "target.created_by_id"])
    .select((query) =>
      query
        .selectFrom("feed_activities as place")
        .select("place.position")
        .whereRef("place.app_id", "=", "target.app_id")
        .whereRef("place.feed", "=", "target.feed")
        .where("place.is_private", "=", 0)
        .where("place.position", "<", before)
        .orderBy("place.position", "desc")
        .limit(1)
        .as("newest"),
    )
    .where("follow.app_id", "=", timeline.app_id)
    .where("follow.source", "=", timeline.feed)
    .where("follow.status", "=", "accepted")
    .where((where) => {
      const open = where(
        "target.visibility",
        "in",
        asOwner ? ["public", "visible", "followers"] : ["public", "visible"],
      )
      if (!asOwner) return open
      const isMember = where.exists(
        where
          .selectFrom("feed_members as member")
          .select("member.user_id")
          .whereRef("member.app_id", "=", "target.app_id")
          .whereRef("member.feed", "=", "target.feed")
          .where("member.user_id", "=", timeline.created_by_id),
      )
      return where.or([
        open,
        where("target.created_by_id", "=", timeline.created_by_id),
        where.and([where("target.visibility", "=", "members"), isMember]),
      ])
    })
    .limit(limit)
    .execute()
  return rows.map(({ feed, created_by_id, newest }) => ({ feed, ownerId: created_by_id, newest }))
}
