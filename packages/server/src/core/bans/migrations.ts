import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("bans")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("user_id", columns.key, (column) => column.notNull())
        .addColumn("cid", columns.key, (column) => column.notNull())
        .addColumn("id", columns.key, (column) => column.notNull().unique())
        .addColumn("banned_by_id", columns.key)
        .addColumn("reason", columns.text)
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("expires_at", columns.number)
        .addPrimaryKeyConstraint("bans_pk", ["app_id", "user_id", "cid"])
        .execute()
      await schema.createIndex("bans_by_channel").on("bans").columns(["app_id", "cid", "created_at", "id"]).execute()
    },
  },
]
