import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("users")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("id", columns.key, (column) => column.notNull())
        .addColumn("role", columns.key, (column) => column.notNull())
        .addColumn("name", columns.text)
        .addColumn("image", columns.text)
        .addColumn("language", columns.key, (column) => column.notNull())
        .addColumn("invisible", columns.flag, (column) => column.notNull())
        .addColumn("teams", columns.json, (column) => column.notNull())
        .addColumn("custom", columns.json, (column) => column.notNull())
        .addColumn("privacy_settings", columns.json)
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .addColumn("last_active", columns.number)
        .addColumn("deactivated_at", columns.number)
        .addColumn("deleted_at", columns.number)
        .addColumn("revoke_tokens_issued_before", columns.number)
        .addPrimaryKeyConstraint("users_pk", ["app_id", "id"])
        .execute()
      await schema.createIndex("users_created").on("users").columns(["app_id", "created_at", "id"]).execute()
      await schema.createIndex("users_name").on("users").columns(["app_id", "name"]).execute()
    },
  },
  {
    id: "0002_bans",
    async up({ schema, columns }) {
      // Null: none. The gate reads the user with every request, so what it must know of bans stands here too.
      await schema.alterTable("users").addColumn("bans", columns.json).execute()
    },
  },
]
