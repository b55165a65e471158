// Counts on their way to the database. Whoever answers a request adds to numbers in memory and is done; every few
// seconds a node writes the minutes that changed, whole, and once a minute hours that are over are added up. A process
// that is killed loses what it counted since its last write; nobody is counted twice.

import type { AppCaller } from "@weir/protocol"
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { ObservedRefusal, ObservedRequest, ObserveRequest, ObserveSockets } from "../../request/observe.ts"
import type { Database, Tx } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { createRecent, type Recent } from "./recent.ts"
import { addAll, type CountsAt, countRequest, countsOf, hourMs, type Minute, minuteMs, newMinute } from "./rules.ts"
import {
  decodeCounts,
  encodeCounts,
  lockRolls,
  pruneHours,
  pruneMinutes,
  putHour,
  putMinutes,
  selectUnrolled,
  type TrafficMinuteRow,
  takeHour,
} from "./store.ts"

export interface Traffic {
  readonly observeRequest: ObserveRequest
  readonly observeSockets: ObserveSockets
  /** An attempt to hand an event to one of the app's hooks is over. */
  delivered(appId: number, succeeded: boolean): void
  /** The latest requests, one by one. */
  readonly recent: Recent
  /** Open sockets of an app on this node. */
  openSockets(appId: number): number
  /** Minutes of an app of which this node knows more than the database, oldest first. */
  unwritten(appId: number): CountsAt[]
  /** Requests answered since this node began, those of operators and strangers among them. */
  readonly requestCount: number
  /** Minutes of apps that were given up because the database was away for too long. */
  readonly droppedCount: number
  /** Writes what changed. Rejects when the database does not take it; it is then written the next time. */
  flush(): Promise<void>
  /** Adds up the hours that are over and forgets what is too old. */
  roll(): Promise<void>
  close(): Promise<void>
}

export interface TrafficParts {
  readonly db: Database
  readonly nodeId: string
  readonly clock: Clock
  readonly log: Logger
  /** The app of a key, if this node knows it now. */
  readonly appOf: (apiKey: string) => number | null
}

interface App {
  readonly id: number
  minute: Minute
  openSockets: number
}

/** A minute that is over and not written yet. */
interface Waiting {
  readonly appId: number
  readonly minute: Minute
}

