import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("api_keys")
        .addColumn("api_key", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("app_id", columns.number, (column) => column.notNull().references("apps.id"))
        .addColumn("label", columns.text, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .execute()
      await schema.createIndex("api_keys_app").on("api_keys").columns(["app_id", "created_at"]).execute()
      await schema
        .createTable("secrets")
        .addColumn("api_key", columns.key, (column) => column.notNull().references("api_keys.api_key"))
        .addColumn("kid", columns.key, (column) => column.notNull())
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("sealed", columns.text, (column) => column.notNull())
        .addColumn("alg", columns.key, (column) => column.notNull())
        .addColumn("state", columns.key, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addPrimaryKeyConstraint("secrets_pk", ["api_key", "kid"])
        .execute()
      await schema
        .createTable("master_key_check")
        .addColumn("id", columns.number, (column) => column.primaryKey().notNull())
        .addColumn("check_value", columns.key, (column) => column.notNull())
        .execute()
    },
  },
  {
    id: "0002_secret_states",
    async up({ schema, columns, query }) {
      await schema
        .alterTable("api_keys")
        .addColumn("disabled", columns.flag, (column) => column.notNull().defaultTo(0))
        .execute()
      for (const name of ["label", "created_by"]) {
        await schema
          .alterTable("secrets")
          .addColumn(name, columns.text, (column) => column.notNull().defaultTo(""))
          .execute()
      }
      await schema
        .alterTable("secrets")
        .addColumn("imported", columns.flag, (column) => column.notNull().defaultTo(0))
        .execute()
      await schema
        .alterTable("secrets")
        .addColumn("state_since", columns.number, (column) => column.notNull().defaultTo(0))
        .execute()
      await query
        .updateTable("secrets")
        .set((column) => ({ state_since: column.ref("created_at") }))
        .execute()
      // Two secrets of one app never share a name, whichever keys they belong to.
      await schema.createIndex("secrets_kid").unique().on("secrets").columns(["app_id", "kid"]).execute()
    },
  },
  {
    id: "0003_master_key_ring",
    async up({ schema, columns }) {
      await schema
        .createTable("deployment")
        .addColumn("id", columns.number, (column) => column.primaryKey().notNull())
        .addColumn("deployment_id", columns.key, (column) => column.notNull())
        .execute()
      await schema
        .createTable("master_keys")
        .addColumn("key_id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("state", columns.key, (column) => column.notNull())
        .addColumn("since", columns.number, (column) => column.notNull())
        .execute()
      await schema
        .createTable("master_key_nodes")
        .addColumn("node_id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("current_id", columns.key, (column) => column.notNull())
        .addColumn("key_ids", columns.json, (column) => column.notNull())
        .addColumn("reported_at", columns.number, (column) => column.notNull())
        .execute()
    },
  },
]
