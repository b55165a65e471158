// Kept connections to message servers: one for each target, shared by all deliveries to it. How many there are and how
// long one stays that nobody uses are bounded.

import { limits } from "./limits.ts"
import { WireError, within } from "./wire.ts"

/** A connection that can be shared. */
export interface Connection {
  /** False once it has ended, or when nothing new should be sent over it. */
  readonly isUsable: boolean
  /** Ends it; who still waits for an answer is told. */
  close(): void
}

export interface Connections<T extends Connection> {
  /**
   * Runs `run` with the connection of this key, opened when there is none. Rejects as `open` and `run` do, and with
   * WireError when the sender is closed, every connection that there may be is in use, or none has come about by
   * `endMs` (of performance.now()). Who waits for a connection that another one opens waits no longer for that.
   */
  use<R>(key: string, endMs: number, open: () => Promise<T>, run: (connection: T) => Promise<R>): Promise<R>
  /** Closes all of them. */
  close(): void
}

interface Entry<T> {
  readonly opened: Promise<T>
  connection: T | null
  users: number
  idleSinceMs: number
}

export function createConnections<T extends Connection>(
  connectionsMax: number = limits.brokerConnectionsMax,
  idleMs: number = limits.brokerIdleMs,
): Connections<T> {
  const entries = new Map<string, Entry<T>>()
  let sweeping: ReturnType<typeof setInterval> | null = null
  let isClosed = false

  /** Nobody gets it any more; it ends with its last user. */
  const retire = (key: string, entry: Entry<T>): void => {
    if (entries.get(key) === entry) entries.delete(key)
    if (entry.users === 0) entry.connection?.close()
    if (entries.size > 0 || sweeping === null) return
    clearInterval(sweeping)
    sweeping = null
  }
  const sweep = (): void => {
    const nowMs = performance.now()
    for (const [key, entry] of entries) {
      const isOver = entry.users === 0 && nowMs - entry.idleSinceMs >= idleMs
      if (isOver || entry.connection?.isUsable === false) retire(key, entry)
    }
  }
  /** Makes room by closing the one that nobody has used for longest. */
  const makeRoom = (): void => {
    if (entries.size < connectionsMax) return
    const idle = [...entries].filter(([, { users }]) => users === 0)
    const [oldest] = idle.sort(([, a], [, b]) => a.idleSinceMs - b.idleSinceMs)
    if (oldest === undefined) throw new WireError("busy", "every connection that this node may have is in use")
    retire(...oldest)
  }
  const enter = (key: string, open: () => Promise<T>): Entry<T> => {
    makeRoom()
    const entry: Entry<T> = { opened: open(), connection: null, users: 0, idleSinceMs: performance.now() }
    entries.set(key, entry)
    sweeping ??= setInterval(sweep, Math.min(idleMs, 5_000))
    sweeping.unref?.()
    entry.opened.then(
      (connection) => {
        entry.connection = connection
        if (isClosed) connection.close()
      },
      () => retire(key, entry),
    )
    return entry
  }

  return {
    async use(key, endMs, open, run) {
      if (isClosed) throw new WireError("closing", "the node is ending")
      const known = entries.get(key)
      const isGone = known?.connection?.isUsable === false
      if (known !== undefined && isGone) retire(key, known)
      const entry = known === undefined || isGone ? enter(key, open) : known
      entry.users += 1
      try {
        return await run(await within(endMs - performance.now(), entry.opened))
      } finally {
        entry.users -= 1
        entry.idleSinceMs = performance.now()
        if (entry.users === 0 && entries.get(key) !== entry) entry.connection?.close()
      }
    },
    close() {
      isClosed = true
      for (const [key, entry] of entries) {
        retire(key, entry)
        entry.connection?.close()
      }
    },
  }
}
