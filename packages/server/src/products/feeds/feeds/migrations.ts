import type { Migration } from "../../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("feeds")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("feed", columns.key, (column) => column.notNull())
        .addColumn("group_id", columns.key, (column) => column.notNull())
        .addColumn("id", columns.key, (column) => column.notNull())
        .addColumn("created_by_id", columns.key, (column) => column.notNull())
        .addColumn("visibility", columns.key, (column) => column.notNull())
        .addColumn("name", columns.text, (column) => column.notNull())
        .addColumn("description", columns.text, (column) => column.notNull())
        .addColumn("filter_tags", columns.json, (column) => column.notNull())
        .addColumn("custom", columns.json, (column) => column.notNull())
        .addColumn("activity_count", columns.number, (column) => column.notNull())
        .addColumn("follower_count", columns.number, (column) => column.notNull())
        .addColumn("following_count", columns.number, (column) => column.notNull())
        .addColumn("member_count", columns.number, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .addPrimaryKeyConstraint("feeds_pk", ["app_id", "feed"])
        .execute()
      await schema.createIndex("feeds_owner").on("feeds").columns(["app_id", "created_by_id"]).execute()
      await schema
        .createTable("feed_members")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("feed", columns.key, (column) => column.notNull())
        .addColumn("user_id", columns.key, (column) => column.notNull())
        .addColumn("role", columns.key, (column) => column.notNull())
        .addColumn("custom", columns.json, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .addPrimaryKeyConstraint("feed_members_pk", ["app_id", "feed", "user_id"])
        .execute()
      await schema
        .createIndex("feed_members_joined")
        .on("feed_members")
        .columns(["app_id", "feed", "created_at", "user_id"])
        .execute()
      await schema.createIndex("feed_members_user").on("feed_members").columns(["app_id", "user_id"]).execute()
    },
  },
]
