import type { Migration } from "../../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("activities")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("id", columns.key, (column) => column.notNull())
        .addColumn("type", columns.key, (column) => column.notNull())
        .addColumn("user_id", columns.key, (column) => column.notNull())
        .addColumn("feeds", columns.json, (column) => column.notNull())
        .addColumn("text", columns.text)
        .addColumn("attachments", columns.json, (column) => column.notNull())
        .addColumn("mentioned_user_ids", columns.json, (column) => column.notNull())
        .addColumn("filter_tags", columns.json, (column) => column.notNull())
        .addColumn("interest_tags", columns.json, (column) => column.notNull())
        .addColumn("restrict_replies", columns.key, (column) => column.notNull())
        .addColumn("visibility", columns.key, (column) => column.notNull())
        .addColumn("location", columns.json)
        .addColumn("search_data", columns.json, (column) => column.notNull())
        .addColumn("custom", columns.json, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .addColumn("edited_at", columns.number)
        .addColumn("deleted_at", columns.number)
        .addPrimaryKeyConstraint("activities_pk", ["app_id", "id"])
        .execute()
      await schema.createIndex("activities_user").on("activities").columns(["app_id", "user_id"]).execute()
      await schema
        .createTable("feed_activities")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("feed", columns.key, (column) => column.notNull())
        .addColumn("is_private", columns.flag, (column) => column.notNull())
        .addColumn("position", columns.key, (column) => column.notNull())
        .addColumn("activity_id", columns.key, (column) => column.notNull())
        .addPrimaryKeyConstraint("feed_activities_pk", ["app_id", "feed", "is_private", "position"])
        .execute()
      await schema
        .createIndex("feed_activities_activity")
        .on("feed_activities")
        .columns(["app_id", "activity_id"])
        .execute()
    },
  },
]
