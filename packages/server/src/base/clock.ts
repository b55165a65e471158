// Time is a parameter: whoever needs it takes a Clock, so that a test can move it.

export interface Clock {
  /** Milliseconds since 1970, as the world has it. It can jump in both directions: for timestamps and expiry only. */
  now(): number
  /** Milliseconds since some fixed moment of this process. Never goes back: for durations and time-outs. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Clock {
  /** Lets `ms` milliseconds pass. Throws RangeError when negative: time that passes never goes back. */
  advance(ms: number): void
  /** Sets the world's time (milliseconds since 1970) as an operator or NTP would; durations do not notice. */
  set(nowMs: number): void
}

/** A clock that shows `startMs` (milliseconds since 1970) until it is moved. */
export function manualClock(startMs: number): ManualClock {
  let nowMs = startMs
  let passedMs = 0
  return {
    now: () => nowMs,
    monotonic: () => passedMs,
    advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`time cannot pass by ${ms} ms`)
      nowMs += ms
      passedMs += ms
    },
    set(ms) {
      nowMs = ms
    },
  }
}
