// Refusals on their way to the database. Making one costs the caller who was refused a little and everybody else
// nothing: a buffer that is bounded as a whole and per app, written in batches. What does not fit is dropped and
// counted, because a flood of refusals must not fill memory or keep the database busy; this node remembers it for a while.

import type { Clock } from "../../base/clock.ts"
import { uuid } from "../../base/ids.ts"
import type { Logger } from "../../base/log.ts"
import { createLru } from "../../base/lru.ts"
import type { RecordRefusal } from "../../request/refusal.ts"
import type { Database } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { type Decision, decisionOf } from "./rules.ts"
import { type DecisionRow, insertDecisions, pruneApp, pruneOlder, selectCutOff } from "./store.ts"

export interface Decisions {
  readonly record: RecordRefusal
  /** A refusal that this node has made lately, written or not. */
  recent(id: string): Decision | undefined
  /** Refusals that were not written because too many came at once. */
  readonly droppedCount: number
  flush(): Promise<void>
  close(): Promise<void>
}

export interface DecisionsParts {
  readonly db: Database
  readonly clock: Clock
  readonly log: Logger
  /** The app of a key, if this node knows it now. */
  readonly appOf: (apiKey: string) => number | null
}

export function createDecisions({ db, clock, log, appOf }: DecisionsParts): Decisions {
  let pending: DecisionRow[] = []
  const pendingOf = new Map<number, number>()
  const recent = createLru<Decision>(limits.recentMax)
  /** Apps with rows since the last pruning. */
  const grown = new Set<number>()
  let droppedCount = 0
  let lastPruneMs = clock.now()
  let writing: Promise<void> = Promise.resolve()

  const record: RecordRefusal = (refusal) => {
    const id = uuid()
    try {
      const appId = refusal.caller?.appId ?? (refusal.apiKey === null ? null : appOf(refusal.apiKey))
      const waiting = pendingOf.get(appId ?? 0) ?? 0
      const decision = decisionOf(refusal, id, appId)
      recent.set(id, decision)
      if (pending.length >= limits.pendingMax || waiting >= limits.pendingPerAppMax) {
        droppedCount += 1
        return id
      }
      pendingOf.set(appId ?? 0, waiting + 1)
      pending.push({
        id,
        app_id: appId ?? 0,
        at: refusal.at,
        operation: decision.operation,
        code: decision.code,
        user_id: decision.caller.user_id ?? (decision.token?.proved === false ? decision.token.user_id : null),
        body: JSON.stringify(decision),
      })
    } catch (error) {
      // Whoever was refused gets their refusal whatever happens to the record of it.
      log.error("a refusal could not be recorded", { cause: error })
    }
    return id
  }

  const write = async (): Promise<void> => {
    const rows = pending
    if (rows.length === 0) return
    pending = []
    pendingOf.clear()
    for (const { app_id } of rows) grown.add(app_id)
    for (let at = 0; at < rows.length; at += limits.flushBatchMax) {
      await db.transact((tx) => insertDecisions(tx, rows.slice(at, at + limits.flushBatchMax)))
    }
  }

  const prune = async (): Promise<void> => {
    if (clock.now() - lastPruneMs < limits.pruneEveryMs) return
    lastPruneMs = clock.now()
    await db.transact((tx) => pruneOlder(tx, clock.now() - limits.keptMs, limits.pruneBatchMax))
    for (const appId of [...grown]) {
      const cutOff = await selectCutOff(db.read, appId, limits.keptPerAppMax)
      if (cutOff !== undefined) await db.transact((tx) => pruneApp(tx, appId, cutOff.at, limits.pruneBatchMax))
      grown.delete(appId)
    }
  }

  const flush = (): Promise<void> => {
    writing = writing.then(write, write)
    return writing
  }

  let timer: ReturnType<typeof setTimeout> | null = null
  const schedule = (): void => {
    timer = setTimeout(() => {
      void flush()
        .then(prune)
        .catch((error) => log.warn("refusals could not be written", { cause: error }))
        .finally(() => {
          if (timer !== null) schedule()
        })
    }, limits.flushEveryMs)
    timer.unref?.()
  }
  schedule()

  return {
    record,
    recent: (id) => recent.get(id),
    get droppedCount() {
      return droppedCount
    },
    flush,
    async close() {
      if (timer !== null) clearTimeout(timer)
      timer = null
      await flush().catch((error) => log.warn("refusals could not be written", { cause: error }))
    },
  }
}
