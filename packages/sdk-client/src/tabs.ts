// The tabs of one origin, for one user: one of them asks for a new token at a time (Web Locks), and hands it to the
// others (BroadcastChannel). Tokens are never stored. Where the platform has no such thing, every page asks for itself.

import { limits } from "./limits.ts"
import { sleep, type Timers } from "./timers.ts"

/** The part of `navigator.locks` (W3C Web Locks) that is used. */
export interface TabLocks {
  request<T>(
    name: string,
    options: { ifAvailable?: boolean; signal?: AbortSignal },
    run: (lock: unknown) => Promise<T>,
  ): Promise<T>
}

/** The part of BroadcastChannel (WHATWG HTML) that is used. */
export interface TabChannel {
  onmessage: ((event: { data: unknown }) => void) | null
  postMessage(message: unknown): void
  close(): void
}

/** What the platform offers. */
export interface TabParts {
  readonly locks: TabLocks
  openChannel(name: string): TabChannel
}

export interface Tabs {
  /**
   * Runs while no other tab does; `isContended` tells that another one was at it first. A tab that keeps the lock for
   * longer than `limits.tabLockWaitMs` is not waited for.
   */
  exclusively<T>(run: (isContended: boolean) => Promise<T>): Promise<T>
  /** Hands a token to the other tabs. */
  tell(token: string): void
  close(): void
}

/** The platform's tabs; null where there are none: outside pages, or in browsers without Web Locks. */
export function platformTabs(): TabParts | null {
  const { navigator, location, BroadcastChannel } = globalThis as {
    navigator?: { locks?: TabLocks }
    location?: { origin?: string }
    BroadcastChannel?: new (name: string) => unknown
  }
  const locks = navigator?.locks
  // Runtimes without pages may have both, but no origin that would say whose tabs these are.
  if (!locks || !BroadcastChannel || !location?.origin || location.origin === "null") return null
  return { locks, openChannel: (name) => new BroadcastChannel(name) as TabChannel }
}

/** `name` says whose tokens these are; `onToken` hears those of other tabs, unchecked. */
export function createTabs(parts: TabParts, name: string, timers: Timers, onToken: (token: string) => void): Tabs {
  // A page may be forbidden its channels (storage blocked by the user); then the locks alone have to do.
  let channel: TabChannel | null = null
  try {
    channel = parts.openChannel(name)
    channel.onmessage = ({ data }) => {
      const { type, token } = (typeof data === "object" && data !== null ? data : {}) as Record<string, unknown>
      if (type === "token" && typeof token === "string" && token.length <= limits.tokenCharsMax) onToken(token)
    }
  } catch {
    channel = null
  }

  return {
    async exclusively(run) {
      let hasRun = false
      const once = (isContended: boolean) => {
        hasRun = true
        return run(isContended)
      }
      try {
        const first = await parts.locks.request(name, { ifAvailable: true }, async (lock) =>
          lock === null ? null : { value: await once(false) },
        )
        if (first !== null) return first.value
        return await queued(once)
      } catch (error) {
        // The locks failed, not what ran under them: go on without.
        if (hasRun) throw error
        return run(true)
      }
    },

    tell(token) {
      try {
        channel?.postMessage({ type: "token", token })
      } catch {
        // Closed meanwhile: the others ask for themselves.
      }
    },

    close() {
      if (channel !== null) channel.onmessage = null
      channel?.close()
      channel = null
    },
  }

  async function queued<T>(run: (isContended: boolean) => Promise<T>): Promise<T> {
    const impatience = new AbortController()
    const timer = timers.setTimeout(() => impatience.abort(), limits.tabLockWaitMs)
    try {
      return await parts.locks.request(name, { signal: impatience.signal }, () => {
        timers.clearTimeout(timer)
        return run(true)
      })
    } finally {
      timers.clearTimeout(timer)
    }
  }
}

/** Lets a token that another tab has just told arrive; messages and locks travel by different ways. */
export const handover = (timers: Timers): Promise<void> => sleep(timers, limits.tabHandoverMs)
