// What is read on every request and changes seldom. An entry is dropped on all nodes when it changes; the bus carries
// the word. Two things could bring an old value back and are closed here: a look-up that began before the change and
// ends after it (its result is given to those who wait, but not kept), and a word that never arrives (with other
// nodes about, an entry lives no longer than the lease, and a gap in the bus empties everything).

import type { Clock } from "../base/clock.ts"
import { createLru } from "../base/lru.ts"
import type { Bus } from "./bus/bus.ts"
import { limits } from "./limits.ts"

export interface Cache<V> {
  /** What is cached now: a value, null for «there is none», or undefined when it is not known here. */
  peek(key: string): V | null | undefined
  /**
   * The value, or null when there is none: at once when it is cached, else promised. Callers that ask for the same
   * key meanwhile share one look-up. Rejects with what the look-up throws; a failure is not cached.
   */
  get(key: string): V | null | Promise<V | null>
  /** Forgets a key here, at once, and on all other nodes. To be called after the commit of the change. */
  drop(key: string): void
  /** Forgets everything, on this node only. */
  clear(): void
}

export interface CacheOptions<V> {
  /** The same on every node and different from all other caches: the bus carries it. */
  readonly name: string
  /** 2 or more. */
  readonly entriesMax: number
  /** How long a value is believed, counted from the start of its look-up. Absent: until it is dropped. */
  readonly ttlMs?: number
  /** Looks the value up; null when there is none. */
  readonly load: (key: string) => Promise<V | null>
}

export interface Caches {
  /** Throws when the name is taken. */
  create<V extends NonNullable<unknown>>(options: CacheOptions<V>): Cache<V>
}

/** A cache key. It begins with the app, so that no app can be given what belongs to another one. */
export const cacheKey = (appId: number, id: string): string => `${appId}|${id}`

/** The caches of one node. They listen to the bus for as long as it lives. */
export function createCaches(bus: Bus, clock: Clock): Caches {
  const byName = new Map<string, { forget(key: string): void; clear(): void }>()

  bus.subscribe("invalidate", (payload, fromNode) => {
    if (fromNode === bus.nodeId) return
    const [name, key] = JSON.parse(payload) as [string, string]
    // A node of another version may have caches that this one lacks.
    byName.get(name)?.forget(key)
  })
  bus.onGap(() => {
    for (const cache of byName.values()) cache.clear()
  })

  return {
    create<V extends NonNullable<unknown>>(options: CacheOptions<V>): Cache<V> {
      const { name } = options
      if (byName.has(name)) throw new Error(`there is a cache named ${name} already`)
      const cache = createCache(options, clock, bus.shared)
      byName.set(name, cache)
      return {
        peek: cache.peek,
        get: cache.get,
        drop(key) {
          cache.forget(key)
          if (bus.shared) bus.publish("invalidate", JSON.stringify([name, key]))
        },
        clear: cache.clear,
      }
    },
  }
}

interface Entry<V> {
  readonly value: V | null
  /** Monotonic milliseconds. */
  readonly expiresAtMs: number
}

interface Loading<V> {
  readonly startedAtMs: number
  promise: Promise<V | null>
}

function createCache<V extends NonNullable<unknown>>(options: CacheOptions<V>, clock: Clock, isShared: boolean) {
  const { entriesMax, ttlMs = Number.POSITIVE_INFINITY, load } = options
  const valueMs = Math.min(ttlMs, isShared ? limits.cacheLeaseMs : Number.POSITIVE_INFINITY)
  const nullMs = Math.min(valueMs, limits.cacheNegativeMs)
  const entries = createLru<Entry<V>>(entriesMax)
  // The look-up whose result may be kept, per key. Dropping the key takes it out, and so it loses that right.
  const loading = new Map<string, Loading<V>>()

  const peek = (key: string): V | null | undefined => {
    const entry = entries.get(key)
    if (entry === undefined) return undefined
    if (clock.monotonic() < entry.expiresAtMs) return entry.value
    entries.delete(key)
    return undefined
  }

  const startLoading = (key: string): Promise<V | null> => {
    const own = { startedAtMs: clock.monotonic() } as Loading<V>
    loading.set(key, own)
    own.promise = run(key, own)
    return own.promise
  }
  const run = async (key: string, own: Loading<V>): Promise<V | null> => {
    try {
      const value = await load(key)
      if (loading.get(key) === own) {
        entries.set(key, { value, expiresAtMs: own.startedAtMs + (value === null ? nullMs : valueMs) })
      }
      return value
    } finally {
      if (loading.get(key) === own) loading.delete(key)
    }
  }

  return {
    peek,
    get(key: string): V | null | Promise<V | null> {
      const known = peek(key)
      if (known !== undefined) return known
      const running = loading.get(key)
      if (running !== undefined && clock.monotonic() - running.startedAtMs < limits.cacheJoinMs) return running.promise
      return startLoading(key)
    },
    forget(key: string): void {
      loading.delete(key)
      entries.delete(key)
    },
    clear(): void {
      loading.clear()
      entries.clear()
    },
  }
}
