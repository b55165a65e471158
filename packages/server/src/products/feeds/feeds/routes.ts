import {
  ANONYMOUS_USER_ID,
  type AppCaller,
  inputError,
  type OutputOf,
  feeds as operations,
  userIdOf,
} from "@weir/protocol"
import { can, hide, requireAllowed } from "../../../authorize/decide.ts"
import { uuid } from "../../../base/ids.ts"
import { insertTask, newTask } from "../../../core/tasks/index.ts"
import { requireUsers } from "../../../core/users/index.ts"
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

  /** Binds the caller's socket to the feed's events, unless the right to hear them went away meanwhile. */
  const watch = async (principal: AppCaller, connectionId: string | null, name: string): Promise<void> => {
    if (connectionId === null || principal.kind === "server") return
    const { appId } = principal
    const userId = userIdOf(principal) ?? ANONYMOUS_USER_ID
    const topicsNow = async (): Promise<string[]> => {
      const { feed, relation } = await lookUp.get(principal, name)
      return audiencesFor(principal, feed, relation).map((audience) => audienceTopic(appId, name, audience))
    }
    const before = await topicsNow()
    await parts.sockets.subscribe({ connectionId, appId, userId, topics: before })
    const still = new Set(await topicsNow())
    const lost = before.filter((topic) => !still.has(topic))
    if (lost.length > 0) await parts.sockets.unsubscribe({ connectionId, appId, userId, topics: lost })
  }

  return [
    route(operations.getOrCreateFeed, {
      writes: true,
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
      async handle({ appId, principal, actor, input, name, existing, read, tx, now }) {
        const owner = actor as string
        const { data = {}, limit = operations.feedLimits.activitiesPageDefault } = input.body
        const made = existing === null ? newFeed(appId, input.path, data, owner, now) : null
        const created =
          made !== null &&
          (await create(tx, made, memberRows(made, data.members ?? [], principal.kind === "server", now)))
        // What is there already is read outside the transaction, whose connection others wait for.
        const source = existing === null ? tx : read
        const row = (await selectFeedRows(source, appId, [name])).get(name)
        if (row === undefined) throw absentFeed(name)
        const relation = existing?.relation ?? (created ? noRelation : await relations.of(appId, name, owner))
        const resource = feedResource(row, relation)
        // Somebody may have made the feed, or closed it, between the decision and now.
        if (!created) requireAllowed(mayRead(principal, resource))
        const feed = await shownFeed(principal, row, resource)
        const context = { read: source, principal, feed: row }
        const members = await pageFeedMembers(source, appId, name, input.body.member_pagination ?? {}, {
          limitDefault: operations.feedLimits.membersPageDefault,
          limitMax: operations.feedLimits.membersPageMax,
        })
        const state = {
          ...(await parts.readActivities({ ...context, limit, next: input.body.next })),
          ...(await parts.readFollows({
            ...context,
            followers: input.body.followers_pagination ?? {},
            following: input.body.following_pagination ?? {},
          })),
          members: await shownMembers(appId, members.rows),
          member_pagination: cursorsOf(members),
        }
        if (created) {
          tx.emit(feedCreated({ appId, feed: row, now, user: feed.created_by }, feed, state.members))
          dropFeed(tx, appId, name)
          relations.dropAfter(
            tx,
            appId,
            name,
            members.rows.map((member) => member.user_id),
          )
        }
        return { created, feed, aggregated_activities: [], pinned_activities: [], ...state }
      },
      after: ({ principal, connectionId, input, name }) =>
        input.body.watch ? watch(principal, connectionId, name) : undefined,
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
