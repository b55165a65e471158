// Whether a receiver is sent to as usual or, while it fails, by one probe at a time after pauses that grow (a circuit
// breaker). Pure but for its own state; times are of the clock that deliveries are dated with, in milliseconds.

import type { AttemptOutcome } from "./hook.ts"
import { limits } from "./limits.ts"

export interface Circuit {
  /** When the receiver began to fail; null while the circuit is closed. */
  readonly failingSinceMs: number | null
  /** Whether the pause before the next probe is over; the caller sees to it that there is one at a time. */
  mayProbe(nowMs: number): boolean
  /** What an attempt that began at `startedMs` says of the receiver, and the change that it makes; null when none. */
  heard(result: AttemptOutcome["result"], startedMs: number, nowMs: number): "opened" | "closed" | null
  /** Closes it: what has failed so far says nothing any more. */
  reset(): void
}

export function createCircuit(): Circuit {
  let failures = 0
  let failingSinceMs: number | null = null
  let probeAtMs = 0
  let probePauseMs: number = limits.probePauseMsMin

  const reset = (): void => {
    failures = 0
    failingSinceMs = null
    probePauseMs = limits.probePauseMsMin
  }
  return {
    get failingSinceMs() {
      return failingSinceMs
    },
    mayProbe: (nowMs) => nowMs >= probeAtMs,
    heard(result, startedMs, nowMs) {
      if (result === "delivered") {
        const wasFailing = failingSinceMs !== null
        reset()
        return wasFailing ? "closed" : null
      }
      // A refused delivery says nothing of its receiver.
      if (result === "refused") return null
      if (failingSinceMs !== null) {
        // Those that were on their way when it began to fail are no probes.
        if (startedMs > failingSinceMs) {
          probePauseMs = Math.min(probePauseMs * 2, limits.probePauseMsMax)
          probeAtMs = nowMs + probePauseMs
        }
        return null
      }
      failures++
      if (failures < limits.failuresUntilOpen) return null
      failingSinceMs = nowMs
      probeAtMs = nowMs + probePauseMs
      return "opened"
    },
    reset,
  }
}
