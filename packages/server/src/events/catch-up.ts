// What a node missed while the bus was away or had lost something. Every event is still in the outbox, so the node reads
// what was written since it last heard everything and tells its own sockets what they have not been told: a message,
// and as well that somebody was shut out. Such news is late, and may come after younger news of the same stream.

import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Database } from "../store/database.ts"
import { selectEvents, selectIdsSince } from "../store/outbox.ts"
import type { Bus } from "./bus/bus.ts"
import type { Delivery } from "./event.ts"
import { limits } from "./limits.ts"

export interface CatchUp {
  /** Whether this node is told of the event for the first time, as far as it remembers; it remembers from now on. */
  isNew(eventId: number): boolean
  /** Looks for missed events if there can be any. To be called every now and then; after a failure it tries again. */
  run(): Promise<void>
}

export interface CatchUpParts {
  readonly db: Pick<Database, "read">
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Logger
  /** Tells this node's sockets. */
  readonly deliver: (appId: number, deliveries: readonly Delivery[]) => void
  /** Too much was missed: this node's sockets have to start anew. */
  readonly sendAway: () => void
  /** Events that one look goes through; limits.catchUpEventsMax when absent. */
  readonly eventsMax?: number
}

export function createCatchUp(parts: CatchUpParts): CatchUp {
  const { db, bus, clock, log, deliver, sendAway, eventsMax = limits.catchUpEventsMax } = parts
  const told = createMemory(limits.eventsRememberedMax)
  /** Wall clock in milliseconds: nothing that was written before can be missing. */
  let sinceMs = clock.now() - limits.catchUpLookBackMs
  /** Monotonic milliseconds of the last gap; null when it is dealt with. */
  let gapAtMs: number | null = null
  bus.onGap(() => {
    gapAtMs = clock.monotonic()
  })

  const tellMissed = async (): Promise<void> => {
    const startedAtMs = clock.now()
    const ids = await selectIdsSince(db.read, sinceMs, eventsMax + 1)
    if (ids.length > eventsMax) {
      log.warn("more events may have been missed than can be told late; all sockets have to connect again", {
        events_max: eventsMax,
      })
      for (const id of ids) told.add(id)
      sinceMs = startedAtMs
      sendAway()
      return
    }
    const missed = ids.filter((id) => !told.has(id))
    for (let start = 0; start < missed.length; start += limits.catchUpBatchMax) {
      for (const event of await selectEvents(db.read, missed.slice(start, start + limits.catchUpBatchMax))) {
        // The bus may have brought it while it was read.
        if (told.add(event.id)) deliver(event.appId, event.deliveries as readonly Delivery[])
      }
    }
    if (missed.length > 0) log.info("told events that the bus had not brought", { events: missed.length })
  }

  return {
    isNew: told.add,
    async run() {
      if (!bus.connected) return
      const startedAtMs = clock.now()
      const handledGapAtMs = gapAtMs
      if (handledGapAtMs !== null) {
        // Nodes come back to the bus one after the other; what one of them says meanwhile may reach nobody, and is
        // found by looking again until all of them must be there.
        const isSettled = clock.monotonic() - handledGapAtMs > limits.catchUpSettleMs
        await tellMissed()
        if (!isSettled || gapAtMs !== handledGapAtMs) return
        gapAtMs = null
      }
      sinceMs = startedAtMs - limits.catchUpLookBackMs
    },
  }
}

/** Numbers that were added lately, at least the last `max / 2`. */
function createMemory(max: number) {
  let older = new Set<number>()
  let newer = new Set<number>()
  const has = (id: number): boolean => newer.has(id) || older.has(id)
  return {
    has,
    /** Whether it was not there before. */
    add(id: number): boolean {
      if (has(id)) return false
      if (newer.size >= max / 2) {
        older = newer
        newer = new Set()
      }
      newer.add(id)
      return true
    },
  }
}
