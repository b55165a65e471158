import { type ExpressionBuilder, sql } from "kysely"
import { count } from "../../store/columns.ts"
import type { Read, Tables } from "../../store/database.ts"
import { limits } from "./limits.ts"

/** What waits in the whole deployment. */
export interface Backlog {
  /** Hooks with the most waiting. `createdAt`: of the oldest event of each, in milliseconds. */
  readonly hooks: readonly {
    readonly appId: number
    readonly hookId: string
    readonly total: number
    readonly createdAt: number
  }[]
  /** Over all hooks. */
  readonly total: number
}

const hookOf = (selectFrom: ExpressionBuilder<Tables, "webhook_deliveries">["selectFrom"]) =>
  selectFrom("webhook_hooks").select("id").whereRef("webhook_hooks.id", "=", "webhook_deliveries.hook_id")

export async function selectBacklog(read: Read): Promise<Backlog> {
  const largest = await read
    .selectFrom("webhook_deliveries")
    .select((select) => ["hook_id", count().as("total"), select.fn.min<number>("event_id").as("oldest")])
    .where("state", "=", sql.lit("pending" as const))
    // What waits for a hook that is gone is never sent; it goes with the next pruning.
    .where(({ exists, selectFrom }) => exists(hookOf(selectFrom)))
    .groupBy("hook_id")
    .orderBy("total", "desc")
    .orderBy("hook_id")
    .limit(limits.hooksMax + 1)
    .execute()
  const shown = largest.slice(0, limits.hooksMax)
  const ids = [...new Set(shown.map(({ oldest }) => oldest))]
  const events =
    ids.length === 0
      ? []
      : await read.selectFrom("webhook_events").select(["id", "app_id", "created_at"]).where("id", "in", ids).execute()
  const byId = new Map(events.map((event) => [event.id, event]))
  const hooks = shown.flatMap(({ hook_id, total, oldest }) => {
    const event = byId.get(oldest)
    return event === undefined ? [] : [{ appId: event.app_id, hookId: hook_id, total, createdAt: event.created_at }]
  })
  if (largest.length === shown.length) return { hooks, total: shown.reduce((sum, { total }) => sum + total, 0) }
  const { total } = await read
    .selectFrom("webhook_deliveries")
    .select(count().as("total"))
    .where("state", "=", sql.lit("pending" as const))
    .where(({ exists, selectFrom }) => exists(hookOf(selectFrom)))
    .executeTakeFirstOrThrow()
  return { hooks, total }
}

/** Events that no node has told yet; not counted further than limits.outboxCountedMax. */
export async function countUnrelayed(read: Read): Promise<number> {
  const { total } = await read
    .selectFrom((from) =>
      from
        .selectFrom("outbox")
        .select("id")
        .where("relayed_at", "is", null)
        .limit(limits.outboxCountedMax)
        .as("unrelayed"),
    )
    .select(count().as("total"))
    .executeTakeFirstOrThrow()
  return total
}
