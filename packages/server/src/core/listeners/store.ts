import { count, databaseNow } from "../../store/columns.ts"
import type { Read, Tx } from "../../store/database.ts"
import { limits } from "./limits.ts"

// The rows are hooks (core/webhooks); what is asked here of those whose origin is `listen` concerns nobody else.

/** How many listeners an app has. For whoever holds the app's row. */
export async function countListeners(tx: Tx, appId: number): Promise<number> {
  const { total } = await tx
    .selectFrom("webhook_hooks")
    .select(count().as("total"))
    .where("app_id", "=", appId)
    .where("origin", "=", "listen")
    .executeTakeFirstOrThrow()
  return total
}

/** Where a listener's stream is: the id of its node. Undefined: there is no such listener. */
export async function selectListenerNode(read: Read, appId: number, hookId: string): Promise<string | undefined> {
  const row = await read
    .selectFrom("webhook_hooks")
    .select("target")
    .where("app_id", "=", appId)
    .where("id", "=", hookId)
    .where("origin", "=", "listen")
    .executeTakeFirst()
  return row === undefined ? undefined : (JSON.parse(row.target) as { nodeId: string }).nodeId
}

// Nodes judge each other's listeners by this time, so where there are several it is the database's.
const timeOf = (tx: Tx, now: number) => (tx.capabilities.supportsManyNodes ? databaseNow(tx.capabilities) : now)

/** Says that a listener is still there; false when its hook is gone. `now` in milliseconds. */
export async function touchListener(tx: Tx, hookId: string, now: number): Promise<boolean> {
  const result = await tx
    .updateTable("webhook_hooks")
    .set({ updated_at: timeOf(tx, now) })
    .where("id", "=", hookId)
    .executeTakeFirst()
  return Number(result.numUpdatedRows) > 0
}

/** Listeners whose last sign of life is at least `silentMs` old, ours to delete until the commit. */
export const lockLostListeners = (
  tx: Tx,
  silentMs: number,
  now: number,
): Promise<{ readonly id: string; readonly app_id: number }[]> =>
  tx
    .selectFrom("webhook_hooks")
    .select(["id", "app_id"])
    .where("origin", "=", "listen")
    .where(({ eb }) => eb(eb("updated_at", "+", silentMs), "<=", timeOf(tx, now)))
    .orderBy("id")
    .limit(limits.sweptPerBatchMax)
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate().skipLocked())
    .execute()
