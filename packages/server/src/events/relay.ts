// Between the commit and the world. Committed events go to the sockets of this node at once and over the bus to the
// others; the outbox row is then marked, in batches. Rows that stay unmarked belong to a node that died in between:
// any node takes them over. What the bus loses is found again in the outbox (catch-up.ts). So an event is told at least
// once, and twice only by a node that does not remember the first time.

import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Database, StoredEvent } from "../store/database.ts"
import { markRelayed, prune, takeStale } from "../store/outbox.ts"
import type { Bus } from "./bus/bus.ts"
import { createCatchUp } from "./catch-up.ts"
import type { Delivery } from "./event.ts"
import { limits } from "./limits.ts"

/** Hears of every event on every node, this one first. */
export type Deliver = (appId: number, deliveries: readonly Delivery[]) => void

export interface Relay {
  /** Tells the world something that is not worth a row: typing, presence. Lost when a node dies. */
  tell(appId: number, deliveries: readonly Delivery[]): void
  /** Marks what is still unmarked and stops. */
  close(): Promise<void>
}

export interface RelayParts {
  readonly db: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Logger
  readonly deliver: Deliver
  /** Sends all sockets of this node away with «come back»: more was missed than can be told. */
  readonly sendAway: () => void
}

/** As it travels on the bus; `id` only when it has a row. */
interface Told {
  readonly id?: number
  readonly appId: number
  readonly deliveries: readonly Delivery[]
}

export function createRelay({ db, bus, clock, log, deliver, sendAway }: RelayParts): Relay {
  const unmarked: number[] = []
  let lastPruneMs = clock.now()
  // Alone, a node can neither miss an event nor be told of one twice.
  const catchUp = bus.shared ? createCatchUp({ db, bus, clock, log, deliver, sendAway }) : null

  const tellHere = ({ id, appId, deliveries }: Told): void => {
    if (id === undefined || catchUp === null || catchUp.isNew(id)) deliver(appId, deliveries)
  }
  const tell = (told: Told): void => {
    tellHere(told)
    if (bus.shared) bus.publish("event", JSON.stringify(told))
  }
  const tellStored = (events: readonly StoredEvent[]): void => {
    for (const event of events) {
      unmarked.push(event.id)
      // One event that cannot be told must not silence those behind it.
      try {
        tell({ id: event.id, appId: event.appId, deliveries: event.deliveries as readonly Delivery[] })
      } catch (error) {
        log.error("an event could not be told", { type: event.type, cause: error })
      }
    }
  }

  db.onCommitted(tellStored)
  const stopHearing = bus.subscribe("event", (payload, fromNode) => {
    if (fromNode !== bus.nodeId) tellHere(JSON.parse(payload) as Told)
  })

  const mark = async (): Promise<void> => {
    let marked: number
    do {
      const ids = unmarked.slice(0, limits.outboxMarkBatchMax)
      if (ids.length === 0) return
      await markRelayed(db, ids, clock.now())
      unmarked.splice(0, ids.length)
      marked = ids.length
      // What came meanwhile waits for the next time: chasing it would mean one mark for every commit.
    } while (marked === limits.outboxMarkBatchMax)
  }
  const takeOver = async (): Promise<void> => {
    const olderThanMs = clock.now() - limits.outboxStaleAfterMs
    const stale = await takeStale(db, { olderThanMs, nodeId: bus.nodeId, limit: limits.outboxMarkBatchMax })
    if (stale.length > 0) log.info("relaying events of a node that went away", { events: stale.length })
    tellStored(stale)
  }
  const pruneOld = async (): Promise<void> => {
    if (clock.now() - lastPruneMs < limits.outboxPruneEveryMs) return
    lastPruneMs = clock.now()
    await prune(db, clock.now() - limits.outboxKeptMs)
  }

  const repeat = repeatedly(log, limits.outboxMarkEveryMs, mark)
  const repeatStale = repeatedly(log, limits.outboxStaleEveryMs, async () => {
    await takeOver()
    await pruneOld()
  })
  const repeatCatchUp = catchUp === null ? null : repeatedly(log, limits.catchUpEveryMs, catchUp.run)
  return {
    tell: (appId, deliveries) => tell({ appId, deliveries }),
    async close() {
      stopHearing()
      await Promise.all([repeat.stop(), repeatStale.stop(), repeatCatchUp?.stop()])
      while (unmarked.length > 0) await mark()
    },
  }
}

/** Runs `work` again and again with a pause between the runs; a failure is logged and the next run comes as usual. */
function repeatedly(log: Logger, everyMs: number, work: () => Promise<void>): { stop(): Promise<void> } {
  let running: Promise<void> = Promise.resolve()
  let stopped = false
  let timer: ReturnType<typeof setTimeout>
  const schedule = (): void => {
    timer = setTimeout(() => {
      running = work()
        .catch((error) => log.error("relay failed", { cause: error }))
        .then(() => {
          if (!stopped) schedule()
        })
    }, everyMs)
    timer.unref?.()
  }
  schedule()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}
