import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("app_limits")
        .addColumn("app_id", columns.number, (column) => column.primaryKey().notNull())
        .addColumn("overrides", columns.json, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .execute()
    },
  },
]
