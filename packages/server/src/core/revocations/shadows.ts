// Whom shadows would have refused: counted in memory, each user once, and written now and then.

import type { Database } from "../../store/database.ts"
import { limits } from "./limits.ts"
import type { OnShadow } from "./rules.ts"
import { addShadowHits } from "./store.ts"

/** Counts whom shadows would have refused; in memory, written now and then. */
export function createShadowCounts(db: Database) {
  interface Count {
    hits: number
    /** Not written yet. */
    fresh: Set<string>
    readonly known: Set<string>
  }
  const counts = new Map<string, Count>()
  const count: OnShadow = ({ id }, { userId }) => {
    let own = counts.get(id)
    if (own === undefined) {
      if (counts.size >= limits.shadowsMax) return
      own = { hits: 0, fresh: new Set(), known: new Set() }
      counts.set(id, own)
    }
    own.hits += 1
    if (userId === null || own.known.has(userId) || own.known.size >= limits.shadowUsersMax) return
    own.known.add(userId)
    own.fresh.add(userId)
  }
  const write = async (id: string, own: Count): Promise<void> => {
    const { hits, fresh } = own
    own.hits = 0
    own.fresh = new Set()
    const users = [...fresh]
    try {
      await db.transact(async (tx) => {
        for (let at = 0; at === 0 || at < users.length; at += limits.shadowUsersPerWriteMax) {
          const some = users.slice(at, at + limits.shadowUsersPerWriteMax)
          await addShadowHits(tx, id, at === 0 ? hits : 0, some, limits.shadowUsersMax)
        }
      })
    } catch (error) {
      own.hits += hits
      for (const user of users) own.fresh.add(user)
      throw error
    }
  }
  return {
    count,
    forget: (id: string): void => {
      counts.delete(id)
    },
    async flush(): Promise<void> {
      for (const [id, own] of counts) if (own.hits > 0) await write(id, own)
    },
  }
}
