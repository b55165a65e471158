// What a node knows of itself: some of it is measured beside everything else, so that whoever asks gets an answer at
// once, and a node that is too busy to measure says so by its silence.

import { performance } from "node:perf_hooks"
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import { version } from "../../base/version.ts"
import type { Bus } from "../../events/bus/bus.ts"
import type { Database } from "../../store/database.ts"
import { type Revocations, selectDatabaseNow } from "../revocations/index.ts"
import { limits } from "./limits.ts"

/** What a node says of itself; travels between nodes as JSON. Times are milliseconds since 1970. */
export interface NodeReport {
  readonly version: string
  readonly runtime: string
  readonly startedAt: number
  readonly address: string | null
  readonly isDraining: boolean
  readonly sockets: number
  readonly requests: number
  readonly requestsPerMinute: number
  readonly heapBytes: number
  readonly residentBytes: number
  readonly lagMeanMs: number
  readonly lagMaxMs: number
  readonly appliedSeq: number
  readonly knowledgeAgeMs: number
  readonly leaseLeftMs: number
  readonly bus: "local" | "connected" | "away"
  readonly dialect: string
  readonly database: DatabaseSample | null
  readonly droppedRefusals: number
  readonly droppedTrafficMinutes: number
}

interface DatabaseSample {
  readonly askedAt: number
  /** Null: it did not answer. */
  readonly pingMs: number | null
  readonly clockOffsetMs: number | null
}

export interface NodeWatch {
  report(): NodeReport
  close(): Promise<void>
}

export interface NodeWatchParts {
  readonly db: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Logger
  readonly revocations: Pick<Revocations, "knowledge">
  /** Where the node listens; null while it has no port. */
  readonly address: () => string | null
  readonly isDraining: () => boolean
  readonly socketCount: () => number
  readonly requestCount: () => number
  readonly droppedRefusals: () => number
  readonly droppedTrafficMinutes: () => number
}

/** Starts to measure. */
export function createNodeWatch(parts: NodeWatchParts): NodeWatch {
  const { db, bus, clock, log } = parts
  const startedAt = clock.now()
  const lags: number[] = []
  const requests: { at: number; total: number }[] = [{ at: clock.monotonic(), total: parts.requestCount() }]
  let database: DatabaseSample | null = null
  let sampling: Promise<void> | null = null
  let isUnreachable = false

  let expectedMs = performance.now() + limits.lagEveryMs
  const lagging = setInterval(() => {
    const now = performance.now()
    lags.push(Math.max(0, now - expectedMs))
    if (lags.length > limits.lagSamples) lags.shift()
    expectedMs = now + limits.lagEveryMs
  }, limits.lagEveryMs)
  lagging.unref?.()

  const sample = async (): Promise<void> => {
    const askedAt = clock.now()
    const startedMs = clock.monotonic()
    try {
      const databaseMs = await selectDatabaseNow(db.read)
      const pingMs = clock.monotonic() - startedMs
      // The answer is from somewhere in the middle of the way there and back.
      database = { askedAt, pingMs: rounded(pingMs), clockOffsetMs: rounded(askedAt + pingMs / 2 - databaseMs) }
      isUnreachable = false
    } catch (cause) {
      database = { askedAt, pingMs: null, clockOffsetMs: null }
      if (!isUnreachable) log.warn("the database does not tell its time", { cause })
      isUnreachable = true
    }
  }
  const sampleAll = (): void => {
    requests.push({ at: clock.monotonic(), total: parts.requestCount() })
    if (requests.length > limits.requestSamples) requests.shift()
    sampling ??= sample().finally(() => {
      sampling = null
    })
  }
  const samples = setInterval(sampleAll, limits.sampleEveryMs)
  samples.unref?.()
  sampling = sample().finally(() => {
    sampling = null
  })

  return {
    report() {
      const memory = process.memoryUsage()
      const { appliedSeq, ageMs, leaseLeftMs } = parts.revocations.knowledge()
      const total = parts.requestCount()
      const [first] = requests as [{ at: number; total: number }]
      const overMs = Math.max(1, clock.monotonic() - first.at)
      return {
        version,
        runtime: `Bun ${Bun.version}`,
        startedAt,
        address: parts.address(),
        isDraining: parts.isDraining(),
        sockets: parts.socketCount(),
        requests: total,
        // A node that has just begun has had less than a minute for what it counted.
        requestsPerMinute: Math.round(((total - first.total) * 60_000) / Math.max(60_000, overMs)),
        heapBytes: memory.heapUsed,
        residentBytes: memory.rss,
        lagMeanMs: rounded(lags.reduce((sum, lag) => sum + lag, 0) / Math.max(1, lags.length)),
        lagMaxMs: rounded(Math.max(0, ...lags)),
        appliedSeq,
        knowledgeAgeMs: rounded(ageMs),
        leaseLeftMs: rounded(leaseLeftMs),
        bus: !bus.shared ? "local" : bus.connected ? "connected" : "away",
        dialect: db.capabilities.dialect,
        database,
        droppedRefusals: parts.droppedRefusals(),
        droppedTrafficMinutes: parts.droppedTrafficMinutes(),
      }
    },
    async close() {
      clearInterval(lagging)
      clearInterval(samples)
      await sampling
    },
  }
}

const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000
