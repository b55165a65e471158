import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns, query }) {
      await schema
        .createTable("revocations")
        .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("seq", columns.number, (column) => column.notNull())
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("level", columns.key, (column) => column.notNull())
        .addColumn("target", columns.key, (column) => column.notNull())
        .addColumn("before_ms", columns.number)
        .addColumn("mode", columns.key, (column) => column.notNull())
        .addColumn("terminal", columns.flag, (column) => column.notNull())
        .addColumn("reason", columns.text, (column) => column.notNull())
        .addColumn("created_by", columns.text, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("undone_at", columns.number)
        .addColumn("shadow_hits", columns.number, (column) => column.notNull())
        .addColumn("shadow_users", columns.number, (column) => column.notNull())
        .addColumn("receipt", columns.json)
        .execute()
      await schema.createIndex("revocations_seq").unique().on("revocations").columns(["seq"]).execute()
      await schema.createIndex("revocations_app").on("revocations").columns(["app_id", "created_at"]).execute()
      await schema.createIndex("revocations_target").on("revocations").columns(["app_id", "level", "target"]).execute()
      await schema
        .createTable("revocation_clock")
        .addColumn("id", columns.number, (column) => column.primaryKey().notNull())
        .addColumn("seq", columns.number, (column) => column.notNull())
        .execute()
      await query.insertInto("revocation_clock").values({ id: 1, seq: 0 }).execute()
      await schema
        .createTable("gate_nodes")
        .addColumn("node_id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("lease_until", columns.number, (column) => column.notNull())
        .addColumn("applied_seq", columns.number, (column) => column.notNull())
        .execute()
      await schema
        .createTable("deployment_keys")
        .addColumn("key_id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("purpose", columns.key, (column) => column.notNull())
        .addColumn("public_key", columns.text, (column) => column.notNull())
        .addColumn("sealed", columns.text, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .execute()
      await schema
        .createTable("request_nonces")
        .addColumn("api_key", columns.key, (column) => column.notNull())
        .addColumn("nonce", columns.key, (column) => column.notNull())
        .addColumn("expires_at", columns.number, (column) => column.notNull())
        .addPrimaryKeyConstraint("request_nonces_pk", ["api_key", "nonce"])
        .execute()
      await schema.createIndex("request_nonces_expiry").on("request_nonces").columns(["expires_at"]).execute()
    },
  },
  {
    id: "0002_upkeep",
    async up({ schema, columns }) {
      await schema.alterTable("revocations").addColumn("expires_at", columns.number).execute()
      await schema.createIndex("revocations_expiry").on("revocations").columns(["expires_at"]).execute()
      await schema.createIndex("revocations_undone").on("revocations").columns(["undone_at"]).execute()
      await schema.alterTable("gate_nodes").addColumn("closed", columns.json).execute()
      await schema
        .createTable("revocation_shadow_users")
        .addColumn("revocation_id", columns.key, (column) => column.notNull())
        .addColumn("user_id", columns.key, (column) => column.notNull())
        .addPrimaryKeyConstraint("revocation_shadow_users_pk", ["revocation_id", "user_id"])
        .execute()
    },
  },
]
