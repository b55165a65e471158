// PostgreSQL through the client that Bun has built in. Two pools: one for transactions, one whose sessions can only
// read. A transaction may therefore read outside of itself without waiting for a connection that it holds itself.

import { type ReservedSQL, SQL } from "bun"
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  DummyDriver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from "kysely"
import { assertPortable, refuseStream } from "../engine.ts"
import { UniqueViolation } from "../errors.ts"
import { limits } from "../limits.ts"
import { internalError } from "../transaction.ts"

/** How Kysely writes SQL for Postgres. Connections are handed to each instance, so the driver has none. */
export const postgresDialect: Dialect = {
  createAdapter: () => new PostgresAdapter(),
  createDriver: () => new DummyDriver(),
  createIntrospector: (db) => new PostgresIntrospector(db),
  createQueryCompiler: () => new PostgresQueryCompiler(),
}

/** A connection that one transaction has to itself. */
export interface PostgresSession extends DatabaseConnection {
  /** Sends `begin` without waiting for the answer, which comes with that of the first statement. */
  begin(): void
  /** Resolves when the changes are durable. Rejects when the server rolled back instead. */
  commit(): Promise<void>
  rollback(): Promise<void>
  release(): void
}

export interface PostgresPools {
  /** Reads on any free connection. */
  readonly reader: DatabaseConnection
  reserve(): Promise<PostgresSession>
  close(): Promise<void>
}

/** Oldest version that the queries are tested on. */
const serverVersionMin = 150_000

/** Connects. Throws when the server cannot be reached, is older than 15 or has a database that is not UTF-8. */
export async function openPostgres(url: string): Promise<PostgresPools> {
  const writers = openPool(url, {})
  const readers = openPool(url, { default_transaction_read_only: "on" })
  const close = async (): Promise<void> => {
    await Promise.all([
      writers.close({ timeout: closeTimeoutSeconds }),
      readers.close({ timeout: closeTimeoutSeconds }),
    ])
  }
  try {
    await requireServer(readers)
  } catch (error) {
    await close()
    throw error
  }
  return {
    reader: readerOf(readers),
    reserve: async () => sessionOf(await writers.reserve()),
    close,
  }
}

const closeTimeoutSeconds = 5

const openPool = (url: string, session: Record<string, string>): SQL =>
  new SQL(url, {
    max: limits.connectionsMax,
    connectionTimeout: limits.connectTimeoutSeconds,
    maxLifetime: limits.connectionLifetimeSeconds,
    connection: {
      application_name: "weir",
      statement_timeout: limits.statementTimeoutMs,
      idle_in_transaction_session_timeout: limits.idleInTransactionTimeoutMs,
      ...session,
    },
  })

async function requireServer(pool: SQL): Promise<void> {
  const [row] = await pool.unsafe(
    "select current_setting('server_version_num') as version, current_setting('server_encoding') as encoding",
  )
  const { version, encoding } = row as { version: string; encoding: string }
  if (Number(version) < serverVersionMin) {
    throw new Error(`PostgreSQL ${Math.floor(Number(version) / 10_000)} is too old; Weir needs 15 or newer`)
  }
  if (encoding !== "UTF8") throw new Error(`the database is encoded in ${encoding}; Weir needs UTF8`)
}

function readerOf(pool: SQL): DatabaseConnection {
  let pending = 0
  return {
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      if (pending >= limits.readsWaitingMax) throw internalError(`${pending} reads wait already`)
      pending++
      try {
        return await execute<R>(pool, query)
      } finally {
        pending--
      }
    },
    streamQuery: refuseStream,
  }
}

function sessionOf(connection: ReservedSQL): PostgresSession {
  let begun: Promise<unknown> = Promise.resolve()
  return {
    executeQuery: (query) => execute(connection, query),
    streamQuery: refuseStream,
    begin() {
      begun = connection.unsafe("begin isolation level read committed").execute()
      // Its failure is reported by commit(), and by every statement in between.
      begun.catch(() => {})
    },
    async commit() {
      await begun
      const { command } = await connection.unsafe("commit")
      if (command !== "COMMIT") throw internalError(`the server answered ${command} to a commit`)
    },
    async rollback() {
      await connection.unsafe("rollback")
    },
    release: () => connection.release(),
  }
}

async function execute<R>(connection: SQL | ReservedSQL, query: CompiledQuery): Promise<QueryResult<R>> {
  assertPortable(query)
  try {
    const rows = await connection.unsafe(query.sql, query.parameters as unknown[])
    return { rows: Array.from(rows) as R[], numAffectedRows: BigInt(rows.count ?? 0) }
  } catch (error) {
    throw typedError(error)
  }
}

// The detail reads «Key (app_id, id)=(1, a) already exists.» in the language of the server; the brackets do not change.
function typedError(error: unknown): unknown {
  if (!(error instanceof SQL.PostgresError) || error.errno !== uniqueViolation) return error
  const columns = /\(([^)]*)\)=\(/.exec(error.detail ?? "")?.[1]?.split(", ") ?? []
  return new UniqueViolation(error.table ?? "", columns, error.constraint ?? null, error)
}

/** Whether the server aborted a transaction because of another one, so that it may succeed at the next attempt. */
export const isRetryable = (error: unknown): boolean =>
  error instanceof SQL.PostgresError && (error.errno === serializationFailure || error.errno === deadlockDetected)

// SQLSTATE: PostgreSQL manual, appendix A.
const uniqueViolation = "23505"
const serializationFailure = "40001"
const deadlockDetected = "40P01"
