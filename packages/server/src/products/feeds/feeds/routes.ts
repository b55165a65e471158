import {
  ANONYMOUS_USER_ID,
  type AppCaller,
  type InputOf,
  inputError,
  type OutputOf,
  feeds as operations,
  userIdOf,
} from "@weir/protocol"
import { can, hide, type Resource, requireAllowed } from "../../../authorize/decide.ts"
import { uuid } from "../../../base/ids.ts"
import { insertTask, newTask } from "../../../core/tasks/index.ts"
import { requireUsers } from "../../../core/users/index.ts"
import { hearThenRead } from "../../../events/hear-then-read.ts"
import type { Sockets } from "../../../events/sockets.ts"
import { type Route, route } from "../../../request/route.ts"
import type { Read, Tx } from "../../../store/database.ts"
import type { PageInput } from "../../../store/paginate.ts"
import { actions } from "./actions.ts"
import { type FeedLookUp, type Feeds, feedKey, type LoadedFeed, type People, type Relations } from "./cache.ts"
import {
  audienceTopic,
  feedCreated,
  feedMemberAdded,
  feedMemberRemoved,
  feedMemberUpdated,
  feedUpdated,
} from "./events.ts"
import { limits } from "./limits.ts"
import {
  absentFeed,
  audiencesFor,
  changeOfMembers,
  feedMemberResponse,
  feedNameOf,
  feedResource,
  feedResponse,
  isTightening,
  mayFind,
  mayRead,
  memberRows,
  newFeed,
  newFeedResource,
  noRelation,
  ownCapabilities,
  refuseUnsupported,
  requireGroup,
} from "./rules.ts"
import {
  addToCounts,
  deleteFeedMembers,
  deleteMembershipsOf,
  emptyFeeds,
  type Feed,
  type FeedMemberRow,
  type FeedRow,
  insertFeed,
  lockFeeds,
  pageFeedMembers,
  selectFeedMembers,
  selectFeedRows,
  updateVisibility,
  upsertFeedMembers,
} from "./store.ts"

type FeedState = OutputOf<typeof operations.getOrCreateFeed>
type StateInput = InputOf<typeof operations.getOrCreateFeed>["body"]

interface ReadContext {
  readonly read: Read
  readonly principal: AppCaller
  readonly feed: Feed
}

/** A page of what a feed shows; the activities module answers it. Throws inputError for a cursor not of ours. */
export type ReadActivities = (
  context: ReadContext & { readonly limit: number; readonly next: string | undefined },
) => Promise<Pick<FeedState, "activities" | "next">>

/** First followers and followed feeds; the follows module answers it. Throws inputError for a cursor not of ours. */
export type ReadFollows = (
  context: ReadContext & { readonly followers: PageInput; readonly following: PageInput },
) => Promise<Pick<FeedState, "followers" | "following" | "followers_pagination" | "following_pagination">>

export interface FeedRouteParts {
  readonly feeds: Feeds
  readonly lookUp: FeedLookUp
  readonly relations: Relations
  readonly people: People
  readonly sockets: Pick<Sockets, "subscribe" | "unsubscribe">
  readonly readActivities: ReadActivities
  readonly readFollows: ReadFollows
  /** There is a task to do. */
  readonly wakeTasks: () => void
}

/** Kind of the task that settles follows after a change of visibility; the follows module does it. */
export const settleFollowsTask = "feeds-settle-follows"

export interface SettleFollows {
  readonly feed: string
  /** What the change made of the feed; the task is void when somebody has changed it again. */
  readonly visibility: string
  readonly pending: "keep" | "auto_approve" | "reject"
}

