// How users stand to feeds, read whenever somebody reads or writes in a feed that is not their own.

import type { Awaitable } from "../../../base/chain.ts"
import { type Caches, cacheKey } from "../../../events/caches.ts"
import type { Read } from "../../../store/database.ts"
import { type Relation, type Relations, selectFeedMember } from "../feeds/index.ts"
import { limits } from "./limits.ts"
import { isFollower } from "./store.ts"

export function createRelations(caches: Caches, read: Read): Relations {
  const relations = caches.create<Relation>({
    name: "feed-relations",
    entriesMax: limits.relationsCachedMax,
    load(key) {
      const [appId, feed, userId] = key.split("|") as [string, string, string]
      return stored(read, Number(appId), feed, userId)
    },
  })
  const keyOf = (appId: number, feed: string, userId: string): string => cacheKey(appId, `${feed}|${userId}`)
  return {
    // Loaded for everybody, strangers too, so null never comes.
    of: (appId, feed, userId) => relations.get(keyOf(appId, feed, userId)) as Awaitable<Relation>,
    stored,
    dropAfter(tx, appId, feed, userIds) {
      tx.afterCommit(() => {
        for (const userId of userIds) relations.drop(keyOf(appId, feed, userId))
      })
    },
  }
}

async function stored(read: Read, appId: number, feed: string, userId: string): Promise<Relation> {
  const [member, follows] = await Promise.all([
    selectFeedMember(read, appId, feed, userId),
    isFollower(read, appId, feed, userId),
  ])
  return { memberRole: member?.role ?? null, follows }
}
