// The database that the suites of the store work on, and its tables.

import { afterAll, beforeAll, beforeEach } from "bun:test"
import type { Kysely } from "kysely"
import type { Database, OutboxEvent, Read, StoredEvent, Tx } from "../../../packages/server/src/store/database.ts"
import { type ModuleMigrations, migrate } from "../../../packages/server/src/store/migrate.ts"
import { openDatabase } from "../../../packages/server/src/store/open.ts"
import type { Backend, TestDatabase } from "./backends.ts"

interface SuiteTables {
  items: ItemRow
  tags: { item_id: string; tag: string }
}

export interface ItemRow {
  id: string
  name: string | null
  score: number | null
  active: number
  at: number | null
  labels: string
  custom: string
}

/** The suite's tables are not part of the product, so its types do not know them. */
export const on = (handle: Read | Tx): Kysely<SuiteTables> => handle as unknown as Kysely<SuiteTables>

export const suiteMigrations: ModuleMigrations = {
  module: "suite",
  migrations: [
    {
      id: "0001_create",
      async up({ schema, columns }) {
        await schema
          .createTable("items")
          .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
          .addColumn("name", columns.text)
          .addColumn("score", columns.number)
          .addColumn("active", columns.flag, (column) => column.notNull())
          .addColumn("at", columns.number)
          .addColumn("labels", columns.json, (column) => column.notNull())
          .addColumn("custom", columns.json, (column) => column.notNull())
          .execute()
        await schema
          .createTable("tags")
          .addColumn("item_id", columns.key, (column) => column.notNull())
          .addColumn("tag", columns.key, (column) => column.notNull())
          .addUniqueConstraint("tags_once", ["item_id", "tag"])
          .execute()
      },
    },
  ],
}

export const item = (id: string, values: Partial<ItemRow> = {}): ItemRow => ({
  id,
  name: null,
  score: null,
  active: 0,
  at: null,
  labels: "[]",
  custom: "{}",
  ...values,
})

export const insertItem = (tx: Tx, row: ItemRow): Promise<unknown> => on(tx).insertInto("items").values(row).execute()

export const eventOf = (type: string, stream = "s"): OutboxEvent => ({ appId: 7, type, stream, deliveries: [{ type }] })

export interface Fixture {
  readonly db: Database
  readonly test: TestDatabase
  /** Everything that onCommitted heard since the test began. */
  readonly heard: StoredEvent[]
}

/** One database for the tests of a `describe`, with empty tables before each of them. */
export function useDatabase(backend: Backend): Fixture {
  const heard: StoredEvent[] = []
  let test: TestDatabase
  let db: Database
  beforeAll(async () => {
    test = await backend.create()
    db = await openDatabase(test.location)
    await migrate(db, [suiteMigrations])
    db.onCommitted((events) => heard.push(...events))
  })
  beforeEach(async () => {
    await db.transact(async (tx) => {
      for (const table of ["items", "tags"] as const) await on(tx).deleteFrom(table).execute()
      await tx.deleteFrom("outbox").execute()
    })
    heard.length = 0
  })
  afterAll(async () => {
    await db.close()
    await test.drop()
  })
  return {
    get db() {
      return db
    },
    get test() {
      return test
    },
    heard,
  }
}

export const idsOf = async (read: Read): Promise<string[]> =>
  (await on(read).selectFrom("items").select("id").orderBy("id").execute()).map(({ id }) => id)
