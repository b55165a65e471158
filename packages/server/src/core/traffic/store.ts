import { sql } from "kysely"
import type { Read, Tx } from "../../store/database.ts"
import { type Counts, hourMs } from "./rules.ts"

/** Counts of one app in one minute on one node, as far as they were known when the node last wrote. */
export interface TrafficMinuteRow {
  app_id: number
  /** Its beginning, in milliseconds since 1970. */
  at: number
  node_id: string
  /** 0 or 1: the numbers of its hour know it. */
  rolled: number
  /** JSON, Counts. */
  counts: string
}

/** Counts of one app in one hour over all nodes. */
export interface TrafficHourRow {
  app_id: number
  at: number
  counts: string
}

declare module "../../store/database.ts" {
  interface Tables {
    traffic_minutes: TrafficMinuteRow
    traffic_hours: TrafficHourRow
    traffic_rolls: { id: number; rolls: number }
  }
}

/** Writes rows whole, in place of what the same node wrote of the same minute: to write twice counts nothing twice. */
export const putMinutes = (tx: Tx, rows: readonly TrafficMinuteRow[]): Promise<unknown> =>
  tx
    .insertInto("traffic_minutes")
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(["app_id", "at", "node_id"]).doUpdateSet((update) => ({
        rolled: update.ref("excluded.rolled"),
        counts: update.ref("excluded.counts"),
      })),
    )
    .execute()

export interface MinutesPage {
  readonly appId: number
  readonly sinceMs: number
  readonly untilMs: number
  /** The last row of the page before. */
  readonly after: { readonly at: number; readonly nodeId: string } | null
  readonly limit: number
}

/** Oldest first. */
export function selectMinutes(
  read: Read,
  { appId, sinceMs, untilMs, after, limit }: MinutesPage,
): Promise<Pick<TrafficMinuteRow, "at" | "node_id" | "counts">[]> {
  return read
    .selectFrom("traffic_minutes")
    .select(["at", "node_id", "counts"])
    .where("app_id", "=", appId)
    .where("at", ">=", after?.at ?? sinceMs)
    .where("at", "<", untilMs)
    .$if(after !== null, (query) =>
      query.where((where) => where.or([where("at", ">", after?.at ?? 0), where("node_id", ">", after?.nodeId ?? "")])),
    )
    .orderBy("at")
    .orderBy("node_id")
    .limit(limit)
    .execute()
}

export const selectHours = (
  read: Read,
  appId: number,
  sinceMs: number,
  untilMs: number,
): Promise<Pick<TrafficHourRow, "at" | "counts">[]> =>
  read
    .selectFrom("traffic_hours")
    .select(["at", "counts"])
    .where("app_id", "=", appId)
    .where("at", ">=", sinceMs)
    .where("at", "<", untilMs)
    .orderBy("at")
    .execute()

/** Whether anything was ever counted for the app, as far back as it is kept. */
export async function hasRows(read: Read, appId: number): Promise<boolean> {
  const hour = await read
    .selectFrom("traffic_hours")
    .select("at")
    .where("app_id", "=", appId)
    .limit(1)
    .executeTakeFirst()
  if (hour !== undefined) return true
  const minutes = read.selectFrom("traffic_minutes").select("at").where("app_id", "=", appId)
  return (await minutes.limit(1).executeTakeFirst()) !== undefined
}

/** Minutes that ended before then and are in no hour yet, oldest first. */
export const selectUnrolled = (
  read: Read,
  beforeMs: number,
  limit: number,
): Promise<{ app_id: number; at: number }[]> =>
  read
    .selectFrom("traffic_minutes")
    .select(["app_id", "at"])
    // As a literal, so that the index of such rows alone is found.
    .where("rolled", "=", sql.lit(0))
    .where("at", "<", beforeMs)
    .orderBy("at")
    .limit(limit)
    .execute()

/** Until the commit no other node adds hours up. */
export const lockRolls = (tx: Tx): Promise<unknown> =>
  tx
    .updateTable("traffic_rolls")
    .set((column) => ({ rolls: column("rolls", "+", 1) }))
    .where("id", "=", 1)
    .execute()

/**
 * Marks the minutes of an hour and reads them. The mark comes first: a row that is written in between is read and stays
 * unmarked, so its hour is added up once more, and none is ever missed.
 */
export async function takeHour(
  tx: Tx,
  appId: number,
  hour: number,
): Promise<Pick<TrafficMinuteRow, "at" | "node_id" | "counts">[]> {
  await tx
    .updateTable("traffic_minutes")
    .set({ rolled: 1 })
    .where("app_id", "=", appId)
    .where("at", ">=", hour)
    .where("at", "<", hour + hourMs)
    .where("rolled", "=", 0)
    .execute()
  return tx
    .selectFrom("traffic_minutes")
    .select(["at", "node_id", "counts"])
    .where("app_id", "=", appId)
    .where("at", ">=", hour)
    .where("at", "<", hour + hourMs)
    .execute()
}

export const putHour = (tx: Tx, row: TrafficHourRow): Promise<unknown> =>
  tx
    .insertInto("traffic_hours")
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(["app_id", "at"]).doUpdateSet((update) => ({ counts: update.ref("excluded.counts") })),
    )
    .execute()

/** Forgets minutes that began before then; at most `limit`. Answers how many. */
export async function pruneMinutes(tx: Tx, beforeMs: number, limit: number): Promise<number> {
  const [result] = await tx
    .deleteFrom("traffic_minutes")
    .where(({ eb, refTuple, selectFrom }) =>
      eb(
        refTuple("app_id", "at", "node_id"),
        "in",
        selectFrom("traffic_minutes")
          .select(["app_id", "at", "node_id"])
          .where("at", "<", beforeMs)
          .limit(limit)
          .$asTuple("app_id", "at", "node_id"),
      ),
    )
    .execute()
  return Number(result?.numDeletedRows ?? 0)
}

/** As pruneMinutes, of hours. */
export async function pruneHours(tx: Tx, beforeMs: number, limit: number): Promise<number> {
  const [result] = await tx
    .deleteFrom("traffic_hours")
    .where(({ eb, refTuple, selectFrom }) =>
      eb(
        refTuple("app_id", "at"),
        "in",
        selectFrom("traffic_hours")
          .select(["app_id", "at"])
          .where("at", "<", beforeMs)
          .limit(limit)
          .$asTuple("app_id", "at"),
      ),
    )
    .execute()
  return Number(result?.numDeletedRows ?? 0)
}

/** The text of counts in a row. */
export const encodeCounts = (counts: Counts): string => JSON.stringify(counts)
export const decodeCounts = (text: string): Counts => JSON.parse(text) as Counts
