// Events are written in the transaction that causes them, so there is never an event without its change or a change
// without its event. The relay (events/relay.ts) tells the world and marks the rows. Rows that stay unmarked belong
// to a node that died in between; another node claims them, so each event is told at least once.

import { type Generated, type Selectable, sql } from "kysely"
import { jsonNumbers } from "./columns.ts"
import type { Database, OutboxEvent, Read, StoredEvent, Tx } from "./database.ts"
import { engineOf } from "./engine.ts"
import { limits } from "./limits.ts"
import type { Migration } from "./migrate.ts"
import { type Places, statement } from "./statement.ts"

export interface OutboxRow {
  id: Generated<number>
  app_id: number
  type: string
  stream: string
  /** JSON array. */
  deliveries: string
  created_at: number
  /** Node that has claimed a stale event. */
  claimed_by: string | null
  claimed_at: number | null
  relayed_at: number | null
}

declare module "./database.ts" {
  interface Tables {
    outbox: OutboxRow
  }
}

type NewRow = Pick<OutboxRow, "app_id" | "type" | "stream" | "deliveries" | "created_at">

const insertRows = statement((tx: Tx, value: Places<{ rows: readonly NewRow[] }>) =>
  tx.insertInto("outbox").values(value("rows")).returning("id"),
)

/**
 * Writes events in one statement and answers them with their ids, which grow in the order given. `createdAt` is in
 * milliseconds. Throws RangeError when the deliveries of an event are larger than limits.eventBytesMax.
 */
export async function insertEvents(tx: Tx, events: readonly OutboxEvent[], createdAt: number): Promise<StoredEvent[]> {
  const rows = await insertRows.rows(tx, {
    rows: events.map((event) => ({
      app_id: event.appId,
      type: event.type,
      stream: event.stream,
      deliveries: deliveriesText(event),
      created_at: createdAt,
    })),
  })
  // Both databases number the rows of one statement in their order, but do not promise to answer in it.
  const ids = rows.map(({ id }) => id).sort((a, b) => a - b)
  return events.map((event, index) => ({ ...event, id: ids[index] as number, createdAt }))
}

function deliveriesText(event: OutboxEvent): string {
  const text = JSON.stringify(event.deliveries)
  if (text.length > limits.eventBytesMax) {
    throw new RangeError(`an event of type ${event.type} is larger than ${limits.eventBytesMax} bytes`)
  }
  return text
}

const markRows = statement((tx: Tx, value: Places<{ ids: string; now: number }>) =>
  tx
    .updateTable("outbox")
    .set({ relayed_at: value("now") })
    .where("id", "in", jsonNumbers(tx.capabilities, value("ids"))),
)

/**
 * Marks events as told; resolves when that is written, which waits for a commit that somebody else needs (engine.ts,
 * transactDeferred). `nowMs` is in milliseconds since 1970. Ids that are not there any more do not matter.
 */
export async function markRelayed(db: Database, ids: readonly number[], nowMs: number): Promise<void> {
  for (let start = 0; start < ids.length; start += limits.outboxBatchMax) {
    const batch = ids.slice(start, start + limits.outboxBatchMax)
    await engineOf(db).transactDeferred(
      ({ tx }) => markRows.run(tx, { ids: JSON.stringify(batch), now: nowMs }),
      limits.transactionTimeoutMs,
    )
  }
}

export interface TakeStale {
  /** Milliseconds since 1970: events that are older and not relayed are stale. */
  readonly olderThanMs: number
  readonly nodeId: string
  /** Most events to take, up to limits.outboxBatchMax. */
  readonly limit: number
}

/**
 * Claims stale events for one node, oldest first. Of two nodes that ask at once, each event goes to one. A claim is
 * void after limits.outboxClaimMs, when its node must have died as well.
 */
export async function takeStale(db: Database, { olderThanMs, nodeId, limit }: TakeStale): Promise<StoredEvent[]> {
  return db.transact(async (tx) => {
    const rows = await tx
      .selectFrom("outbox")
      .selectAll()
      .where("relayed_at", "is", null)
      .where("created_at", "<", olderThanMs)
      .where((where) =>
        where.or([where("claimed_at", "is", null), where("claimed_at", "<", olderThanMs - limits.outboxClaimMs)]),
      )
      .orderBy("id")
      .limit(Math.min(limit, limits.outboxBatchMax))
      .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate().skipLocked())
      .execute()
    if (rows.length === 0) return []
    const ids = rows.map(({ id }) => id)
    // The claim is timed on the asking node's clock, which is also the one that will find it void.
    await tx.updateTable("outbox").set({ claimed_by: nodeId, claimed_at: olderThanMs }).where("id", "in", ids).execute()
    return rows.map(eventOf)
  })
}

