// Counts on their way to each database: written whole, added up over nodes, by the hour, and forgotten in the end.

import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ApiError } from "@weir/protocol"
import { databaseKinds } from "../../../test/fixtures.ts"
import { type ManualClock, manualClock } from "../../base/clock.ts"
import { createLogger } from "../../base/log.ts"
import type { Database } from "../../store/database.ts"
import { migrate } from "../../store/migrate.ts"
import { openDatabase } from "../../store/open.ts"
import { createPostgresDatabase } from "../../testing.ts"
import { createTraffic, type Traffic } from "./cache.ts"
import { limits } from "./limits.ts"
import { migrations } from "./migrations.ts"
import { type Counts, hourMs, minuteMs } from "./rules.ts"
import { decodeCounts, hasRows, selectHours, selectMinutes } from "./store.ts"

const noon = Date.UTC(2026, 0, 2, 12)
const appId = 7
const log = createLogger({ level: "error", format: "json" })

for (const kind of databaseKinds) {
  describe(`traffic on ${kind}`, () => {
    let db: Database
    let close: () => Promise<void>
    let clock: ManualClock
    const started: Traffic[] = []
    beforeEach(async () => {
      const dir = mkdtempSync(join(tmpdir(), "weir-test-"))
      const made = kind === "postgres" ? await createPostgresDatabase() : null
      const config =
        made === null
          ? { kind: "sqlite" as const, path: join(dir, "weir.db") }
          : { kind: "postgres" as const, url: made.url }
      clock = manualClock(noon)
      db = await openDatabase(config, {
        now: () => clock.now(),
        onError: (error) => log.error("after commit", { cause: error }),
      })
      await migrate(db, [{ module: "traffic", migrations }])
      close = async () => {
        await db.close()
        await made?.drop()
        rmSync(dir, { recursive: true, force: true })
      }
    })
    afterEach(async () => {
      await Promise.all(started.splice(0).map((traffic) => traffic.close()))
      await close()
    })

    const start = (nodeId: string, database = db): Traffic => {
      const traffic = createTraffic({
        db: database,
        nodeId,
        clock,
        log,
        appOf: (key) => (key === "abcdefgh1234" ? appId : null),
      })
      started.push(traffic)
      return traffic
    }
    const request = (traffic: Traffic, { status = 200, operation = "GetApp", apiKey = "abcdefgh1234" } = {}): void => {
      const refusal =
        status < 400
          ? null
          : { error: new ApiError("rateLimit", "later", { why: { check: "rate-limit" } }), decisionId: null }
      traffic.observeRequest(
        {
          request: new Request("http://127.0.0.1/api/v2/app?api_key=abcdefgh1234"),
          peer: { address: "192.0.2.1" },
          startedMs: performance.now(),
          operation,
          caller: null,
          credentials: { apiKey, client: null },
        },
        status,
        refusal,
      )
    }
    const minutes = async (sinceMs = 0): Promise<{ at: number; node_id: string; counts: Counts }[]> =>
      (await selectMinutes(db.read, { appId, sinceMs, untilMs: noon * 2, after: null, limit: 1_000 })).map((row) => ({
        ...row,
        counts: decodeCounts(row.counts),
      }))
    const hours = async (): Promise<{ at: number; counts: Counts }[]> =>
      (await selectHours(db.read, appId, 0, noon * 2)).map(({ at, counts }) => ({ at, counts: decodeCounts(counts) }))

    test("a minute is written whole each time: to write it again counts nothing twice", async () => {
      const traffic = start("a")
      expect(await hasRows(db.read, appId)).toBe(false)
      request(traffic)
      request(traffic, { status: 429, operation: "Other" })
      await traffic.flush()
      await traffic.flush()
      clock.advance(10_000)
      request(traffic, { status: 500 })
      await traffic.flush()
      const [row, ...more] = await minutes()
      expect(more).toEqual([])
      expect(row).toMatchObject({ at: noon, node_id: "a" })
      expect(row?.counts).toMatchObject({ requests: 3, succeeded: 1, refused: 1, failed: 1 })
      expect(row?.counts.refusals).toEqual({ "rateLimit/rate-limit": 2 })
      expect(row?.counts.operations.GetApp?.slice(0, 3)).toEqual([2, 0, 1])
      expect(row?.counts.keys.abcdefgh1234?.slice(0, 3)).toEqual([3, 1, 1])
      expect(row?.counts.histogram.reduce((sum, n) => sum + n, 0)).toBe(3)
      expect(await hasRows(db.read, appId)).toBe(true)
    })

    test("who names no app of ours is answered, counted for the node, and for no app", async () => {
      const traffic = start("a")
      request(traffic, { apiKey: "zzzzzzzzzzzz", status: 401 })
      await traffic.flush()
      expect(traffic.requestCount).toBe(1)
      expect(await minutes()).toEqual([])
    })

    test("nodes write rows of their own, and the hour has all of them", async () => {
      const [a, b] = [start("a"), start("b")]
      for (const [node, times] of [
        [a, 2],
        [b, 3],
      ] as const) {
        for (let n = 0; n < times; n += 1) request(node)
        node.observeSockets.opened(appId)
      }
      clock.advance(minuteMs)
      request(a)
      await Promise.all([a.flush(), b.flush()])
      expect((await minutes()).map(({ at, node_id }) => [at - noon, node_id])).toEqual([
        [0, "a"],
        [0, "b"],
        [minuteMs, "a"],
        [minuteMs, "b"],
      ])
      await a.roll()
      // It is not over yet.
      expect(await hours()).toEqual([])
      clock.set(noon + hourMs + limits.rollGraceMs)
      await Promise.all([a.roll(), b.roll()])
      const [hour, ...more] = await hours()
      expect(more).toEqual([])
      expect(hour).toMatchObject({ at: noon, counts: { requests: 6, socketsOpened: 2, socketsOpen: 2 } })
    })

    test("a minute that is written late finds its way into its hour, once", async () => {
      const [early, late] = [start("early"), start("late")]
      request(early)
      request(late)
      await early.flush()
      clock.set(noon + hourMs + limits.rollGraceMs)
      await early.roll()
      expect((await hours())[0]?.counts.requests).toBe(1)
      await late.flush()
      await early.roll()
      await late.roll()
      expect((await hours()).map(({ counts }) => counts.requests)).toEqual([2])
    })

    test("what the database did not take is written the next time", async () => {
      let isAway = true
      const away: Database = {
        ...db,
        read: db.read,
        transact: (work) => (isAway ? Promise.reject(new Error("away")) : db.transact(work)),
      }
      const traffic = start("a", away)
      request(traffic)
      await expect(traffic.flush()).rejects.toThrow("away")
      clock.advance(minuteMs)
      request(traffic)
      await expect(traffic.flush()).rejects.toThrow("away")
      expect(traffic.unwritten(appId).map(({ at, counts }) => [at - noon, counts.requests])).toEqual([
        [0, 1],
        [minuteMs, 1],
      ])
      isAway = false
      await traffic.flush()
      expect((await minutes()).map(({ counts }) => counts.requests)).toEqual([1, 1])
      expect(traffic.droppedCount).toBe(0)
    })

    test("sockets that are open show in every minute, until the last one closes", async () => {
      const traffic = start("a")
      traffic.observeSockets.opened(appId)
      traffic.observeSockets.opened(appId)
      expect(traffic.openSockets(appId)).toBe(2)
      await traffic.flush()
      clock.advance(minuteMs)
      await traffic.flush()
      traffic.observeSockets.closed(appId)
      traffic.observeSockets.closed(appId)
      clock.advance(minuteMs)
      await traffic.flush()
      clock.advance(minuteMs)
      await traffic.flush()
      const rows = (await minutes()).map(({ counts }) => [
        counts.socketsOpened,
        counts.socketsClosed,
        counts.socketsOpen,
      ])
      expect(rows).toEqual([
        [2, 0, 2],
        [0, 2, 2],
      ])
      expect(traffic.openSockets(appId)).toBe(0)
    })

    test("a clock that is set back goes on in the minute that it had reached", async () => {
      const traffic = start("a")
      request(traffic)
      clock.set(noon - 5 * minuteMs)
      request(traffic)
      await traffic.flush()
      expect((await minutes()).map(({ at, counts }) => [at, counts.requests])).toEqual([[noon, 2]])
    })

    test("minutes and hours are forgotten when their time is over, and not before", async () => {
      const traffic = start("a")
      request(traffic)
      await traffic.flush()
      clock.set(noon + limits.minutesKeptMs)
      request(traffic)
      await traffic.flush()
      await traffic.roll()
      expect(await minutes()).toHaveLength(2)
      clock.set(noon + limits.minutesKeptMs + minuteMs)
      await traffic.roll()
      expect((await minutes()).map(({ at }) => at)).toEqual([noon + limits.minutesKeptMs])
      expect(await hours()).toHaveLength(1)
      clock.set(noon + limits.hoursKeptMs + hourMs)
      await traffic.roll()
      expect((await hours()).map(({ at }) => at)).toEqual([noon + limits.minutesKeptMs])
    })

    test("names are told apart up to a bound", async () => {
      const traffic = start("a")
      for (let n = 0; n < limits.operationsMax + 10; n += 1) request(traffic, { operation: `Op${n}` })
      const [minute] = traffic.unwritten(appId)
      const names = Object.keys(minute?.counts.operations ?? {})
      expect(names).toHaveLength(limits.operationsMax + 1)
      expect(minute?.counts.operations.other?.[0]).toBe(10)
    })

    test("many apps are written in batches, all of them", async () => {
      const traffic = start("a")
      const apps = limits.rowsPerWriteMax + limits.rowsPerStatementMax + 1
      for (let app = 1; app <= apps; app += 1) traffic.delivered(app, true)
      clock.advance(minuteMs)
      await traffic.flush()
      const { rows } = await db.read
        .selectFrom("traffic_minutes")
        .select((select) => select.fn.countAll<number>().as("rows"))
        .executeTakeFirstOrThrow()
      expect(Number(rows)).toBe(apps)
    })
  })
}
