import { ApiError, type AppCaller, inputError, feeds as operations, userIdOf } from "@weir/protocol"
import { can, canPerItem } from "../../../authorize/decide.ts"
import { uuid } from "../../../base/ids.ts"
import type { TaskHandler } from "../../../core/tasks/index.ts"
import { type Route, route } from "../../../request/route.ts"
import type { Read, Tx } from "../../../store/database.ts"
import {
  absentFeed,
  actions,
  addToCounts,
  type FeedLookUp,
  type FeedRow,
  knows,
  type LoadedFeed,
  lockFeeds,
  type People,
  type ReadFollows,
  type Relations,
  type SettleFollows,
  selectFeedMember,
  selectFeedRows,
} from "../feeds/index.ts"
import { follows as followsResource, queryFollows } from "./actions.ts"
import { type FollowEventInput, followCreated, followDeleted, followUpdated } from "./events.ts"
import { limits } from "./limits.ts"
import {
  absentFollow,
  accepted,
  type FollowResponse,
  firstStatus,
  followResponse,
  isWithinReach,
  newFollow,
  rejected,
  requireFeedInFilter,
  requireRoom,
  shownTo,
} from "./rules.ts"
import {
  countFollowing,
  deleteFollow,
  type FollowRow,
  findFollows,
  insertFollow,
  isFollower,
  pageFollows,
  parseFollowFilter,
  selectFollow,
  selectFollowsOf,
  selectPending,
  selectUnfit,
  updateFollow,
} from "./store.ts"

export interface FollowParts {
  readonly relations: Relations
  readonly people: People
}

export interface FollowRouteParts extends FollowParts {
  readonly lookUp: FeedLookUp
}

/** Routes of follows. */
export function followRoutes(parts: FollowRouteParts): Route[] {
  const { lookUp, people } = parts

  /** Changes the status of a follow that somebody decided about. */
  const decide = async (
    tx: Tx,
    appId: number,
    names: { source: string; target: string },
    become: "accepted" | "rejected",
    now: number,
  ): Promise<{ row: FollowRow; feeds: ReadonlyMap<string, FeedRow> }> => {
    const feeds = new Map(await lockFeeds(tx, appId, [names.source, names.target]))
    const before = await selectFollow(tx, appId, names.source, names.target)
    if (before === undefined) throw absentFollow(names.source, names.target)
    if (before.status === become) return { row: before, feeds }
    const row = become === "accepted" ? accepted(before, now) : rejected(before, now)
    await changeFollow(parts, tx, { before, after: row, feeds, now })
    return { row, feeds }
  }

  return [
    route(operations.follow, {
      writes: true,
      load: async ({ principal, input }) => {
        const { source, target, status } = input.body
        if (source === target) throw inputError("a feed cannot follow itself", { target: "is the source" })
        if (status !== undefined && principal.kind !== "server") {
          throw new ApiError("notAllowed", "only server calls say the status of a follow")
        }
        const [from, to] = (await lookUp.known(principal, [source, target])) as [LoadedFeed, LoadedFeed]
        return { source: from, target: to }
      },
      authorize: ({ principal, source, target }) => [
        can(principal, actions.updateFeedFollowing, source.resource),
        can(principal, actions.follow, target.resource),
      ],
      async handle({ appId, principal, input, tx, now }) {
        const names = input.body
        // With both locked, neither the visibility nor the number of follows changes under the decision.
        const feeds = new Map(await lockFeeds(tx, appId, [names.source, names.target]))
        const source = requireRow(feeds, names.source)
        const target = requireRow(feeds, names.target)
        const existing = await selectFollow(tx, appId, names.source, names.target)
        if (existing !== undefined) throw alreadyThere(existing)
        requireRoom(await countFollowing(tx, appId, names.source, operations.feedLimits.followsPerFeedMax))
        const isMember = (await selectFeedMember(tx, appId, target.feed, source.created_by_id)) !== undefined
        const status = names.status ?? firstStatus(source, target, isMember)
        const row = newFollow(uuid(), source, target, status, names, now)
        if (!(await insertFollow(tx, row))) throw alreadyThere(row)
        await changeFollow(parts, tx, { before: null, after: row, feeds, now })
        return { follow: await shown(people, principal, row, feeds) }
      },
    }),

    route(operations.unfollow, {
      writes: true,
      load: async ({ principal, input }) => ({ source: await lookUp.get(principal, input.path.source) }),
      // The target does not matter: whoever lost sight of a feed may still stop following it.
      authorize: ({ principal, source }) => [
        knows(principal, source.resource),
        can(principal, actions.updateFeedFollowing, source.resource),
      ],
      async handle({ appId, principal, input, tx, now }) {
        const { source, target } = input.path
        const feeds = new Map(await lockFeeds(tx, appId, [source, target]))
        const before = await selectFollow(tx, appId, source, target)
        if (before === undefined) throw absentFollow(source, target)
        await changeFollow(parts, tx, { before, after: null, feeds, now })
        return { follow: await shown(people, principal, before, feeds) }
      },
    }),

    route(operations.acceptFollow, {
      writes: true,
      load: async ({ principal, input }) => ({ target: await lookUp.get(principal, input.body.target) }),
      authorize: ({ principal, target }) => [
        knows(principal, target.resource),
        can(principal, actions.updateFeedFollowers, target.resource),
      ],
      async handle({ appId, principal, input, tx, now }) {
        const { row, feeds } = await decide(tx, appId, input.body, "accepted", now)
        return { follow: await shown(people, principal, row, feeds) }
      },
    }),

    route(operations.rejectFollow, {
      writes: true,
      load: async ({ principal, input }) => ({ target: await lookUp.get(principal, input.body.target) }),
      authorize: ({ principal, target }) => [
        knows(principal, target.resource),
        can(principal, actions.updateFeedFollowers, target.resource),
      ],
      async handle({ appId, principal, input, tx, now }) {
        const { row, feeds } = await decide(tx, appId, input.body, "rejected", now)
        return { follow: await shown(people, principal, row, feeds) }
      },
    }),

    route(operations.queryFollows, {
      authorize: ({ principal }) => canPerItem(principal, queryFollows, followsResource),
      async handle({ appId, principal, input, read }) {
        const { sort, limit, next, prev } = input.body
        const filter = parseFollowFilter(input.body.filter)
        const userId = userIdOf(principal)
        if (userId !== null) requireFeedInFilter(filter)
        const query = { filter, sort, limit, next, prev }
        const { rows, ...cursors } = await findFollows(read, appId, userId, query, pageBounds)
        // Whoever reads one of the two feeds may see that the other follows it, or is followed.
        const reached = rows.filter((row) => isWithinReach(principal, row))
        return { follows: await shownAll(people, read, principal, reached), ...cursors }
      },
    }),
  ]
}

