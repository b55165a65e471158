// Time and chance as one parameter, so that tests move the clock by hand.

export type TimerHandle = unknown

export interface Timers {
  /** Milliseconds since 1970. */
  now(): number
  setTimeout(run: () => void, delayMs: number): TimerHandle
  clearTimeout(handle: TimerHandle): void
  /** A number in [0, 1). */
  random(): number
}

export const systemTimers: Timers = {
  now: () => Date.now(),
  setTimeout: (run, delayMs) => setTimeout(run, delayMs),
  clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
  random: () => Math.random(),
}

/** Resolves after `delayMs`. */
export const sleep = (timers: Timers, delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    timers.setTimeout(resolve, delayMs)
  })

/** The promise's outcome, or a rejection with `onTimeout()` once `timeoutMs` have passed. */
export function withTimeout<T>(
  promise: Promise<T>,
  timers: Timers,
  timeoutMs: number,
  onTimeout: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const handle = timers.setTimeout(() => reject(onTimeout()), timeoutMs)
    promise.then(resolve, reject).finally(() => timers.clearTimeout(handle))
  })
}

/** Full jitter: a random wait in [0, min(maxMs, baseMs * 2^failures)]. `failures` counts from 0. */
export const backoffMs = (failures: number, baseMs: number, maxMs: number, random: number): number =>
  Math.floor(random * Math.min(maxMs, baseMs * 2 ** Math.min(failures, 30)))
