// How long things took, as a histogram that is cheap enough to count every attempt.

/** Upper bounds of its buckets, in seconds. */
export const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const

export interface Durations {
  /** Those that took at most each of durationBounds, not added up; the last is for longer ones. */
  readonly buckets: readonly number[]
  readonly sumSeconds: number
  readonly count: number
}

export function createDurations() {
  const buckets = new Array<number>(durationBounds.length + 1).fill(0)
  let sumSeconds = 0
  let count = 0
  return {
    took(durationMs: number): void {
      const seconds = durationMs / 1_000
      const at = durationBounds.findIndex((bound) => seconds <= bound)
      const index = at < 0 ? durationBounds.length : at
      buckets[index] = (buckets[index] as number) + 1
      sumSeconds += seconds
      count++
    },
    read: (): Durations => ({ buckets: [...buckets], sumSeconds, count }),
  }
}
