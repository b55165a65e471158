import { type AppCaller, inputError, feeds as operations } from "@weir/protocol"
import { can, isNarrowed, requireAllowed, withinReach } from "../../../authorize/decide.ts"
import { uuid } from "../../../base/ids.ts"
import { requireUsers, type UserResponse } from "../../../core/users/index.ts"
import { type Route, route } from "../../../request/route.ts"
import type { Read, Tx } from "../../../store/database.ts"
import {
  actions,
  addToCounts,
  type FeedLookUp,
  type FeedRow,
  feedResource,
  knows,
  type LoadedFeed,
  lockFeeds,
  noRelation,
  type People,
  type ReadActivities,
  readsPrivate,
  refuseUnsupported,
  requireGroup,
} from "../feeds/index.ts"
import { activityAdded, activityDeleted, activityRemovedFromFeed, activityUpdated } from "./events.ts"
import {
  type ActivityResponse,
  absentActivity,
  activityResponse,
  changedContent,
  contentRow,
  cursorOf,
  feedsOf,
  isSameRequest,
  mayDelete,
  mayKnowActivity,
  mayReadActivity,
  mayUpdateActivity,
  mentionedIn,
  newActivity,
  newestPlaces,
  placesOf,
  planMerge,
  positionFrom,
} from "./rules.ts"
import {
  type ActivityRow,
  deleteActivityRow,
  insertActivity,
  lockActivity,
  replacePlaces,
  type Stream,
  selectActivities,
  selectActivity,
  selectFollowed,
  selectPlaces,
  updateActivityRow,
} from "./store.ts"

export interface ActivityRouteParts {
  readonly lookUp: FeedLookUp
  readonly people: People
}

interface LoadedActivity {
  readonly row: ActivityRow
  /** The feeds that it stands in. */
  readonly feeds: readonly LoadedFeed[]
}

