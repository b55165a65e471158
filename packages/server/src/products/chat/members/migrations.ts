import type { Migration } from "../../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("channel_members")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("cid", columns.key, (column) => column.notNull())
        .addColumn("user_id", columns.key, (column) => column.notNull())
        .addColumn("channel_role", columns.key, (column) => column.notNull())
        .addColumn("custom", columns.json, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .addColumn("history_after_seq", columns.number, (column) => column.notNull())
        .addColumn("last_read", columns.number, (column) => column.notNull())
        .addColumn("last_read_message_id", columns.key)
        .addColumn("read_seq", columns.number, (column) => column.notNull())
        .addColumn("read_counted", columns.number, (column) => column.notNull())
        .addPrimaryKeyConstraint("channel_members_pk", ["app_id", "cid", "user_id"])
        .execute()
      await schema
        .createIndex("channel_members_by_user")
        .on("channel_members")
        .columns(["app_id", "user_id", "cid"])
        .execute()
      await schema
        .createIndex("channel_members_by_time")
        .on("channel_members")
        .columns(["app_id", "cid", "created_at", "user_id"])
        .execute()
    },
  },
]
