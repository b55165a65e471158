// Walking the chain, to verify it or to write it out: for the management API, and for `weir audit`, which walks a
// database or an exported file.

import type { Read } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { type AuditResponse, type ChainPlace, faultOf, faultOfRow, jsonLine, parseEntry, shownRow } from "./rules.ts"
import { type AuditHeadRow, selectHead, selectInOrder, selectNewest } from "./store.ts"

export interface Verification {
  readonly whole: boolean
  /** Rows that are as they were written, up to the first fault. */
  readonly rows: number
  /** Place and hash of the last of them. */
  readonly head: ChainPlace | null
  /** The row before the first one that is there: `seq` 0 unless the beginning was pruned or not exported. */
  readonly base: ChainPlace
  /** The first fault. */
  readonly fault: { readonly seq: number; readonly what: string } | null
}

const start: ChainPlace = { seq: 0, hash: "" }

/** The action of the entry that says that rows up to `through_seq` were taken away on purpose. */
export const prunedAction = "audit.pruned"

/**
 * Reads the whole chain of a database and finds the first row that was changed, moved, put in or taken out: the newest
 * too, because the head's own row names it, and the first after a pruning, because that row names where it ended.
 * Whoever can write the whole database can write a whole chain anew; that shows only against a place that was noted
 * elsewhere, `noted`.
 */
export async function verifyChain(read: Read, noted: ChainPlace | null = null): Promise<Verification> {
  for (let attempt = 1; ; attempt++) {
    const { verification, head } = await walkOnce(read, noted)
    if (verification.fault === null || attempt >= limits.walkAttemptsMax) return verification
    // A pruning in the middle of a walk takes rows away from under it.
    const now = await selectHead(read)
    if (now?.base_seq === head?.base_seq) return verification
  }
}

async function walkOnce(
  read: Read,
  noted: ChainPlace | null,
): Promise<{ verification: Verification; head: AuditHeadRow | undefined }> {
  // In this order: the head never lies before a row that was there, and rows that come later are none of this walk.
  const [newest] = await selectNewest(read, null, null, 1)
  const head = await selectHead(read)
  const base = head === undefined ? start : { seq: head.base_seq, hash: head.base_hash }
  const walk = createWalk(base, noted)
  let afterSeq: number | null = null
  while (walk.fault === null) {
    const rows = await selectInOrder(read, { afterSeq, limit: limits.walkBatchMax })
    for (const row of rows) {
      if (walk.fault !== null || (head !== undefined && row.seq > head.seq)) break
      walk.take(row.seq, row, faultOfRow)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < limits.walkBatchMax || (head !== undefined && last.seq > head.seq)) break
    afterSeq = last.seq
  }
  return { verification: walk.end(endFault(head, newest?.seq ?? 0)), head }
}

const endFault =
  (head: AuditHeadRow | undefined, newestSeq: number) =>
  (last: ChainPlace): string | null => {
    if (head === undefined) return "the row that names the end of the chain is missing"
    if (head.seq !== last.seq) return `the chain ends at row ${last.seq}, and should end at row ${head.seq}`
    if (!(newestSeq <= head.seq)) return "a row was put in behind the end of the chain, or its end was set back"
    return head.hash === last.hash ? null : "the end of the chain is not the row that was written there"
  }

/**
 * Reads an export, line by line, and finds the first entry that was changed, moved, put in or taken out. A file does
 * not say where the chain began or ended: what was cut off at its end shows only against `noted`.
 */
export async function verifyExport(
  lines: AsyncIterable<string>,
  noted: ChainPlace | null = null,
): Promise<Verification> {
  const walk = createWalk(null, noted)
  let lineNumber = 0
  for await (const line of lines) {
    lineNumber += 1
    if (line === "") continue
    let entry: AuditResponse
    try {
      entry = parseEntry(line)
    } catch (error) {
      walk.break(`line ${lineNumber} of the file: ${(error as Error).message}`)
      break
    }
    walk.take(entry.seq, entry, faultOf)
    if (walk.fault !== null) break
  }
  return walk.end(() => null)
}