/** Builds the counters of this node and starts to write them. */
export function createTraffic({ db, nodeId, clock, log, appOf }: TrafficParts): Traffic {
  const apps = new Map<number, App>()
  let waiting: Waiting[] = []
  let requestCount = 0
  let droppedCount = 0
  let lastRollMs = clock.monotonic()
  const recent = createRecent()

  /** The app as it is counted now; null when this node counts for too many already. */
  const appAt = (appId: number, now: number): App | null => {
    const app = apps.get(appId)
    // A clock that was set back goes on in the minute that it had reached.
    if (app !== undefined && now < app.minute.at + minuteMs) return app
    return nextMinute(appId, app, Math.floor(now / minuteMs) * minuteMs)
  }
  const nextMinute = (appId: number, app: App | undefined, at: number): App | null => {
    if (app === undefined) {
      if (apps.size >= limits.appsMax) return null
      const made = { id: appId, minute: newMinute(at, 0), openSockets: 0 }
      apps.set(appId, made)
      return made
    }
    if (app.minute.changed) wait(app.id, app.minute)
    app.minute = newMinute(at, app.openSockets)
    return app
  }
  const wait = (appId: number, minute: Minute): void => {
    waiting.push({ appId, minute })
    if (waiting.length <= limits.waitingMax) return
    waiting.shift()
    droppedCount += 1
  }

  const observeRequest: ObserveRequest = (observed, status, refusal) => {
    requestCount += 1
    const { caller, credentials } = observed
    const apiKey = caller?.apiKey ?? credentials?.apiKey ?? keyOfUnrouted(observed)
    const appId = appIdOf(caller, apiKey)
    if (appId === null) return
    const now = clock.now()
    const durationMs = performance.now() - observed.startedMs
    count(appId, now, observed.operation, apiKey, status, durationMs, refusal)
    const seat = recent.seat(appId, now, refusal !== null)
    if (seat === null) return
    const { request } = observed
    seat.record({
      at: now,
      operation: observed.operation,
      method: request.method,
      url: request.url,
      status,
      refusal,
      durationMs,
      apiKey,
      caller,
      client: credentials?.client ?? null,
      address: observed.peer.address,
    })
  }

  const observeSockets: ObserveSockets = {
    handshake(observed, refusal) {
      requestCount += 1
      const appId = appIdOf(observed.caller, observed.apiKey)
      if (appId === null) return
      const now = clock.now()
      const durationMs = performance.now() - observed.startedMs
      const status = refusal === null ? switchingProtocols : refusal.error.status
      count(appId, now, "Connect", observed.apiKey, status, durationMs, refusal)
      recent.seat(appId, now, refusal !== null)?.record({
        at: now,
        operation: "Connect",
        method: "GET",
        url: observed.path,
        status,
        refusal,
        durationMs,
        apiKey: observed.apiKey,
        caller: observed.caller,
        client: observed.client,
        address: observed.address,
      })
    },
    opened(appId) {
      const app = appAt(appId, clock.now())
      if (app === null) return
      const { minute } = app
      app.openSockets += 1
      minute.counts.socketsOpened += 1
      minute.counts.socketsOpen = Math.max(minute.counts.socketsOpen, app.openSockets)
      minute.changed = true
    },
    closed(appId) {
      const app = appAt(appId, clock.now())
      if (app === null) return
      app.openSockets = Math.max(0, app.openSockets - 1)
      app.minute.counts.socketsClosed += 1
      app.minute.changed = true
    },
  }

  const appIdOf = (caller: AppCaller | null, apiKey: string | null): number | null =>
    caller !== null ? caller.appId : apiKey === null ? null : appOf(apiKey)

  const count = (
    appId: number,
    now: number,
    operation: string,
    apiKey: string | null,
    status: number,
    durationMs: number,
    refusal: ObservedRefusal | null,
  ): void => {
    const app = appAt(appId, now)
    if (app !== null) countRequest(app.minute, operation, apiKey, status, durationMs, refusal)
  }

  const write = async (): Promise<void> => {
    endMinutes()
    for (let writes = 0; writes < limits.writesPerFlushMax; writes += 1) {
      const over = waiting.slice(0, limits.rowsPerWriteMax)
      const growing = [...apps.values()]
        .filter(({ minute }) => minute.changed)
        .slice(0, limits.rowsPerWriteMax - over.length)
        .map(({ id, minute }) => ({ appId: id, minute }))
      if (over.length + growing.length > 0) await writeRows(over, growing)
      if (waiting.length === 0) return
    }
  }
  /** Closes the minutes that are over, and forgets apps of which there is nothing left to tell. */
  const endMinutes = (): void => {
    const currentMs = Math.floor(clock.now() / minuteMs) * minuteMs
    for (const app of apps.values()) {
      if (app.minute.at >= currentMs) continue
      if (app.openSockets === 0 && !app.minute.changed) apps.delete(app.id)
      else {
        nextMinute(app.id, app, currentMs)
        // Sockets that are open count in every minute, whether anything else happens or not.
        app.minute.changed = app.openSockets > 0
      }
    }
  }
  const writeRows = async (over: readonly Waiting[], growing: readonly Waiting[]): Promise<void> => {
    const rows = [...over, ...growing]
      .map(({ appId, minute }): TrafficMinuteRow => {
        const counts = encodeCounts(countsOf(minute))
        return { app_id: appId, at: minute.at, node_id: nodeId, rolled: 0, counts }
      })
      .sort((a, b) => a.app_id - b.app_id || a.at - b.at)
    // What is counted from here on has to be written again.
    for (const { minute } of growing) minute.changed = false
    try {
      await db.transact(async (tx) => {
        for (let at = 0; at < rows.length; at += limits.rowsPerStatementMax) {
          await putMinutes(tx, rows.slice(at, at + limits.rowsPerStatementMax))
        }
      })
    } catch (error) {
      for (const { minute } of growing) minute.changed = true
      throw error
    }
    const written = new Set(over)
    waiting = waiting.filter((one) => !written.has(one))
  }

  const roll = async (): Promise<void> => {
    const overMs = hourOf(clock.now() - limits.rollGraceMs)
    for (let hours = 0; hours < limits.hoursPerRollMax; ) {
      const minutes = await selectUnrolled(db.read, overMs, limits.rowsPerReadMax)
      if (minutes.length === 0) break
      const pending = new Map(minutes.map(({ app_id, at }) => [`${app_id}|${hourOf(at)}`, { app_id, at: hourOf(at) }]))
      for (const { app_id, at } of pending.values()) {
        await db.transact((tx) => rollHour(tx, app_id, at))
        hours += 1
      }
    }
    const now = clock.now()
    await inBatches((tx, limit) => pruneMinutes(tx, now - limits.minutesKeptMs, limit))
    await inBatches((tx, limit) => pruneHours(tx, now - limits.hoursKeptMs, limit))
  }
  /** Short transactions, so that nobody waits long for a lock. */
  const inBatches = async (prune: (tx: Tx, limit: number) => Promise<number>): Promise<void> => {
    for (let batch = 0; batch < limits.pruneBatchesMax; batch += 1) {
      if ((await db.transact((tx) => prune(tx, limits.pruneBatchMax))) < limits.pruneBatchMax) return
    }
  }

  let writing: Promise<void> = Promise.resolve()
  const flush = (): Promise<void> => {
    writing = writing.catch(() => undefined).then(write)
    return writing
  }
  const upkeep = async (): Promise<void> => {
    if (clock.monotonic() - lastRollMs < limits.rollEveryMs) return
    lastRollMs = clock.monotonic()
    await roll()
  }

  let timer: ReturnType<typeof setTimeout> | null = null
  let running: Promise<void> = Promise.resolve()
  const schedule = (): void => {
    timer = setTimeout(() => {
      running = flush()
        .then(upkeep)
        .catch((error) => log.warn("traffic could not be written", { cause: error }))
        .finally(() => {
          if (timer !== null) schedule()
        })
    }, limits.flushEveryMs)
    timer.unref?.()
  }
  schedule()

  return {
    observeRequest,
    observeSockets,
    delivered(appId, succeeded) {
      const app = appAt(appId, clock.now())
      if (app === null) return
      if (succeeded) app.minute.counts.deliveriesSucceeded += 1
      else app.minute.counts.deliveriesFailed += 1
      app.minute.changed = true
    },
    recent,
    openSockets: (appId) => apps.get(appId)?.openSockets ?? 0,
    unwritten(appId) {
      const minutes = waiting.filter((one) => one.appId === appId).map(({ minute }) => minute)
      // Calling it over keeps a quiet minute from showing the sockets of the one before.
      const app = apps.get(appId)
      if (app !== undefined) minutes.push((appAt(appId, clock.now()) ?? app).minute)
      return minutes
        .slice(-limits.unwrittenPerAppMax)
        .map((minute) => ({ at: minute.at, nodeId, counts: countsOf(minute) }))
    },
    get requestCount() {
      return requestCount
    },
    get droppedCount() {
      return droppedCount
    },
    flush,
    roll,
    async close() {
      if (timer !== null) clearTimeout(timer)
      timer = null
      await running
      await flush().catch((error) => log.warn("traffic could not be written", { cause: error }))
    },
  }
}

/** What a socket that was let in is answered with (RFC 6455 §4.2.2). */
const switchingProtocols = 101

/** A path that nobody answers ends before anybody looks at who asks, but its URL may name a key. */
const keyOfUnrouted = ({ operation, request }: ObservedRequest): string | null =>
  operation === "Request" ? (/[?&]api_key=([a-z0-9]{12})(?:&|$)/.exec(request.url)?.[1] ?? null) : null

const hourOf = (at: number): number => Math.floor(at / hourMs) * hourMs

async function rollHour(tx: Tx, appId: number, hour: number): Promise<void> {
  await lockRolls(tx)
  const rows = await takeHour(tx, appId, hour)
  const counted = rows.map(({ at, node_id, counts }) => ({ at, nodeId: node_id, counts: decodeCounts(counts) }))
  const sum = addAll(counted, hourMs).get(hour)
  if (sum !== undefined) await putHour(tx, { app_id: appId, at: hour, counts: encodeCounts(sum) })
}
