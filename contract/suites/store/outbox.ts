// Events: written with their change, told in order, taken over when their node is gone.

import { describe, expect, test } from "bun:test"
import { limits } from "../../../packages/server/src/store/limits.ts"
import { openDatabase } from "../../../packages/server/src/store/open.ts"
import {
  markRelayed,
  prune,
  selectEvents,
  selectIdsSince,
  takeStale,
} from "../../../packages/server/src/store/outbox.ts"
import type { Backend } from "./backends.ts"
import { eventOf, insertItem, item, on, useDatabase } from "./fixture.ts"

export function outboxSuite(backend: Backend): void {
  describe("outbox", () => {
    const fixture = useDatabase(backend)
    const emit = (...types: string[]) =>
      fixture.db.transact(async (tx) => {
        for (const type of types) tx.emit(eventOf(type))
      })
    const unrelayed = async () =>
      (
        await fixture.db.read
          .selectFrom("outbox")
          .select("type")
          .where("relayed_at", "is", null)
          .orderBy("id")
          .execute()
      ).map(({ type }) => type)

    test("an event is told as it was emitted, with its place and time", async () => {
      const beforeMs = Date.now()
      const event = { appId: 9_007_199_254_740_991, type: "a", stream: "channel:x:é", deliveries: [{ to: 'é"\\' }, 2] }
      await fixture.db.transact(async (tx) => tx.emit(event))
      const [told] = fixture.heard
      expect(told).toMatchObject(event)
      expect(told?.id).toBeInteger()
      expect(told?.createdAt).toBeWithin(beforeMs, Date.now() + 1)
      // Another node reads the same from the row.
      const [taken] = await takeStale(fixture.db, { olderThanMs: Date.now() + 1, nodeId: "n", limit: 10 })
      expect(taken).toEqual(told as NonNullable<typeof told>)
    })

    test("ids grow within a transaction and from one to the next", async () => {
      await emit("a", "b", "c")
      await emit("d")
      await emit("e", "f")
      expect(fixture.heard.map(({ type }) => type)).toEqual(["a", "b", "c", "d", "e", "f"])
      const ids = fixture.heard.map(({ id }) => id)
      expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b))
    })

    // Those who write to one stream take turns on one of its rows, as a channel's counter; so must their events.
    test("events of one stream are told in the order of their commits", async () => {
      await fixture.db.transact((tx) => insertItem(tx, item("channel", { score: 0 })))
      await Promise.all(
        Array.from({ length: 60 }, () =>
          fixture.db.transact(async (tx) => {
            const { score } = await on(tx)
              .updateTable("items")
              .set((set) => ({ score: set("score", "+", 1) }))
              .where("id", "=", "channel")
              .returning("score")
              .executeTakeFirstOrThrow()
            tx.emit(eventOf(String(score)))
          }),
        ),
      )
      expect(fixture.heard.map(({ type }) => Number(type))).toEqual(Array.from({ length: 60 }, (_, index) => index + 1))
      const ids = fixture.heard.map(({ id }) => id)
      expect(ids).toEqual(ids.toSorted((a, b) => a - b))
    })

    test("a transaction has a bounded number of events, and an event a bounded size", async () => {
      const tooMany = emit(...Array.from({ length: limits.eventsPerTransactionMax + 1 }, () => "x"))
      expect(await tooMany.catch((error) => error)).toBeInstanceOf(RangeError)
      await emit(...Array.from({ length: limits.eventsPerTransactionMax }, () => "x"))
      expect(fixture.heard).toHaveLength(limits.eventsPerTransactionMax)
      const tooBig = fixture.db.transact(async (tx) =>
        tx.emit({ ...eventOf("big"), deliveries: ["x".repeat(limits.eventBytesMax)] }),
      )
      expect(await tooBig.catch((error) => error)).toBeInstanceOf(RangeError)
    })

    test("relayed events are not stale", async () => {
      await emit("a", "b", "c")
      const [a, , c] = fixture.heard
      await markRelayed(fixture.db, [a?.id ?? 0, c?.id ?? 0, 999_999_999], Date.now())
      expect(await unrelayed()).toEqual(["b"])
      const stale = await takeStale(fixture.db, { olderThanMs: Date.now() + 1, nodeId: "n", limit: 10 })
      expect(stale.map(({ type }) => type)).toEqual(["b"])
    })

    test("only events older than the given time are taken, the oldest first, up to the limit", async () => {
      await emit("a", "b", "c")
      const created = fixture.heard[0]?.createdAt ?? 0
      const take = (olderThanMs: number, limit: number) =>
        takeStale(fixture.db, { olderThanMs, nodeId: "n", limit }).then((events) => events.map(({ type }) => type))
      expect(await take(created, 10)).toEqual([])
      expect(await take(Date.now() + 1, 2)).toEqual(["a", "b"])
      expect(await take(Date.now() + 1, 2)).toEqual(["c"])
    })

    // Two nodes that both take over would tell everything twice.
    test("of two nodes that ask at once, each event goes to exactly one", async () => {
      await emit(...Array.from({ length: 100 }, (_, index) => `e${index}`))
      const other = fixture.db.capabilities.supportsManyNodes ? await openDatabase(fixture.test.location) : fixture.db
      try {
        const olderThanMs = Date.now() + 1
        const takes = Array.from({ length: 12 }, (_, index) =>
          takeStale(index % 2 === 0 ? fixture.db : other, { olderThanMs, nodeId: `n${index % 2}`, limit: 20 }),
        )
        const taken = (await Promise.all(takes)).flat()
        // A node that found rows locked by the other took none of them; it asks again.
        taken.push(...(await takeStale(fixture.db, { olderThanMs, nodeId: "n0", limit: 100 })))
        expect(taken.map(({ id }) => id).sort((a, b) => a - b)).toEqual(fixture.heard.map(({ id }) => id))
      } finally {
        if (other !== fixture.db) await other.close()
      }
    })

    test("a claim whose node died as well is void after its time", async () => {
      await emit("a")
      const olderThanMs = Date.now() + 1
      const take = (atMs: number) =>
        takeStale(fixture.db, { olderThanMs: atMs, nodeId: "n", limit: 10 }).then((events) => events.length)
      expect(await take(olderThanMs)).toBe(1)
      expect(await take(olderThanMs + limits.outboxClaimMs)).toBe(0)
      expect(await take(olderThanMs + limits.outboxClaimMs + 1)).toBe(1)
    })

    test("prune deletes old events that were relayed and no others", async () => {
      await emit(...Array.from({ length: limits.outboxBatchMax + 3 }, () => "old"))
      await markRelayed(
        fixture.db,
        fixture.heard.map(({ id }) => id),
        Date.now(),
      )
      await emit("unrelayed")
      const newest = Math.max(...fixture.heard.map(({ createdAt }) => createdAt))
      expect(await prune(fixture.db, fixture.heard[0]?.createdAt ?? 0)).toBe(0)
      expect(await prune(fixture.db, newest + 1)).toBe(limits.outboxBatchMax + 3)
      const left = await fixture.db.read.selectFrom("outbox").select("type").execute()
      expect(left).toEqual([{ type: "unrelayed" }])
    })

    test("events since a moment are found by their ids, in their order, the newest when there are too many", async () => {
      await emit(...Array.from({ length: 3 }, () => "before"))
      await Bun.sleep(5)
      const sinceMs = Date.now()
      // More than one page, relayed or not.
      for (let written = 0; written <= limits.outboxPageMax; written += 500) {
        await emit(...Array.from({ length: 500 }, () => "since"))
      }
      const since = fixture.heard.filter(({ type }) => type === "since").map(({ id }) => id)
      await markRelayed(fixture.db, since.slice(0, 10), Date.now())
      expect(await selectIdsSince(fixture.db.read, sinceMs, 10_000)).toEqual(since)
      expect(await selectIdsSince(fixture.db.read, sinceMs, 7)).toEqual(since.slice(-7))
      expect(await selectIdsSince(fixture.db.read, Date.now() + 1_000, 10)).toEqual([])
      const some = fixture.heard.slice(1, 5)
      const ids = some.map(({ id }) => id)
      expect(await selectEvents(fixture.db.read, [...ids, 9_007_199_254_740_991].reverse())).toEqual(some)
      expect(await selectEvents(fixture.db.read, [])).toEqual([])
    })

    test("ids do not come back after a prune", async () => {
      await emit("a")
      const last = fixture.heard[0]?.id ?? 0
      await markRelayed(fixture.db, [last], Date.now())
      await prune(fixture.db, Date.now() + 1)
      await emit("b")
      expect(fixture.heard[1]?.id).toBeGreaterThan(last)
    })
  })
}
