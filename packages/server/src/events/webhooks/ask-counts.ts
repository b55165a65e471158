// What this node has asked of backends since it began, for metrics.

import { createDurations, type Durations } from "./durations.ts"

export interface AskCounts {
  /** Questions by purpose and by how they ended: the kind of the answer (`rewritten`, …), or the fault. */
  readonly questions: readonly {
    readonly purpose: string
    readonly result: "answer" | "failed"
    readonly outcome: string
    readonly total: number
  }[]
  /** From the question to the answer or its failure. */
  readonly durations: Durations
}

/** Purposes and outcomes are words of our own, so there are few of them. */
const seriesMax = 200

export function createAskCounts() {
  const questions = new Map<string, { purpose: string; result: "answer" | "failed"; outcome: string; total: number }>()
  const durations = createDurations()
  return {
    asked(purpose: string, outcome: string, result: "answer" | "failed", durationMs: number): void {
      const key = `${purpose} ${result} ${outcome}`
      const known = questions.get(key)
      if (known !== undefined) known.total++
      else if (questions.size < seriesMax) questions.set(key, { purpose, result, outcome, total: 1 })
      durations.took(durationMs)
    },
    read: (): AskCounts => ({
      questions: [...questions.values()].map((series) => ({ ...series })),
      durations: durations.read(),
    }),
  }
}
