// What stands behind a Database, for the files of this folder alone: queries of any shape, which migrations need, and
// the parts that the two dialects bring.

import {
  type CompiledQuery,
  type DatabaseConnection,
  DefaultQueryExecutor,
  type Dialect,
  Kysely,
  type QueryExecutor,
} from "kysely"
import type { Capabilities, Database, EmittingListener, Read, StoredEvent, Tx } from "./database.ts"

// biome-ignore lint/suspicious/noExplicitAny: a migration works on tables that no type knows yet
export type AnyTables = any

/** An open transaction from the inside. */
export interface OpenTransaction {
  readonly tx: Tx
  /** The same transaction, for queries of any shape. Made when it is asked for. */
  readonly kysely: Kysely<AnyTables>
}

/** Runs transactions; the two strategies are in transact-serial.ts and transact-pooled.ts. */
export interface Transactor {
  transact<T>(work: (open: OpenTransaction) => Promise<T>, timeoutMs: number): Promise<T>
  /**
   * The same for what nobody waits for. Where transactions share commits, it causes none of its own: it takes part in
   * the next one, or has one after limits.deferredCommitMs.
   */
  transactDeferred<T>(work: (open: OpenTransaction) => Promise<T>, timeoutMs: number): Promise<T>
  /** Waits for those that have begun or wait; refuses new ones. */
  drain(): Promise<void>
}

export interface Engine extends Transactor {
  readonly capabilities: Capabilities
  /** Reads see the last commit. */
  readonly reader: DatabaseConnection
  /** The same connection, for queries of any shape. */
  readonly kysely: Kysely<AnyTables>
  /** Runs a change of the schema, with what the dialect does around it. */
  changeSchema<T>(change: () => Promise<T>): Promise<T>
}

/** What both strategies need besides a connection. */
export interface TransactParts {
  readonly capabilities: Capabilities
  readonly bind: BindKysely
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
  readonly committed: (events: readonly StoredEvent[]) => void
  /** Takes part in a transaction that emits, before its events are written. */
  readonly emitting: EmittingListener
  /** Hears what an afterCommit callback or the listener threw, which must not reach the caller. */
  readonly onError: (error: unknown) => void
}

export type BindKysely = (connection: DatabaseConnection) => Kysely<AnyTables>

/**
 * Prepares the making of Kysely instances that send their queries to one connection. Kysely's own transactions are
 * not used: they know nothing of shared commits, and a plain instance is cheap.
 */
export function bindKysely(dialect: Dialect): BindKysely {
  const driver = dialect.createDriver()
  const compiler = dialect.createQueryCompiler()
  const adapter = dialect.createAdapter()
  return (connection) => {
    const executor: QueryExecutor = new DefaultQueryExecutor(compiler, adapter, {
      provideConnection: (consumer) => consumer(connection),
    })
    return new Kysely<AnyTables>({ config: { dialect }, dialect, driver, executor })
  }
}

const connectionKey = Symbol("connection")

/** The member of a handle by which compiled statements (statement.ts) reach its connection without Kysely between. */
export const withConnection = (connection: DatabaseConnection): object => ({ [connectionKey]: connection })

/** The connection behind a handle of the store. */
export function connectionOf(handle: Pick<Read, "capabilities">): DatabaseConnection {
  const connection = (handle as { [connectionKey]?: DatabaseConnection })[connectionKey]
  if (connection === undefined) throw new TypeError("this handle was not made by the store")
  return connection
}

/** The error of a stream: all reads are bounded lists, so neither dialect streams. */
export function refuseStream(): never {
  throw new Error("the store does not stream; page through the rows instead")
}

/**
 * Parameters that both databases take alike. A boolean is an integer here and a type of its own there, so flags are
 * 0 and 1; Postgres has no place for U+0000 in a text.
 */
export function assertPortable({ sql, parameters }: CompiledQuery): void {
  for (let index = 0; index < parameters.length; index++) {
    const value = parameters[index]
    const isPortable =
      typeof value === "string"
        ? !value.includes("\0")
        : typeof value === "number"
          ? Number.isFinite(value)
          : value === null || value instanceof Uint8Array
    if (!isPortable) {
      const what = typeof value === "string" ? "a text with U+0000" : typeof value === "number" ? value : typeof value
      throw new TypeError(`parameter ${index + 1} of a query is not portable (${what}): ${sql.slice(0, 200)}`)
    }
  }
}

const engines = new WeakMap<Database, Engine>()

/** The engine of a database that openDatabase made. */
export function engineOf(db: Database): Engine {
  const engine = engines.get(db)
  if (engine === undefined) throw new TypeError("this Database was not made by openDatabase")
  return engine
}

export const registerEngine = (db: Database, engine: Engine): void => void engines.set(db, engine)
