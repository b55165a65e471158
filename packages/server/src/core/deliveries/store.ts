// Queries over the deliveries of hooks for people. The tables are those of core/dispatch. Events get their numbers as
// they happen, so the newest come first by number, and a page goes on behind the last one of the page before: whatever is
// written meanwhile moves nothing of it, and what was there is shown once.

import { sql } from "kysely"
import { count } from "../../store/columns.ts"
import type { Read, Tx } from "../../store/database.ts"
import type { DeliveryRow, DeliveryState } from "../dispatch/index.ts"
import type { HookStatus } from "../webhooks/index.ts"
import { limits } from "./limits.ts"

const shownColumns = [
  "event_id",
  "hook_id",
  "type",
  "stream",
  "state",
  "source",
  "attempts",
  "status",
  "fault",
  "due_at",
  "leased_by",
  "created_at",
  "finished_at",
] as const

/** A delivery in a list. */
export type ShownRow = Pick<DeliveryRow, (typeof shownColumns)[number]>

/** Names one delivery, and a place in a list. */
export type DeliveryPlace = Pick<DeliveryRow, "event_id" | "hook_id">

/** An exact type, or the beginning of some. */
export type TypeFilter = { readonly type: string } | { readonly typePrefix: string }

export interface DeliveryFilter {
  readonly appId: number
  readonly hookId: string | null
  readonly state: DeliveryState | null
  readonly type: TypeFilter | null
  readonly stream: string | null
  /** Of the event, in milliseconds: from `sinceMs` on, before `untilMs`. */
  readonly sinceMs: number | null
  readonly untilMs: number | null
}

export interface DeliveryPage<Row> {
  readonly rows: readonly Row[]
  /** Behind which place the next page begins; null: there is none. */
  readonly next: DeliveryPlace | null
}

export interface PageRequest {
  readonly after: DeliveryPlace | null
  readonly limit: number
}

/**
 * A page of an app's deliveries, newest first. It looks through limits.scanRowsMax rows at most, so where the filters
 * want few of many it may be short, or empty, and yet have a next one.
 */
export const selectDeliveries = (
  read: Read,
  filter: DeliveryFilter,
  request: PageRequest,
): Promise<DeliveryPage<ShownRow>> => selectPage(read, filter, request, null)

/**
 * Deliveries that a replay by range would send again, the oldest event first; bounded as a list is. Of those that wait
 * the ones whose time has come are left out, as they need nobody's help, and so is what a node holds.
 */
export const selectReplayable = (
  read: Read,
  filter: DeliveryFilter,
  request: PageRequest,
  now: number,
): Promise<DeliveryPage<ShownRow>> => selectPage(read, filter, request, now)

