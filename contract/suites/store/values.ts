// What goes in comes out, and both databases compare alike.

import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { sql } from "kysely"
import { count, jsonArrayHas, jsonKind, jsonNumber, jsonText, sum } from "../../../packages/server/src/store/columns.ts"
import { limits } from "../../../packages/server/src/store/limits.ts"
import type { Backend } from "./backends.ts"
import { insertItem, item, on, useDatabase } from "./fixture.ts"

export function valueSuite(backend: Backend): void {
  describe("values", () => {
    const fixture = useDatabase(backend)

    const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

    // An id that two databases compare differently is a hole: «Anna» on one could be «anna» on the other.
    test("texts are equal when their bytes are, and sort by them", async () => {
      // Precomposed and decomposed letters, case, punctuation and code points beyond U+FFFF (which UTF-16 sorts
      // before U+E000 to U+FFFF) are what languages' own orders treat differently.
      const texts = ["a", "A", "b", "B", "é", "e\u0301", "ä", "a\u0308", "z", "Z", "ß", "ss", "ı", "i", "İ", "_", "-"]
      texts.push(" a", "a ", "", "\uFB01", "fi", "\uFFFD", "\u{1F600}", "10", "9", "a-b", "ab", "aB")
      await fixture.db.transact(async (tx) => {
        for (const text of texts) await insertItem(tx, item(text, { name: text }))
      })
      const sorted = texts.toSorted(byBytes)
      const ids = await on(fixture.db.read).selectFrom("items").select("id").orderBy("id").execute()
      expect(ids.map(({ id }) => id)).toEqual(sorted)
      const names = await on(fixture.db.read).selectFrom("items").select("name").orderBy("name", "desc").execute()
      expect(names.map(({ name }) => name)).toEqual(sorted.toReversed())
      for (const text of texts) {
        const equal = await on(fixture.db.read).selectFrom("items").select("id").where("name", "=", text).execute()
        expect(equal).toEqual([{ id: text }])
        const less = await on(fixture.db.read)
          .selectFrom("items")
          .select(count().as("rows"))
          .where("name", "<", text)
          .executeTakeFirstOrThrow()
        expect(less.rows).toBe(sorted.indexOf(text))
      }
    })

    test("numbers are exact to 2^53 - 1 and come back as numbers", async () => {
      const max = Number.MAX_SAFE_INTEGER
      const numbers = [
        0,
        1,
        -1,
        0.1,
        -2.5,
        1e-7,
        2 ** 31 - 1,
        2 ** 31,
        -(2 ** 31) - 1,
        1_795_501_000_123,
        max - 1,
        max,
        -max,
      ]
      await fixture.db.transact(async (tx) => {
        for (const score of numbers) await insertItem(tx, item(String(score), { score }))
      })
      for (const score of numbers) {
        const rows = await on(fixture.db.read)
          .selectFrom("items")
          .select(["id", "score"])
          .where("score", "=", score)
          .execute()
        expect(rows).toEqual([{ id: String(score), score }])
      }
      const sorted = await on(fixture.db.read).selectFrom("items").select("score").orderBy("score").execute()
      expect(sorted.map(({ score }) => score)).toEqual(numbers.toSorted((a, b) => a - b))
    })

    test("counts, sums and changed rows are numbers", async () => {
      await fixture.db.transact(async (tx) => {
        for (const id of ["a", "b", "c"]) await insertItem(tx, item(id, { score: 2 ** 40 }))
        const updated = await on(tx).updateTable("items").set({ active: 1 }).where("id", "<>", "a").executeTakeFirst()
        expect(updated.numUpdatedRows).toBe(2n)
        const deleted = await on(tx).deleteFrom("items").where("id", "=", "a").executeTakeFirst()
        expect(deleted.numDeletedRows).toBe(1n)
      })
      const totals = await on(fixture.db.read)
        .selectFrom("items")
        .select([count().as("rows"), sum(sql.ref("score")).as("score"), sum(sql.ref("at")).as("at")])
        .executeTakeFirstOrThrow()
      expect(totals).toEqual({ rows: 2, score: 2 ** 41, at: null })
    })

    // Lists of every length make statements of their own; the oldest ones are given up and prepared again when needed.
    test("more statements than are kept prepared all work, the first of them once more", async () => {
      await fixture.db.transact((tx) => insertItem(tx, item("x")))
      const find = async (length: number) => {
        const ids = Array.from({ length }, (_, index) => (index === 0 ? "x" : `none${index}`))
        return (await on(fixture.db.read).selectFrom("items").select("id").where("id", "in", ids).execute()).length
      }
      for (let length = 1; length <= limits.statementsCachedMax + 20; length++) expect(await find(length)).toBe(1)
      expect(await find(1)).toBe(1)
    })

    test("any text comes back as it was", async () => {
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: "grapheme", maxLength: 60 }), async (text) => {
          fc.pre(!text.includes("\0"))
          await fixture.db.transact(async (tx) => {
            await on(tx).deleteFrom("items").execute()
            await insertItem(tx, item("x", { name: text, custom: JSON.stringify({ text }) }))
            const row = await on(tx)
              .selectFrom("items")
              .select(["name", jsonText(tx.capabilities, sql.ref("custom"), ["text"]).as("text")])
              .executeTakeFirstOrThrow()
            expect(row).toEqual({ name: text, text })
          })
        }),
        { numRuns: 40 },
      )
    })

    test("members of JSON columns read alike", async () => {
      const { capabilities } = fixture.db
      const column = sql.ref("custom")
      const custom = {
        text: "é",
        empty: "",
        digits: "12",
        whole: 12,
        real: 1.5,
        big: Number.MAX_SAFE_INTEGER,
        yes: true,
        no: false,
        nothing: null,
        list: ["a", 1, true, null, "1"],
        "odd {name}, 'so' $": { in: "deep" },
      }
      await fixture.db.transact((tx) => insertItem(tx, item("x", { custom: JSON.stringify(custom) })))
      const read = async (path: string[]) => {
        const row = await on(fixture.db.read)
          .selectFrom("items")
          .select([
            jsonKind(capabilities, column, path).as("kind"),
            jsonText(capabilities, column, path).as("text"),
            jsonNumber(capabilities, column, path).as("number"),
          ])
          .executeTakeFirstOrThrow()
        return [row.kind, row.text, row.number]
      }
      expect(await read(["text"])).toEqual(["string", "é", null])
      expect(await read(["empty"])).toEqual(["string", "", null])
      expect(await read(["digits"])).toEqual(["string", "12", null])
      expect(await read(["whole"])).toEqual(["number", "12", 12])
      expect(await read(["real"])).toEqual(["number", "1.5", 1.5])
      expect(await read(["big"])).toEqual(["number", "9007199254740991", Number.MAX_SAFE_INTEGER])
      expect(await read(["yes"])).toEqual(["boolean", "true", null])
      expect(await read(["no"])).toEqual(["boolean", "false", null])
      expect(await read(["nothing"])).toEqual(["null", null, null])
      expect(await read(["absent"])).toEqual([null, null, null])
      expect(await read(["text", "deeper"])).toEqual([null, null, null])
      expect(await read(["odd {name}, 'so' $", "in"])).toEqual(["string", "deep", null])
      expect((await read(["list"]))[0]).toBe("array")
      const has = async (value: string | number) => {
        const rows = await on(fixture.db.read)
          .selectFrom("items")
          .select("id")
          .where(jsonArrayHas(capabilities, column, ["list"], value))
          .execute()
        return rows.length === 1
      }
      expect([await has("a"), await has(1), await has("1"), await has(2), await has("b")]).toEqual([
        true,
        true,
        true,
        false,
        false,
      ])
    })

    // JSON.stringify writes these as escapes that Postgres cannot read; one such row must not fail every query.
    test("a row with unreadable escapes in its JSON harms no query", async () => {
      const { capabilities } = fixture.db
      await fixture.db.transact(async (tx) => {
        await insertItem(tx, item("nul", { custom: JSON.stringify({ a: "x\0", b: "b" }) }))
        await insertItem(tx, item("half", { custom: JSON.stringify({ a: "\ud800", b: "b" }) }))
        await insertItem(tx, item("spelled", { custom: JSON.stringify({ a: "\\u0000", b: "b" }) }))
        await insertItem(tx, item("good", { custom: JSON.stringify({ a: "x", b: "b" }) }))
      })
      const rows = await on(fixture.db.read)
        .selectFrom("items")
        .select(["id", jsonText(capabilities, sql.ref("custom"), ["b"]).as("b")])
        .orderBy("id")
        .execute()
      expect(rows.filter(({ id }) => id === "good" || id === "spelled").map(({ b }) => b)).toEqual(["b", "b"])
      expect(rows).toHaveLength(4)
    })
  })
}
