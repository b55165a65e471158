// Writing the chain: entries with their change, events of strangers in batches, and taking old rows away.

import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { AuditRecord } from "../../request/http.ts"
import { networkOf } from "../../request/rate-limit.ts"
import type { Database, Tx } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { type ChainPlace, nextRow } from "./rules.ts"
import { appendRow, deleteThrough, lockHead, selectFirstSince, selectHash } from "./store.ts"
import { prunedAction } from "./verify.ts"

export interface Audit {
  /** Appends in the transaction of the change. */
  append(tx: Tx, record: AuditRecord): Promise<void>
  /**
   * Notes what a stranger did, such as a failed login: nobody waits for it, and it never throws. One row for each
   * action, app and network (IPv6: /64) of a minute, with how often and when first and last; beyond
   * limits.notesPerMinuteMax one row for all others of an action. So a flood fills neither memory nor the log.
   * Written within a minute or so; a node that is killed before loses it.
   */
  note(record: AuditRecord): void
  /** Writes everything that was noted, the present minute's too. */
  flush(): Promise<void>
  close(): Promise<void>
}

export async function append(tx: Tx, record: AuditRecord): Promise<void> {
  await appendRow(tx, nextRow(await lockHead(tx), record))
}

interface Note {
  readonly record: AuditRecord
  readonly minute: number
  count: number
  firstAt: number
  lastAt: number
}

export function createAudit({ db, clock, log }: { db: Database; clock: Clock; log: Logger }): Audit {
  const notes = new Map<string, Note>()
  let budget = { minute: 0, rows: 0 }
  const minuteNow = (): number => Math.floor(clock.now() / 60_000)

  const add = (id: string, note: Note): void => {
    const known = notes.get(id)
    if (known === undefined) {
      notes.set(id, note)
      return
    }
    known.count += note.count
    known.firstAt = Math.min(known.firstAt, note.firstAt)
    known.lastAt = Math.max(known.lastAt, note.lastAt)
  }

  const write = async (isDue: (note: Note) => boolean): Promise<void> => {
    const due = [...notes].filter(([, note]) => isDue(note))
    if (due.length === 0) return
    for (const [id] of due) notes.delete(id)
    try {
      await db.transact(async (tx) => {
        for (const [, { record, count, firstAt, lastAt }] of due) {
          const times = { first_at: new Date(firstAt).toISOString(), last_at: new Date(lastAt).toISOString() }
          await append(tx, { ...record, at: lastAt, after: { ...record.after, count, ...times } })
        }
      })
    } catch (error) {
      for (const [id, note] of due) add(id, note)
      throw error
    }
  }
  let writing: Promise<void> = Promise.resolve()
  const writeInTurn = (isDue: (note: Note) => boolean): Promise<void> => {
    const next = () => write(isDue)
    writing = writing.then(next, next)
    return writing
  }
  const writeInBackground = (isDue: (note: Note) => boolean): Promise<void> =>
    writeInTurn(isDue).catch((error) => log.warn("security events could not be written", { cause: error }))
  const timer = setInterval(() => {
    const minute = minuteNow()
    void writeInBackground((note) => note.minute < minute)
  }, limits.notesFlushEveryMs)
  timer.unref?.()

  return {
    append,
    note(record) {
      const minute = minuteNow()
      if (budget.minute !== minute) budget = { minute, rows: 0 }
      const address = record.address === null ? null : networkOf(record.address)
      const own = { record: { ...record, address }, minute, count: 1, firstAt: record.at, lastAt: record.at }
      const id = JSON.stringify([minute, record.action, record.appId ?? null, address])
      if (!notes.has(id)) {
        if (budget.rows >= limits.notesPerMinuteMax || notes.size >= limits.notesPendingMax) {
          const { action, actor, at } = record
          // Without the minute: while the database is away these must not grow in number either.
          add(action, { ...own, record: { action, actor, at, address: null, target: { addresses: "others" } } })
          return
        }
        budget.rows += 1
      }
      add(id, own)
    },
    flush: () => writeInTurn(() => true),
    async close() {
      clearInterval(timer)
      await writeInBackground(() => true)
    },
  }
}

/**
 * Takes away the rows before the first one that is not older than `beforeMs`, and says so in the log. Rows go in steps,
 * each of which leaves a whole chain; when it is stopped in the middle, it can be called again. Answers where the chain
 * begins from now on; null when there was nothing to take away.
 */
export async function pruneAudit(
  db: Database,
  { beforeMs, actor, now }: { readonly beforeMs: number; readonly actor: string; readonly now: number },
): Promise<ChainPlace | null> {
  const through = await db.transact(async (tx): Promise<ChainPlace | null> => {
    const head = await lockHead(tx)
    const first = await selectFirstSince(tx, beforeMs)
    const place = first === undefined ? head : await placeOf(tx, first.seq - 1)
    if (place === null || place.seq <= head.base_seq) return null
    const before = new Date(beforeMs).toISOString()
    const target = { through_seq: place.seq, through_hash: place.hash, before }
    await append(tx, { action: prunedAction, actor, address: null, at: now, target })
    return { seq: place.seq, hash: place.hash }
  })
  for (let isDone = through === null; !isDone; ) {
    isDone = await db.transact(async (tx) => {
      const { base_seq } = await lockHead(tx)
      const step = await placeOf(tx, Math.min(through?.seq ?? 0, base_seq + limits.pruneBatchMax))
      if (step !== null) await deleteThrough(tx, step)
      return step === null || step.seq === through?.seq
    })
  }
  return through
}

async function placeOf(tx: Tx, seq: number): Promise<ChainPlace | null> {
  const row = await selectHash(tx, seq)
  return row === undefined ? null : { seq, hash: row.hash }
}
