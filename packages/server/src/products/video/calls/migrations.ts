import type { Migration } from "../../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("calls")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("cid", columns.key, (column) => column.notNull())
        .addColumn("type", columns.key, (column) => column.notNull())
        .addColumn("id", columns.key, (column) => column.notNull())
        .addColumn("created_by_id", columns.key, (column) => column.notNull())
        .addColumn("team", columns.key)
        .addColumn("channel_cid", columns.key)
        .addColumn("custom", columns.json, (column) => column.notNull())
        .addColumn("settings_override", columns.json, (column) => column.notNull())
        .addColumn("starts_at", columns.number)
        .addColumn("ended_at", columns.number)
        .addColumn("backstage", columns.flag, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .addPrimaryKeyConstraint("calls_pk", ["app_id", "cid"])
        .execute()
      await schema
        .createTable("call_members")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("cid", columns.key, (column) => column.notNull())
        .addColumn("user_id", columns.key, (column) => column.notNull())
        .addColumn("role", columns.key, (column) => column.notNull())
        .addColumn("custom", columns.json, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .addPrimaryKeyConstraint("call_members_pk", ["app_id", "cid", "user_id"])
        .execute()
      await schema.createIndex("call_members_user").on("call_members").columns(["app_id", "user_id"]).execute()
    },
  },
]
