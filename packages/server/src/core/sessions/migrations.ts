import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("token_sessions")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("sha256", columns.key, (column) => column.notNull())
        .addColumn("kind", columns.key, (column) => column.notNull())
        .addColumn("user_id", columns.key)
        .addColumn("api_key", columns.key, (column) => column.notNull())
        .addColumn("kid", columns.key)
        .addColumn("jti", columns.key)
        .addColumn("device_id", columns.key)
        .addColumn("issued_at", columns.number)
        .addColumn("expires_at", columns.number)
        .addColumn("first_seen", columns.number, (column) => column.notNull())
        .addColumn("last_seen", columns.number, (column) => column.notNull())
        .addColumn("uses", columns.number, (column) => column.notNull())
        .addColumn("address", columns.text, (column) => column.notNull())
        .addColumn("client", columns.text)
        .addPrimaryKeyConstraint("token_sessions_pk", ["app_id", "sha256"])
        .execute()
      await schema
        .createIndex("token_sessions_user")
        .on("token_sessions")
        .columns(["app_id", "user_id", "last_seen"])
        .execute()
      await schema
        .createIndex("token_sessions_kid")
        .on("token_sessions")
        .columns(["app_id", "kid", "last_seen"])
        .execute()
      await schema.createIndex("token_sessions_seen").on("token_sessions").columns(["last_seen"]).execute()
      await schema.createIndex("token_sessions_app").on("token_sessions").columns(["app_id", "last_seen"]).execute()
      await schema
        .createTable("secret_usage")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("kid", columns.key, (column) => column.notNull())
        .addColumn("client", columns.key, (column) => column.notNull())
        .addColumn("tokens", columns.number, (column) => column.notNull())
        .addColumn("last_seen", columns.number, (column) => column.notNull())
        .addColumn("last_address", columns.text, (column) => column.notNull())
        .addPrimaryKeyConstraint("secret_usage_pk", ["app_id", "kid", "client"])
        .execute()
      await schema
        .createTable("policy_warnings")
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("rule", columns.key, (column) => column.notNull())
        .addColumn("seen", columns.number, (column) => column.notNull())
        .addColumn("first_seen", columns.number, (column) => column.notNull())
        .addColumn("last_seen", columns.number, (column) => column.notNull())
        .addColumn("kid", columns.key)
        .addColumn("client", columns.text)
        .addPrimaryKeyConstraint("policy_warnings_pk", ["app_id", "rule"])
        .execute()
    },
  },
]
