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
  {
    id: "0002_gate",
    async up({ schema, columns }) {
      const flags = ["disable_auth_checks", "allow_basic_auth"]
      for (const flag of flags) {
        await schema
          .alterTable("apps")
          .addColumn(flag, columns.flag, (column) => column.notNull().defaultTo(0))
          .execute()
      }
      // Null: the preset of the app's environment.
      await schema.alterTable("apps").addColumn("token_policy", columns.json).execute()
    },
  },
]
