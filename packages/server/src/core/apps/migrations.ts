import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("apps")
        .addColumn("id", columns.number, (column) => column.primaryKey().notNull())
        .addColumn("name", columns.text, (column) => column.notNull())
        .addColumn("environment", columns.key, (column) => column.notNull())
        .addColumn("suspended", columns.flag, (column) => column.notNull())
        .addColumn("revoke_tokens_issued_before", columns.number)
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .execute()
    },
  },
]
