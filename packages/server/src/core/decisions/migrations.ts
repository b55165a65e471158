import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("decisions")
        .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
        // 0: the caller named no app that there is.
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("at", columns.number, (column) => column.notNull())
        .addColumn("operation", columns.key, (column) => column.notNull())
        .addColumn("code", columns.number, (column) => column.notNull())
        .addColumn("user_id", columns.key)
        .addColumn("body", columns.json, (column) => column.notNull())
        .execute()
      await schema.createIndex("decisions_app").on("decisions").columns(["app_id", "at", "id"]).execute()
      await schema.createIndex("decisions_at").on("decisions").columns(["at"]).execute()
    },
  },
]
