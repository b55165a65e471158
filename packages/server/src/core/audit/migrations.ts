import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns, query }) {
      await schema
        .createTable("audit_log")
        .addColumn("seq", columns.number, (column) => column.primaryKey().notNull())
        .addColumn("at", columns.number, (column) => column.notNull())
        .addColumn("app_id", columns.number)
        .addColumn("action", columns.key, (column) => column.notNull())
        .addColumn("actor", columns.text, (column) => column.notNull())
        .addColumn("address", columns.text)
        .addColumn("target", columns.json)
        .addColumn("before", columns.json)
        .addColumn("after", columns.json)
        .addColumn("prev_hash", columns.key, (column) => column.notNull())
        .addColumn("hash", columns.key, (column) => column.notNull())
        .execute()
      await schema.createIndex("audit_log_app").on("audit_log").columns(["app_id", "seq"]).execute()
      await schema
        .createTable("audit_head")
        .addColumn("id", columns.number, (column) => column.primaryKey().notNull())
        .addColumn("seq", columns.number, (column) => column.notNull())
        .addColumn("hash", columns.key, (column) => column.notNull())
        .execute()
      await query.insertInto("audit_head").values({ id: 1, seq: 0, hash: "" }).execute()
    },
  },
  {
    id: "0002_base",
    async up({ schema, columns }) {
      await schema
        .alterTable("audit_head")
        .addColumn("base_seq", columns.number, (column) => column.notNull().defaultTo(0))
        .execute()
      await schema
        .alterTable("audit_head")
        .addColumn("base_hash", columns.key, (column) => column.notNull().defaultTo(""))
        .execute()
    },
  },
]
