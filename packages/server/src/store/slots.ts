// A bound on what runs at once, with a queue that is bounded as well.

import { internalError } from "./transaction.ts"

export interface Slots {
  /** Waits for a slot, first come first served. Throws ApiError internal when too many wait or the wait is too long. */
  take(): Promise<void>
  give(): void
  /** Resolves when no slot is taken. */
  empty(): Promise<void>
}

export interface SlotBounds {
  readonly slots: number
  readonly waitingMax: number
  readonly waitMs: number
}

interface Waiter {
  readonly go: () => void
  readonly timer: ReturnType<typeof setTimeout>
}

/** Counts the transactions that have a connection. */
export function createSlots({ slots, waitingMax, waitMs }: SlotBounds): Slots {
  const waiting = new Set<Waiter>()
  const whenEmpty: (() => void)[] = []
  let taken = 0
  return {
    async take() {
      if (taken < slots) {
        taken++
        return
      }
      if (waiting.size >= waitingMax) throw internalError(`${waiting.size} transactions wait already`)
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(waiter)
          reject(internalError(`no connection to the database was free for ${waitMs} ms`))
        }, waitMs)
        const waiter: Waiter = { go: resolve, timer }
        waiting.add(waiter)
      })
    },
    give() {
      const [next] = waiting
      if (next !== undefined) {
        // The slot passes from one to the other.
        waiting.delete(next)
        clearTimeout(next.timer)
        next.go()
        return
      }
      taken--
      if (taken === 0) for (const run of whenEmpty.splice(0)) run()
    },
    async empty() {
      if (taken > 0) await new Promise<void>((resolve) => whenEmpty.push(resolve))
    },
  }
}
