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
  /** Reads on any connection; many may be on their way on one. */
  readonly reader: DatabaseConnection
  /** `patienceMs`: the longest that a statement of this session may take before its connection counts as lost. */
  reserve(patienceMs: number): Promise<PostgresSession>
  close(): Promise<void>
}

/** Oldest version that the queries are tested on. */
const serverVersionMin = 150_000

/** Connects. Throws when the server cannot be reached, is older than 15 or has a database that is not UTF-8. */
export async function openPostgres(
  url: string,
  answerTimeoutMs: number = limits.answerTimeoutMs,
): Promise<PostgresPools> {
  const writers = createPool(url, {}, answerTimeoutMs)
  const readers = createPool(url, { default_transaction_read_only: "on" }, answerTimeoutMs)
  const close = async (): Promise<void> => {
    await Promise.all([writers.close(), readers.close()])
  }
  try {
    await requireServer(readers.sql)
  } catch (error) {
    await close()
    throw new Error(`the database at ${new URL(url).host} cannot be used: ${(error as Error).message}`, {
      cause: error,
    })
  }
  return {
    reader: readerOf(readers),
    async reserve(patienceMs) {
      const { sql } = writers
      return sessionOf(await sql.reserve(), {
        watch: (answer) => writers.watch(sql, answer, Math.max(patienceMs, answerTimeoutMs)),
      })
    },
    close,
  }
}

async function requireServer(sql: SQL): Promise<void> {
  const [row] = await sql.unsafe(
    "select current_setting('server_version_num') as version, current_setting('server_encoding') as encoding",
  )
  const { version, encoding } = row as { version: string; encoding: string }
  if (Number(version) < serverVersionMin) {
    throw new Error(`PostgreSQL ${Math.floor(Number(version) / 10_000)} is too old; Weir needs 15 or newer`)
  }
  if (encoding !== "UTF8") throw new Error(`the database is encoded in ${encoding}; Weir needs UTF8`)
}

interface Pool {
  /** The connections in use now. Ask again for each statement. */
  readonly sql: SQL
  /** Statements that wait for their answer. */
  readonly waiting: number
  watch<T>(sql: SQL, answer: Promise<T>, patienceMs: number): Promise<T>
  close(): Promise<void>
}

/**
 * Connections that are given up together when one of them no longer answers. A server that ends without a word, as in
 * a network that drops packets, would otherwise hold them for the quarter of an hour that TCP takes to notice.
 */
function createPool(url: string, session: Record<string, string>, answerTimeoutMs: number): Pool {
  const open = () =>
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
  let sql = open()
  const waiting = new Set<{ readonly sql: SQL; readonly untilMs: number }>()
  const sweep = setInterval(() => {
    const nowMs = performance.now()
    for (const statement of waiting) {
      if (statement.untilMs > nowMs || statement.sql !== sql) continue
      sql = open()
      // Rejects whatever still waits on the old connections.
      statement.sql.close({ timeout: 0 }).catch(() => {})
    }
  }, answerTimeoutMs / 10)
  sweep.unref()
  return {
    get sql() {
      return sql
    },
    get waiting() {
      return waiting.size
    },
    async watch(used, answer, patienceMs) {
      const statement = { sql: used, untilMs: performance.now() + patienceMs }
      waiting.add(statement)
      try {
        return await answer
      } finally {
        waiting.delete(statement)
      }
    },
    async close() {
      clearInterval(sweep)
      await sql.close({ timeout: limits.closeTimeoutSeconds })
    },
  }
}

function readerOf(pool: Pool): DatabaseConnection {
  return {
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      if (pool.waiting >= limits.readsWaitingMax) throw internalError(`${pool.waiting} reads wait already`)
      for (let attempts = 1; ; attempts++) {
        const { sql } = pool
        try {
          return await pool.watch(sql, execute<R>(sql, query), limits.answerTimeoutMs)
        } catch (error) {
          if (attempts >= attemptsFor(error)) throw error
        }
      }
    },
    streamQuery: refuseStream,
  }
}

function sessionOf(
  connection: ReservedSQL,
  { watch }: { watch: <T>(answer: Promise<T>) => Promise<T> },
): PostgresSession {
  let begun: Promise<unknown> = Promise.resolve()
  return {
    executeQuery: <R>(query: CompiledQuery) => watch(execute<R>(connection, query)),
    streamQuery: refuseStream,
    begin() {
      begun = watch(connection.unsafe("begin isolation level read committed").execute())
      // Its failure is reported by commit(), and by every statement in between.
      begun.catch(() => {})
    },
    async commit() {
      await begun
      const { command } = await watch(connection.unsafe("commit").execute())
      if (command !== "COMMIT") throw internalError(`the server answered ${command} to a commit`)
    },
    async rollback() {
      await watch(connection.unsafe("rollback").execute())
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

/**
 * How often a read, or a transaction whose commit was not sent, may be tried when it ends with this error; 1 for
 * errors that another attempt would meet again. SQLSTATE: PostgreSQL manual, appendix A.
 */
export function attemptsFor(error: unknown): number {
  if (!(error instanceof SQL.PostgresError)) return 1
  if (error.errno === serializationFailure || error.errno === deadlockDetected) return limits.attemptsMax
  // After a restart of the server, or an upgrade by another node, each connection finds out once by itself.
  const isStalePlan = error.errno === featureNotSupported && error.routine === "RevalidateCachedQuery"
  return isStalePlan || isConnectionLost(error) ? limits.connectionsMax + 1 : 1
}

/** Whether the connection ended under a statement, so that nobody knows what became of it. */
export const isConnectionLost = (error: unknown): boolean =>
  error instanceof SQL.PostgresError &&
  (error.code === "ERR_POSTGRES_CONNECTION_CLOSED" || error.errno === adminShutdown || error.errno === crashShutdown)

const uniqueViolation = "23505"
const serializationFailure = "40001"
const deadlockDetected = "40P01"
const featureNotSupported = "0A000"
const adminShutdown = "57P01"
const crashShutdown = "57P02"
