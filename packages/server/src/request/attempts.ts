// Attempts to guess something, counted by who is attacked and from where. Beside the doors of rate-limit-doors.ts, which
// count for a minute: a password is guessed slowly, so these windows are longer. An attempt counts before it is looked
// at, so that many at once are not all let through, and is given back when it was right.

import type { Clock } from "../base/clock.ts"

export interface Attempts {
  /** Milliseconds until the next attempt may be looked at; 0: now. */
  leftMs(who: string): number
  /** Counts one attempt. */
  take(who: string): void
  /** The last attempt was right: it does not count. */
  giveBack(who: string): void
  /** As if there had been none. */
  forget(who: string): void
}

export interface AttemptsOptions {
  readonly attemptsMax: number
  readonly windowMs: number
  readonly clock: Clock
}

/**
 * Counts in a fixed number of buckets, drawn with a seed of this process that nobody outside can know, so that ever new
 * names fill no memory and nobody can choose to share somebody's bucket.
 */
export function createAttempts({ attemptsMax, windowMs, clock }: AttemptsOptions): Attempts {
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1))
  const counts = new Uint32Array(bucketsMax)
  const endsAtMs = new Float64Array(bucketsMax)
  const bucketOf = (who: string): number => Bun.hash.xxHash32(who, seed) % bucketsMax
  return {
    leftMs(who) {
      const bucket = bucketOf(who)
      const left = (endsAtMs[bucket] as number) - clock.monotonic()
      return left > 0 && (counts[bucket] as number) >= attemptsMax ? left : 0
    },
    take(who) {
      const bucket = bucketOf(who)
      const nowMs = clock.monotonic()
      if ((endsAtMs[bucket] as number) <= nowMs) {
        counts[bucket] = 0
        endsAtMs[bucket] = nowMs + windowMs
      }
      counts[bucket] = (counts[bucket] as number) + 1
    },
    giveBack(who) {
      const bucket = bucketOf(who)
      if ((counts[bucket] as number) > 0) counts[bucket] = (counts[bucket] as number) - 1
    },
    forget(who) {
      counts[bucketOf(who)] = 0
    },
  }
}

const bucketsMax = 16_384
