// Feeds and people, as every request about feeds needs them: both answer from memory.

import { type AppCaller, userIdOf } from "@weir/protocol"
import { type Resource, requireAllowed } from "../../../authorize/decide.ts"
import { type Awaitable, chain } from "../../../base/chain.ts"
import { newUser, type UserResponse, type Users, userResponse, usersById } from "../../../core/users/index.ts"
import { type Cache, type Caches, cacheKey } from "../../../events/caches.ts"
import type { Presence } from "../../../events/presence.ts"
import type { Read, Tx } from "../../../store/database.ts"
import { limits } from "./limits.ts"
import { absentFeed, feedResource, knows, noRelation, type Relation } from "./rules.ts"
import { type Feed, type FeedRow, selectFeed, selectFeedRows } from "./store.ts"

export type Feeds = Cache<Feed>

export const createFeeds = (caches: Caches, read: Read): Feeds =>
  caches.create<Feed>({
    name: "feeds",
    entriesMax: limits.feedsCachedMax,
    async load(key) {
      const bar = key.indexOf("|")
      return (await selectFeed(read, Number(key.slice(0, bar)), key.slice(bar + 1))) ?? null
    },
  })

export const feedKey = (appId: number, feed: string): string => cacheKey(appId, feed)

/** How users stand to feeds; the follows module answers it. */
export interface Relations {
  of(appId: number, feed: string, userId: string): Awaitable<Relation>
  /** The same out of the database, for those who must not be told what was true a moment ago. */
  stored(read: Read, appId: number, feed: string, userId: string): Promise<Relation>
  /** Forgets how these users stand to the feed once the change is committed. */
  dropAfter(tx: Tx, appId: number, feed: string, userIds: readonly string[]): void
}

/** A feed as one caller meets it. */
export interface LoadedFeed {
  readonly feed: Feed
  readonly relation: Relation
  readonly resource: Resource
}

export interface FeedLookUp {
  /** Null when there is no such feed. Decides nothing. */
  find(principal: AppCaller, name: string): Awaitable<LoadedFeed | null>
  /** Throws notFoundError when there is no such feed. Decides nothing. */
  get(principal: AppCaller, name: string): Awaitable<LoadedFeed>
  /** The feed with its counters out of the database; null when there is none. Decides nothing. */
  stored(read: Read, principal: AppCaller, name: string): Promise<(LoadedFeed & { readonly feed: FeedRow }) | null>
  /**
   * The feeds that a request names, each once and in its order, if the caller may know of every one. For `load`, before
   * anything else of the request is looked at: what else is wrong with it must not tell a hidden feed from an absent
   * one. Throws notFoundError.
   */
  known(principal: AppCaller, names: readonly string[]): Promise<LoadedFeed[]>
}

export function createFeedLookUp(feeds: Feeds, relations: Relations): FeedLookUp {
  /** Whose relation to the feed counts; null: whoever owns the feed needs no other right to it, and a server none. */
  const relatedId = (principal: AppCaller, feed: Feed): string | null => {
    const userId = userIdOf(principal)
    return principal.kind === "anonymous" || userId === feed.created_by_id ? null : userId
  }
  const relationOf = (principal: AppCaller, feed: Feed): Awaitable<Relation> => {
    const userId = relatedId(principal, feed)
    return userId === null ? noRelation : relations.of(feed.app_id, feed.feed, userId)
  }
  const find = (principal: AppCaller, name: string): Awaitable<LoadedFeed | null> =>
    chain(feeds.get(feedKey(principal.appId, name)), (feed) =>
      feed === null
        ? null
        : chain(relationOf(principal, feed), (relation) => ({
            feed,
            relation,
            resource: feedResource(feed, relation),
          })),
    )
  return {
    find,
    get: (principal, name) =>
      chain(find(principal, name), (found) => {
        if (found === null) throw absentFeed(name)
        return found
      }),
    async stored(read, principal, name) {
      const feed = (await selectFeedRows(read, principal.appId, [name])).get(name)
      if (feed === undefined) return null
      const userId = relatedId(principal, feed)
      const relation = userId === null ? noRelation : await relations.stored(read, feed.app_id, name, userId)
      return { feed, relation, resource: feedResource(feed, relation) }
    },
    async known(principal, names) {
      const unique = [...new Set(names)]
      const found = await Promise.all(unique.map((name) => find(principal, name)))
      return unique.map((name, index) => {
        const feed = found[index]
        if (!feed) throw absentFeed(name)
        requireAllowed(knows(principal, feed.resource))
        return feed
      })
    },
  }
}

/** Users as they are shown; whoever is gone for good is shown by id alone. */
export type People = (appId: number, userIds: Iterable<string>) => Promise<(userId: string) => UserResponse>

export const createPeople =
  (users: Users, presence: Pick<Presence, "isOnline">): People =>
  async (appId, userIds) => {
    const found = await usersById(users, appId, userIds)
    return (userId) => userResponse(found.get(userId) ?? newUser(appId, userId, 0), presence.isOnline(appId, userId))
  }
