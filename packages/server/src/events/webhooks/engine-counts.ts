// What this node has sent since it began, for metrics: cheap enough to count on every attempt.

import { createDurations, type Durations } from "./durations.ts"
import type { AttemptOutcome, HookKind } from "./hook.ts"

export interface EngineCounts {
  /** Attempts by kind of target, result and fault (`delivered`, `timeout`, `status`, …). */
  readonly attempts: readonly {
    readonly kind: HookKind
    readonly result: AttemptOutcome["result"]
    readonly fault: string
    readonly total: number
  }[]
  readonly durations: Durations
}

/** Faults are words of our own, so there are few of them. */
const seriesMax = 500

export function createEngineCounts() {
  const attempts = new Map<string, { kind: HookKind; result: AttemptOutcome["result"]; fault: string; total: number }>()
  const durations = createDurations()
  return {
    attempted(kind: HookKind, { result, fault, durationMs }: AttemptOutcome): void {
      const key = `${kind} ${result} ${fault}`
      const known = attempts.get(key)
      if (known !== undefined) known.total++
      else if (attempts.size < seriesMax) attempts.set(key, { kind, result, fault: fault ?? "", total: 1 })
      durations.took(durationMs)
    },
    read: (): EngineCounts => ({
      attempts: [...attempts.values()].map((series) => ({ ...series })),
      durations: durations.read(),
    }),
  }
}
