// Security events that strangers cause, such as failed logins of operators. They wait here and are written together,
// repeated ones as one row with a count, so that a flood fills neither memory nor the log.

import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { AuditRecord } from "../../request/http.ts"
import type { Database, Tx } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { nextRow } from "./rules.ts"
import { appendRow, lockHead } from "./store.ts"

export interface Audit {
  /** Appends in the transaction of the change. */
  append(tx: Tx, record: AuditRecord): Promise<void>
  /** Notes a stranger's doing, to be written soon. Never throws. */
  note(record: AuditRecord): void
  flush(): Promise<void>
  close(): Promise<void>
}

export async function append(tx: Tx, record: AuditRecord): Promise<void> {
  await appendRow(tx, nextRow(await lockHead(tx), record))
}

export function createAudit({ db, clock, log }: { db: Database; clock: Clock; log: Logger }): Audit {
  const notes = new Map<string, { record: AuditRecord; count: number; lastAt: number }>()

  const write = async (): Promise<void> => {
    const waiting = [...notes.values()]
    notes.clear()
    if (waiting.length === 0) return
    await db.transact(async (tx) => {
      for (const { record, count, lastAt } of waiting) {
        await append(tx, { ...record, after: { ...record.after, count, last_at: new Date(lastAt).toISOString() } })
      }
    })
  }
  let writing: Promise<void> = Promise.resolve()
  const flush = (): Promise<void> => {
    writing = writing.then(write, write)
    return writing
  }
  const timer = setInterval(() => {
    flush().catch((error) => log.warn("security events could not be written", { cause: error }))
  }, limits.notesFlushEveryMs)
  timer.unref?.()

  return {
    append,
    note(record) {
      const id = JSON.stringify([record.action, record.appId ?? null, record.address, record.actor])
      const known = notes.get(id)
      if (known !== undefined) {
        known.count += 1
        known.lastAt = clock.now()
      } else if (notes.size < limits.notesPendingMax) notes.set(id, { record, count: 1, lastAt: record.at })
    },
    flush,
    async close() {
      clearInterval(timer)
      await flush().catch((error) => log.warn("security events could not be written", { cause: error }))
    },
  }
}