/** `replayMs`: for a replay at that time, the oldest first; null: for a list, the newest first. */
async function selectPage(
  read: Read,
  filter: DeliveryFilter,
  { after, limit }: PageRequest,
  replayMs: number | null,
): Promise<DeliveryPage<ShownRow>> {
  const { appId, hookId, state, type, stream, sinceMs, untilMs } = filter
  const fromId = sinceMs === null ? null : await firstEventSince(read, sinceMs - limits.clockSkewMs)
  const beforeId = untilMs === null ? null : await firstEventSince(read, untilMs + limits.clockSkewMs)
  const isDown = replayMs === null
  const direction = isDown ? "desc" : "asc"

  // What one index brings in order: of a hook or of the app, and never of both, where a database might go through the
  // app's rows for those of one hook. Dead letters have indexes of their own, which need the state as a literal.
  const indexed = () =>
    read
      .selectFrom("webhook_deliveries")
      .$if(hookId === null, (query) => query.where("app_id", "=", appId))
      .$if(hookId !== null, (query) => query.where("hook_id", "=", hookId ?? ""))
      .$if(state === "dead", (query) => query.where("state", "=", sql.lit("dead" as const)))
      .$if(fromId !== null, (query) => query.where("event_id", ">=", fromId ?? 0))
      .$if(beforeId !== null, (query) => query.where("event_id", "<", beforeId ?? 0))
      // The first condition is one that an index can go to; the second leaves out what stood on the page before.
      .$if(after !== null, (query) => query.where("event_id", isDown ? "<=" : ">=", after?.event_id ?? 0))
      .$if(after !== null, (query) =>
        query.where((where) =>
          where.or([
            where("event_id", isDown ? "<" : ">", after?.event_id ?? 0),
            where("hook_id", isDown ? "<" : ">", after?.hook_id ?? ""),
          ]),
        ),
      )
      .orderBy("event_id", direction)
      .orderBy("hook_id", direction)

  const prefix = type !== null && "typePrefix" in type ? type.typePrefix : null
  const page = read
    .selectFrom(
      indexed()
        .select([...shownColumns, "app_id"])
        .limit(limits.scanRowsMax)
        .as("seen"),
    )
    .select(shownColumns)
    .select(sql.lit(0).as("is_end"))
    .where("app_id", "=", appId)
    .$if(state !== null && state !== "dead", (query) => query.where("state", "=", state ?? "pending"))
    .$if(type !== null && "type" in type, (query) => query.where("type", "=", (type as { type: string }).type))
    // Texts are compared by their bytes, and no character's are above U+10FFFF's.
    .$if(prefix !== null, (query) => query.where("type", ">=", prefix ?? "").where("type", "<", `${prefix}\u{10ffff}`))
    .$if(stream !== null, (query) => query.where("stream", "=", stream ?? ""))
    .$if(sinceMs !== null, (query) => query.where("created_at", ">=", sinceMs ?? 0))
    .$if(untilMs !== null, (query) => query.where("created_at", "<", untilMs ?? 0))
    .$if(replayMs !== null && state === "pending", (query) =>
      query.where("leased_by", "is", null).where("due_at", ">", replayMs ?? 0),
    )
    .orderBy("event_id", direction)
    .orderBy("hook_id", direction)
    .limit(limit + 1)
  const lastSeen = indexed()
    .select(shownColumns)
    .select(sql.lit(1).as("is_end"))
    .limit(1)
    .offset(limits.scanRowsMax - 1)
  // One statement for both: were rows added or removed between two, the next page would begin in another place than
  // where this one ended.
  const found = await read
    .selectFrom(page.as("page"))
    .selectAll()
    .unionAll(read.selectFrom(lastSeen.as("last_seen")).selectAll())
    .execute()
  // A union keeps no order.
  const rows = found.filter(({ is_end }) => is_end === 0).sort(isDown ? (a, b) => inOrder(b, a) : inOrder)
  if (rows.length > limit) return { rows: rows.slice(0, limit), next: placeOf(rows[limit - 1] as ShownRow) }
  const last = found.find(({ is_end }) => is_end === 1)
  return { rows, next: last === undefined ? null : placeOf(last) }
}

const inOrder = (a: DeliveryPlace, b: DeliveryPlace): number =>
  a.event_id - b.event_id || (a.hook_id < b.hook_id ? -1 : a.hook_id > b.hook_id ? 1 : 0)

const placeOf = ({ event_id, hook_id }: DeliveryPlace): DeliveryPlace => ({ event_id, hook_id })

/**
 * The lowest number from which on every event is from `timeMs` (milliseconds since 1970) or later, but for as much as
 * the clocks of nodes differ. Times have no index of their own, which each event would pay for; numbers grow with them,
 * so halving finds the place.
 */
