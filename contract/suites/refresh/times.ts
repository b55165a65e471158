// The time of a device, as tests bend it: a wrong clock, waits that pass faster, a machine that sleeps.

/** What a client takes as its clock, its timers and its chance. */
export interface DeviceTime {
  now(): number
  setTimeout(run: () => void, delayMs: number): unknown
  clearTimeout(handle: unknown): void
  random(): number
}

export interface BentTime extends DeviceTime {
  /** Timers stand still, as those of a machine that sleeps do, while the world goes on. */
  sleep(): void
  /** What fell due meanwhile fires late, all at once. */
  wake(): void
}

/** `skewMs`: the device's clock is ahead by so much. `haste`: each wait takes this part of its time. */
export function bentTime({ skewMs = 0, haste = 1 }: { skewMs?: number; haste?: number } = {}): BentTime {
  interface Pending {
    readonly run: () => void
    readonly dueMs: number
    timer: ReturnType<typeof setTimeout> | null
  }
  const pending = new Map<number, Pending>()
  let handles = 0
  let isAsleep = false

  const arm = (handle: number, entry: Pending): void => {
    const fire = () => {
      pending.delete(handle)
      entry.run()
    }
    entry.timer = setTimeout(fire, Math.min(Math.max(0, entry.dueMs - performance.now()), 2_147_483_647))
  }

  return {
    now: () => Date.now() + skewMs,
    random: () => 0.3,
    setTimeout(run, delayMs) {
      handles += 1
      const entry: Pending = { run, dueMs: performance.now() + delayMs * haste, timer: null }
      pending.set(handles, entry)
      if (!isAsleep) arm(handles, entry)
      return handles
    },
    clearTimeout(handle) {
      const entry = pending.get(handle as number)
      if (entry?.timer) clearTimeout(entry.timer)
      pending.delete(handle as number)
    },
    sleep() {
      isAsleep = true
      for (const { timer } of pending.values()) if (timer !== null) clearTimeout(timer)
    },
    wake() {
      isAsleep = false
      for (const [handle, entry] of pending) arm(handle, entry)
    },
  }
}
