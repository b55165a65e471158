// The queue of deliveries: what every event writes for the hooks, what the engine takes and gives back, and what is not
// needed any more. The tables came with those of the hooks (core/webhooks/migrations.ts).

import { sql } from "kysely"
import { count, databaseNow, jsonNumbers } from "../../store/columns.ts"
import type { Database, Read, Tx } from "../../store/database.ts"
import { type Places, statement } from "../../store/statement.ts"
import { limits } from "./limits.ts"

export interface HookEventRow {
  id: number
  app_id: number
  type: string
  stream: string
  /** JSON, as it is sent. */
  body: string
  created_at: number
}

/** `pending` waits or is on its way, `dead` will not be tried again by itself. */
export type DeliveryState = "pending" | "delivered" | "dead"

export interface DeliveryRow {
  event_id: number
  hook_id: string
  app_id: number
  type: string
  stream: string
  state: DeliveryState
  source: "event" | "test"
  /** Attempts since it was written or last replayed. */
  attempts: number
  /** Not before; the end of the lease while a node holds it. */
  due_at: number
  leased_by: string | null
  /** HTTP status of the last attempt. */
  status: number | null
  /** What went wrong in it, in one word. */
  fault: string | null
  /** JSON list of LoggedAttempt (events/webhooks/engine.ts), newest last. */
  log: string
  created_at: number
  finished_at: number | null
  /** When somebody last asked for it to be sent again. */
  replayed_at: number | null
}

declare module "../../store/database.ts" {
  interface Tables {
    webhook_events: HookEventRow
    webhook_deliveries: DeliveryRow
  }
}

// What every event meets.

const insertEventRows = statement((tx: Tx, value: Places<{ rows: readonly Omit<HookEventRow, "id">[] }>) =>
  // The database gives the ids.
  tx
    .insertInto("webhook_events")
    .values(value("rows") as never)
    .returning("id"),
)

/** Writes events for backends; their ids, in the order given. */
export async function insertHookEvents(tx: Tx, rows: readonly Omit<HookEventRow, "id">[]): Promise<number[]> {
  const inserted = await insertEventRows.rows(tx, { rows })
  // Both databases number the rows of one statement in their order, but do not promise to answer in it.
  return inserted.map(({ id }) => id).sort((a, b) => a - b)
}

const insertDeliveryRows = statement((tx: Tx, value: Places<{ rows: readonly DeliveryRow[] }>) =>
  tx.insertInto("webhook_deliveries").values(value("rows")),
)

export async function insertDeliveries(tx: Tx, rows: readonly DeliveryRow[]): Promise<void> {
  // Few rows go in parts for which the statement is ready: to build one costs more than to send two.
  const { deliveriesPerInsertMax, deliveriesPerReadyInsert } = limits
  const part = rows.length > deliveriesPerInsertMax / 2 ? deliveriesPerInsertMax : deliveriesPerReadyInsert
  for (let start = 0; start < rows.length; start += part) {
    await insertDeliveryRows.run(tx, { rows: rows.slice(start, start + part) })
  }
}

// What the engine asks.

/** A delivery with its event, as a node takes it. */
export type TakenRow = Pick<
  DeliveryRow,
  "event_id" | "hook_id" | "app_id" | "type" | "stream" | "attempts" | "log" | "created_at"
> & { readonly body: string }

/**
 * Enabled hooks that have deliveries to make now. With several nodes the database's clock counts, so that none believes
 * a lease to be over before the others do: `sharedNow` is its time in milliseconds, null where there is one node alone.
 */
export async function selectDueHooks(
  read: Read,
  now: number,
): Promise<{ readonly hooks: readonly { id: string; app_id: number }[]; readonly sharedNow: number | null }> {
  const sharedNow = read.capabilities.supportsManyNodes
    ? (await read.selectNoFrom(databaseNow(read.capabilities).as("time")).executeTakeFirstOrThrow()).time
    : null
  const hooks = await read
    .selectFrom("webhook_hooks as h")
    .select(["h.id", "h.app_id"])
    .where("h.enabled", "=", 1)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom("webhook_deliveries as d")
          .select("d.event_id")
          .whereRef("d.hook_id", "=", "h.id")
          .where("d.state", "=", sql.lit("pending"))
          .where("d.due_at", "<=", sharedNow ?? now),
      ),
    )
    .limit(limits.dueHooksMax)
    .execute()
  return { hooks, sharedNow }
}

