// The numbers for monitoring on each database.

import { afterEach, describe, expect, test } from "bun:test"
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
import { selectBacklog } from "./store.ts"

const start = 1_700_000_000_000
let tables: DeliveryTables
afterEach(() => tables.close())

for (const kind of databaseKinds) {
  describe(`metrics on ${kind}`, () => {
    test("the backlog counts what waits, by hook, from an index that holds nothing else", async () => {
      tables = await openDeliveryTables(kind)
      const { db } = tables
      const [busy, foreign, idle] = [hookIdOf(1), hookIdOf(2), hookIdOf(3)]
      await addHook(db, busy)
      await addHook(db, foreign, { appId: otherAppId })
      await addHook(db, idle)
      expect(await selectBacklog(db.read)).toEqual({ hooks: [], total: 0 })
      await addMany(db, { hookId: idle, total: 20_000, fromMs: start - 30_000_000 })
      await addMany(db, { hookId: idle, total: 5, state: "dead", fromMs: start })
      await addMany(db, { hookId: busy, total: 7, state: "pending", fromMs: start + 1 })
      await addMany(db, { hookId: foreign, total: 3, state: "pending", appId: otherAppId, fromMs: start + 2 })
      // Of a hook that is gone: nobody sends these, so nobody waits for them.
      await addMany(db, { hookId: hookIdOf(4), total: 9, state: "pending", fromMs: start })
      await analyze(db)
      expect(await selectBacklog(db.read)).toEqual({
        hooks: [
          { appId, hookId: busy, total: 7, createdAt: start + 1 },
          { appId: otherAppId, hookId: foreign, total: 3, createdAt: start + 2 },
        ],
        total: 10,
      })
      const [plan] = await plansOf(db, selectBacklog)
      expect(plan).toMatch(/webhook_deliveries_(due|stream)/)
    })
  })
}
