import type { Migration } from "../../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("messages")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("id", columns.key, (column) => column.notNull())
        .addColumn("cid", columns.key, (column) => column.notNull())
        .addColumn("seq", columns.number, (column) => column.notNull())
        .addColumn("counted", columns.number, (column) => column.notNull())
        .addColumn("in_channel", columns.flag, (column) => column.notNull())
        .addColumn("user_id", columns.key, (column) => column.notNull())
        .addColumn("type", columns.key, (column) => column.notNull())
        .addColumn("text", columns.text, (column) => column.notNull())
        .addColumn("attachments", columns.json, (column) => column.notNull())
        .addColumn("mentioned_user_ids", columns.json, (column) => column.notNull())
        .addColumn("mentioned_channel", columns.flag, (column) => column.notNull())
        .addColumn("mentioned_here", columns.flag, (column) => column.notNull())
        .addColumn("parent_id", columns.key)
        .addColumn("show_in_channel", columns.flag, (column) => column.notNull())
        .addColumn("quoted_message_id", columns.key)
        .addColumn("reply_count", columns.number, (column) => column.notNull())
        .addColumn("deleted_reply_count", columns.number, (column) => column.notNull())
        .addColumn("silent", columns.flag, (column) => column.notNull())
        .addColumn("custom", columns.json, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .addColumn("text_updated_at", columns.number)
        .addColumn("deleted_at", columns.number)
        .addColumn("deletion", columns.key)
        .addPrimaryKeyConstraint("messages_pk", ["app_id", "id"])
        .execute()
      await schema
        .createIndex("messages_by_channel")
        .on("messages")
        .columns(["app_id", "cid", "in_channel", "created_at", "seq"])
        .execute()
      await schema.createIndex("messages_by_user").on("messages").columns(["app_id", "user_id", "deletion"]).execute()
    },
  },
]
