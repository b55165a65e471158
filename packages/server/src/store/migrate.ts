// Brings a database up to date. Each migration is written once for both databases and runs once; all of them run in
// one transaction, so that a failed upgrade leaves the database as it was.

import { type Kysely, type SchemaModule, sql } from "kysely"
import { type ColumnTypes, columnTypes } from "./columns.ts"
import type { Capabilities, Database } from "./database.ts"
import { type AnyTables, engineOf, type OpenTransaction } from "./engine.ts"
import { MigrationError } from "./errors.ts"
import { limits } from "./limits.ts"
import { storeMigrations } from "./outbox.ts"

export interface Migration {
  /** Number and name, such as `0001_create`. Ids of a module grow; a released migration never changes. */
  readonly id: string
  up(builder: MigrationBuilder): Promise<void>
}

/** What a migration works with. `schema` and `query` are Kysely's, inside the transaction of the upgrade. */
export interface MigrationBuilder {
  readonly schema: SchemaModule
  readonly columns: ColumnTypes
  /** For moving data. Untyped: a migration meets the tables as they were when it was written. */
  readonly query: Kysely<AnyTables>
  readonly capabilities: Capabilities
}

export interface ModuleMigrations {
  readonly module: string
  readonly migrations: readonly Migration[]
}

/** Identifies the upgrade among the advisory locks of a Postgres database: "weir" in ASCII. */
const advisoryLockId = 0x77656972

/**
 * Runs the migrations that have not run yet and answers their names (`module/id`). Nodes that start at once on one
 * database take turns. Throws MigrationError when the database was made by a newer version of the program.
 */
export async function migrate(db: Database, modules: readonly ModuleMigrations[]): Promise<string[]> {
  const all = [{ module: "store", migrations: storeMigrations }, ...modules]
  requireOrder(all)
  const engine = engineOf(db)
  const { capabilities } = engine
  const upgrade = async ({ kysely }: OpenTransaction): Promise<string[]> => {
    if (capabilities.supportsManyNodes) {
      await sql`set local statement_timeout = 0`.execute(kysely)
      await sql`set local idle_in_transaction_session_timeout = 0`.execute(kysely)
      await sql`select pg_advisory_xact_lock(${sql.lit(advisoryLockId)})`.execute(kysely)
    }
    const columns = columnTypes(capabilities)
    await kysely.schema
      .createTable("migrations")
      .ifNotExists()
      .addColumn("module", columns.key, (column) => column.notNull())
      .addColumn("id", columns.key, (column) => column.notNull())
      .addColumn("applied_at", columns.number, (column) => column.notNull())
      .addPrimaryKeyConstraint("migrations_pk", ["module", "id"])
      .execute()
    const pending = pendingOf(all, await kysely.selectFrom("migrations").select(["module", "id"]).execute())
    for (const { module, migration } of pending) {
      await migration.up({ schema: kysely.schema, columns, query: kysely, capabilities })
      await kysely.insertInto("migrations").values({ module, id: migration.id, applied_at: Date.now() }).execute()
    }
    return pending.map(({ module, migration }) => `${module}/${migration.id}`)
  }
  return engine.changeSchema(() => engine.transact(upgrade, limits.migrationTimeoutMs))
}

interface Pending {
  readonly module: string
  readonly migration: Migration
}

/** What is left to run. The migrations that have run must be the first ones of each module. */
function pendingOf(all: readonly ModuleMigrations[], applied: readonly { module: string; id: string }[]): Pending[] {
  const known = new Set(all.flatMap(({ module, migrations }) => migrations.map(({ id }) => `${module}/${id}`)))
  const names = new Set(applied.map(({ module, id }) => `${module}/${id}`))
  const unknown = [...names].filter((name) => !known.has(name)).sort()
  if (unknown.length > 0) {
    throw new MigrationError(
      `the database was made by a newer version of Weir (this one does not know ${unknown[0]}); ` +
        "start that version, or restore a backup from before the upgrade",
    )
  }
  return all.flatMap(({ module, migrations }) => {
    const pending = migrations.filter(({ id }) => !names.has(`${module}/${id}`))
    const [first] = pending
    if (first !== undefined && migrations.indexOf(first) !== migrations.length - pending.length) {
      throw new MigrationError(`migration ${module}/${first.id} is missing although a later one of its module has run`)
    }
    return pending.map((migration) => ({ module, migration }))
  })
}

function requireOrder(all: readonly ModuleMigrations[]): void {
  const modules = new Set<string>()
  for (const { module, migrations } of all) {
    if (modules.has(module)) throw new TypeError(`two lists of migrations for the module ${module}`)
    modules.add(module)
    for (let index = 1; index < migrations.length; index++) {
      const [before, after] = [migrations[index - 1]?.id ?? "", migrations[index]?.id ?? ""]
      if (before >= after) throw new TypeError(`migrations of ${module} are not in order: ${before}, ${after}`)
    }
  }
}
