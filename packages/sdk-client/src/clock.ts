// What time it is for the server. A device's own clock may be minutes off, and then it is no judge of a token's end; so
// the server's time is learned from its answers (header `Date`) and from its first frame (`created_at`).

import { limits } from "./limits.ts"
import type { Timers } from "./timers.ts"

export interface ServerClock {
  /** The server's time as well as it is known, milliseconds since 1970; the device's own until something was learned. */
  now(): number
  /** False until the server has told its time. */
  readonly isKnown: boolean
  /** Local time minus server time in milliseconds; positive when the device runs ahead. */
  readonly skewMs: number
  /**
   * The server said `serverMs` (exact to `resolutionMs`) between the local time `sinceMs` and now. An answer that was
   * under way too long, for instance while the machine slept, tells too little and is passed over.
   */
  learn(serverMs: number, resolutionMs: number, sinceMs: number): void
}

/** `onChange` is called when the estimate was wrong and has been set anew. */
export function createServerClock(timers: Timers, onChange: (skewMs: number) => void): ServerClock {
  let skewMs = 0
  let isKnown = false

  return {
    now: () => timers.now() - skewMs,
    get isKnown() {
      return isKnown
    },
    get skewMs() {
      return skewMs
    },
    learn(serverMs, resolutionMs, sinceMs) {
      const nowMs = timers.now()
      if (!Number.isFinite(serverMs) || nowMs < sinceMs || nowMs - sinceMs > limits.clockRoundTripMaxMs) return
      isKnown = true
      const leastMs = sinceMs - serverMs - resolutionMs
      const mostMs = nowMs - serverMs
      if (skewMs >= leastMs - limits.clockToleranceMs && skewMs <= mostMs + limits.clockToleranceMs) return
      skewMs = Math.round((leastMs + mostMs) / 2)
      onChange(skewMs)
    },
  }
}