/** Routes of feeds themselves. */
export function feedRoutes(parts: FeedRouteParts): Route[] {
  const { feeds, lookUp, relations, people } = parts

  const shownFeed = async (principal: AppCaller, row: FeedRow, resource: LoadedFeed["resource"]) => {
    const person = await people(row.app_id, [row.created_by_id])
    const feed = feedResponse(row, person(row.created_by_id), true)
    return { ...feed, own_capabilities: ownCapabilities(principal, resource) }
  }

  const shownMembers = async (appId: number, rows: readonly FeedMemberRow[]) => {
    const person = await people(
      appId,
      rows.map((row) => row.user_id),
    )
    return rows.map((row) => feedMemberResponse(row, person(row.user_id)))
  }

  /** Who did it, for events. */
  const actorOf = async (appId: number, userId: string | null) =>
    userId === null ? null : (await people(appId, [userId]))(userId)

  const dropFeed = (tx: Tx, appId: number, name: string): void => tx.afterCommit(() => feeds.drop(feedKey(appId, name)))

  /** Binds the caller's socket to the feed's events; answers the feed as it is from then on, null when it is gone. */
  const watch = async (read: Read, principal: AppCaller, connectionId: string, name: string) => {
    const { appId } = principal
    const userId = userIdOf(principal) ?? ANONYMOUS_USER_ID
    const topicsFor = ({ feed, relation }: LoadedFeed): string[] =>
      audiencesFor(principal, feed, relation).map((audience) => audienceTopic(appId, name, audience))
    const wanted = topicsFor(await lookUp.get(principal, name))
    return hearThenRead(parts.sockets, { connectionId, appId, userId, topics: wanted }, async () => {
      const state = await lookUp.stored(read, principal, name)
      const still = state === null ? [] : topicsFor(state)
      return { state, lost: wanted.filter((topic) => !still.includes(topic)) }
    })
  }

  /** What the answer shows of a feed, besides that it is new. */
  const stateOf = async (
    read: Read,
    principal: AppCaller,
    { feed: row, resource }: { readonly feed: FeedRow; readonly resource: Resource },
    body: StateInput,
  ) => {
    const { limit = operations.feedLimits.activitiesPageDefault, next } = body
    const feed = await shownFeed(principal, row, resource)
    const members = await pageFeedMembers(read, row.app_id, row.feed, body.member_pagination ?? {}, {
      limitDefault: operations.feedLimits.membersPageDefault,
      limitMax: operations.feedLimits.membersPageMax,
    })
    const context = { read, principal, feed: row }
    return {
      feed,
      aggregated_activities: [],
      pinned_activities: [],
      ...(await parts.readActivities({ ...context, limit, next })),
      ...(await parts.readFollows({
        ...context,
        followers: body.followers_pagination ?? {},
        following: body.following_pagination ?? {},
      })),
      members: await shownMembers(row.app_id, members.rows),
      member_pagination: cursorsOf(members),
    }
  }

  return [
    route(operations.getOrCreateFeed, {
      actor: "required",
      load: async ({ principal, input, connectionId }) => {
        const { feed_group_id, feed_id } = input.path
        const { prev, id_around, view, filter, external_ranking, interest_weights, data } = input.body
        requireGroup(feed_group_id)
        refuseUnsupported({ prev, id_around, view, filter, external_ranking, interest_weights })
        refuseUnsupported({ location: data?.location })
        if (input.body.watch && connectionId === null && principal.kind !== "server") {
          throw inputError("watch needs the connection_id of an open socket", { connection_id: "is required" })
        }
        const name = feedNameOf(feed_group_id, feed_id)
        return { name, existing: await lookUp.find(principal, name) }
      },
      authorize: ({ principal, input, name, existing }) =>
        existing === null
          ? hide(
              can(principal, actions.createFeed, newFeedResource(input.path.feed_group_id, input.path.feed_id)),
              () => absentFeed(name),
            )
          : mayRead(principal, existing.resource),
      async change({ appId, principal, actor, input, name, existing, tx, now }) {
        const none = { created: null }
        if (existing !== null) return none
        const { data = {} } = input.body
        const made = newFeed(appId, input.path, data, actor as string, now)
        if (!(await create(tx, made, memberRows(made, data.members ?? [], principal.kind === "server", now))))
          return none
        const row = (await selectFeedRows(tx, appId, [name])).get(name)
        if (row === undefined) throw absentFeed(name)
        // All of it is read here, so that a page which cannot be read leaves no feed behind.
        const created = await stateOf(tx, principal, { feed: row, resource: feedResource(row, noRelation) }, input.body)
        tx.emit(feedCreated({ appId, feed: row, now, user: created.feed.created_by }, created.feed, created.members))
        dropFeed(tx, appId, name)
        relations.dropAfter(
          tx,
          appId,
          name,
          created.members.map((member) => member.user.id),
        )
        return { created }
      },
      async handle({ principal, input, name, created, connectionId, read }) {
        const watches = input.body.watch === true && connectionId !== null && principal.kind !== "server"
        if (created !== null && !watches) return { created: true, ...created }
        const found = watches
          ? await watch(read, principal, connectionId, name)
          : await lookUp.stored(read, principal, name)
        if (found === null) throw absentFeed(name)
        // Somebody may have made the feed, or closed it, between the decision and now.
        if (created === null) requireAllowed(mayRead(principal, found.resource))
        return { created: created !== null, ...(await stateOf(read, principal, found, input.body)) }
      },
    }),

    route(operations.changeFeedVisibility, {
      writes: true,
      load: async ({ principal, input }) =>
        lookUp.get(principal, feedNameOf(input.path.feed_group_id, input.path.feed_id)),
      authorize: ({ principal, resource }) => [
        mayFind(principal, resource),
        can(principal, actions.updateFeed, resource),
      ],
      async handle({ appId, principal, actor, input, feed, relation, tx, now }) {
        const before = (await lockFeeds(tx, appId, [feed.feed])).get(feed.feed)
        if (before === undefined) throw absentFeed(feed.feed)
        const { visibility, pending_follows_action = "auto_approve" } = input.body
        const row: FeedRow = { ...before, visibility }
        const shown = (): ReturnType<typeof shownFeed> => shownFeed(principal, row, feedResource(row, relation))
        if (before.visibility === visibility) return { feed: await shown() }
        row.updated_at = now
        await updateVisibility(tx, appId, feed.feed, visibility, now)
        // Access follows the visibility from this commit on; what is left are the rows and counters of those who
        // followed, and they may be many.
        const leavesRequests = before.visibility === "followers"
        if (leavesRequests || isTightening(before.visibility, visibility)) {
          const pending = leavesRequests ? pending_follows_action : "keep"
          const payload: SettleFollows = { feed: feed.feed, visibility, pending }
          await insertTask(tx, newTask(uuid(), appId, settleFollowsTask, payload, now))
          tx.afterCommit(parts.wakeTasks)
        }
        const answer = { feed: await shown() }
        tx.emit(feedUpdated({ appId, feed: row, now, user: await actorOf(appId, actor) }, answer.feed))
        dropFeed(tx, appId, feed.feed)
        return answer
      },
    }),

    route(operations.updateFeedMembers, {
      writes: true,
      load: async ({ principal, input }) =>
        lookUp.get(principal, feedNameOf(input.path.feed_group_id, input.path.feed_id)),
      authorize: ({ principal, resource }) => [
        mayFind(principal, resource),
        can(principal, actions.updateFeedMembers, resource),
      ],
      async handle({ appId, principal, actor, input, feed, tx, now }) {
        const row = (await lockFeeds(tx, appId, [feed.feed])).get(feed.feed)
        if (row === undefined) throw absentFeed(feed.feed)
        const named = memberRows(row, input.body.members ?? [], principal.kind === "server", now)
        const change = changeOfMembers(await selectFeedMembers(tx, appId, feed.feed), input.body.operation, named)
        await requireUsers(
          tx,
          appId,
          change.added.map((member) => member.user_id),
        )
        await upsertFeedMembers(tx, [...change.added, ...change.updated])
        await deleteFeedMembers(tx, appId, feed.feed, change.removedIds)
        const member_count = change.added.length - change.removedIds.length
        await addToCounts(tx, appId, new Map([[feed.feed, { member_count }]]))
        const added = await shownMembers(appId, change.added)
        const updated = await shownMembers(appId, change.updated)
        const event = { appId, feed: row, now, user: await actorOf(appId, actor) }
        for (const member of added) tx.emit(feedMemberAdded(event, member))
        for (const member of updated) tx.emit(feedMemberUpdated(event, member))
        for (const userId of change.removedIds) {
          const { follows } = await relations.of(appId, feed.feed, userId)
          tx.emit(feedMemberRemoved(event, userId, follows))
        }
        const touched = [...change.added, ...change.updated].map((member) => member.user_id)
        relations.dropAfter(tx, appId, feed.feed, [...touched, ...change.removedIds])
        return { added, updated, removed_ids: [...change.removedIds] }
      },
    }),
  ]

  /** Whether the feed is new. Throws inputError when members are named that do not exist. */
  async function create(tx: Tx, row: FeedRow, members: readonly FeedMemberRow[]): Promise<boolean> {
    await requireUsers(
      tx,
      row.app_id,
      members.map((member) => member.user_id),
    )
    if (!(await insertFeed(tx, { ...row, member_count: members.length }))) return false
    await upsertFeedMembers(tx, members)
    return true
  }
}

