// SQLite through bun:sqlite. One connection writes, one only reads: a read never waits for an open transaction and
// sees the last commit (write-ahead log, https://sqlite.org/wal.html).

import { type SQLQueryBindings, Database as SqliteFile, type Statement } from "bun:sqlite"
import { chmodSync, existsSync } from "node:fs"
import {
  type CompiledQuery,
  type DatabaseConnection,
  DeleteQueryNode,
  type Dialect,
  DummyDriver,
  InsertQueryNode,
  type QueryResult,
  SelectQueryNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  UpdateQueryNode,
} from "kysely"
import { assertPortable, refuseStream } from "../engine.ts"
import { UniqueViolation } from "../errors.ts"
import { limits } from "../limits.ts"

/** How Kysely writes SQL for SQLite. Connections are handed to each instance, so the driver has none. */
export const sqliteDialect: Dialect = {
  createAdapter: () => new SqliteAdapter(),
  createDriver: () => new DummyDriver(),
  createIntrospector: (db) => new SqliteIntrospector(db),
  createQueryCompiler: () => new SqliteQueryCompiler(),
}

export interface SqliteConnection extends DatabaseConnection {
  /** Runs a statement that has no result, such as `commit`. */
  run(sql: string): void
  /** Some errors, such as a full disk, end the whole transaction. */
  readonly inTransaction: boolean
  /**
   * Where to keep what a savepoint may have to undo, and what is being sorted. Each savepoint of a shared commit needs
   * the pages as they were; in files that is three times as much writing as the changes themselves. A migration may
   * have to undo or sort a whole table, which does not fit into memory. Not to be called inside a transaction.
   */
  keepTemporary(where: "in memory" | "in files"): void
  forgetStatements(): void
  close(): void
}

export interface SqliteFiles {
  readonly writer: SqliteConnection
  readonly reader: SqliteConnection
}

/**
 * Opens the two connections to a database file and creates it when it is not there, readable to its owner alone.
 * An acknowledged commit is on the disk (`synchronous=FULL`). Throws when the file is not a database.
 */
export function openSqlite(path: string): SqliteFiles {
  try {
    return openBoth(path)
  } catch (error) {
    throw new Error(`the database ${path} cannot be opened: ${(error as Error).message}`, { cause: error })
  }
}

function openBoth(path: string): SqliteFiles {
  const isNew = !existsSync(path)
  const writer = openFile(path, { readwrite: true, create: true })
  if (isNew) chmodSync(path, 0o600)
  // The write-ahead log must be there before a connection that may not write opens the file.
  writer.exec("pragma journal_mode = wal")
  writer.exec("pragma synchronous = full")
  writer.exec("pragma foreign_keys = on")
  const reader = openFile(path, { readonly: true })
  const files = { writer: connectionOf(writer), reader: connectionOf(reader) }
  files.writer.keepTemporary("in memory")
  return files
}

function openFile(path: string, mode: { readonly?: true; readwrite?: true; create?: true }): SqliteFile {
  const file = new SqliteFile(path, { ...mode, strict: true })
  file.exec(`pragma busy_timeout = ${limits.busyTimeoutMs}`)
  return file
}

function connectionOf(file: SqliteFile): SqliteConnection {
  const statements = createStatementCache(file)
  return {
    // Async, so that what SQLite throws becomes a rejection. The work itself is done when this returns.
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      assertPortable(query)
      const statement = statements.get(query.sql)
      const parameters = query.parameters as SQLQueryBindings[]
      try {
        if (hasRows(query, statement)) return { rows: statement.all(...parameters) as R[] }
        const { changes } = statement.run(...parameters)
        return { rows: [], numAffectedRows: BigInt(changes) }
      } catch (error) {
        throw typedError(error)
      }
    },
    streamQuery: refuseStream,
    run(sql) {
      statements.get(sql).run()
    },
    get inTransaction() {
      return file.inTransaction
    },
    keepTemporary(where) {
      file.exec(`pragma temp_store = ${where === "in memory" ? "memory" : "file"}`)
    },
    forgetStatements: statements.clear,
    close() {
      statements.clear()
      file.close(true)
    },
  }
}

function hasRows({ query }: CompiledQuery, statement: Statement): boolean {
  if (SelectQueryNode.is(query)) return true
  if (InsertQueryNode.is(query) || UpdateQueryNode.is(query) || DeleteQueryNode.is(query)) {
    return query.returning !== undefined
  }
  return statement.columnNames.length > 0
}

/** Statements by their text; a Map remembers the order of insertion, so its first entry is the least recently used. */
function createStatementCache(file: SqliteFile) {
  const statements = new Map<string, Statement>()
  return {
    get(sql: string): Statement {
      let statement = statements.get(sql)
      if (statement !== undefined) {
        statements.delete(sql)
      } else {
        statement = file.prepare(sql)
        if (statements.size >= limits.statementsCachedMax) {
          const [oldest] = statements.keys()
          if (oldest !== undefined) {
            statements.get(oldest)?.finalize()
            statements.delete(oldest)
          }
        }
      }
      statements.set(sql, statement)
      return statement
    },
    clear(): void {
      for (const statement of statements.values()) statement.finalize()
      statements.clear()
    },
  }
}

// «UNIQUE constraint failed: users.app_id, users.id», or «… index 'name'» for an index over expressions.
function typedError(error: unknown): unknown {
  const { code, message } = error as { code?: string; message?: string }
  if (code !== "SQLITE_CONSTRAINT_UNIQUE" && code !== "SQLITE_CONSTRAINT_PRIMARYKEY") return error
  const what = (message ?? "").replace(/^[^:]*: /, "")
  const index = /^index '(.*)'$/.exec(what)
  if (index !== null) return new UniqueViolation("", [], index[1] as string, error)
  const names = what.split(", ").map((name) => name.split("."))
  return new UniqueViolation(
    names[0]?.[0] ?? "",
    names.flatMap(([, column]) => column ?? []),
    null,
    error,
  )
}
