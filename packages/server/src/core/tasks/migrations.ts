import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("tasks")
        .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("kind", columns.key, (column) => column.notNull())
        .addColumn("status", columns.key, (column) => column.notNull())
        .addColumn("payload", columns.json, (column) => column.notNull())
        .addColumn("result", columns.json)
        .addColumn("error", columns.text)
        .addColumn("attempts", columns.number, (column) => column.notNull())
        .addColumn("due_at", columns.number, (column) => column.notNull())
        .addColumn("leased_by", columns.key)
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .execute()
      await schema.createIndex("tasks_due").on("tasks").columns(["status", "due_at"]).execute()
    },
  },
]
