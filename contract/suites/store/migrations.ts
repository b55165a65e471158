// Upgrades: once, whole, and never backwards.

import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { sql } from "kysely"
import type { Database } from "../../../packages/server/src/store/database.ts"
import { engineOf } from "../../../packages/server/src/store/engine.ts"
import { MigrationError } from "../../../packages/server/src/store/errors.ts"
import { type Migration, migrate } from "../../../packages/server/src/store/migrate.ts"
import { openDatabase } from "../../../packages/server/src/store/open.ts"
import type { Backend, TestDatabase } from "./backends.ts"

export function migrationSuite(backend: Backend): void {
  describe("migrations", () => {
    let database: TestDatabase
    let db: Database
    beforeEach(async () => {
      database = await backend.create()
      db = await openDatabase(database.location)
    })
    afterEach(async () => {
      await db.close()
      await database.drop()
    })

    const first: Migration = {
      id: "0001_create",
      async up({ schema, columns }) {
        await schema
          .createTable("things")
          .addColumn("id", columns.key, (column) => column.primaryKey())
          .execute()
      },
    }
    const second: Migration = {
      id: "0002_weight",
      async up({ schema, columns, query }) {
        await query.insertInto("things").values({ id: "seed" }).execute()
        await schema.alterTable("things").addColumn("weight", columns.number).execute()
        await query.updateTable("things").set({ weight: 1.5 }).execute()
      },
    }
    const things = (...migrations: Migration[]) => [{ module: "things", migrations }]
    const rows = async () => (await sql`select * from things order by id`.execute(engineOf(db).kysely)).rows
    const refusal = async (attempt: Promise<unknown>): Promise<Error> =>
      attempt.then(
        () => {
          throw new Error("was not refused")
        },
        (error) => error,
      )

    test("run once, in order, and later ones after an upgrade", async () => {
      expect(await migrate(db, things(first))).toEqual(["store/0001_outbox", "things/0001_create"])
      expect(await migrate(db, things(first))).toEqual([])
      expect(await rows()).toEqual([])
      expect(await migrate(db, things(first, second))).toEqual(["things/0002_weight"])
      // The same statement as before the upgrade: what was prepared then must not hide the new column.
      expect(await rows()).toEqual([{ id: "seed", weight: 1.5 }])
      expect(await migrate(db, things(first, second))).toEqual([])
    })

    test("a database of a newer version is refused in one line that says what to do", async () => {
      await migrate(db, things(first, second))
      const error = await refusal(migrate(db, things(first)))
      expect(error).toBeInstanceOf(MigrationError)
      expect(error.message).toContain("newer version of Weir")
      expect(error.message).toContain("things/0002_weight")
      expect(error.message).not.toContain("\n")
      expect(await refusal(migrate(db, []))).toBeInstanceOf(MigrationError)
    })

    test("a failed upgrade leaves the database as it was", async () => {
      await migrate(db, things(first))
      const broken: Migration = {
        id: "0003_broken",
        async up() {
          throw new Error("does not work here")
        },
      }
      const error = await refusal(migrate(db, things(first, second, broken)))
      expect(error.message).toBe("does not work here")
      expect(await rows()).toEqual([])
      expect(await migrate(db, things(first, second))).toEqual(["things/0002_weight"])
    })

    test("a gap in what has run, or a list out of order, is refused", async () => {
      await migrate(db, things(second === first ? first : { ...first, id: "0002_create" }))
      expect(await refusal(migrate(db, things(first, { ...first, id: "0002_create" })))).toBeInstanceOf(MigrationError)
      expect(await refusal(migrate(db, things(second, first)))).toBeInstanceOf(TypeError)
      expect(await refusal(migrate(db, [...things(first), ...things(first)]))).toBeInstanceOf(TypeError)
    })

    test("nodes that start at once on one database all come up, and each migration runs once", async () => {
      if (!db.capabilities.supportsManyNodes) {
        // One process at a time has the folder of SQLite (lock.ts); two calls of one process take turns.
        const ran = await Promise.all([migrate(db, things(first, second)), migrate(db, things(first, second))])
        expect(ran.map(({ length }) => length).sort()).toEqual([0, 3])
        return
      }
      const nodes = await Promise.all([1, 2, 3].map(() => openDatabase(database.location)))
      try {
        const ran = await Promise.all(nodes.map((node) => migrate(node, things(first, second))))
        expect(ran.map(({ length }) => length).sort()).toEqual([0, 0, 3])
        expect(await rows()).toEqual([{ id: "seed", weight: 1.5 }])
      } finally {
        await Promise.all(nodes.map((node) => node.close()))
      }
    })
  })
}