export async function firstEventSince(read: Read, timeMs: number): Promise<number> {
  const newest = await read.selectFrom("webhook_events").select("id").orderBy("id", "desc").limit(1).executeTakeFirst()
  if (newest === undefined) return 0
  const firstFrom = (id: number) =>
    read
      .selectFrom("webhook_events")
      .select(["id", "created_at"])
      .where("id", ">=", id)
      .orderBy("id")
      .limit(1)
      .executeTakeFirst()
  let low = (await firstFrom(0))?.id ?? 0
  let high = newest.id + 1
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    const event = await firstFrom(middle)
    if (event === undefined || event.created_at >= timeMs) high = middle
    else low = event.id + 1
  }
  return low
}

/** One delivery with its event; undefined when the app has none there. */
export const selectDelivery = (read: Read, appId: number, { event_id, hook_id }: DeliveryPlace) =>
  read
    .selectFrom("webhook_deliveries as d")
    .innerJoin("webhook_events as e", "e.id", "d.event_id")
    .select(shownColumns.map((column) => `d.${column}` as const))
    .select(["d.log", "e.body"])
    .where("d.hook_id", "=", hook_id)
    .where("d.event_id", "=", event_id)
    .where("d.app_id", "=", appId)
    .executeTakeFirst()

/**
 * Sends deliveries of an app again from `now` on (milliseconds since 1970), as if nobody had tried; what is known of
 * their attempts stays. Answers those that it was done to: not what a node holds, nor what has no hook any more. Rows
 * that somebody changes at this moment are left to them.
 */
export async function replay(
  tx: Tx,
  appId: number,
  places: readonly DeliveryPlace[],
  now: number,
): Promise<DeliveryPlace[]> {
  const replayed: DeliveryPlace[] = []
  for (const [hookId, of] of Map.groupBy(places, ({ hook_id }) => hook_id)) {
    const rows = await tx
      .selectFrom("webhook_deliveries as d")
      .select("d.event_id")
      .where("d.app_id", "=", appId)
      .where("d.hook_id", "=", hookId)
      .where(
        "d.event_id",
        "in",
        of.map(({ event_id }) => event_id),
      )
      .where((where) =>
        where.or([
          where("d.state", "in", ["dead", "delivered"]),
          where.and([where("d.leased_by", "is", null), where("d.due_at", ">", now)]),
        ]),
      )
      .where(({ exists, selectFrom }) =>
        exists(selectFrom("webhook_hooks as h").select("h.id").whereRef("h.id", "=", "d.hook_id")),
      )
      .orderBy("d.event_id")
      .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate("d").skipLocked())
      .execute()
    if (rows.length === 0) continue
    const ids = rows.map(({ event_id }) => event_id)
    await tx
      .updateTable("webhook_deliveries")
      .set({ state: "pending", attempts: 0, due_at: now, leased_by: null, finished_at: null, replayed_at: now })
      .where("hook_id", "=", hookId)
      .where("event_id", "in", ids)
      .execute()
    for (const event_id of ids) replayed.push({ event_id, hook_id: hookId })
  }
  return replayed
}

/** How a hook fares, for whoever is shown it. */
export async function selectHookStatus(read: Read, hookId: string): Promise<HookStatus> {
  const { last } = await read
    .selectFrom(
      read
        .selectFrom("webhook_deliveries")
        .select(["state", "finished_at"])
        .where("hook_id", "=", hookId)
        .orderBy("event_id", "desc")
        .limit(limits.arrivalsSeenMax)
        .as("newest"),
    )
    .select(({ fn }) => fn.max("finished_at").as("last"))
    .where("state", "=", "delivered")
    .executeTakeFirstOrThrow()
  const lastDeliveredAt = last ?? null
  const { pending, oldest, failing } = await read
    .selectFrom(
      read
        .selectFrom("webhook_deliveries")
        .select(["created_at", "attempts"])
        .where("hook_id", "=", hookId)
        .where("state", "=", sql.lit("pending"))
        .orderBy("due_at")
        .limit(limits.pendingCountedMax)
        .as("waiting"),
    )
    .select(({ fn, eb }) => [
      count().as("pending"),
      fn.min("created_at").as("oldest"),
      fn
        .min(
          eb
            .case()
            .when(eb.and([eb("attempts", ">", 0), eb("created_at", ">", lastDeliveredAt ?? 0)]))
            .then(eb.ref("created_at"))
            .end(),
        )
        .as("failing"),
    ])
    .executeTakeFirstOrThrow()
  return { pending, oldestPendingAt: oldest ?? null, failingSince: failing ?? null, lastDeliveredAt }
}

