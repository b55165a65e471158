import type { Migration } from "../../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("feed_follows")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("id", columns.key, (column) => column.notNull())
        .addColumn("source", columns.key, (column) => column.notNull())
        .addColumn("target", columns.key, (column) => column.notNull())
        .addColumn("source_user_id", columns.key, (column) => column.notNull())
        .addColumn("target_user_id", columns.key, (column) => column.notNull())
        .addColumn("status", columns.key, (column) => column.notNull())
        .addColumn("push_preference", columns.key, (column) => column.notNull())
        .addColumn("custom", columns.json, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .addColumn("request_accepted_at", columns.number)
        .addColumn("request_rejected_at", columns.number)
        .addPrimaryKeyConstraint("feed_follows_pk", ["app_id", "source", "target"])
        .execute()
      for (const side of ["source_user_id", "target_user_id"]) {
        await schema.createIndex(`feed_follows_${side}`).on("feed_follows").columns(["app_id", side]).execute()
      }
      // Who follows, newest first; of those who do, is this user one; and whom does a feed follow.
      await schema
        .createIndex("feed_follows_target")
        .on("feed_follows")
        .columns(["app_id", "target", "status", "created_at", "id"])
        .execute()
      await schema
        .createIndex("feed_follows_user")
        .on("feed_follows")
        .columns(["app_id", "target", "source_user_id", "status"])
        .execute()
      await schema
        .createIndex("feed_follows_source")
        .on("feed_follows")
        .columns(["app_id", "source", "status", "created_at", "id"])
        .execute()
    },
  },
]