/** Routes of activities. */
export function activityRoutes({ lookUp, people }: ActivityRouteParts): Route[] {
  const loadFeeds = (principal: AppCaller, names: readonly string[]): Promise<LoadedFeed[]> =>
    Promise.all([...new Set(names)].map((name) => lookUp.get(principal, name)))

  const load = async (
    read: Read,
    principal: AppCaller,
    id: string,
    options: { readonly evenDeleted?: boolean } = {},
  ): Promise<LoadedActivity> => {
    const row = await selectActivity(read, principal.appId, id)
    if (row === undefined || (row.deleted_at !== null && !options.evenDeleted)) throw absentActivity(id)
    return { row, feeds: await loadFeeds(principal, feedsOf(row)) }
  }

  /** Writing an activity anew is writing to each of its feeds. */
  const mayWriteTo = (principal: AppCaller, feeds: readonly LoadedFeed[]) =>
    feeds.flatMap(({ resource }) => [knows(principal, resource), can(principal, actions.addActivity, resource)])

  const mayUpdate = (principal: AppCaller, { row, feeds }: LoadedActivity, written: readonly LoadedFeed[]) => [
    mayKnowActivity(principal, row, feeds),
    mayUpdateActivity(principal, row),
    ...mayWriteTo(principal, written),
  ]

  const shown = (row: ActivityRow): Promise<ActivityResponse> => show(people, row)

  /** Replaces what is stored, and tells the watchers of the feeds that it is in, came into or left. */
  const change = async (tx: Tx, before: ActivityRow, after: ActivityRow, actor: string | null, now: number) => {
    const { app_id: appId } = before
    await requireUsers(tx, appId, mentionedIn(after))
    const wasIn = new Set(feedsOf(before))
    const isIn = new Set(feedsOf(after))
    const feeds = await lockFeeds(tx, appId, [...wasIn, ...isIn])
    await updateActivityRow(tx, after)
    await replacePlaces(tx, appId, after.id, placesOf(after))
    const moves = new Map<string, { activity_count: number }>()
    for (const name of feeds.keys()) {
      const activity_count = Number(isIn.has(name)) - Number(wasIn.has(name))
      if (activity_count !== 0) moves.set(name, { activity_count })
    }
    await addToCounts(tx, appId, moves)
    const activity = await shown(after)
    const user = await actorOf(people, appId, actor)
    for (const [name, feed] of feeds) {
      const event = { appId, feed, now, user }
      if (!isIn.has(name)) tx.emit(activityRemovedFromFeed(event, activity))
      else tx.emit(wasIn.has(name) ? activityUpdated(event, activity) : activityAdded(event, activity))
    }
    return { activity }
  }

  /** The activity as it is now; whoever deleted it meanwhile was first. */
  const requireStored = async (tx: Tx, appId: number, id: string): Promise<ActivityRow> => {
    const row = await lockActivity(tx, appId, id)
    if (row === undefined || row.deleted_at !== null) throw absentActivity(id)
    return row
  }

  return [
    route(operations.addActivity, {
      writes: true,
      actor: "required",
      load: async ({ principal, input }) => {
        refuseUnsupportedContent(input.body)
        return { feeds: await lookUp.known(principal, input.body.feeds) }
      },
      authorize: ({ principal, feeds }) => mayWriteTo(principal, feeds),
      async handle({ appId, actor, input, tx, now }) {
        const author = actor as string
        const row = newActivity(appId, input.body, input.body.id ?? uuid(), author, now)
        await requireUsers(tx, appId, mentionedIn(row))
        if (!(await insertActivity(tx, row))) {
          const stored = await selectActivity(tx, appId, row.id)
          if (stored !== undefined && isSameRequest(stored, row)) return { activity: await shown(stored) }
          throw inputError(`an activity with id ${row.id} exists already`, { id: "is taken" })
        }
        const feeds = await lockFeeds(tx, appId, feedsOf(row))
        await replacePlaces(tx, appId, row.id, placesOf(row))
        await addToCounts(tx, appId, countsOf(feeds, 1))
        const activity = await shown(row)
        for (const feed of feeds.values()) {
          tx.emit(activityAdded({ appId, feed, now, user: activity.user }, activity))
        }
        return { activity }
      },
    }),

    route(operations.getActivity, {
      load: ({ read, principal, input }) => load(read, principal, input.path.id),
      authorize: ({ principal, row, feeds }) => mayReadActivity(principal, row, feeds),
      handle: async ({ row }) => ({ activity: await shown(row) }),
    }),

    route(operations.updateActivity, {
      writes: true,
      load: async ({ read, principal, input }) => {
        refuseUnsupportedContent(input.body)
        const loaded = await load(read, principal, input.path.id)
        requireAllowed(mayKnowActivity(principal, loaded.row, loaded.feeds))
        const written = input.body.feeds ? await lookUp.known(principal, input.body.feeds) : loaded.feeds
        return { ...loaded, written }
      },
      authorize: ({ principal, written, ...loaded }) => mayUpdate(principal, loaded, written),
      async handle({ appId, actor, input, tx, now }) {
        const before = await requireStored(tx, appId, input.path.id)
        const feeds = input.body.feeds ?? feedsOf(before)
        const after: ActivityRow = {
          ...before,
          ...contentRow(input.body),
          feeds: JSON.stringify([...new Set(feeds)]),
          updated_at: now,
          edited_at: now,
        }
        return change(tx, before, after, actor, now)
      },
    }),

    route(operations.updateActivityPartial, {
      writes: true,
      load: ({ read, principal, input }) => load(read, principal, input.path.id),
      authorize: ({ principal, row, feeds }) => mayUpdate(principal, { row, feeds }, feeds),
      async handle({ appId, actor, input, tx, now }) {
        const before = await requireStored(tx, appId, input.path.id)
        const content = changedContent(before, input.body.set ?? {}, input.body.unset ?? [])
        return change(tx, before, { ...before, ...content, updated_at: now, edited_at: now }, actor, now)
      },
    }),

    route(operations.deleteActivity, {
      writes: true,
      load: ({ read, principal, input }) =>
        load(read, principal, input.path.id, { evenDeleted: input.query.hard_delete === true }),
      authorize: ({ principal, row, feeds }) => [
        // Once deleted it stands in no feed, so only its author may still know of it.
        mayKnowActivity(principal, row, row.deleted_at === null ? feeds : []),
        mayDelete(principal, row, feeds),
      ],
      async handle({ appId, actor, input, tx, now }) {
        const isHard = input.query.hard_delete === true
        const before = await lockActivity(tx, appId, input.path.id)
        if (before === undefined || (before.deleted_at !== null && !isHard)) throw absentActivity(input.path.id)
        await deleteEverywhere(people, tx, before, { isHard, actor, now })
        return {}
      },
    }),
  ]
}

const show = async (people: People, row: ActivityRow): Promise<ActivityResponse> =>
  activityResponse(row, await people(row.app_id, [row.user_id, ...mentionedIn(row)]))

/** Whoever did it; null for a server call that names nobody. */
const actorOf = async (people: People, appId: number, userId: string | null): Promise<UserResponse | null> =>
  userId === null ? null : (await people(appId, [userId]))(userId)

