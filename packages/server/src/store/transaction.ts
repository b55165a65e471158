// One transaction as its work sees it, whichever way it is run: the guard over its connection, the events it emits,
// and what happens after the commit.

import { ApiError } from "@weir/protocol"
import type { CompiledQuery, DatabaseConnection, Kysely, QueryResult } from "kysely"
import type { OutboxEvent, StoredEvent, Tx } from "./database.ts"
import { type AnyTables, type OpenTransaction, refuseStream, type TransactParts, withConnection } from "./engine.ts"
import { limits } from "./limits.ts"
import { insertEvents } from "./outbox.ts"

export interface RunningTransaction {
  readonly open: OpenTransaction
  /** Ends the work's part and writes its events. Throws when a statement failed, even if the work did not mind. */
  finish(): Promise<readonly StoredEvent[]>
  /** Whatever the work still sends is refused from now on. */
  abandon(): void
  /** What the first statement that failed threw. */
  failure(): unknown
  /** Runs the callbacks of afterCommit. */
  committed(): void
}

/** Opens a transaction's handle over a connection on which it has already begun. */
export function openTransaction(connection: DatabaseConnection, parts: TransactParts): RunningTransaction {
  const events: OutboxEvent[] = []
  const callbacks: (() => void)[] = []
  const guard = guardConnection(connection)
  let bound: Kysely<AnyTables> | undefined
  const kysely = () => {
    bound ??= parts.bind(guard)
    return bound
  }
  const refuseWhenOver = () => {
    if (guard.isOver) throw new Error("the transaction is over")
  }
  const tx = Object.assign(lazyQueries(kysely), withConnection(guard), {
    capabilities: parts.capabilities,
    emit(event: OutboxEvent): void {
      refuseWhenOver()
      if (events.length >= limits.eventsPerTransactionMax) {
        throw new RangeError(`a transaction emits at most ${limits.eventsPerTransactionMax} events`)
      }
      events.push(event)
    },
    afterCommit(run: () => void): void {
      refuseWhenOver()
      callbacks.push(run)
    },
  })
  return {
    open: {
      tx,
      get kysely() {
        return kysely()
      },
    },
    async finish() {
      // Postgres turns the commit of a transaction with a failed statement into a rollback without a word, so such
      // a transaction fails on both databases.
      if (guard.failure !== undefined) throw guard.failure
      const now = parts.now()
      if (events.length > 0) await parts.emitting(tx, events, now)
      if (guard.failure !== undefined) throw guard.failure
      const stored = events.length === 0 ? [] : await insertEvents(tx, events, now)
      guard.isOver = true
      return stored
    },
    abandon() {
      guard.isOver = true
    },
    failure: () => guard.failure,
    committed() {
      for (const run of callbacks) {
        try {
          run()
        } catch (error) {
          parts.onError(error)
        }
      }
    },
  }
}

type Queries = Pick<Kysely<AnyTables>, Exclude<keyof Tx, "capabilities" | "emit" | "afterCommit">>

interface LazyQueries {
  readonly kysely: () => Kysely<AnyTables>
}

// What Tx has of Kysely, by way of a prototype: most transactions send nothing but compiled statements, and to make a
// Kysely for each would cost more than one of those.
const lazyPrototype = Object.create(null, {
  fn: { get: queriesOf((kysely) => kysely.fn) },
  dynamic: { get: queriesOf((kysely) => kysely.dynamic) },
}) as Queries
for (const method of ["selectFrom", "selectNoFrom", "with", "insertInto", "updateTable", "deleteFrom"] as const) {
  Object.defineProperty(lazyPrototype, method, {
    value(this: LazyQueries, ...given: unknown[]) {
      const kysely = this.kysely()
      return (kysely[method] as (...given: unknown[]) => unknown).apply(kysely, given)
    },
  })
}

function queriesOf<Member>(member: (kysely: Kysely<AnyTables>) => Member) {
  return function (this: LazyQueries): Member {
    return member(this.kysely())
  }
}

const lazyQueries = (kysely: () => Kysely<AnyTables>): Queries => {
  const queries: LazyQueries = Object.assign(Object.create(lazyPrototype), { kysely })
  return queries as LazyQueries & Queries
}

interface Guard extends DatabaseConnection {
  isOver: boolean
  failure: unknown
}

function guardConnection(connection: DatabaseConnection): Guard {
  const guard: Guard = {
    isOver: false,
    failure: undefined,
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      if (guard.isOver) throw new Error("the transaction is over")
      if (guard.failure !== undefined) throw guard.failure
      try {
        return await connection.executeQuery<R>(query)
      } catch (error) {
        guard.failure ??= error
        throw error
      }
    },
    streamQuery: refuseStream,
  }
  return guard
}

/** Settles as `work` does, or fails after `timeoutMs`. The work itself goes on, but its transaction is closed to it. */
export function withinTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(internalError(`a transaction was not finished after ${timeoutMs} ms and was rolled back`))
    }, timeoutMs)
    work.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}

/** 500/-1: the public text says nothing, the log gets `internal`. */
export const internalError = (internal: string, cause?: unknown): ApiError =>
  new ApiError("internal", "something went wrong", cause === undefined ? { internal } : { internal, cause })