export interface Take {
  readonly hookId: string
  readonly nodeId: string
  readonly now: number
  readonly leaseMs: number
  readonly limit: number
}

/** Leases deliveries that are due, the longest waiting first. Of two nodes that ask at once, each gets others. */
export function takeDue(db: Database, { hookId, nodeId, now, leaseMs, limit }: Take): Promise<TakenRow[]> {
  return db.transact(async (tx) => {
    const due = await tx
      .selectFrom("webhook_deliveries")
      .select("event_id")
      .where("hook_id", "=", hookId)
      .where("state", "=", sql.lit("pending"))
      .where("due_at", "<=", now)
      .orderBy("due_at")
      .limit(limit)
      .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate().skipLocked())
      .execute()
    return lease(
      tx,
      hookId,
      due.map(({ event_id }) => event_id),
      nodeId,
      now + leaseMs,
    )
  })
}

/**
 * Leases for an ordered hook: of each stream after `afterStream` whose oldest waiting delivery is due, that one and
 * those behind it, in order. `nextStream` is where to go on; null when all streams were seen.
 */
export function takeOrdered(
  db: Database,
  { hookId, nodeId, now, leaseMs, limit }: Take,
  afterStream: string | null,
): Promise<{ readonly rows: TakenRow[]; readonly nextStream: string | null }> {
  return db.transact(async (tx) => {
    const pending = () =>
      tx.selectFrom("webhook_deliveries").where("hook_id", "=", hookId).where("state", "=", sql.lit("pending"))
    const taken: TakenRow[] = []
    let stream = afterStream
    for (let seen = 0; seen < limits.streamsSeenPerTake && taken.length < limit; seen++) {
      const next = await pending()
        .select(["stream", "event_id"])
        .$if(stream !== null, (query) => query.where("stream", ">", stream as string))
        .orderBy("stream")
        .orderBy("event_id")
        .limit(1)
        .executeTakeFirst()
      if (next === undefined) return { rows: taken, nextStream: null }
      stream = next.stream
      // Whoever holds the oldest one holds the stream: behind a row that is on its way nothing may be taken.
      const head = await pending()
        .select("event_id")
        .where("event_id", "=", next.event_id)
        .where("due_at", "<=", now)
        .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate().skipLocked())
        .executeTakeFirst()
      if (head === undefined) continue
      const behind = await pending()
        .select("event_id")
        .where("stream", "=", stream)
        .where("event_id", ">", head.event_id)
        .orderBy("event_id")
        .limit(limits.behindHeadMax)
        .execute()
      const free = tx.capabilities.supportsManyNodes ? await lockFree(tx, hookId, behind) : behind
      const ids = [head.event_id, ...free.map(({ event_id }) => event_id)]
      taken.push(...(await lease(tx, hookId, ids, nodeId, now + leaseMs)))
    }
    return { rows: taken, nextStream: stream }
  })
}

/**
 * Locks rows up to the first that somebody else is at, and never waits: who holds one row and waits for the next can
 * wait for somebody who waits for them.
 */
async function lockFree(
  tx: Tx,
  hookId: string,
  rows: readonly { readonly event_id: number }[],
): Promise<readonly { readonly event_id: number }[]> {
  if (rows.length === 0) return rows
  const ids = rows.map(({ event_id }) => event_id)
  const locked = await tx
    .selectFrom("webhook_deliveries")
    .select("event_id")
    .where("hook_id", "=", hookId)
    .where("event_id", "in", ids)
    .where("state", "=", sql.lit("pending"))
    .orderBy("event_id")
    .forUpdate()
    .skipLocked()
    .execute()
  const gap = rows.findIndex(({ event_id }, index) => locked[index]?.event_id !== event_id)
  return gap === -1 ? rows : rows.slice(0, gap)
}

async function lease(
  tx: Tx,
  hookId: string,
  eventIds: readonly number[],
  nodeId: string,
  until: number,
): Promise<TakenRow[]> {
  if (eventIds.length === 0) return []
  await tx
    .updateTable("webhook_deliveries")
    .set({ leased_by: nodeId, due_at: until })
    .where("hook_id", "=", hookId)
    .where("event_id", "in", eventIds)
    .execute()
  return tx
    .selectFrom("webhook_deliveries as d")
    .innerJoin("webhook_events as e", "e.id", "d.event_id")
    .select([
      "d.event_id",
      "d.hook_id",
      "d.app_id",
      "d.type",
      "d.stream",
      "d.attempts",
      "d.log",
      "d.created_at",
      "e.body",
    ])
    .where("d.hook_id", "=", hookId)
    .where("d.event_id", "in", eventIds)
    .orderBy("d.event_id")
    .execute()
}

