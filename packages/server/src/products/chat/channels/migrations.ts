import type { Migration } from "../../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("channels")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("cid", columns.key, (column) => column.notNull())
        .addColumn("type", columns.key, (column) => column.notNull())
        .addColumn("id", columns.key, (column) => column.notNull())
        .addColumn("created_by_id", columns.key)
        .addColumn("team", columns.key)
        .addColumn("frozen", columns.flag, (column) => column.notNull())
        .addColumn("disabled", columns.flag, (column) => column.notNull())
        .addColumn("custom", columns.json, (column) => column.notNull())
        .addColumn("member_count", columns.number, (column) => column.notNull())
        .addColumn("message_seq", columns.number, (column) => column.notNull())
        .addColumn("counted", columns.number, (column) => column.notNull())
        .addColumn("cleared_seq", columns.number, (column) => column.notNull())
        .addColumn("last_message_at", columns.number)
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .addColumn("deleted_at", columns.number)
        .addPrimaryKeyConstraint("channels_pk", ["app_id", "cid"])
        .execute()
      await schema.createIndex("channels_by_creator").on("channels").columns(["app_id", "created_by_id"]).execute()
    },
  },
]
