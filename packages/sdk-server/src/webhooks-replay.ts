// What was delivered already. An id is remembered for as long as its signed time would be accepted, so that the end of
// the memory is the end of the tolerance and nothing fits in between.

import { limits } from "./limits.ts"
import type { MaybePromise } from "./maybe-promise.ts"
import { WeirWebhookError } from "./webhooks-error.ts"

/** `new`: take it. `handling`: somebody took it and has not confirmed it. `handled`: it is done. */
export type ReplayState = "new" | "handling" | "handled"

/**
 * A memory of ids. Processes that share a hook share one, such as a Redis: `claim` is SET with NX and PXAT, then a GET
 * when it was there; `confirm` is SET with PXAT. Times are in milliseconds since 1970, and an id is known up to and with
 * its `untilMs`.
 */
export interface ReplayCache {
  /**
   * Takes an id in one step: of several callers at the same time exactly one hears `new`. A known id that is handled is
   * kept until `untilMs` if that is later: its retries carry later times. One that is being handled is not, so that the
   * claim of a process that died ends.
   */
  claim(id: string, untilMs: number): MaybePromise<ReplayState>
  /** The id is handled, and known until `untilMs` or its own later end. */
  confirm(id: string, untilMs: number): MaybePromise<void>
  /** The id could not be handled, and is `new` when it comes again. */
  forget(id: string): MaybePromise<void>
}

export interface ReplayCacheOptions {
  /** Ids that are known at the same time; `limits.replayEntriesMax` unless told otherwise. */
  entriesMax?: number
  /** Milliseconds since 1970. */
  now?: () => number
}

interface Entry {
  untilMs: number
  isHandled: boolean
}

/**
 * A memory in this process. When it is full of ids that are still needed, `claim` throws WeirWebhookError
 * `replay-cache-full` and nothing is accepted: to forget one early would be to accept it twice. Throws RangeError for a
 * bound that is no whole number from 1.
 */
export function createReplayCache(options: ReplayCacheOptions = {}): ReplayCache {
  const { entriesMax = limits.replayEntriesMax, now = Date.now } = options
  if (!Number.isSafeInteger(entriesMax) || entriesMax < 1) throw new RangeError("entriesMax is a whole number from 1")
  const entries = new Map<string, Entry>()
  let sweptAtMs = Number.NEGATIVE_INFINITY

  // Looks at everything, so it is done now and then, and more often only when there is no room.
  function sweep(nowMs: number): void {
    const everyMs = entries.size < entriesMax ? limits.replaySweepMs : limits.replaySweepFullMs
    if (Math.abs(nowMs - sweptAtMs) < everyMs) return
    sweptAtMs = nowMs
    for (const [id, { untilMs }] of entries) if (nowMs > untilMs) entries.delete(id)
  }

  return {
    claim(id, untilMs) {
      const nowMs = now()
      const known = entries.get(id)
      if (known !== undefined && nowMs <= known.untilMs) {
        if (!known.isHandled) return "handling"
        known.untilMs = Math.max(known.untilMs, untilMs)
        return "handled"
      }
      sweep(nowMs)
      if (known === undefined && entries.size >= entriesMax) {
        throw new WeirWebhookError(
          "replay-cache-full",
          `${entriesMax} webhooks are remembered, and none may be forgotten`,
        )
      }
      entries.set(id, { untilMs, isHandled: false })
      return "new"
    },
    confirm(id, untilMs) {
      // Gone when handling it took longer than the tolerance.
      const known = entries.get(id)
      if (known === undefined && entries.size >= entriesMax) return
      entries.set(id, { untilMs: Math.max(known?.untilMs ?? 0, untilMs), isHandled: true })
    },
    forget(id) {
      entries.delete(id)
    },
  }
}