/**
 * Ids of the events that were written since `sinceMs` (milliseconds since 1970), in their order; when there are more
 * than `max`, the newest of them.
 */
export async function selectIdsSince(read: Read, sinceMs: number, max: number): Promise<number[]> {
  const ids: number[] = []
  // From the newest backwards: ids are indexed and times are not, and both grow together but for moments.
  for (let before = Number.MAX_SAFE_INTEGER; ids.length < max; ) {
    const page = await read
      .selectFrom("outbox")
      .select(["id", "created_at"])
      .where("id", "<", before)
      .orderBy("id", "desc")
      .limit(limits.outboxPageMax)
      .execute()
    for (const { id, created_at } of page) if (created_at >= sinceMs && ids.length < max) ids.push(id)
    const last = page.at(-1)
    if (last === undefined || page.length < limits.outboxPageMax || last.created_at < sinceMs) break
    before = last.id
  }
  return ids.reverse()
}

/** Events by their ids, at most limits.outboxBatchMax of them, in the order of the ids. Pruned ones are left out. */
export async function selectEvents(read: Read, ids: readonly number[]): Promise<StoredEvent[]> {
  if (ids.length === 0) return []
  const rows = await read.selectFrom("outbox").selectAll().where("id", "in", ids).orderBy("id").execute()
  return rows.map(eventOf)
}

/** Deletes relayed events that are older than `olderThanMs` (milliseconds since 1970); answers how many. */
export async function prune(db: Database, olderThanMs: number): Promise<number> {
  for (let pruned = 0; ; ) {
    // In batches, so that no transaction holds the writer for long.
    const deleted = await db.transact(async (tx) => {
      const result = await tx
        .deleteFrom("outbox")
        .where("id", "in", (query) =>
          query
            .selectFrom("outbox")
            .select("id")
            .where("relayed_at", "is not", null)
            .where("created_at", "<", olderThanMs)
            .orderBy("id")
            .limit(limits.outboxBatchMax),
        )
        .executeTakeFirst()
      return Number(result.numDeletedRows)
    })
    pruned += deleted
    if (deleted < limits.outboxBatchMax) return pruned
  }
}

const eventOf = (row: Selectable<OutboxRow>): StoredEvent => ({
  id: row.id,
  appId: row.app_id,
  type: row.type,
  stream: row.stream,
  deliveries: JSON.parse(row.deliveries) as unknown[],
  createdAt: row.created_at,
})

/** Tables of the store itself; migrate() always puts them first. */
export const storeMigrations: readonly Migration[] = [
  {
    id: "0001_outbox",
    async up({ schema, columns, query, capabilities }) {
      // Numbers of events never come back, even when the newest rows have been pruned.
      if (capabilities.dialect === "postgres") {
        await sql`create sequence outbox_id_seq`.execute(query)
      }
      await schema
        .createTable("outbox")
        .addColumn("id", capabilities.dialect === "postgres" ? columns.number : "integer", (column) =>
          capabilities.dialect === "postgres"
            ? column.primaryKey().defaultTo(sql`nextval('outbox_id_seq')`)
            : column.primaryKey().autoIncrement(),
        )
        .addColumn("app_id", columns.number, (column) => column.notNull())
        .addColumn("type", columns.key, (column) => column.notNull())
        .addColumn("stream", columns.key, (column) => column.notNull())
        .addColumn("deliveries", columns.json, (column) => column.notNull())
        .addColumn("created_at", columns.number, (column) => column.notNull())
        .addColumn("claimed_by", columns.key)
        .addColumn("claimed_at", columns.number)
        .addColumn("relayed_at", columns.number)
        .execute()
      // Nearly every row is relayed, so the search for stale ones needs an index of the others only.
      await schema
        .createIndex("outbox_unrelayed")
        .on("outbox")
        .column("id")
        .where(sql.ref("relayed_at"), "is", null)
        .execute()
    },
  },
]