const pageBounds = {
  limitDefault: operations.feedLimits.followsPageDefault,
  limitMax: operations.feedLimits.followsPageMax,
}

/** Reads the first followers of a feed and the first that it follows, for get-or-create. */
export const createReadFollows =
  (people: People): ReadFollows =>
  async ({ read, principal, feed, followers, following }) => {
    const [of, by] = await Promise.all([
      pageFollows(read, feed.app_id, "target", feed.feed, followers, pageBounds),
      pageFollows(read, feed.app_id, "source", feed.feed, following, pageBounds),
    ])
    const responses = await shownAll(people, read, principal, [...of.rows, ...by.rows])
    const { rows: followerRows, ...followers_pagination } = of
    const { rows: _followingRows, ...following_pagination } = by
    return {
      followers: responses.slice(0, followerRows.length),
      following: responses.slice(followerRows.length),
      followers_pagination,
      following_pagination,
    }
  }

/**
 * Settles the follows of a feed whose visibility changed, a bounded number in each step: those that a closed feed no
 * longer has are ended, open requests are answered (contract/feeds.md B4.1). Access does not wait for it.
 */
export const createSettleFollows =
  (parts: FollowParts): TaskHandler =>
  async (tx, { appId, payload, now }) => {
    const { feed, visibility, pending } = payload as SettleFollows
    const target = (await lockFeeds(tx, appId, [feed])).get(feed)
    // Whoever changed it again has left a task of their own.
    if (target === undefined || target.visibility !== visibility) return { result: { settled: 0 } }
    const isClosed = visibility === "members" || visibility === "private"
    const unfit = isClosed ? await selectUnfit(tx, appId, feed, visibility === "members", limits.settleBatchMax) : []
    const asking =
      unfit.length > 0 || pending === "keep" ? [] : await selectPending(tx, appId, feed, limits.settleBatchMax)
    const sources = await selectFeedRows(
      tx,
      appId,
      [...unfit, ...asking].map((row) => row.source),
    )
    const feeds = new Map([...sources, [feed, target]])
    for (const before of unfit) await changeFollow(parts, tx, { before, after: null, feeds, now })
    for (const before of asking) {
      const after = pending === "auto_approve" ? accepted(before, now) : rejected(before, now)
      await changeFollow(parts, tx, { before, after, feeds, now })
    }
    return unfit.length + asking.length === 0 ? { result: {} } : { next: payload as object }
  }

