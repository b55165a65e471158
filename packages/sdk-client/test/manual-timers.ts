// A clock that tests move by hand.

import type { Timers } from "../src/timers.ts"

export interface ManualTimers extends Timers {
  /** Moves the clock, running what falls due in order, and lets promises settle in between. */
  advance(byMs: number): Promise<void>
  /** Delays that were asked for and are still to come, in the order they were set. */
  pendingDelaysMs(): number[]
  /** Every delay ever asked for. */
  readonly askedMs: number[]
  /** What random() returns. */
  chance: number
}

export function manualTimers(startMs = Date.now()): ManualTimers {
  let nowMs = startMs
  let nextHandle = 0
  const pending = new Map<number, { atMs: number; delayMs: number; run: () => void }>()
  const askedMs: number[] = []

  return {
    chance: 0.5,
    askedMs,
    now: () => nowMs,
    random() {
      return this.chance
    },
    setTimeout(run, delayMs) {
      nextHandle += 1
      askedMs.push(delayMs)
      pending.set(nextHandle, { atMs: nowMs + delayMs, delayMs, run })
      return nextHandle
    },
    clearTimeout: (handle) => {
      pending.delete(handle as number)
    },
    pendingDelaysMs: () => [...pending.values()].map(({ delayMs }) => delayMs),
    async advance(byMs) {
      const untilMs = nowMs + byMs
      for (;;) {
        await settle()
        const due = [...pending].filter(([, timer]) => timer.atMs <= untilMs).sort(([, a], [, b]) => a.atMs - b.atMs)[0]
        if (due === undefined) break
        pending.delete(due[0])
        nowMs = Math.max(nowMs, due[1].atMs)
        due[1].run()
      }
      nowMs = untilMs
      await settle()
    },
  }
}

/** Lets promises and a turn of input and output happen. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits, in real time, for something that real sockets bring about. */
export async function until(what: string, holds: () => boolean, withinMs = 3000): Promise<void> {
  const deadlineMs = Date.now() + withinMs
  while (!holds()) {
    if (Date.now() > deadlineMs) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
