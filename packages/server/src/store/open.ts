// Opens the database that the settings name.

import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { sql } from "kysely"
import type { Capabilities, Database, EmittingListener, Read, StoredEvent, Tx } from "./database.ts"
import { openPostgres, postgresDialect } from "./dialects/postgres.ts"
import { openSqlite, sqliteDialect } from "./dialects/sqlite.ts"
import { bindKysely, type Engine, registerEngine, type TransactParts, withConnection } from "./engine.ts"
import { limits } from "./limits.ts"
import { createPooledTransactor } from "./transact-pooled.ts"
import { createSerialTransactor } from "./transact-serial.ts"

/** Where the database is: the file of SQLite, or the URL of Postgres. */
export type DatabaseLocation =
  | { readonly kind: "sqlite"; readonly path: string }
  | { readonly kind: "postgres"; readonly url: string }

export interface OpenOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** Hears what callbacks after a commit threw; it can reach no caller, because the change stands. */
  readonly onError?: (error: unknown) => void
}

/**
 * Opens a database; SQLite's file and its folder are created when they are not there. Run migrate() before anything
 * else. Throws when the database cannot be reached or does not serve: Postgres must be 15 or newer and speak UTF-8.
 */
export async function openDatabase(location: DatabaseLocation, options: OpenOptions = {}): Promise<Database> {
  let listener: ((events: readonly StoredEvent[]) => void) | null = null
  const now = options.now ?? Date.now
  const onError = options.onError ?? ((error) => console.error("weir: after a commit:", error))
  const committed = (events: readonly StoredEvent[]): void => {
    if (events.length === 0 || listener === null) return
    try {
      listener(events)
    } catch (error) {
      onError(error)
    }
  }
  let emittingListener: EmittingListener | null = null
  const emitting: EmittingListener = (tx, events, at) => emittingListener?.(tx, events, at)
  const parts = { now, monotonic: () => performance.now(), onError, committed, emitting }
  const { engine, closeConnections } =
    location.kind === "postgres"
      ? await openPostgresEngine(location.url, parts)
      : openSqliteEngine(location.path, parts)

  const read: Read = Object.assign(engine.kysely, withConnection(engine.reader), { capabilities: engine.capabilities })
  const db: Database = {
    read,
    capabilities: engine.capabilities,
    transact: <T>(work: (tx: Tx) => Promise<T>) => engine.transact(({ tx }) => work(tx), limits.transactionTimeoutMs),
    transactDeferred: <T>(work: (tx: Tx) => Promise<T>) =>
      engine.transactDeferred(({ tx }) => work(tx), limits.transactionTimeoutMs),
    onEmitting(heard) {
      if (emittingListener !== null) throw new Error("the database has its listener already")
      emittingListener = heard
    },
    onCommitted(heard) {
      if (listener !== null) throw new Error("the database has its listener already")
      listener = heard
    },
    async ping() {
      await sql`select 1`.execute(engine.kysely)
    },
    async close() {
      await engine.drain()
      await closeConnections()
    },
  }
  registerEngine(db, engine)
  return db
}

interface Opened {
  readonly engine: Engine
  readonly closeConnections: () => Promise<void>
}

type EngineParts = Pick<TransactParts, "now" | "monotonic" | "onError" | "committed" | "emitting">

function openSqliteEngine(path: string, parts: EngineParts): Opened {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const capabilities: Capabilities = { dialect: "sqlite", supportsManyNodes: false }
  const bind = bindKysely(sqliteDialect)
  const { writer, reader } = openSqlite(path)
  return {
    engine: {
      capabilities,
      reader,
      kysely: bind(reader),
      ...createSerialTransactor(writer, { ...parts, capabilities, bind }),
      async changeSchema(change) {
        writer.keepTemporary("in files")
        try {
          return await change()
        } finally {
          writer.keepTemporary("in memory")
          // Those that were prepared before are of no use any more.
          writer.forgetStatements()
          reader.forgetStatements()
        }
      },
    },
    async closeConnections() {
      reader.close()
      writer.close()
    },
  }
}

async function openPostgresEngine(url: string, parts: EngineParts): Promise<Opened> {
  const capabilities: Capabilities = { dialect: "postgres", supportsManyNodes: true }
  const bind = bindKysely(postgresDialect)
  const pools = await openPostgres(url)
  return {
    engine: {
      capabilities,
      reader: pools.reader,
      kysely: bind(pools.reader),
      ...createPooledTransactor(pools, { ...parts, capabilities, bind }),
      // The server plans anew by itself after it.
      changeSchema: (change) => change(),
    },
    closeConnections: pools.close,
  }
}
