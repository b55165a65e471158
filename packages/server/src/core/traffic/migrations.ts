import { sql } from "kysely"
import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns, query }) {
      await schema
        .createTable("traffic_minutes")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("at", columns.number, (column) => column.notNull())
        .addColumn("node_id", columns.key, (column) => column.notNull())
        .addColumn("rolled", columns.flag, (column) => column.notNull())
        .addColumn("counts", columns.json, (column) => column.notNull())
        .addPrimaryKeyConstraint("traffic_minutes_pk", ["app_id", "at", "node_id"])
        .execute()
      await schema.createIndex("traffic_minutes_at").on("traffic_minutes").columns(["at"]).execute()
      await schema
        .createIndex("traffic_minutes_unrolled")
        .on("traffic_minutes")
        .columns(["at"])
        .where(sql.ref("rolled"), "=", 0)
        .execute()
      await schema
        .createTable("traffic_hours")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("at", columns.number, (column) => column.notNull())
        .addColumn("counts", columns.json, (column) => column.notNull())
        .addPrimaryKeyConstraint("traffic_hours_pk", ["app_id", "at"])
        .execute()
      await schema.createIndex("traffic_hours_at").on("traffic_hours").columns(["at"]).execute()
      await schema
        .createTable("traffic_rolls")
        .addColumn("id", columns.number, (column) => column.primaryKey().notNull())
        .addColumn("rolls", columns.number, (column) => column.notNull())
        .execute()
      await query.insertInto("traffic_rolls").values({ id: 1, rolls: 0 }).execute()
    },
  },
]
