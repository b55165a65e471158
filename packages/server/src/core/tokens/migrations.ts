import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("minted_tokens")
        .addColumn("jti", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("operator_id", columns.key, (column) => column.notNull())
        .addColumn("needs", columns.text, (column) => column.notNull())
        .addColumn("expires_at", columns.number, (column) => column.notNull())
        .execute()
      await schema
        .createIndex("minted_tokens_operator")
        .on("minted_tokens")
        .columns(["operator_id", "expires_at"])
        .execute()
      await schema.createIndex("minted_tokens_expiry").on("minted_tokens").columns(["expires_at"]).execute()
    },
  },
]
