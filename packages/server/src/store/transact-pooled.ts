// Transactions on a database that runs many at once, each on a connection of its own.

import type { StoredEvent } from "./database.ts"
import { attemptsFor, isConnectionLost, type PostgresPools, type PostgresSession } from "./dialects/postgres.ts"
import type { OpenTransaction, Transactor, TransactParts } from "./engine.ts"
import { limits } from "./limits.ts"
import { createSlots } from "./slots.ts"
import { createStreamOrder, type StreamTurn } from "./stream-order.ts"
import { internalError, openTransaction, type RunningTransaction, withinTime } from "./transaction.ts"

export function createPooledTransactor(pools: PostgresPools, parts: TransactParts): Transactor {
  const slots = createSlots({
    slots: limits.connectionsMax,
    waitingMax: limits.transactionsWaitingMax,
    waitMs: limits.connectionWaitMs,
  })
  const order = createStreamOrder()
  let isClosed = false

  const attempt = async <T>(work: (open: OpenTransaction) => Promise<T>, timeoutMs: number): Promise<T> => {
    await slots.take()
    let session: PostgresSession
    try {
      session = await pools.reserve(timeoutMs)
    } catch (error) {
      slots.give()
      throw error
    }
    session.begin()
    const transaction = openTransaction(session, parts)
    let value: T
    let events: readonly StoredEvent[] = []
    let turn: StreamTurn | null = null
    try {
      value = await withinTime(work(transaction.open), timeoutMs)
      events = await transaction.finish()
      if (events.length > 0) turn = order.enter(new Set(events.map(({ appId, stream }) => `${appId} ${stream}`)))
      await session.commit().catch((error) => {
        // It may stand or not: another attempt could do everything twice.
        throw isConnectionLost(error) ? internalError("the connection was lost during a commit", error) : error
      })
    } catch (error) {
      turn?.end()
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
    await turn?.before
    transaction.committed()
    parts.committed(events)
    turn?.end()
    return value
  }

  const retry = async <T>(work: (open: OpenTransaction) => Promise<T>, timeoutMs: number): Promise<T> => {
    for (let attempts = 1; ; attempts++) {
      try {
        return await attempt(work, timeoutMs)
      } catch (error) {
        if (attempts >= attemptsFor(error)) throw error
        await Bun.sleep(Math.random() * limits.retryPauseMsMax)
      }
    }
  }

  const running = new Set<Promise<unknown>>()
  const transact: Transactor["transact"] = async (work, timeoutMs) => {
    if (isClosed) throw internalError("the database is closed")
    const result = retry(work, timeoutMs)
    running.add(result)
    try {
      return await result
    } finally {
      running.delete(result)
    }
  }
  return {
    transact,
    // Each has a commit of its own, so there is nothing to wait for.
    transactDeferred: transact,
    async drain() {
      isClosed = true
      await Promise.allSettled(running)
      // A rollback may be on its way when its caller knows already.
      await slots.empty()
    },
  }
}

/** A work that wraps the server's error in one of its own must not hide that another attempt may succeed. */
const reasonOf = ({ failure }: RunningTransaction, error: unknown): unknown =>
  attemptsFor(failure()) > 1 ? failure() : error