/** Ends a batch of the follows to and from a user's feeds; answers whether none are left. */
export async function endFollowsOf(
  parts: FollowParts,
  tx: Tx,
  appId: number,
  userId: string,
  now: number,
): Promise<boolean> {
  const rows = await selectFollowsOf(tx, appId, userId, limits.settleBatchMax)
  const feeds = new Map(
    await selectFeedRows(
      tx,
      appId,
      rows.flatMap((row) => [row.source, row.target]),
    ),
  )
  for (const before of rows) await changeFollow(parts, tx, { before, after: null, feeds, now })
  return rows.length === 0
}

interface FollowChange {
  /** Null: a new follow, whose row is written already. */
  readonly before: FollowRow | null
  /** Null: the follow ends. */
  readonly after: FollowRow | null
  /** Both feeds, by name. Their counters are brought up to date. */
  readonly feeds: Map<string, FeedRow>
  readonly now: number
}

/** Writes a change of one follow with all that hangs on it: counters, events, what the follower may still hear. */
async function changeFollow({ relations, people }: FollowParts, tx: Tx, change: FollowChange): Promise<void> {
  const { before, after, now } = change
  const follow = (after ?? before) as FollowRow
  const { app_id: appId, source_user_id: userId } = follow
  if (after === null) await deleteFollow(tx, follow)
  else if (before !== null) await updateFollow(tx, after)
  const more = Number(after?.status === "accepted") - Number(before?.status === "accepted")
  const source = counted(change.feeds, follow.source, "following_count", more)
  const target = counted(change.feeds, follow.target, "follower_count", more)
  if (more !== 0) {
    const counts = new Map([
      [source.feed, { following_count: more }],
      [target.feed, { follower_count: more }],
    ])
    await addToCounts(tx, appId, counts)
  }
  // Another feed of the same user may follow it too, and members hear what followers hear.
  const losesAccess =
    more < 0 &&
    !(await isFollower(tx, appId, target.feed, userId)) &&
    (await selectFeedMember(tx, appId, target.feed, userId)) === undefined
  const event: FollowEventInput = {
    follow,
    source,
    target,
    now,
    person: await people(appId, [source.created_by_id, target.created_by_id]),
  }
  const events =
    before === null
      ? followCreated(event)
      : after === null
        ? followDeleted(event, losesAccess)
        : followUpdated(event, losesAccess)
  for (const told of events) tx.emit(told)
  relations.dropAfter(tx, appId, target.feed, [userId])
}

function counted(
  feeds: Map<string, FeedRow>,
  name: string,
  counter: "following_count" | "follower_count",
  more: number,
): FeedRow {
  const row = requireRow(feeds, name)
  const changed = { ...row, [counter]: row[counter] + more }
  feeds.set(name, changed)
  return changed
}

function requireRow(feeds: ReadonlyMap<string, FeedRow>, name: string): FeedRow {
  const row = feeds.get(name)
  if (row === undefined) throw absentFeed(name)
  return row
}

function alreadyThere({ source, target, status }: FollowRow): ApiError {
  const text =
    status === "accepted" ? `${source} follows ${target} already` : `${source} has asked to follow ${target} already`
  return inputError(text, { target: `is ${status}` })
}

/** A follow as the caller may see it. */
async function shown(
  people: People,
  principal: AppCaller,
  row: FollowRow,
  feeds: ReadonlyMap<string, FeedRow>,
): Promise<FollowResponse> {
  const source = requireRow(feeds, row.source)
  const target = requireRow(feeds, row.target)
  const person = await people(row.app_id, [source.created_by_id, target.created_by_id])
  const show = shownTo(principal)
  return followResponse(row, show(source, person(source.created_by_id)), show(target, person(target.created_by_id)))
}

async function shownAll(
  people: People,
  read: Read,
  principal: AppCaller,
  rows: readonly FollowRow[],
): Promise<FollowResponse[]> {
  const [first] = rows
  if (first === undefined) return []
  const feeds = await selectFeedRows(
    read,
    first.app_id,
    rows.flatMap((row) => [row.source, row.target]),
  )
  return Promise.all(rows.map((row) => shown(people, principal, row, feeds)))
}