export interface Deletion {
  /** Also forgets what the activity said. */
  readonly isHard: boolean
  readonly actor: string | null
  readonly now: number
}

/** Takes an activity, which is locked, out of all its feeds and tells their watchers, unless that was done before. */
export async function deleteEverywhere(
  people: People,
  tx: Tx,
  before: ActivityRow,
  { isHard, actor, now }: Deletion,
): Promise<void> {
  const { app_id: appId } = before
  const after: ActivityRow = { ...before, deleted_at: before.deleted_at ?? now, updated_at: now }
  if (before.deleted_at === null) {
    const feeds = await lockFeeds(tx, appId, feedsOf(before))
    await replacePlaces(tx, appId, before.id, [])
    await addToCounts(tx, appId, countsOf(feeds, -1))
    const activity = await show(people, after)
    const user = await actorOf(people, appId, actor)
    for (const feed of feeds.values()) tx.emit(activityDeleted({ appId, feed, now, user }, activity))
  }
  if (isHard) await deleteActivityRow(tx, appId, before.id)
  else await updateActivityRow(tx, after)
}

/**
 * Reads a page of a feed. A timeline is merged when it is read, not copied together when something is added: an
 * activity then costs the same whether ten follow its author or ten million, and an end of a follow, a closed feed and
 * a deleted activity count at once, because there are no copies to find. The price is bounded: one step into an index
 * for each followed feed (at most feedLimits.followsPerFeedMax), then a page's worth from the feeds that can have a
 * share in the page.
 */
export const createReadActivities =
  (people: People): ReadActivities =>
  async ({ read, principal, feed, limit, next }) => {
    const before = positionFrom(next)
    if (limit === 0) return { activities: [] }
    const asOwner = readsPrivate(principal, feed)
    const wanted = limit + 1
    const streams: Stream[] = [{ feed: feed.feed, isPrivate: false }]
    if (asOwner) streams.push({ feed: feed.feed, isPrivate: true })
    let from: string | null = null
    if (requireGroup(feed.group_id).selector === "following") {
      const all = await selectFollowed(read, feed, asOwner, before, operations.feedLimits.followsPerFeedMax)
      // A token that is narrowed to the timeline shows what stands in feeds that it is narrowed to as well.
      const followed = all.filter((target) => showsFollowed(principal, target))
      const plan = planMerge(followed, wanted)
      from = plan.from
      streams.push(...plan.feeds.map((name) => ({ feed: name, isPrivate: false })))
      const own = followed.filter(({ ownerId }) => asOwner && ownerId === feed.created_by_id)
      streams.push(...own.map((target) => ({ feed: target.feed, isPrivate: true })))
    }
    const places = newestPlaces(await selectPlaces(read, feed.app_id, streams, { before, from }, wanted), wanted)
    const page = places.slice(0, limit)
    const rows = await selectActivities(
      read,
      feed.app_id,
      page.map((place) => place.activity_id),
    )
    const inOrder = page.flatMap((place) => rows.get(place.activity_id) ?? [])
    const person = await people(
      feed.app_id,
      inOrder.flatMap((row) => [row.user_id, ...mentionedIn(row)]),
    )
    const last = page.at(-1)
    return {
      activities: inOrder.map((row) => activityResponse(row, person)),
      ...(places.length > limit && last !== undefined ? { next: cursorOf(last.position) } : {}),
    }
  }

const showsFollowed = (principal: AppCaller, { feed, ownerId }: { feed: string; ownerId: string }): boolean => {
  if (!isNarrowed(principal)) return true
  const group_id = feed.slice(0, feed.indexOf(":"))
  const resource = feedResource({ feed, group_id, created_by_id: ownerId, visibility: "private" }, noRelation)
  return withinReach(principal, actions.readActivity, resource).allowed
}

interface MaybeUnsupported {
  readonly visibility_tag?: unknown
  readonly expires_at?: unknown
  readonly poll_id?: unknown
  readonly collection_refs?: unknown
  readonly collections?: unknown
  readonly parent_id?: unknown
}

const refuseUnsupportedContent = (body: MaybeUnsupported): void => {
  const { visibility_tag, expires_at, poll_id, collection_refs, collections, parent_id } = body
  refuseUnsupported({ visibility_tag, expires_at, poll_id, collection_refs, collections, parent_id })
}

const countsOf = (feeds: ReadonlyMap<string, FeedRow>, activity_count: number) =>
  new Map([...feeds.keys()].map((name) => [name, { activity_count }]))
