import { limits } from "./limits.ts"
import type { TaskRow } from "./store.ts"

/** A task that nobody has begun. */
export const newTask = (id: string, appId: number, kind: string, payload: object, now: number): TaskRow => ({
  id,
  app_id: appId,
  kind,
  status: "pending",
  payload: JSON.stringify(payload),
  result: null,
  error: null,
  attempts: 0,
  due_at: now,
  leased_by: null,
  created_at: now,
  updated_at: now,
})

/** Milliseconds until the next attempt: doubling, with up to half of it left to chance (`random` in [0, 1)). */
export function retryDelayMs(attempts: number, random: number): number {
  const full = Math.min(limits.retryMaxMs, limits.retryMinMs * 2 ** attempts)
  return Math.round(full * (1 - random / 2))
}

/** The task as the wire shows it (contract/README.md, «Tasks»). */
export const taskResponse = (task: TaskRow) => ({
  task_id: task.id,
  status: task.status,
  created_at: new Date(task.created_at).toISOString(),
  updated_at: new Date(task.updated_at).toISOString(),
  ...(task.result === null ? {} : { result: JSON.parse(task.result) as Record<string, unknown> }),
  ...(task.error === null ? {} : { error: { type: "task_failed", description: task.error } }),
})