/**
 * The log as JSON Lines in the order of the chain: some lines at a time, each ended by a line feed. Of one app, or of
 * the whole deployment when `app` is absent; rows after `after`. Rows that come while it runs are left out.
 */
export async function* exportLines(
  read: Read,
  { after, app }: { readonly after?: number; readonly app?: number } = {},
): AsyncGenerator<string, void, undefined> {
  const [newest] = await selectNewest(read, null, null, 1)
  if (newest === undefined) return
  let afterSeq: number | null = after ?? null
  for (;;) {
    const page = await selectInOrder(read, { afterSeq, appId: app ?? null, limit: limits.walkBatchMax })
    const rows = page.filter(({ seq }) => seq <= newest.seq)
    if (rows.length > 0) yield rows.map((row) => `${jsonLine(shownRow(row))}\n`).join("")
    if (rows.length < limits.walkBatchMax) return
    afterSeq = rows.at(-1)?.seq ?? null
  }
}

/** What of an entry or a row the walk itself looks at. */
interface Walked {
  readonly hash: string
  readonly prev_hash: string
  readonly action: string
  readonly target: string | AuditResponse["target"]
}

/** One walk along a chain that follows `base`; null: the chain begins wherever its first entry says. */
function createWalk(base: ChainPlace | null, noted: ChainPlace | null) {
  let from = base
  let last = base
  let rows = 0
  let pruned: ChainPlace = start
  let fault: Verification["fault"] = null
  const fail = (what: string): void => {
    fault = { seq: (last?.seq ?? 0) + 1, what }
  }
  return {
    get fault() {
      return fault
    },
    break: fail,
    take<Item extends Walked>(
      seq: number,
      item: Item,
      check: (previous: ChainPlace, item: Item) => string | null,
    ): void {
      from ??= seq === 1 ? start : { seq: seq - 1, hash: item.prev_hash }
      last ??= from
      const isOther = noted?.seq === seq && noted.hash !== item.hash
      const what = check(last, item) ?? (isOther ? "its hash is not the one that was noted" : null)
      if (what !== null) {
        fail(what)
        return
      }
      if (item.action === prunedAction) pruned = prunedThrough(item) ?? pruned
      last = { seq, hash: item.hash }
      rows += 1
    },
    /** `endFault`: what is wrong with a chain that ends here. */
    end(endFault: (last: ChainPlace) => string | null): Verification {
      const head = last ?? start
      if (fault === null) {
        const what = endFault(head) ?? pruneFault() ?? notedFault(head)
        if (what !== null) fail(what)
      }
      return { whole: fault === null, rows, head: rows === 0 ? null : head, base: from ?? start, fault }
    },
  }

  /** Only an entry of the chain itself takes rows away. */
  function pruneFault(): string | null {
    if (base === null || base.seq === 0) return null
    const isSaid = pruned.seq > base.seq || (pruned.seq === base.seq && pruned.hash === base.hash)
    return isSaid ? null : `rows up to ${base.seq} were taken out, and no entry says so`
  }

  function notedFault(head: ChainPlace): string | null {
    if (noted === null) return null
    if (noted.seq > head.seq) return `row ${noted.seq} was noted elsewhere and is missing`
    const first = from ?? start
    if (noted.seq < first.seq)
      return `row ${noted.seq} was noted elsewhere and is before the beginning: note a later one`
    return noted.seq === first.seq && noted.hash !== first.hash ? "the beginning is not the one that was noted" : null
  }
}

function prunedThrough({ target }: Walked): ChainPlace | null {
  const members = typeof target === "string" ? JSON.parse(target) : target
  const { through_seq: seq, through_hash: hash } = members ?? {}
  return typeof seq === "number" && typeof hash === "string" ? { seq, hash } : null
}
