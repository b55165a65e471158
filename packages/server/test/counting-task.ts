import { insertTask, newTask, type TaskHandler } from "../src/core/tasks/index.ts"

/** A task that counts to `payload.to`, a step each, and leaves a mark for each number in the same transaction. */
export const countingStep: TaskHandler = async (tx, { appId, payload, now }) => {
  const { at = 0, to } = payload as { at?: number; to: number }
  if (at === to) return { result: { counted: to } }
  await insertTask(tx, { ...newTask(`mark-${at}`, appId, "mark", {}, now), status: "completed" })
  return { next: { at: at + 1, to } }
}