/** Ends a batch of a user's memberships; answers whether none are left. */
export async function leaveFeeds(
  { relations }: Pick<FeedRouteParts, "relations">,
  tx: Tx,
  appId: number,
  userId: string,
  now: number,
): Promise<boolean> {
  const left = await deleteMembershipsOf(tx, appId, userId, limits.deletionBatchMax)
  for (const feed of left) {
    tx.emit(feedMemberRemoved({ appId, feed, now, user: null }, userId, false))
    relations.dropAfter(tx, appId, feed.feed, [userId])
  }
  return left.length === 0
}

/** Closes and empties a batch of a user's own feeds; answers whether none are left. */
export async function emptyFeedsOf(
  { feeds }: Pick<FeedRouteParts, "feeds">,
  tx: Tx,
  appId: number,
  ownerId: string,
  now: number,
): Promise<boolean> {
  const emptied = await emptyFeeds(tx, appId, ownerId, now, limits.deletionBatchMax)
  tx.afterCommit(() => {
    for (const feed of emptied) feeds.drop(feedKey(appId, feed))
  })
  return emptied.length === 0
}

const cursorsOf = ({ next, prev }: { next?: string; prev?: string }) => ({
  ...(next === undefined ? {} : { next }),
  ...(prev === undefined ? {} : { prev }),
})