/** Numbers by hook. */
export interface PendingCount {
  readonly hook_id: string
  readonly total: number
  /** Of the oldest event that waits. */
  readonly oldest: number
}

/** Deliveries that wait or are on their way, of some hooks; hooks without any are left out. */
export const countPending = (read: Read, hookIds: readonly string[]): Promise<PendingCount[]> =>
  read
    .selectFrom("webhook_deliveries")
    .select((select) => ["hook_id", count().as("total"), select.fn.min<number>("event_id").as("oldest")])
    .where("hook_id", "in", hookIds)
    .where("state", "=", sql.lit("pending" as const))
    .groupBy("hook_id")
    .execute()

/** Of those, the ones that a node could take now. */
export const countDue = (
  read: Read,
  hookIds: readonly string[],
  now: number,
): Promise<Pick<PendingCount, "hook_id" | "total">[]> =>
  read
    .selectFrom("webhook_deliveries")
    .select(["hook_id", count().as("total")])
    .where("hook_id", "in", hookIds)
    .where("state", "=", sql.lit("pending" as const))
    .where("due_at", "<=", now)
    .groupBy("hook_id")
    .execute()

export const countDead = (read: Read, hookIds: readonly string[]): Promise<Pick<PendingCount, "hook_id" | "total">[]> =>
  read
    .selectFrom("webhook_deliveries")
    .select(["hook_id", count().as("total")])
    .where("hook_id", "in", hookIds)
    .where("state", "=", sql.lit("dead" as const))
    .groupBy("hook_id")
    .execute()

/** When events happened, by number. */
export async function selectEventTimes(read: Read, ids: readonly number[]): Promise<Map<number, number>> {
  if (ids.length === 0) return new Map()
  const rows = await read.selectFrom("webhook_events").select(["id", "created_at"]).where("id", "in", ids).execute()
  return new Map(rows.map(({ id, created_at }) => [id, created_at]))
}

/** How many of a hook's newest `rowsMax` deliveries arrived since then. */
export async function countDelivered(read: Read, hookId: string, sinceMs: number, rowsMax: number): Promise<number> {
  const { total } = await read
    .selectFrom((from) =>
      from
        .selectFrom("webhook_deliveries")
        .select(["state", "finished_at"])
        .where("hook_id", "=", hookId)
        .orderBy("event_id", "desc")
        .limit(rowsMax)
        .as("newest"),
    )
    .select(count().as("total"))
    .where("state", "=", "delivered")
    .where("finished_at", ">=", sinceMs)
    .executeTakeFirstOrThrow()
  return total
}

/** Logs of a hook's newest deliveries, and of those that failed and wait the longest for another attempt. */
export async function selectSampleLogs(read: Read, hookId: string): Promise<string[]> {
  const newest = await read
    .selectFrom("webhook_deliveries")
    .select(["event_id", "log"])
    .where("hook_id", "=", hookId)
    .orderBy("event_id", "desc")
    .limit(limits.sampledNewestMax)
    .execute()
  const waiting = await read
    .selectFrom("webhook_deliveries")
    .select(["event_id", "log"])
    .where("hook_id", "=", hookId)
    .where("state", "=", sql.lit("pending" as const))
    .orderBy("due_at", "desc")
    .limit(limits.sampledWaitingMax)
    .execute()
  const byEvent = new Map([...newest, ...waiting].map(({ event_id, log }) => [event_id, log]))
  return [...byEvent.values()]
}
