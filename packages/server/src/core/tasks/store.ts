import type { Database, Read, Tx } from "../../store/database.ts"

export type TaskStatus = "pending" | "running" | "completed" | "failed"

export interface TaskRow {
  id: string
  app_id: number
  /** Which handler does it. */
  kind: string
  status: TaskStatus
  /** JSON: what to do, and how far it has come. */
  payload: string
  /** JSON, once completed. */
  result: string | null
  error: string | null
  attempts: number
  /** Not before; a lease while it runs: when it passes, another node may go on. */
  due_at: number
  leased_by: string | null
  created_at: number
  updated_at: number
}

declare module "../../store/database.ts" {
  interface Tables {
    tasks: TaskRow
  }
}

export const insertTask = (tx: Tx, row: TaskRow): Promise<unknown> => tx.insertInto("tasks").values(row).execute()

export const selectTask = (read: Read, appId: number, id: string): Promise<TaskRow | undefined> =>
  read.selectFrom("tasks").selectAll().where("app_id", "=", appId).where("id", "=", id).executeTakeFirst()

/** Takes one task that is due, for as long as the lease lasts; null when there is none. Two nodes never take the same. */
export async function leaseTask(db: Database, nodeId: string, now: number, leaseMs: number): Promise<TaskRow | null> {
  const [candidate] = await db.read
    .selectFrom("tasks")
    .selectAll()
    .where("status", "in", ["pending", "running"])
    .where("due_at", "<=", now)
    .orderBy("due_at")
    .limit(1)
    .execute()
  if (candidate === undefined) return null
  const leased = { status: "running", leased_by: nodeId, due_at: now + leaseMs, updated_at: now } as const
  // Compare-and-set on the time it was due: whoever else looked at the same row finds it changed.
  const taken = await db.transact((tx) =>
    tx
      .updateTable("tasks")
      .set(leased)
      .where("id", "=", candidate.id)
      .where("due_at", "=", candidate.due_at)
      .where("status", "=", candidate.status)
      .executeTakeFirst(),
  )
  return Number(taken.numUpdatedRows) === 1 ? { ...candidate, ...leased } : null
}

export type TaskProgress = Partial<Pick<TaskRow, "status" | "payload" | "result" | "error" | "attempts" | "due_at">>

/** Writes progress, unless another node has taken the task meanwhile; answers whether it is still ours. */
export async function updateTask(
  tx: Tx,
  id: string,
  nodeId: string,
  progress: TaskProgress,
  now: number,
): Promise<boolean> {
  const updated = await tx
    .updateTable("tasks")
    .set({ ...progress, updated_at: now })
    .where("id", "=", id)
    .where("leased_by", "=", nodeId)
    .executeTakeFirst()
  return Number(updated.numUpdatedRows) === 1
}

export const pruneTasks = (db: Database, olderThanMs: number): Promise<unknown> =>
  db.transact((tx) =>
    tx
      .deleteFrom("tasks")
      .where("status", "in", ["completed", "failed"])
      .where("updated_at", "<", olderThanMs)
      .execute(),
  )
