import type { Read, Tx } from "../../store/database.ts"

/** What an app has set for itself. An app without a row has the published limits. */
export interface AppLimitsRow {
  app_id: number
  /** JSON: limits by the operation's published name, or `*`. */
  overrides: string
  updated_at: number
}

declare module "../../store/database.ts" {
  interface Tables {
    app_limits: AppLimitsRow
  }
}

export const selectLimits = (read: Read, appId: number): Promise<AppLimitsRow | undefined> =>
  read.selectFrom("app_limits").selectAll().where("app_id", "=", appId).executeTakeFirst()

/** Writes the row of an app that was locked before. */
export const upsertLimits = (tx: Tx, row: AppLimitsRow): Promise<unknown> =>
  tx
    .insertInto("app_limits")
    .values(row)
    .onConflict((conflict) =>
      conflict.column("app_id").doUpdateSet((update) => ({
        overrides: update.ref("excluded.overrides"),
        updated_at: update.ref("excluded.updated_at"),
      })),
    )
    .execute()
