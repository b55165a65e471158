// Waiting, for commands that go on until somebody stops them.

import type { Context } from "./command.ts"

/** Aborts when the command is to end; never, where nobody can stop it. */
export const stopSignal = (context: Context): AbortSignal => context.interrupted?.() ?? new AbortController().signal

/** Waits, but not beyond the signal. Whether it was aborted. */
export async function waitMs(ms: number, stop: AbortSignal | null): Promise<boolean> {
  if (stop?.aborted) return true
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      stop?.removeEventListener("abort", end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    stop?.addEventListener("abort", end)
  })
  return stop?.aborted ?? false
}
