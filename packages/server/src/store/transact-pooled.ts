// Transactions on a database that runs many at once, each on a connection of its own.

import type { StoredEvent } from "./database.ts"
import { isRetryable, type PostgresPools, type PostgresSession } from "./dialects/postgres.ts"
import type { OpenTransaction, Transactor, TransactParts } from "./engine.ts"
import { limits } from "./limits.ts"
import { internalError, openTransaction, type RunningTransaction, withinTime } from "./transaction.ts"

export function createPooledTransactor(pools: PostgresPools, parts: TransactParts): Transactor {
  const slots = createSlots()
  let isClosed = false

  const attempt = async <T>(work: (open: OpenTransaction) => Promise<T>, timeoutMs: number): Promise<T> => {
    await slots.take()
    let session: PostgresSession
    try {
      session = await pools.reserve()
    } catch (error) {
      slots.give()
      throw error
    }
    session.begin()
    const transaction = openTransaction(session, parts)
    let value: T
    let events: readonly StoredEvent[]
    try {
      value = await withinTime(work(transaction.open), timeoutMs)
      events = await transaction.finish()
      await session.commit()
    } catch (error) {
      transaction.abandon()
      // Not awaited: behind a statement that hangs it waits for the server's time-out, and the caller need not.
      const end = () => {
        session.release()
        slots.give()
      }
      session.rollback().then(end, end)
      throw reasonOf(transaction, error)
    }
    session.release()
    slots.give()
    transaction.committed()
    parts.committed(events)
    return value
  }

  return {
    async transact(work, timeoutMs) {
      for (let attempts = 1; ; attempts++) {
        if (isClosed) throw internalError("the database is closed")
        try {
          return await attempt(work, timeoutMs)
        } catch (error) {
          if (!isRetryable(error) || attempts === limits.attemptsMax) throw error
          await Bun.sleep(Math.random() * limits.retryPauseMsMax)
        }
      }
    },
    async drain() {
      isClosed = true
      await slots.empty()
    },
  }
}

/** A work that wraps the server's error in one of its own must not hide that another attempt may succeed. */
const reasonOf = ({ failure }: RunningTransaction, error: unknown): unknown =>
  isRetryable(failure()) ? failure() : error

/** Counts the transactions that have a connection; those beyond wait in the order in which they came. */
function createSlots() {
  interface Waiter {
    readonly go: () => void
    readonly timer: ReturnType<typeof setTimeout>
  }
  const waiting = new Set<Waiter>()
  const whenEmpty: (() => void)[] = []
  let taken = 0
  return {
    async take(): Promise<void> {
      if (taken < limits.connectionsMax) {
        taken++
        return
      }
      if (waiting.size >= limits.transactionsWaitingMax) {
        throw internalError(`${waiting.size} transactions wait already`)
      }
      await new Promise<void>((resolve, reject) => {
        const waiter: Waiter = {
          go: resolve,
          timer: setTimeout(() => {
            waiting.delete(waiter)
            reject(internalError(`no connection to the database was free for ${limits.connectionWaitMs} ms`))
          }, limits.connectionWaitMs),
        }
        waiting.add(waiter)
      })
    },
    give(): void {
      const [next] = waiting
      if (next !== undefined) {
        // The slot passes from one to the other.
        waiting.delete(next)
        clearTimeout(next.timer)
        next.go()
        return
      }
      taken--
      if (taken === 0) for (const run of whenEmpty.splice(0)) run()
    },
    async empty(): Promise<void> {
      if (taken > 0) await new Promise<void>((resolve) => whenEmpty.push(resolve))
    },
  }
}
