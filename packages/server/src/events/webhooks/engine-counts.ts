// What this node has sent since it began, for metrics: cheap enough to count on every attempt.

import type { AttemptOutcome, HookKind } from "./hook.ts"

/** Upper bounds of the duration histogram, in seconds. */
export const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const

export interface EngineCounts {
  /** Attempts by kind of target, result and fault (`delivered`, `timeout`, `status`, …). */
  readonly attempts: readonly {
    readonly kind: HookKind
    readonly result: AttemptOutcome["result"]
    readonly fault: string
    readonly total: number
  }[]
  readonly durations: {
    /** Attempts that took at most each of durationBounds, not added up. */
    readonly buckets: readonly number[]
    readonly sumSeconds: number
    readonly count: number
  }
}

/** Faults are words of our own, so there are few of them. */
const seriesMax = 500

export function createEngineCounts() {
  const attempts = new Map<string, { kind: HookKind; result: AttemptOutcome["result"]; fault: string; total: number }>()
  const buckets = new Array<number>(durationBounds.length + 1).fill(0)
  let sumSeconds = 0
  let count = 0
  return {
    attempted(kind: HookKind, { result, fault, durationMs }: AttemptOutcome): void {
      const key = `${kind} ${result} ${fault}`
      const known = attempts.get(key)
      if (known !== undefined) known.total++
      else if (attempts.size < seriesMax) attempts.set(key, { kind, result, fault: fault ?? "", total: 1 })
      const seconds = durationMs / 1_000
      const at = durationBounds.findIndex((bound) => seconds <= bound)
      const index = at < 0 ? durationBounds.length : at
      buckets[index] = (buckets[index] as number) + 1
      sumSeconds += seconds
      count++
    },
    read: (): EngineCounts => ({
      attempts: [...attempts.values()].map((series) => ({ ...series })),
      durations: { buckets: [...buckets], sumSeconds, count },
    }),
  }
}
