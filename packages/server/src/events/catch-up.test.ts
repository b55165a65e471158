// Nothing that was committed stays untold because the bus lost it, and nothing is told twice because it was looked for.

import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createLinkedBuses, type LinkedBus } from "../../../../contract/suites/bus/linked.ts"
import { type ManualClock, manualClock } from "../base/clock.ts"
import { createLogger } from "../base/log.ts"
import type { Database, Read } from "../store/database.ts"
import { migrate } from "../store/migrate.ts"
import { openDatabase } from "../store/open.ts"
import { createCatchUp } from "./catch-up.ts"
import type { Delivery } from "./event.ts"
import { limits } from "./limits.ts"

const log = createLogger({ level: "error", format: "json", write: () => {} })

let folder: string
let db: Database
let clock: ManualClock
let bus: LinkedBus
let told: string[]
let sentAway: number
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "weir-catch-up-"))
  clock = manualClock(1_000_000)
  db = await openDatabase({ kind: "sqlite", path: join(folder, "weir.db") }, { now: clock.now })
  await migrate(db, [])
  bus = createLinkedBuses("by-itself").open()
  told = []
  sentAway = 0
})
afterEach(async () => {
  await db.close()
  rmSync(folder, { recursive: true, force: true })
})

const start = (over: Partial<Parameters<typeof createCatchUp>[0]> = {}) =>
  createCatchUp({
    db,
    bus,
    clock,
    log,
    deliver: (_, deliveries) => told.push(...deliveries.map((delivery) => (delivery as { topic: string }).topic)),
    sendAway: () => {
      sentAway += 1
    },
    ...over,
  })

/** Commits one event for each topic; answers their ids. */
const commit = (...topics: string[]): Promise<number[]> =>
  new Promise((resolve, reject) => {
    committed = (events) => resolve(events)
    db.transact(async (tx) => {
      for (const topic of topics) {
        const delivery: Delivery = { to: "topic", topic, frame: "{}" }
        tx.emit({ appId: 1, type: "x", stream: "s", deliveries: [delivery] })
      }
    }).catch(reject)
  })
let committed: (ids: number[]) => void = () => {}
beforeEach(() => db.onCommitted((events) => committed(events.map(({ id }) => id))))

const outage = (): void => {
  bus.cut()
  bus.mend()
}

describe("after a gap in the bus", () => {
  test("events that did not arrive are told in their order, and those that did are not told again", async () => {
    const catchUp = start()
    const [first] = await commit("arrived", "lost 1", "lost 2")
    expect(catchUp.isNew(first as number)).toBe(true)
    outage()
    await catchUp.run()
    expect(told).toEqual(["lost 1", "lost 2"])
    await catchUp.run()
    expect(told).toEqual(["lost 1", "lost 2"])
    // The bus brings one late.
    expect(catchUp.isNew((first as number) + 1)).toBe(false)
  })

  test("what other nodes say until all are back is looked for as well", async () => {
    const catchUp = start()
    outage()
    await catchUp.run()
    clock.advance(limits.catchUpSettleMs - 1)
    await commit("said by a node that was not back yet")
    await catchUp.run()
    expect(told).toHaveLength(1)
    clock.advance(2)
    await commit("and the last one")
    await catchUp.run()
    expect(told).toHaveLength(2)
    // From now on the bus is trusted to bring everything.
    await commit("brought by the bus")
    await catchUp.run()
    expect(told).toHaveLength(2)
  })

  test("an outage of an hour is looked through from its beginning, and nothing from long before it", async () => {
    const catchUp = start()
    await commit("long before")
    clock.advance(limits.catchUpLookBackMs + 1)
    await catchUp.run()
    bus.cut()
    await commit("at the beginning")
    clock.advance(3_600_000)
    await catchUp.run()
    await commit("at the end")
    bus.mend()
    await catchUp.run()
    expect(told).toEqual(["at the beginning", "at the end"])
    expect(sentAway).toBe(0)
  })

  test("a database that fails is asked again", async () => {
    let isAway = true
    const read: Read = Object.create(db.read, {
      selectFrom: {
        value(table: "outbox") {
          if (isAway) throw new Error("the database is away")
          return db.read.selectFrom(table)
        },
      },
    })
    const catchUp = start({ db: { read } })
    await commit("lost")
    outage()
    await expect(catchUp.run()).rejects.toThrow("away")
    clock.advance(2 * limits.catchUpSettleMs)
    await expect(catchUp.run()).rejects.toThrow("away")
    isAway = false
    await catchUp.run()
    expect(told).toEqual(["lost"])
  })

  test("beyond the bound the sockets are sent away instead, once", async () => {
    const catchUp = start({ eventsMax: 3 })
    await commit("1", "2", "3", "4")
    clock.advance(1)
    outage()
    await catchUp.run()
    expect([told, sentAway]).toEqual([[], 1])
    await commit("5")
    await catchUp.run()
    expect([told, sentAway]).toEqual([["5"], 1])
  })
})

test("without a gap nothing is looked for", async () => {
  const catchUp = start()
  await commit("on its way")
  await catchUp.run()
  expect(told).toEqual([])
})
