// Work that costs much memory or time goes in turns: so much of it at once, so much may wait, and the rest is refused
// at once instead of being piled up.

export interface Turns {
  /** Runs `work` when it is its turn. Null, without running it, when too many wait already. */
  take<T>(work: () => Promise<T>): Promise<T | null>
}

/** At most `atOnceMax` run at a time and `waitingMax` wait. */
export function createTurns(atOnceMax: number, waitingMax: number): Turns {
  const waiting: (() => void)[] = []
  let running = 0
  return {
    async take(work) {
      if (running >= atOnceMax) {
        if (waiting.length >= waitingMax) return null
        // Whoever ends hands its turn over, so the number of those who run stays the same.
        await new Promise<void>((resolve) => waiting.push(resolve))
      } else {
        running += 1
      }
      try {
        return await work()
      } finally {
        const next = waiting.shift()
        if (next === undefined) running -= 1
        else next()
      }
    },
  }
}
