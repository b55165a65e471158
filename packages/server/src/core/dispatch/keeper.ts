// The engine's rows, in the engine's words; and what keeps their number within bounds.

import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { DeliveryKeeper, HeldDelivery, LoggedAttempt } from "../../events/webhooks/engine.ts"
import type { Database } from "../../store/database.ts"
import { hookLimits } from "../webhooks/index.ts"
import { limits } from "./limits.ts"
import {
  buryPending,
  countDeliveries,
  type DeliveryState,
  deleteFinished,
  deleteOfHook,
  moveLeases,
  nextHookWithDeliveries,
  selectDueHooks,
  type TakenRow,
  takeDue,
  takeOrdered,
  writeEnds,
} from "./store.ts"

export function createKeeper(db: Database, nodeId: string): DeliveryKeeper {
  const idsOf = (held: readonly { readonly hookId: string; readonly eventId: number }[]) =>
    held.map(({ hookId, eventId }) => ({ hook_id: hookId, event_id: eventId }))
  return {
    async dueHooks(now) {
      const { hooks, sharedNow } = await selectDueHooks(db.read, now)
      return { hooks: hooks.map(({ id, app_id }) => ({ id, appId: app_id })), sharedNow }
    },
    async take(hookId, now, leaseMs, limit) {
      return (await takeDue(db, { hookId, nodeId, now, leaseMs, limit })).map(heldOf)
    },
    async takeOrdered(hookId, now, leaseMs, limit, afterStream) {
      const { rows, nextStream } = await takeOrdered(db, { hookId, nodeId, now, leaseMs, limit }, afterStream)
      return { held: rows.map(heldOf), nextStream }
    },
    write: (results, mayWait) =>
      writeEnds(
        db,
        nodeId,
        mayWait,
        results.map((result) => ({
          event_id: result.eventId,
          hook_id: result.hookId,
          state: result.state,
          attempts: result.attempts,
          due_at: result.dueAt,
          status: result.status,
          fault: result.fault,
          log: JSON.stringify(result.log),
          finished_at: result.finishedAt,
        })),
      ),
    renew: (held, until) => moveLeases(db, nodeId, idsOf(held), until, true),
    giveBack: (held, dueAt) => moveLeases(db, nodeId, idsOf(held), dueAt, false),
  }
}

const heldOf = (row: TakenRow): HeldDelivery => ({
  eventId: row.event_id,
  hookId: row.hook_id,
  appId: row.app_id,
  type: row.type,
  stream: row.stream,
  body: row.body,
  attempts: row.attempts,
  log: JSON.parse(row.log) as LoggedAttempt[],
})

/** How many rows went, and why. */
export interface Pruned {
  /** Waited for too long. */
  readonly expired: number
  /** Their hook had too many waiting. */
  readonly overflowed: number
  /** Were shown for long enough, were too many, or their hook is gone. */
  readonly deleted: number
}

/** Keeps the deliveries of all hooks within the bounds of hookLimits. `now` is in milliseconds. */
export async function prune(db: Database, now: number): Promise<Pruned> {
  let expired = 0
  let overflowed = 0
  let deleted = 0
  for (let hook = await nextHookWithDeliveries(db.read, ""); hook !== null; ) {
    const { id } = hook
    const drop = async (state: DeliveryState | null, oldest: number): Promise<void> => {
      deleted += await upTo(oldest, (rest) => deleteOfHook(db, id, state, { oldest: rest }))
    }
    if (!hook.exists) await drop(null, Number.MAX_SAFE_INTEGER)
    else {
      expired += await upTo(Number.MAX_SAFE_INTEGER, () =>
        buryPending(db, id, { createdBefore: now - hookLimits.pendingKeptMs }, "expired", now),
      )
      const over = async (state: DeliveryState, max: number): Promise<number> =>
        Math.max(0, (await countDeliveries(db.read, id, state)) - max)
      overflowed += await upTo(await over("pending", hookLimits.pendingPerHookMax), (rest) =>
        buryPending(db, id, { oldest: rest }, "backlog", now),
      )
      await drop("delivered", await over("delivered", hookLimits.deliveredPerHookMax))
      await drop("dead", await over("dead", hookLimits.deadPerHookMax))
    }
    hook = await nextHookWithDeliveries(db.read, id)
  }
  for (const [state, keptMs] of [
    ["delivered", hookLimits.deliveredKeptMs],
    ["dead", hookLimits.deadKeptMs],
  ] as const) {
    deleted += await upTo(Number.MAX_SAFE_INTEGER, () => deleteFinished(db, state, now - keptMs))
  }
  return { expired, overflowed, deleted }
}

/** Repeats a batch until it has done `total` rows or finds none. */
async function upTo(total: number, batch: (rest: number) => Promise<number>): Promise<number> {
  let done = 0
  while (done < total) {
    const rows = await batch(total - done)
    if (rows === 0) break
    done += rows
  }
  return done
}

export interface Pruner {
  close(): Promise<void>
}

/** Prunes now and then, until it is closed. */
export function createPruner(db: Database, clock: Clock, log: Logger): Pruner {
  let timer: ReturnType<typeof setTimeout> | null = null
  let running: Promise<void> = Promise.resolve()
  let stopped = false
  const schedule = (): void => {
    timer = setTimeout(() => {
      running = prune(db, clock.now())
        .then(({ expired, overflowed }) => {
          if (expired + overflowed > 0) log.warn("webhook deliveries became dead letters", { expired, overflowed })
        })
        .catch((error) => log.error("could not prune webhook deliveries", { cause: error }))
        .then(() => {
          if (!stopped) schedule()
        })
    }, limits.pruneEveryMs)
    timer.unref?.()
  }
  schedule()
  return {
    async close() {
      stopped = true
      if (timer !== null) clearTimeout(timer)
      await running
    },
  }
}
