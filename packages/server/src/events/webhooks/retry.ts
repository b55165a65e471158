// When a delivery that failed is tried again: pure. The pauses grow over three days, so that a receiver that breaks on
// Friday evening has lost nothing on Monday; after the last one the delivery is a dead letter until somebody replays it.

import { limits } from "./limits.ts"

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/** The pause after each attempt, in milliseconds, before chance is added. */
export const retryPausesMs: readonly number[] = [
  5 * second,
  30 * second,
  2 * minute,
  10 * minute,
  30 * minute,
  hour,
  2 * hour,
  4 * hour,
  8 * hour,
  12 * hour,
  22 * hour,
  24 * hour,
]

/** Attempts of one delivery: one more than there are pauses. */
export const attemptsMax = retryPausesMs.length + 1

/**
 * Milliseconds until the attempt after `attempts` failed ones; null when there is none any more. A fifth of the pause
 * more or less is left to chance (`random` in [0, 1)), so that what failed together does not come back together. A
 * receiver that asked for a longer pause (`retryAfterMs`, from `Retry-After`) gets it, up to limits.retryAfterMsMax,
 * and none of it is taken off by chance.
 */
export function retryPauseMs(attempts: number, retryAfterMs: number | null, random: number): number | null {
  const pause = retryPausesMs[attempts - 1]
  if (pause === undefined) return null
  const asked = Math.min(Math.max(retryAfterMs ?? 0, 0), limits.retryAfterMsMax)
  const own = pause * (1 + (random - 0.5) * 2 * jitter)
  return Math.round(own > asked ? own : asked + pause * jitter * random)
}

const jitter = 0.2
