import type { Read, Tx } from "../../store/database.ts"

/** Environment of an app: what a new app may do while its team still tries things out differs in production. */
export type Environment = "development" | "production"

export interface AppRow {
  id: number
  name: string
  environment: Environment
  /** 0 or 1. */
  suspended: number
  /** 0 or 1. Counts only in development. */
  disable_auth_checks: number
  /** 0 or 1. */
  allow_basic_auth: number
  /** JSON of the token policy; null: the preset of the environment. */
  token_policy: string | null
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

/** The app as it stands, ours to write until the commit. */
export const lockApp = (tx: Tx, id: number): Promise<AppRow | undefined> =>
  tx
    .selectFrom("apps")
    .selectAll()
    .where("id", "=", id)
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate())
    .executeTakeFirst()

export const selectApps = (read: Read, limit: number): Promise<AppRow[]> =>
  read.selectFrom("apps").selectAll().orderBy("created_at").orderBy("id").limit(limit).execute()

/** Writes an app that was locked before. */
export const updateApp = (tx: Tx, { id, created_at: _, ...columns }: AppRow): Promise<unknown> =>
  tx.updateTable("apps").set(columns).where("id", "=", id).execute()
