// Latencies in buckets that grow by about 4.4 % each, from 1 µs to more than an hour: a quantile is exact to that step.

const bucketsPerDoubling = 16
const doublings = 32

export interface Histogram {
  /** Adds one latency in microseconds. */
  record(latencyUs: number): void
  /** Upper edge in microseconds of the bucket that holds the quantile (0 to 1); 0 when nothing was recorded. */
  quantileUs(quantile: number): number
  readonly count: number
  clear(): void
}

export function createHistogram(): Histogram {
  const buckets = new Uint32Array(bucketsPerDoubling * doublings)
  let count = 0
  return {
    record(latencyUs) {
      const index =
        latencyUs <= 1 ? 0 : Math.min(buckets.length - 1, Math.floor(Math.log2(latencyUs) * bucketsPerDoubling))
      buckets[index] = (buckets[index] ?? 0) + 1
      count += 1
    },
    quantileUs(quantile) {
      if (count === 0) return 0
      const wanted = Math.max(1, Math.ceil(count * quantile))
      let seen = 0
      for (let index = 0; index < buckets.length; index++) {
        seen += buckets[index] ?? 0
        if (seen >= wanted) return 2 ** ((index + 1) / bucketsPerDoubling)
      }
      return 2 ** doublings
    },
    get count() {
      return count
    },
    clear() {
      buckets.fill(0)
      count = 0
    },
  }
}

export interface Latency {
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
}

export const latencyOf = (histogram: Histogram): Latency => ({
  p50Us: Math.round(histogram.quantileUs(0.5)),
  p99Us: Math.round(histogram.quantileUs(0.99)),
  p999Us: Math.round(histogram.quantileUs(0.999)),
})
