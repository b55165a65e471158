import { sql } from "kysely"
import type { Migration } from "../../store/migrate.ts"

export const migrations: readonly Migration[] = [
  {
    id: "0001_find",
    async up({ schema }) {
      // Both databases fold A to Z here and nothing else: the column's order is that of its bytes.
      await schema
        .createIndex("users_folded_name")
        .on("users")
        .columns(["app_id"])
        .expression(sql`lower(name)`)
        .column("id")
        .execute()
      await schema.createIndex("users_role").on("users").columns(["app_id", "role", "created_at", "id"]).execute()
      await schema
        .createIndex("users_banned")
        .on("users")
        .columns(["app_id", "created_at", "id"])
        .where(sql.ref("bans"), "is not", null)
        .execute()
      // What else is found by a user when all of theirs is asked for.
      await schema.createIndex("decisions_user").on("decisions").columns(["app_id", "user_id", "at"]).execute()
      await schema.createIndex("bans_by_banner").on("bans").columns(["app_id", "banned_by_id"]).execute()
      await schema.createIndex("calls_creator").on("calls").columns(["app_id", "created_by_id"]).execute()
    },
  },
]