/** What became of a delivery that this node holds. */
export interface DeliveryEnd {
  readonly event_id: number
  readonly hook_id: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly due_at: number
  readonly status: number | null
  readonly fault: string | null
  readonly log: string
  readonly finished_at: number | null
}

const writeEnd = statement((tx: Tx, value: Places<DeliveryEnd & { node: string }>) =>
  tx
    .updateTable("webhook_deliveries")
    .set({
      state: value("state"),
      attempts: value("attempts"),
      due_at: value("due_at"),
      leased_by: null,
      status: value("status"),
      fault: value("fault"),
      log: value("log"),
      finished_at: value("finished_at"),
    })
    .where("hook_id", "=", value("hook_id"))
    .where("event_id", "=", value("event_id"))
    .where("leased_by", "=", value("node")),
)

const endColumns = sql.raw(
  "event_id double precision, hook_id text, state text, attempts double precision, due_at double precision, " +
    "status double precision, fault text, log text, finished_at double precision",
)

/**
 * Writes how deliveries ended, where this node still holds them. `mayWait`: together with what others commit, or a
 * little later, so that whoever sends messages does not wait for the commit of a delivery.
 */
export async function writeEnds(
  db: Database,
  nodeId: string,
  mayWait: boolean,
  ends: readonly DeliveryEnd[],
): Promise<void> {
  if (ends.length === 0) return
  await db[mayWait ? "transactDeferred" : "transact"](async (tx) => {
    if (!tx.capabilities.supportsManyNodes) {
      for (const end of ends) await writeEnd.run(tx, { ...end, node: nodeId })
      return
    }
    // One statement for all of them: a round trip for each would take longer than the deliveries did.
    await tx
      .updateTable("webhook_deliveries as d")
      .from(sql`json_to_recordset(cast(${JSON.stringify(ends)} as text)::json)`.as<"r">(sql`r(${endColumns})`) as never)
      .set({
        state: sql`r.state`,
        attempts: sql`r.attempts`,
        due_at: sql`r.due_at`,
        leased_by: null,
        status: sql`r.status`,
        fault: sql`r.fault`,
        log: sql`r.log`,
        finished_at: sql`r.finished_at`,
      } as never)
      .where(sql<boolean>`d.hook_id = r.hook_id and d.event_id = r.event_id and d.leased_by = ${nodeId}`)
      .execute()
  })
}

/** Extends or ends leases that this node holds: `dueAt` is their new end, or when another node may take them. */
export async function moveLeases(
  db: Database,
  nodeId: string,
  held: readonly { readonly hook_id: string; readonly event_id: number }[],
  dueAt: number,
  keeps: boolean,
): Promise<void> {
  const byHook = Map.groupBy(held, ({ hook_id }) => hook_id)
  for (const [hookId, rows] of byHook) {
    for (let start = 0; start < rows.length; start += limits.leasesPerStatementMax) {
      const ids = rows.slice(start, start + limits.leasesPerStatementMax).map(({ event_id }) => event_id)
      await db.transact((tx) =>
        tx
          .updateTable("webhook_deliveries")
          .set(keeps ? { due_at: dueAt } : { due_at: dueAt, leased_by: null })
          .where("hook_id", "=", hookId)
          .where("event_id", "in", ids)
          .where("state", "=", sql.lit("pending"))
          .where("leased_by", "=", nodeId)
          .execute(),
      )
    }
  }
}

/** For a node that is alone: whatever an earlier life of it held is free. */
export const freeLeases = (db: Database, now: number): Promise<unknown> =>
  db.transact((tx) =>
    tx
      .updateTable("webhook_deliveries")
      .set({ leased_by: null, due_at: now })
      .where("state", "=", sql.lit("pending"))
      .where("leased_by", "is not", null)
      .execute(),
  )

// What is not needed any more. Each call does one batch and answers how many rows there were, so that no transaction
// holds others up; it is called again until there are none.

