// What this node has asked of backends since it began, for metrics.

import { durationBounds } from "./engine-counts.ts"

export interface AskCounts {
  /** Questions by purpose and by how they ended: the kind of the answer (`rewritten`, …), or the fault. */
  readonly questions: readonly {
    readonly purpose: string
    readonly result: "answer" | "failed"
    readonly outcome: string
    readonly total: number
  }[]
  /** From the question to the answer or its failure. */
  readonly durations: {
    /** Questions that took at most each of durationBounds, not added up; the last is for longer ones. */
    readonly buckets: readonly number[]
    readonly sumSeconds: number
    readonly count: number
  }
}

/** Purposes and outcomes are words of our own, so there are few of them. */
const seriesMax = 200

export function createAskCounts() {
  const questions = new Map<string, { purpose: string; result: "answer" | "failed"; outcome: string; total: number }>()
  const buckets = new Array<number>(durationBounds.length + 1).fill(0)
  let sumSeconds = 0
  let count = 0
  return {
    asked(purpose: string, outcome: string, result: "answer" | "failed", durationMs: number): void {
      const key = `${purpose} ${result} ${outcome}`
      const known = questions.get(key)
      if (known !== undefined) known.total++
      else if (questions.size < seriesMax) questions.set(key, { purpose, result, outcome, total: 1 })
      const seconds = durationMs / 1_000
      const at = durationBounds.findIndex((bound) => seconds <= bound)
      const index = at < 0 ? durationBounds.length : at
      buckets[index] = (buckets[index] as number) + 1
      sumSeconds += seconds
      count++
    },
    read: (): AskCounts => ({
      questions: [...questions.values()].map((series) => ({ ...series })),
      durations: { buckets: [...buckets], sumSeconds, count },
    }),
  }
}
