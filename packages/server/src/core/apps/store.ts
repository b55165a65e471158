import type { Read, Tx } from "../../store/database.ts"

/** Environment of an app: what a new app may do while its team still tries things out differs in production. */
export type Environment = "development" | "production"

export interface AppRow {
  id: number
  name: string
  environment: Environment
  /** 0 or 1. */
  suspended: number
  /** Milliseconds; null when no cut-off is set. */
  revoke_tokens_issued_before: number | null
  created_at: number
  updated_at: number
}

declare module "../../store/database.ts" {
  interface Tables {
    apps: AppRow
  }
}

export const insertApp = (tx: Tx, row: AppRow): Promise<unknown> => tx.insertInto("apps").values(row).execute()

export const selectApp = (read: Read, id: number): Promise<AppRow | undefined> =>
  read.selectFrom("apps").selectAll().where("id", "=", id).executeTakeFirst()

export const selectApps = (read: Read, limit: number): Promise<AppRow[]> =>
  read.selectFrom("apps").selectAll().orderBy("created_at").orderBy("id").limit(limit).execute()

export const updateSuspended = (tx: Tx, id: number, suspended: boolean, now: number): Promise<unknown> =>
  tx
    .updateTable("apps")
    .set({ suspended: suspended ? 1 : 0, updated_at: now })
    .where("id", "=", id)
    .execute()
