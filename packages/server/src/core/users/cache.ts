// Users by app and id, read on every authenticated request. Invalidated over the bus whenever one changes.

import { type Cache, type Caches, cacheKey } from "../../events/caches.ts"
import type { Read, Tx } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { selectUser, type User } from "./store.ts"

export type Users = Cache<User>

export const createUsers = (caches: Caches, read: Read): Users =>
  caches.create<User>({
    name: "users",
    entriesMax: limits.usersCachedMax,
    load: (key) => {
      const bar = key.indexOf("|")
      return selectUser(read, Number(key.slice(0, bar)), key.slice(bar + 1))
    },
  })

export const userKey = (appId: number, userId: string): string => cacheKey(appId, userId)

/** Forgets users once the change is committed. */
export function dropUsers(users: Users, tx: Tx, appId: number, userIds: Iterable<string>): void {
  const keys = Array.from(userIds, (userId) => userKey(appId, userId))
  tx.afterCommit(() => {
    for (const key of keys) users.drop(key)
  })
}

/** The users of these ids, from the cache where they are in it; ids that nobody has are left out. */
export async function usersById(users: Users, appId: number, ids: Iterable<string>): Promise<Map<string, User>> {
  const found = new Map<string, User>()
  await Promise.all(
    Array.from(new Set(ids), async (id) => {
      const user = await users.get(userKey(appId, id))
      if (user !== null) found.set(id, user)
    }),
  )
  return found
}
