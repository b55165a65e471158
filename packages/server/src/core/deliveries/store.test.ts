// The queries of deliveries on each database, over many rows: what they find, and that they find it by an index.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  addHook,
  addMany,
  analyze,
  appId,
  type DeliveryTables,
  hookIdOf,
  openDeliveryTables,
  otherAppId,
  plansOf,
} from "../../../test/delivery-tables.ts"
import { databaseKinds } from "../../../test/fixtures.ts"
import type { Read } from "../../store/database.ts"
import { limits } from "./limits.ts"
import {
  countDead,
  countDelivered,
  countDue,
  countPending,
  type DeliveryFilter,
  type DeliveryPlace,
  firstEventSince,
  type ShownRow,
  selectDeliveries,
  selectReplayable,
  selectSampleLogs,
} from "./store.ts"

const [busy, quiet, foreign] = [hookIdOf(1), hookIdOf(2), hookIdOf(3)]
const start = 1_700_000_000_000
const everything: DeliveryFilter = {
  appId,
  hookId: null,
  state: null,
  type: null,
  stream: null,
  sinceMs: null,
  untilMs: null,
}

/** All pages from the beginning on. */
async function walk(read: Read, filter: Partial<DeliveryFilter>, limit: number) {
  const rows: ShownRow[] = []
  let pages = 0
  for (let after: DeliveryPlace | null = null; ; pages++) {
    const page = await selectDeliveries(read, { ...everything, ...filter }, { after, limit })
    expect(page.rows.length).toBeLessThanOrEqual(limit)
    rows.push(...page.rows)
    after = page.next
    if (after === null) return { rows, pages: pages + 1 }
    if (pages > 200) throw new Error("the list has no end")
  }
}

