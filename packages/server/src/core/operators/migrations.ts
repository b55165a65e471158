import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_create",
    async up({ schema, columns }) {
      await schema
        .createTable("operators")
        .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("name", columns.text, (column) => column.notNull())
        .addColumn("email", columns.key, (column) => column.notNull())
        .addColumn("email_verified", columns.flag, (column) => column.notNull().defaultTo(0))
        .addColumn("role", columns.key, (column) => column.notNull())
        .addColumn("disabled", columns.flag, (column) => column.notNull().defaultTo(0))
        .addColumn("two_factor_enabled", columns.flag, (column) => column.notNull().defaultTo(0))
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .addColumn("last_login_at", columns.number)
        .execute()
      await schema.createIndex("operators_email").unique().on("operators").columns(["email"]).execute()
      await schema
        .createTable("operator_sessions")
        .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("token", columns.key, (column) => column.notNull())
        .addColumn("operator_id", columns.key, (column) =>
          column.notNull().references("operators.id").onDelete("cascade"),
        )
        .addColumn("address", columns.text)
        .addColumn("user_agent", columns.text)
        .addColumn("verified_at", columns.number)
        .addColumn("expires_at", columns.number, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .execute()
      await schema.createIndex("operator_sessions_token").unique().on("operator_sessions").columns(["token"]).execute()
      await schema
        .createIndex("operator_sessions_operator")
        .on("operator_sessions")
        .columns(["operator_id", "created_at"])
        .execute()
      await schema.createIndex("operator_sessions_expiry").on("operator_sessions").columns(["expires_at"]).execute()
      await schema
        .createTable("operator_accounts")
        .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("operator_id", columns.key, (column) =>
          column.notNull().references("operators.id").onDelete("cascade"),
        )
        .addColumn("account_id", columns.key, (column) => column.notNull())
        .addColumn("provider_id", columns.key, (column) => column.notNull())
        .addColumn("password", columns.text)
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .execute()
      await schema
        .createIndex("operator_accounts_provider")
        .unique()
        .on("operator_accounts")
        .columns(["provider_id", "account_id"])
        .execute()
      await schema.createIndex("operator_accounts_operator").on("operator_accounts").columns(["operator_id"]).execute()
      await schema
        .createTable("operator_verifications")
        .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("identifier", columns.key, (column) => column.notNull())
        .addColumn("value", columns.text, (column) => column.notNull())
        .addColumn("expires_at", columns.number, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("updated_at", columns.number, (column) => column.notNull())
        .execute()
      await schema
        .createIndex("operator_verifications_identifier")
        .on("operator_verifications")
        .columns(["identifier", "created_at"])
        .execute()
      await schema
        .createIndex("operator_verifications_expiry")
        .on("operator_verifications")
        .columns(["expires_at"])
        .execute()
      await schema
        .createTable("operator_two_factors")
        .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("operator_id", columns.key, (column) =>
          column.notNull().references("operators.id").onDelete("cascade"),
        )
        .addColumn("sealed", columns.text, (column) => column.notNull())
        .addColumn("backup_codes", columns.text, (column) => column.notNull())
        .addColumn("verified", columns.flag, (column) => column.notNull().defaultTo(0))
        .addColumn("failed_verification_count", columns.number, (column) => column.notNull().defaultTo(0))
        .addColumn("locked_until", columns.number)
        .addColumn("last_step", columns.number)
        .execute()
      await schema
        .createIndex("operator_two_factors_operator")
        .unique()
        .on("operator_two_factors")
        .columns(["operator_id"])
        .execute()
      await schema
        .createTable("operator_passkeys")
        .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("operator_id", columns.key, (column) =>
          column.notNull().references("operators.id").onDelete("cascade"),
        )
        .addColumn("name", columns.text)
        .addColumn("public_key", columns.text, (column) => column.notNull())
        .addColumn("credential_id", columns.key, (column) => column.notNull())
        .addColumn("counter", columns.number, (column) => column.notNull())
        .addColumn("device_type", columns.key, (column) => column.notNull())
        .addColumn("backed_up", columns.flag, (column) => column.notNull())
        .addColumn("transports", columns.text)
        .addColumn("created_at", columns.number)
        .addColumn("aaguid", columns.text)
        .execute()
      await schema
        .createIndex("operator_passkeys_credential")
        .unique()
        .on("operator_passkeys")
        .columns(["credential_id"])
        .execute()
      await schema.createIndex("operator_passkeys_operator").on("operator_passkeys").columns(["operator_id"]).execute()
      await schema
        .createTable("operator_links")
        .addColumn("id", columns.key, (column) => column.primaryKey().notNull())
        .addColumn("kind", columns.key, (column) => column.notNull())
        .addColumn("token_sha256", columns.key, (column) => column.notNull())
        .addColumn("email", columns.key, (column) => column.notNull())
        .addColumn("role", columns.key, (column) => column.notNull())
        .addColumn("operator_id", columns.key, (column) => column.references("operators.id").onDelete("cascade"))
        .addColumn("invited_by", columns.text, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("expires_at", columns.number, (column) => column.notNull())
        .execute()
      await schema.createIndex("operator_links_token").unique().on("operator_links").columns(["token_sha256"]).execute()
      await schema.createIndex("operator_links_email").on("operator_links").columns(["kind", "email"]).execute()
      await schema
        .createTable("operator_secrets")
        .addColumn("id", columns.number, (column) => column.primaryKey().notNull())
        .addColumn("sealed", columns.text, (column) => column.notNull())
        .execute()
    },
  },
]
