// How often something may happen. The last word against loops: whatever else goes wrong, it goes wrong at a bounded rate.

import type { Timers } from "./timers.ts"

export interface Budget {
  /** Takes one; false when the window is used up. */
  take(): boolean
}

/** At most `max` within any `windowMs`. */
export function createBudget(timers: Timers, max: number, windowMs: number): Budget {
  let takenAtMs: number[] = []
  return {
    take() {
      const nowMs = timers.now()
      // A clock that was set back would otherwise hold the future against the present.
      takenAtMs = takenAtMs.filter((atMs) => atMs <= nowMs && nowMs - atMs < windowMs)
      if (takenAtMs.length >= max) return false
      takenAtMs.push(nowMs)
      return true
    },
  }
}
