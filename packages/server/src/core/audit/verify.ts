// Walking the chain, for the management API and for `weir audit verify`.

import type { Read } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { faultOf } from "./rules.ts"
import { type AuditRow, selectAfter, selectHead } from "./store.ts"

export interface Verification {
  readonly whole: boolean
  readonly rows: number
  readonly head: { readonly seq: number; readonly hash: string } | null
  /** The first fault. */
  readonly fault: { readonly seq: number; readonly what: string } | null
}

/**
 * Reads the whole chain and finds the first row that was changed, moved, put in or taken out; the newest too, because
 * the head's own row names it. A chain that somebody with the whole database wrote anew is whole: compare `head` with
 * one that was noted elsewhere.
 */
export async function verifyChain(read: Read): Promise<Verification> {
  // Before the walk: what is appended meanwhile is none of its business.
  const head = await selectHead(read)
  let previous: AuditRow | null = null
  let rows = 0
  for (;;) {
    const batch: AuditRow[] = await selectAfter(read, previous?.seq ?? 0, limits.verifyBatchMax)
    let isPastHead = false
    for (const row of batch) {
      if (head !== undefined && row.seq > head.seq) {
        isPastHead = true
        break
      }
      const what = faultOf(previous, row)
      if (what !== null)
        return { whole: false, rows, head: null, fault: { seq: previous === null ? 1 : previous.seq + 1, what } }
      previous = row
      rows += 1
    }
    if (isPastHead || batch.length < limits.verifyBatchMax) break
  }
  const seq = previous?.seq ?? 0
  const hash = previous?.hash ?? ""
  if (head === undefined || head.seq !== seq || head.hash !== hash) {
    const what = `the chain ends at row ${seq}, and its head names row ${head?.seq ?? "none"}`
    return { whole: false, rows, head: null, fault: { seq: seq + 1, what } }
  }
  return { whole: true, rows, head: seq === 0 ? null : { seq, hash }, fault: null }
}
