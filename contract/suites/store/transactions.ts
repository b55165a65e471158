// What transact() promises, whichever database is below.

import { describe, expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import { count } from "../../../packages/server/src/store/columns.ts"
import { engineOf } from "../../../packages/server/src/store/engine.ts"
import { UniqueViolation } from "../../../packages/server/src/store/errors.ts"
import { limits } from "../../../packages/server/src/store/limits.ts"
import { openDatabase } from "../../../packages/server/src/store/open.ts"
import type { Backend } from "./backends.ts"
import { eventOf, idsOf, insertItem, item, on, useDatabase } from "./fixture.ts"

export function transactionSuite(backend: Backend): void {
  describe("transactions", () => {
    const fixture = useDatabase(backend)

    test("the result comes when the change can be read", async () => {
      const result = await fixture.db.transact(async (tx) => {
        await insertItem(tx, item("a"))
        expect(await idsOf(tx)).toEqual(["a"])
        return 42
      })
      expect(result).toBe(42)
      expect(await idsOf(fixture.db.read)).toEqual(["a"])
    })

    // A request that fails half way must leave nothing behind and tell nobody.
    test("nothing of a failed transaction stays, and nobody hears of it", async () => {
      let ran = 0
      const failed = fixture.db.transact(async (tx) => {
        await insertItem(tx, item("a"))
        tx.emit(eventOf("item.new"))
        tx.afterCommit(() => ran++)
        throw new Error("changed my mind")
      })
      expect(failed).rejects.toThrow("changed my mind")
      await failed.catch(() => {})
      expect(await idsOf(fixture.db.read)).toEqual([])
      expect(fixture.heard).toEqual([])
      expect(await fixture.db.read.selectFrom("outbox").selectAll().execute()).toEqual([])
      expect(ran).toBe(0)
    })

    test("db.read inside a transaction sees the last commit and does not wait", async () => {
      await fixture.db.transact((tx) => insertItem(tx, item("before")))
      await fixture.db.transact(async (tx) => {
        await insertItem(tx, item("during"))
        expect(await idsOf(fixture.db.read)).toEqual(["before"])
      })
      expect(await idsOf(fixture.db.read)).toEqual(["before", "during"])
    })

    // Those that share a commit must not share a fate.
    test("of many that arrive at once, the failing ones take no other with them", async () => {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, (_, index) =>
          fixture.db.transact(async (tx) => {
            await insertItem(tx, item(`i${String(index).padStart(2, "0")}`))
            tx.emit(eventOf(`e${index}`))
            await Promise.resolve()
            if (index % 3 === 0) throw new Error(`no ${index}`)
            return index
          }),
        ),
      )
      const kept = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []))
      expect(kept).toEqual(Array.from({ length: 40 }, (_, index) => index).filter((index) => index % 3 !== 0))
      expect(await idsOf(fixture.db.read)).toEqual(kept.map((index) => `i${String(index).padStart(2, "0")}`))
      expect(fixture.heard.map(({ type }) => type).sort()).toEqual(kept.map((index) => `e${index}`).sort())
    })

    test("500 at once all succeed, each exactly once", async () => {
      const results = await Promise.all(
        Array.from({ length: 500 }, (_, index) =>
          fixture.db.transact(async (tx) => {
            await insertItem(tx, item(`p${index}`, { score: index }))
            return index
          }),
        ),
      )
      expect(results).toEqual(Array.from({ length: 500 }, (_, index) => index))
      const { rows } = await on(fixture.db.read)
        .selectFrom("items")
        .select(count().as("rows"))
        .executeTakeFirstOrThrow()
      expect(rows).toBe(500)
    })

    test("counters do not lose updates", async () => {
      await fixture.db.transact((tx) => insertItem(tx, item("n", { score: 0 })))
      const increment = () =>
        fixture.db.transact((tx) =>
          on(tx)
            .updateTable("items")
            .set((set) => ({ score: set("score", "+", 1) }))
            .where("id", "=", "n")
            .execute(),
        )
      await Promise.all(Array.from({ length: 50 }, increment))
      const row = await on(fixture.db.read).selectFrom("items").select("score").executeTakeFirstOrThrow()
      expect(row.score).toBe(50)
    })

    test("afterCommit runs before the events are told and before the caller continues", async () => {
      const order: string[] = []
      fixture.heard.push = (...events) => {
        order.push(...events.map(({ type }) => type))
        return 0
      }
      try {
        await fixture.db.transact(async (tx) => {
          tx.emit(eventOf("told"))
          tx.afterCommit(() => order.push("cache"))
        })
        order.push("caller")
      } finally {
        fixture.heard.push = Array.prototype.push
      }
      expect(order).toEqual(["cache", "told", "caller"])
    })

    test("a row with the same key is a UniqueViolation that names table and columns", async () => {
      await fixture.db.transact((tx) => insertItem(tx, item("a")))
      const primary = await violationOf(fixture.db.transact((tx) => insertItem(tx, item("a"))))
      expect([primary.table, primary.columns]).toEqual(["items", ["id"]])

      const insertTag = () =>
        fixture.db.transact((tx) => on(tx).insertInto("tags").values({ item_id: "a", tag: "x" }).execute())
      await insertTag()
      const composite = await violationOf(insertTag())
      expect([composite.table, composite.columns]).toEqual(["tags", ["item_id", "tag"]])
    })

    // Postgres turns such a commit into a rollback silently; the caller would believe that its change stands.
    test("a transaction whose work ignored a failed statement fails", async () => {
      await fixture.db.transact((tx) => insertItem(tx, item("a")))
      const outcome = await fixture.db
        .transact(async (tx) => {
          await insertItem(tx, item("b"))
          await insertItem(tx, item("a")).catch(() => {})
          return "fine"
        })
        .catch((error) => error)
      expect(outcome).toBeInstanceOf(UniqueViolation)
      expect(await idsOf(fixture.db.read)).toEqual(["a"])
    })

    // One caller that waits for something that never comes must not stop all writing.
    test("a work that hangs is rolled back in time, and those behind it go on", async () => {
      const { promise: never } = Promise.withResolvers<void>()
      let late: Promise<unknown> | undefined
      const { promise: later, resolve: wakeUp } = Promise.withResolvers<void>()
      const hung = engineOf(fixture.db).transact(async ({ tx }) => {
        await insertItem(tx, item("hung"))
        late = later.then(() => insertItem(tx, item("late")))
        late.catch(() => {})
        await never
      }, 150)
      const others = Promise.all(["x", "y"].map((id) => fixture.db.transact((tx) => insertItem(tx, item(id)))))
      const error = await hung.then(
        () => null,
        (reason) => reason,
      )
      expect(error).toBeInstanceOf(ApiError)
      expect(error.kind).toBe("internal")
      await others
      wakeUp()
      // The transaction is over for whoever comes back to it.
      expect(
        await late?.then(
          () => "written",
          (reason: Error) => reason.message,
        ),
      ).toBe("the transaction is over")
      expect(await idsOf(fixture.db.read)).toEqual(["x", "y"])
    })

    test("a handle that escaped its transaction is of no use", async () => {
      const escaped = await fixture.db.transact(async (tx) => tx)
      expect(insertItem(escaped, item("late"))).rejects.toThrow("the transaction is over")
      expect(() => escaped.emit(eventOf("late"))).toThrow("the transaction is over")
      expect(() => escaped.afterCommit(() => {})).toThrow("the transaction is over")
    })

    test("the reading handle cannot write, even past its type", async () => {
      const written = on(fixture.db.read).insertInto("items").values(item("sneaky")).execute()
      expect(
        await written.then(
          () => "written",
          () => "refused",
        ),
      ).toBe("refused")
      expect(await idsOf(fixture.db.read)).toEqual([])
    })

    test("values that only one of the databases would take are refused on both", async () => {
      const refused = [true, undefined, 10n, new Date(0), { a: 1 }, Number.NaN, Number.POSITIVE_INFINITY, "a\0b"]
      for (const value of refused) {
        const outcome = await fixture.db
          .transact((tx) =>
            on(tx)
              .updateTable("items")
              .set({ score: 1 })
              .where("name", "=", value as string)
              .execute(),
          )
          .catch((error) => error)
        expect(outcome).toBeInstanceOf(TypeError)
      }
    })

    test("close waits for what has begun and refuses what comes after", async () => {
      const other = await openDatabase(fixture.test.location)
      const begun = Array.from({ length: 20 }, (_, index) =>
        other.transact(async (tx) => {
          await insertItem(tx, item(`c${String(index).padStart(2, "0")}`))
        }),
      )
      const closed = other.close()
      const after = await other.transact(async () => {}).catch((error) => error)
      expect(after).toBeInstanceOf(ApiError)
      await closed
      await Promise.all(begun)
      expect(await idsOf(fixture.db.read)).toHaveLength(20)
    })

    test("more waiting transactions than the limit are refused at once", async () => {
      // Thousands of commits take their time where each is one of its own; slots.test.ts has the same question.
      if (fixture.db.capabilities.supportsManyNodes) return
      const outcomes = await Promise.allSettled(
        Array.from({ length: limits.transactionsWaitingMax + 5 }, () => fixture.db.transact(async () => {})),
      )
      const refused = outcomes.filter(({ status }) => status === "rejected")
      expect(refused).toHaveLength(5)
    })

    test("how fast (for information)", async () => {
      const measure = async (parallel: number, forMs: number): Promise<number> => {
        const beganMs = performance.now()
        let done = 0
        await Promise.all(
          Array.from({ length: parallel }, async () => {
            while (performance.now() - beganMs < forMs) {
              await fixture.db.transact(async (tx) => {
                await insertItem(tx, item(crypto.randomUUID()))
                tx.emit(eventOf("item.new"))
              })
              done++
            }
          }),
        )
        return Math.round(done / ((performance.now() - beganMs) / 1000))
      }
      const [alone, together] = [await measure(1, 300), await measure(64, 600)]
      console.log(`${backend.name}: ${alone} commits/s by one caller, ${together} transactions/s by 64`)
      expect(alone).toBeGreaterThan(0)
    })
  })
}

async function violationOf(attempt: Promise<unknown>): Promise<UniqueViolation> {
  const error = await attempt.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(UniqueViolation)
  return error as UniqueViolation
}
