// Connections that wait for a next request. A new one costs a look-up, a round trip and, with TLS, the dearest
// arithmetic of a delivery.

import type { Target } from "./addresses.ts"
import { limits } from "./limits.ts"
import type { Connection } from "./outgoing-connection.ts"

export interface KeptConnections {
  /** One that was opened for the very scheme, name and port, or null. It is the caller's from then on. */
  take(target: Target): Connection | null
  /** Keeps an open connection for `keepMs` milliseconds, or closes it where enough are kept. */
  keep(connection: Connection, keepMs: number): void
  /** To be called when a connection has ended, kept or not. */
  forget(connection: Connection): void
  /** Stops the clockwork. The connections are their owner's to close. */
  close(): void
}

interface Kept {
  readonly connection: Connection
  readonly untilMs: number
}

/** `monotonic`: milliseconds, never backwards. */
export function createKeptConnections(monotonic: () => number): KeptConnections {
  const kept = new Map<string, Kept[]>()
  let count = 0
  let sweep: ReturnType<typeof setTimeout> | null = null

  const remove = (key: string, list: Kept[], at: number): void => {
    list.splice(at, 1)
    count -= 1
    if (list.length === 0) kept.delete(key)
  }

  // One timer for all of them: each of its own would cost as much as the request.
  const startSweep = (): void => {
    sweep = setTimeout(() => {
      const nowMs = monotonic()
      const over = [...kept.values()].flat().filter(({ untilMs }) => untilMs <= nowMs)
      for (const { connection } of over) connection.close()
      sweep = null
      if (count > 0) startSweep()
    }, limits.keptSweepMs)
    sweep.unref()
  }

  return {
    take(target) {
      const key = keyOf(target)
      const list = kept.get(key)
      // The one that was used last is the least likely to have been ended meanwhile.
      for (let last = list?.at(-1); list !== undefined && last !== undefined; last = list.at(-1)) {
        remove(key, list, list.length - 1)
        if (monotonic() < last.untilMs) return last.connection
        last.connection.close()
      }
      return null
    },

    keep(connection, keepMs) {
      const key = keyOf(connection.target)
      const list = kept.get(key) ?? []
      const nowMs = monotonic()
      const untilMs = Math.min(nowMs + keepMs, connection.openedMs + limits.connectionAgeMsMax)
      const isFull = count >= limits.keptConnectionsMax || list.length >= limits.keptConnectionsPerOriginMax
      if (isFull || untilMs <= nowMs || connection.isClosed) {
        connection.close()
        return
      }
      list.push({ connection, untilMs })
      kept.set(key, list)
      count += 1
      connection.rest()
      if (sweep === null) startSweep()
    },

    forget(connection) {
      const key = keyOf(connection.target)
      const list = kept.get(key)
      const at = list?.findIndex((entry) => entry.connection === connection) ?? -1
      if (list !== undefined && at >= 0) remove(key, list, at)
    },

    close() {
      if (sweep !== null) clearTimeout(sweep)
    },
  }
}

// By name and not by address: a connection is never used for another name than the one it was checked for.
const keyOf = ({ scheme, host, port }: Target): string => `${scheme} ${host} ${port}`
