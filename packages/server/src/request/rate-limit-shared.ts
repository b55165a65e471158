// What the nodes of a deployment count together. Requests never wait for it: each node adds what it has counted since
// the last time and hears the total: every shareEveryMs, and at once when shareEarlyPart of what is left was taken. So
// behind each further node, the total can pass a limit by that part or by what the node lets in during one round trip,
// whichever is more. No node ever lets in more than the limit by itself, whatever it hears: n nodes never let in more
// than n times the limit. While Redis is away, each counts alone.

import type { Logger } from "../base/log.ts"
import { bounds } from "./rate-limit-bounds.ts"
import { type AppCounters, type Counter, earlyCountOf } from "./rate-limit-counters.ts"

/** A store of totals that all nodes can reach. */
export interface SharedCounters {
  /** Whether `add` has a chance now; if not, it tries to connect for the next time. */
  readonly connected: boolean
  /**
   * Adds to the counters of a window and resolves with the totals, in the order of `fields`. The window is forgotten
   * `keepMs` after the last addition. Rejects when the store does not answer in time; whether it was added is unknown
   * then.
   */
  add(window: string, keepMs: number, fields: readonly string[], deltas: readonly number[]): Promise<readonly number[]>
  close(): Promise<void>
}

/** Brings the counters of this node and the shared ones together, again and again. */
export interface Sharing {
  /** Something of this app is to be sent when it is time. */
  wants(app: AppCounters): void
  /** Nothing of it is to be sent any more. */
  forget(app: AppCounters): void
  /** It does not wait for its time. */
  soon(): void
  close(): Promise<void>
}

/** Twice a window, so that nodes whose clocks differ a little find the same counters. */
const keepMs = 120_000

export function createSharing(shared: SharedCounters, log: Logger): Sharing {
  const waiting = new Set<AppCounters>()
  let running: Promise<void> | null = null
  let again = false
  let isClosed = false

  const share = async (): Promise<void> => {
    const batches: Promise<void>[] = []
    for (const app of waiting) {
      const { dirty } = app
      app.dirty = []
      for (let at = 0; at < dirty.length; at += bounds.shareBatchMax) {
        batches.push(send(app, dirty.slice(at, at + bounds.shareBatchMax)))
      }
    }
    waiting.clear()
    await Promise.all(batches)
  }

  const send = async (app: AppCounters, counters: readonly Counter[]): Promise<void> => {
    const { windowId } = app
    const deltas = counters.map(({ unsent }) => unsent)
    for (const counter of counters) counter.unsent = 0
    let totals: readonly number[]
    try {
      const fields = counters.map(({ field }) => field as string)
      totals = await shared.add(`${app.appId}:${windowId}`, keepMs, fields, deltas)
    } catch (cause) {
      // It may have been added, and to count twice would refuse what is allowed, so it is not sent again.
      log.debug("counts of rate limits were lost on their way to the other nodes", { cause })
      return
    }
    if (app.windowId !== windowId) return
    for (const [index, counter] of counters.entries()) {
      // A store that started anew knows less than this node by itself.
      counter.taken = Math.max(counter.own, (totals[index] ?? 0) + counter.unsent)
      counter.earlyCount = earlyCountOf(counter.limit - counter.taken)
    }
  }

  const run = (): void => {
    if (running !== null || waiting.size === 0 || isClosed || !shared.connected) return
    running = share().finally(() => {
      running = null
      if (again) {
        again = false
        run()
      }
    })
  }
  const timer = setInterval(run, bounds.shareEveryMs)
  timer.unref?.()

  return {
    wants: (app) => {
      waiting.add(app)
    },
    forget: (app) => {
      waiting.delete(app)
    },
    soon() {
      if (running === null) run()
      else again = true
    },
    async close() {
      isClosed = true
      clearInterval(timer)
      await running
      await shared.close()
    },
  }
}

export interface RedisCountersOptions {
  /** `redis://`, or `rediss://` for TLS; may hold user and password. */
  readonly url: string
  /** Deployments that share one Redis have different names here. */
  readonly deployment: string
  readonly log: Logger
}

// One hash for each app and window: one expiry for all of its counters, and one command for many.
const addScript = `
local totals = {}
for i = 2, #ARGV, 2 do totals[#totals + 1] = redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return totals`

/** Shared counters in Redis or Valkey. Connects in the background, and again whenever the connection was lost. */
export function createRedisCounters({ url, deployment, log }: RedisCountersOptions): SharedCounters {
  let client: Bun.RedisClient | null = null
  let connecting: Promise<void> | null = null
  let triedAtMs = Number.NEGATIVE_INFINITY
  let isAway = false
  let isClosed = false

  const connect = async (): Promise<void> => {
    triedAtMs = performance.now()
    // Coming back is this file's own matter, and nothing may be queued for later: the window would be over.
    const own = new Bun.RedisClient(url, {
      autoReconnect: false,
      enableOfflineQueue: false,
      connectionTimeout: bounds.shareTimeoutMs,
    })
    try {
      await withTimeout(own.connect())
      if (isClosed) {
        own.close()
        return
      }
      own.onclose = (error) => lose(own, error)
      client = own
      if (isAway) log.info("rate limits are counted together again")
      isAway = false
    } catch (cause) {
      own.close()
      if (!isAway) log.warn("Redis is away: each node counts rate limits by itself", { cause })
      isAway = true
    }
  }
  const lose = (lost: Bun.RedisClient, cause: unknown): void => {
    if (client !== lost || isClosed) return
    client = null
    lost.onclose = null
    lost.close()
    log.warn("Redis is away: each node counts rate limits by itself", { cause })
    isAway = true
  }
  const connectSoon = (): void => {
    if (isClosed || connecting !== null || performance.now() - triedAtMs < bounds.shareReconnectMs) return
    connecting = connect().finally(() => {
      connecting = null
    })
  }
  connectSoon()

  return {
    get connected() {
      if (client === null) connectSoon()
      return client !== null
    },
    async add(window, keepForMs, fields, deltas) {
      const used = client
      if (used === null) throw new Error("Redis is away")
      const args = [addScript, "1", `weir:${deployment}:limits:${window}`, String(keepForMs)]
      for (const [index, field] of fields.entries()) args.push(field, String(deltas[index]))
      try {
        return (await withTimeout(used.send("EVAL", args))) as number[]
      } catch (error) {
        lose(used, error)
        throw error
      }
    },
    async close() {
      isClosed = true
      await connecting
      if (client !== null) {
        client.onclose = null
        client.close()
        client = null
      }
    },
  }
}

function withTimeout<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${bounds.shareTimeoutMs} ms`)), bounds.shareTimeoutMs)
  })
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer))
}