for (const kind of databaseKinds) {
  describe(`deliveries in the tables of ${kind}`, () => {
    let tables: DeliveryTables
    const read = (): Read => tables.db.read
    beforeAll(async () => {
      tables = await openDeliveryTables(kind)
      const { db } = tables
      for (const id of [busy, quiet]) await addHook(db, id)
      await addHook(db, foreign, { appId: otherAppId })
      // 100,000 rows: a second lies between two events, what is rare is old, and another app has many dead letters.
      await addMany(db, { hookId: quiet, total: 30, state: "dead", type: "user.updated", fromMs: start })
      await addMany(db, { hookId: busy, total: 50_000, fromMs: start + 30_000 })
      await addMany(db, {
        hookId: foreign,
        total: 9_970,
        state: "dead",
        appId: otherAppId,
        fromMs: start + 50_030_000,
      })
      await addMany(db, { hookId: busy, total: 39_900, fromMs: start + 60_000_000 })
      await addMany(db, {
        hookId: busy,
        total: 100,
        state: "pending",
        stream: "channel:messaging:new",
        fromMs: start + 99_900_000,
      })
      await analyze(db)
    }, 120_000)
    afterAll(() => tables.close())

    test("a page of 100,000 rows is read from an index, in its order", async () => {
      for (const [filter, index] of [
        [{}, "webhook_deliveries_app"],
        [{ hookId: busy }, "webhook_deliveries_pk|autoindex_webhook_deliveries_1"],
        [{ state: "dead" }, "webhook_deliveries_dead\\b"],
        [{ state: "dead", hookId: quiet }, "webhook_deliveries_dead_hook"],
        [{ state: "pending" }, "webhook_deliveries_app"],
        [{ type: { type: "message.new" } }, "webhook_deliveries_app"],
        [{ sinceMs: start + 90_000_000, untilMs: start + 95_000_000 }, "webhook_deliveries_app"],
      ] as const) {
        for (const after of [null, { event_id: 60_000, hook_id: busy }]) {
          const plans = await plansOf(tables.db, (handle) =>
            selectDeliveries(handle, { ...everything, ...filter }, { after, limit: 25 }),
          )
          const own = plans.filter((plan) => plan.includes("webhook_deliveries"))
          expect(own.length).toBeGreaterThan(0)
          for (const plan of own) {
            expect(plan).toMatch(new RegExp(index))
            // Whole rows of the table are never gone through from one end to the other.
            expect(plan).not.toMatch(/Seq Scan on webhook_deliveries|SCAN webhook_deliveries(?! USING)/)
          }
        }
      }
    })

    test("counts go by the indexes of what waits and what is dead", async () => {
      for (const [work, index] of [
        [(handle: Read) => countPending(handle, [busy, quiet]), "webhook_deliveries_(due|stream)"],
        [(handle: Read) => countDue(handle, [busy, quiet], start), "webhook_deliveries_due"],
        [(handle: Read) => countDead(handle, [busy, quiet]), "webhook_deliveries_dead"],
        [
          (handle: Read) => countDelivered(handle, busy, start, 1_000),
          "webhook_deliveries_pk|autoindex_webhook_deliveries_1",
        ],
        [
          (handle: Read) => selectSampleLogs(handle, busy),
          "webhook_deliveries_(pk|due)|autoindex_webhook_deliveries_1",
        ],
      ] as const) {
        for (const plan of await plansOf(tables.db, work)) expect(plan).toMatch(new RegExp(index))
      }
    })

    test("every row is on one page, newest first, whatever the page's size", async () => {
      const { rows } = await walk(read(), { hookId: quiet }, 7)
      expect(rows.map(({ event_id }) => event_id)).toEqual(Array.from({ length: 30 }, (_, index) => 30 - index))
      const all = await walk(read(), { sinceMs: start + 99_000_000 }, 100)
      expect(all.rows.length).toBe(1_000)
      expect(new Set(all.rows.map(({ event_id }) => event_id)).size).toBe(1_000)
    })

    test("what is rare and old is found behind short pages, each of bounded work", async () => {
      const { rows, pages } = await walk(read(), { type: { type: "user.updated" } }, 100)
      expect(rows.length).toBe(30)
      expect(pages).toBeLessThanOrEqual(Math.ceil(90_030 / limits.scanRowsMax) + 1)
      expect(pages).toBeGreaterThan(5)
    })

    test("filters find what they say", async () => {
      const found = async (filter: Partial<DeliveryFilter>) => (await walk(read(), filter, 100)).rows
      expect((await found({ state: "dead" })).length).toBe(30)
      expect((await found({ state: "dead", hookId: busy })).length).toBe(0)
      expect((await found({ state: "pending" })).length).toBe(100)
      expect((await found({ stream: "channel:messaging:new" })).length).toBe(100)
      expect((await found({ type: { typePrefix: "user." } })).length).toBe(30)
      expect((await found({ type: { typePrefix: "user.x" } })).length).toBe(0)
      expect((await found({ hookId: foreign })).length).toBe(0)
      const range = await found({ sinceMs: start + 1_000, untilMs: start + 5_000 })
      expect(range.map(({ created_at }) => created_at - start)).toEqual([4_000, 3_000, 2_000, 1_000])
      expect((await found({ sinceMs: start + 10_000_000_000 })).length).toBe(0)
      expect((await found({ untilMs: 0 })).length).toBe(0)
    })

    test("the first event of a time is found by halving, wherever it lies", async () => {
      const newest = start + 99_999_000
      for (const [timeMs, id] of [
        [0, 1],
        [start, 1],
        [start + 1, 2],
        [start + 29_000, 30],
        [start + 50_000_000, 50_001],
        [newest, 100_000],
        [newest + 1, 100_001],
      ] as const) {
        expect(await firstEventSince(read(), timeMs)).toBe(id)
      }
    })

    test("a replay by range goes from the oldest to the newest in bounded steps", async () => {
      const request = { after: null, limit: 4 }
      const page = await selectReplayable(read(), { ...everything, state: "dead" }, request, start)
      expect(page.rows.map(({ event_id }) => event_id)).toEqual([1, 2, 3, 4])
      expect(page.next).toEqual({ event_id: 4, hook_id: quiet })
      const rest = await selectReplayable(
        read(),
        { ...everything, state: "dead" },
        { after: page.next, limit: 100 },
        start,
      )
      expect(rest.rows.length).toBe(26)
      expect(rest.next).toBeNull()
    })
  })

  test(`a list stays whole on ${kind} while rows are added between its pages`, async () => {
    const tables = await openDeliveryTables(kind)
    try {
      const { db } = tables
      for (const id of [busy, quiet]) await addHook(db, id)
      await addMany(db, { hookId: busy, total: 60 })
      const before = new Set((await walk(db.read, {}, 100)).rows.map(({ event_id }) => event_id))
      const seen: number[] = []
      let after: DeliveryPlace | null = null
      do {
        const page = await selectDeliveries(db.read, everything, { after, limit: 10 })
        seen.push(...page.rows.map(({ event_id }) => event_id))
        after = page.next
        await addMany(db, { hookId: quiet, total: 7, fromMs: start - 1_000 })
      } while (after !== null)
      expect(new Set(seen)).toEqual(before)
      expect(seen.length).toBe(60)
    } finally {
      await tables.close()
    }
  })
}