/** The next hook, by id, that has deliveries, and whether it is still there. */
export async function nextHookWithDeliveries(
  read: Read,
  after: string,
): Promise<{ readonly id: string; readonly exists: boolean } | null> {
  const row = await read
    .selectFrom("webhook_deliveries")
    .select("hook_id")
    .where("hook_id", ">", after)
    .orderBy("hook_id")
    .limit(1)
    .executeTakeFirst()
  if (row === undefined) return null
  const hook = await read.selectFrom("webhook_hooks").select("id").where("id", "=", row.hook_id).executeTakeFirst()
  return { id: row.hook_id, exists: hook !== undefined }
}

/** Rows of a hook in a state. */
export async function countDeliveries(read: Read, hookId: string, state: DeliveryState): Promise<number> {
  const { total } = await read
    .selectFrom("webhook_deliveries")
    .select(count().as("total"))
    .where("hook_id", "=", hookId)
    .where("state", "=", sql.lit(state))
    .executeTakeFirstOrThrow()
  return total
}

/** Which deliveries of a hook: those that were written, and last replayed, before a time, or the oldest ones. */
export type OldDeliveries = { readonly createdBefore: number } | { readonly oldest: number }

/** Makes dead letters of deliveries that wait and that no node holds. */
export const buryPending = (
  db: Database,
  hookId: string,
  which: OldDeliveries,
  fault: string,
  now: number,
): Promise<number> =>
  db.transact(async (tx) => {
    const rows = await oldOnes(tx, hookId, "pending", which)
      .where(({ or, eb }) => or([eb("leased_by", "is", null), eb("due_at", "<", now)]))
      .execute()
    const ids = JSON.stringify(rows.map(({ event_id }) => event_id))
    await tx
      .updateTable("webhook_deliveries")
      .set({ state: "dead", fault, leased_by: null, finished_at: now })
      .where("hook_id", "=", hookId)
      .where("state", "=", sql.lit("pending"))
      .where("event_id", "in", jsonNumbers(tx.capabilities, ids))
      .execute()
    return rows.length
  })

/** Deletes deliveries of a hook, in a state or in any, and the events that nobody else has. */
export const deleteOfHook = (
  db: Database,
  hookId: string,
  state: DeliveryState | null,
  which: OldDeliveries,
): Promise<number> => db.transact(async (tx) => deleteRows(tx, await oldOnes(tx, hookId, state, which).execute()))

/** Deletes deliveries in a state that ended before a time, and the events that nobody else has. */
export const deleteFinished = (db: Database, state: "delivered" | "dead", before: number): Promise<number> =>
  db.transact(async (tx) =>
    deleteRows(
      tx,
      await tx
        .selectFrom("webhook_deliveries")
        .select(["hook_id", "event_id"])
        .where("state", "=", sql.lit(state))
        .where("finished_at", "<", before)
        .orderBy("finished_at")
        .limit(limits.pruneBatchMax)
        .execute(),
    ),
  )

const oldOnes = (tx: Tx, hookId: string, state: DeliveryState | null, which: OldDeliveries) =>
  tx
    .selectFrom("webhook_deliveries")
    .select(["hook_id", "event_id"])
    .where("hook_id", "=", hookId)
    .$if(state !== null, (query) => query.where("state", "=", sql.lit(state as DeliveryState)))
    .$if("createdBefore" in which, (query) =>
      query.where(
        ({ fn }) => fn.coalesce("replayed_at", "created_at"),
        "<",
        (which as { createdBefore: number }).createdBefore,
      ),
    )
    .orderBy("event_id")
    .limit("oldest" in which ? Math.min(which.oldest, limits.pruneBatchMax) : limits.pruneBatchMax)

async function deleteRows(
  tx: Tx,
  rows: readonly { readonly hook_id: string; readonly event_id: number }[],
): Promise<number> {
  for (const [hookId, ofHook] of Map.groupBy(rows, ({ hook_id }) => hook_id)) {
    const ids = JSON.stringify(ofHook.map(({ event_id }) => event_id))
    await tx
      .deleteFrom("webhook_deliveries")
      .where("hook_id", "=", hookId)
      .where("event_id", "in", jsonNumbers(tx.capabilities, ids))
      .execute()
    await tx
      .deleteFrom("webhook_events")
      .where("id", "in", jsonNumbers(tx.capabilities, ids))
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom("webhook_deliveries as d")
              .select("d.event_id")
              .whereRef("d.app_id", "=", "webhook_events.app_id")
              .whereRef("d.event_id", "=", "webhook_events.id"),
          ),
        ),
      )
      .execute()
  }
  return rows.length
}
