import { sql } from "kysely"
import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns, query, capabilities }) {
      await schema
        .createTable("webhook_hooks")
        .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("kind", columns.key, (column) => column.notNull())
        .addColumn("origin", columns.key, (column) => column.notNull())
        .addColumn("position", columns.number, (column) => column.notNull())
        .addColumn("enabled", columns.flag, (column) => column.notNull())
        .addColumn("disabled_reason", columns.key)
        .addColumn("product", columns.key, (column) => column.notNull())
        .addColumn("event_types", columns.json, (column) => column.notNull())
        .addColumn("target", columns.json, (column) => column.notNull())
        .addColumn("sealed_target", columns.text)
        .addColumn("settings", columns.json, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .execute()
      await schema.createIndex("webhook_hooks_app").on("webhook_hooks").columns(["app_id", "position"]).execute()
      await schema
        .createTable("webhook_secrets")
        .addColumn("hook_id", columns.key, (column) => column.notNull())
        .addColumn("id", columns.key, (column) => column.notNull())
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("alg", columns.key, (column) => column.notNull())
        .addColumn("sealed", columns.text, (column) => column.notNull())
        .addColumn("public_key", columns.text)
        .addColumn("expires_at", columns.number)
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addPrimaryKeyConstraint("webhook_secrets_pk", ["hook_id", "id"])
        .execute()
      await schema.createIndex("webhook_secrets_app").on("webhook_secrets").column("app_id").execute()

      // Numbers never come back, because a receiver remembers the ids that are made of them.
      if (capabilities.dialect === "postgres") {
        await sql`create sequence webhook_events_id_seq`.execute(query)
      }
      await schema
        .createTable("webhook_events")
        .addColumn("id", capabilities.dialect === "postgres" ? columns.number : "integer", (column) =>
          capabilities.dialect === "postgres"
            ? column.primaryKey().defaultTo(sql`nextval('webhook_events_id_seq')`)
            : column.primaryKey().autoIncrement(),
        )
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("type", columns.key, (column) => column.notNull())
        .addColumn("stream", columns.key, (column) => column.notNull())
        .addColumn("body", columns.json, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .execute()
      await schema
        .createTable("webhook_deliveries")
        .addColumn("event_id", columns.number, (column) => column.notNull())
        .addColumn("hook_id", columns.key, (column) => column.notNull())
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("type", columns.key, (column) => column.notNull())
        .addColumn("stream", columns.key, (column) => column.notNull())
        .addColumn("state", columns.key, (column) => column.notNull())
        .addColumn("source", columns.key, (column) => column.notNull())
        .addColumn("attempts", columns.number, (column) => column.notNull())
        .addColumn("due_at", columns.number, (column) => column.notNull())
        .addColumn("leased_by", columns.key)
        .addColumn("status", columns.number)
        .addColumn("fault", columns.key)
        .addColumn("log", columns.json, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("finished_at", columns.number)
        .addPrimaryKeyConstraint("webhook_deliveries_pk", ["hook_id", "event_id"])
        .execute()
      // Of all rows only those that wait are looked for again and again.
      const isPending = sql<boolean>`${sql.ref("state")} = 'pending'`
      await schema
        .createIndex("webhook_deliveries_due")
        .on("webhook_deliveries")
        .columns(["hook_id", "due_at"])
        .where(isPending)
        .execute()
      await schema
        .createIndex("webhook_deliveries_stream")
        .on("webhook_deliveries")
        .columns(["hook_id", "stream", "event_id"])
        .where(isPending)
        .execute()
      // For lists, and for whether anybody still needs an event.
      await schema
        .createIndex("webhook_deliveries_app")
        .on("webhook_deliveries")
        .columns(["app_id", "event_id"])
        .execute()
      await schema
        .createIndex("webhook_deliveries_finished")
        .on("webhook_deliveries")
        .columns(["state", "finished_at"])
        .where(sql<boolean>`${sql.ref("state")} <> 'pending'`)
        .execute()
      await schema
        .createTable("webhook_settings")
        .addColumn("app_id", columns.number, (column) => column.primaryKey().notNull())
        .addColumn("settings", columns.json, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .execute()
    },
  },
  {
    id: "0002_dead_letters",
    async up({ schema }) {
      // Few of many rows, and the ones that people look for.
      const isDead = sql<boolean>`${sql.ref("state")} = 'dead'`
      await schema
        .createIndex("webhook_deliveries_dead")
        .on("webhook_deliveries")
        .columns(["app_id", "event_id"])
        .where(isDead)
        .execute()
      await schema
        .createIndex("webhook_deliveries_dead_hook")
        .on("webhook_deliveries")
        .columns(["hook_id", "event_id"])
        .where(isDead)
        .execute()
    },
  },
  {
    id: "0003_replays",
    async up({ schema, columns }) {
      await schema.alterTable("webhook_deliveries").addColumn("replayed_at", columns.number).execute()
    },
  },
]
