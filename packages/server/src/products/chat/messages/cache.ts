// Messages by app and id: opening one, or answering in a thread, asks the same few again and again.

import type { Awaitable } from "../../../base/chain.ts"
import { type Caches, cacheKey } from "../../../events/caches.ts"
import type { Read, Tx } from "../../../store/database.ts"
import { limits } from "./limits.ts"
import { type MessageRow, selectMessage } from "./store.ts"

export interface Messages {
  get(appId: number, id: string): Awaitable<MessageRow | null>
  /** Forgets messages once the change is committed. */
  dropAfter(tx: Tx, appId: number, ids: readonly string[]): void
}

export function createMessages(caches: Caches, read: Read): Messages {
  const cache = caches.create<MessageRow>({
    name: "chat-messages",
    entriesMax: limits.messagesCachedMax,
    async load(key) {
      const bar = key.indexOf("|")
      return (await selectMessage(read, Number(key.slice(0, bar)), key.slice(bar + 1))) ?? null
    },
  })
  return {
    get: (appId, id) => cache.get(cacheKey(appId, id)),
    dropAfter(tx, appId, ids) {
      tx.afterCommit(() => {
        for (const id of ids) cache.drop(cacheKey(appId, id))
      })
    },
  }
}
