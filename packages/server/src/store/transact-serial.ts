// Transactions on a database with one writer. They run one after the other; those that arrive in the same turn of
// the event loop share one commit, because the commit waits for the disk and everything else does not. Each has its
// own savepoint, so one that fails takes no other with it.

import type { StoredEvent } from "./database.ts"
import type { SqliteConnection } from "./dialects/sqlite.ts"
import type { OpenTransaction, Transactor, TransactParts } from "./engine.ts"
import { limits } from "./limits.ts"
import { internalError, openTransaction, type RunningTransaction, withinTime } from "./transaction.ts"

interface Job {
  readonly work: (open: OpenTransaction) => Promise<unknown>
  readonly timeoutMs: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** A job whose changes stand, waiting for the commit that it shares. */
interface Done {
  readonly job: Job
  readonly value: unknown
  readonly transaction: RunningTransaction
  readonly events: readonly StoredEvent[]
}

export function createSerialTransactor(connection: SqliteConnection, parts: TransactParts): Transactor {
  const waiting: Job[] = []
  const deferred: Job[] = []
  const idle: (() => void)[] = []
  let isRunning = false
  let isClosed = false
  let deferredTimer: ReturnType<typeof setTimeout> | undefined

  // Callers of one turn of the event loop gather until its end.
  const wake = (): void => {
    if (isRunning) return
    isRunning = true
    setImmediate(turn)
  }

  const turn = async (): Promise<void> => {
    await commitWaiting()
    const isDeferredDue = deferred.length > 0 && (isClosed || deferredTimer === undefined)
    if (waiting.length > 0 || isDeferredDue) {
      setImmediate(turn)
      return
    }
    isRunning = false
    for (const run of idle.splice(0)) run()
  }

  const commitWaiting = async (): Promise<void> => {
    const gatherUntilMs = parts.monotonic() + limits.commitGatherMsMax
    const done: Done[] = []
    clearTimeout(deferredTimer)
    deferredTimer = undefined
    waiting.push(...deferred.splice(0))
    try {
      connection.run("begin immediate")
    } catch (error) {
      // Another process, such as a backup, holds the lock for too long. The queue must not pile up behind it.
      for (const job of waiting.splice(0)) job.reject(internalError("the database is locked by another process", error))
      return
    }
    try {
      for (let count = 0; count < limits.transactionsPerCommitMax; count++) {
        const job = parts.monotonic() < gatherUntilMs || count === 0 ? waiting.shift() : undefined
        if (job === undefined) break
        const outcome = await runJob(job)
        if (outcome !== null) done.push(outcome)
      }
      connection.run("commit")
    } catch (error) {
      if (connection.inTransaction) connection.run("rollback")
      for (const { job } of done) job.reject(internalError("a shared commit failed", error))
      return
    }
    announce(done)
  }

  /** Null when the job failed and its caller has been told. Throws when the whole transaction is lost. */
  const runJob = async (job: Job): Promise<Done | null> => {
    connection.run("savepoint job")
    const transaction = openTransaction(connection, parts)
    try {
      const value = await withinTime(job.work(transaction.open), job.timeoutMs)
      const events = await transaction.finish()
      connection.run("release job")
      return { job, value, transaction, events }
    } catch (error) {
      transaction.abandon()
      job.reject(error)
      // A full disk or a failing one ends more than the savepoint.
      if (!connection.inTransaction) throw error
      connection.run("rollback to job")
      connection.run("release job")
      return null
    }
  }

  const announce = (done: readonly Done[]): void => {
    // Caches first: whoever hears of an event may ask for what has changed.
    for (const { transaction } of done) transaction.committed()
    parts.committed(done.flatMap(({ events }) => events))
    for (const { job, value } of done) job.resolve(value)
  }

  const enqueue = <T>(queue: Job[], { work, timeoutMs }: Pick<Job, "work" | "timeoutMs">): Promise<T> => {
    if (isClosed) return Promise.reject(internalError("the database is closed"))
    const waitingCount = waiting.length + deferred.length
    if (waitingCount >= limits.transactionsWaitingMax) {
      return Promise.reject(internalError(`${waitingCount} transactions wait already`))
    }
    return new Promise<T>((resolve, reject) => {
      queue.push({ work, timeoutMs, resolve: resolve as (value: unknown) => void, reject })
    })
  }

  return {
    transact<T>(work: (open: OpenTransaction) => Promise<T>, timeoutMs: number): Promise<T> {
      const result = enqueue<T>(waiting, { work, timeoutMs })
      if (waiting.length > 0) wake()
      return result
    },
    transactDeferred<T>(work: (open: OpenTransaction) => Promise<T>, timeoutMs: number): Promise<T> {
      const result = enqueue<T>(deferred, { work, timeoutMs })
      deferredTimer ??= setTimeout(() => {
        deferredTimer = undefined
        if (deferred.length > 0) wake()
      }, limits.deferredCommitMs)
      return result
    },
    async drain() {
      isClosed = true
      if (deferred.length > 0) wake()
      if (isRunning) await new Promise<void>((resolve) => idle.push(resolve))
    },
  }
}
