import { type Cache, type Caches, cacheKey } from "../../../events/caches.ts"
import type { Read, Tx } from "../../../store/database.ts"
import { limits } from "./limits.ts"
import { type CallView, callView, membersPerCallMax } from "./rules.ts"
import { selectCall, selectMembers } from "./store.ts"

/** Calls with their members' roles, by app and cid: a permission check needs no database. */
export type Calls = Cache<CallView>

export const createCalls = (caches: Caches, read: Read): Calls =>
  caches.create<CallView>({
    name: "calls",
    entriesMax: limits.callsCachedMax,
    load(key) {
      const bar = key.indexOf("|")
      return selectView(read, Number(key.slice(0, bar)), key.slice(bar + 1))
    },
  })

export const callKey = (appId: number, cid: string): string => cacheKey(appId, cid)

/** Reads a call and its members; inside a transaction it sees that transaction's changes. */
export async function selectView(read: Read, appId: number, cid: string): Promise<CallView | null> {
  const call = await selectCall(read, appId, cid)
  return call === undefined ? null : callView(call, await selectMembers(read, appId, cid, membersPerCallMax))
}

/** Forgets the call once the change is committed. */
export const dropCall = (calls: Calls, tx: Tx, appId: number, cid: string): void =>
  tx.afterCommit(() => calls.drop(callKey(appId, cid)))
