import type { Read, Tx } from "../../../store/database.ts"

export interface CallRow {
  app_id: number
  cid: string
  type: string
  id: string
  created_by_id: string
  team: string | null
  channel_cid: string | null
  /** JSON objects. */
  custom: string
  settings_override: string
  starts_at: number | null
  ended_at: number | null
  /** 0 or 1. */
  backstage: number
  created_at: number
  updated_at: number
}

declare module "../../../store/database.ts" {
  interface Tables {
    calls: CallRow
  }
}

export const selectCall = (read: Read, appId: number, cid: string): Promise<CallRow | undefined> =>
  read.selectFrom("calls").selectAll().where("app_id", "=", appId).where("cid", "=", cid).executeTakeFirst()

/** Whether the call is new; two requests at once make one call. */
export async function insertCall(tx: Tx, row: CallRow): Promise<boolean> {
  const inserted = await tx
    .insertInto("calls")
    .values(row)
    .onConflict((conflict) => conflict.columns(["app_id", "cid"]).doNothing())
    .executeTakeFirst()
  return Number(inserted.numInsertedOrUpdatedRows ?? 0) === 1
}

export type CallChange = Partial<Pick<CallRow, "custom" | "settings_override" | "starts_at" | "ended_at">> & {
  updated_at: number
}

export const updateCallRow = (tx: Tx, appId: number, cid: string, change: CallChange): Promise<unknown> =>
  tx.updateTable("calls").set(change).where("app_id", "=", appId).where("cid", "=", cid).execute()

export interface CallMemberRow {
  app_id: number
  cid: string
  user_id: string
  role: string
  /** JSON object. */
  custom: string
  created_at: number
  updated_at: number
}

declare module "../../../store/database.ts" {
  interface Tables {
    call_members: CallMemberRow
  }
}

/** Oldest first. */
export const selectMembers = (read: Read, appId: number, cid: string, limit: number): Promise<CallMemberRow[]> =>
  read
    .selectFrom("call_members")
    .selectAll()
    .where("app_id", "=", appId)
    .where("cid", "=", cid)
    .orderBy("created_at")
    .orderBy("user_id")
    .limit(limit)
    .execute()

/** Adds members; whoever is one already gets the new role and custom data and keeps their place. */
export async function upsertMembers(tx: Tx, rows: readonly CallMemberRow[]): Promise<void> {
  if (rows.length === 0) return
  await tx
    .insertInto("call_members")
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(["app_id", "cid", "user_id"]).doUpdateSet((update) => ({
        role: update.ref("excluded.role"),
        custom: update.ref("excluded.custom"),
        updated_at: update.ref("excluded.updated_at"),
      })),
    )
    .execute()
}

export async function deleteMembers(tx: Tx, appId: number, cid: string, userIds: readonly string[]): Promise<void> {
  if (userIds.length === 0) return
  await tx
    .deleteFrom("call_members")
    .where("app_id", "=", appId)
    .where("cid", "=", cid)
    .where("user_id", "in", userIds)
    .execute()
}
