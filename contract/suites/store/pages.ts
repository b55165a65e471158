// Pages: every row once, in order, forwards and back, whatever the sort.

import { beforeEach, describe, expect, test } from "bun:test"
import { ApiError, limits as wire } from "@weir/protocol"
import fc from "fast-check"
import {
  applyPage,
  finishPage,
  type PageInput,
  parsePage,
  parseSort,
  type SortTable,
} from "../../../packages/server/src/store/paginate.ts"
import type { Backend } from "./backends.ts"
import { type ItemRow, insertItem, item, on, useDatabase } from "./fixture.ts"

const table: SortTable = {
  fields: {
    id: { type: "string" },
    name: { type: "string", isNullable: true },
    score: { type: "number", isNullable: true },
    active: { type: "number", column: "items.active" },
  },
  custom: { column: "custom" },
  standard: [{ field: "score", direction: -1 }],
  unique: "id",
}

const rows: readonly ItemRow[] = Array.from({ length: 23 }, (_, index) =>
  item(`i${String((index * 7) % 23).padStart(2, "0")}`, {
    name: [null, "é", "Z", "a", ""][index % 5] as string | null,
    score: [null, 1, 2.5, 2 ** 45][index % 4] as number | null,
    active: index % 2,
    custom: JSON.stringify(index % 3 === 0 ? {} : { rank: index % 4, word: ["ä", "b", "A", "a"][index % 4] }),
  }),
)

/** The order by hand: rows without a value last, texts by bytes. */
function inOrder(sort: readonly { field: string; direction?: 1 | -1; type?: string }[]): string[] {
  const memberOf = (row: ItemRow, field: string): unknown =>
    field.startsWith("custom.") ? JSON.parse(row.custom)[field.slice(7)] : row[field as keyof ItemRow]
  const last = sort.at(-1)?.direction ?? 1
  return rows
    .toSorted((one, other) => {
      for (const { field, direction = 1 } of [...sort, { field: "id", direction: last }]) {
        const [a, b] = [memberOf(one, field) ?? null, memberOf(other, field) ?? null]
        if (a === b) continue
        if (a === null) return 1
        if (b === null) return -1
        const order =
          typeof a === "string" ? Buffer.compare(Buffer.from(a), Buffer.from(b as string)) : Number(a) - Number(b)
        if (order !== 0) return order * direction
      }
      return 0
    })
    .map(({ id }) => id)
}

export function pageSuite(backend: Backend): void {
  describe("pages", () => {
    const fixture = useDatabase(backend)
    beforeEach(async () => {
      await fixture.db.transact(async (tx) => {
        for (const row of rows) await insertItem(tx, row)
      })
    })

    const ask = async (sortInput: unknown, input: PageInput) => {
      const sort = parseSort(sortInput, table)
      const page = parsePage(input, sort)
      const query = on(fixture.db.read).selectFrom("items").select(["items.id", "items.active"])
      const found = await applyPage(query, page, sort, fixture.db.capabilities).execute()
      return finishPage(found, page, sort)
    }

    test.each<[string, { field: string; direction?: 1 | -1; type?: string }[]]>([
      ["the unique field", [{ field: "id" }]],
      ["numbers, some without", [{ field: "score", direction: -1 }]],
      ["texts, some without", [{ field: "name", direction: 1 }]],
      ["two fields, both ways", [{ field: "active", direction: -1 }, { field: "name" }]],
      ["three", [{ field: "score" }, { field: "name", direction: -1 }, { field: "id", direction: -1 }]],
      ["custom numbers", [{ field: "custom.rank", direction: -1, type: "number" }]],
      ["custom texts", [{ field: "custom.word" }]],
    ])("walk by %s", async (_, sort) => {
      const expected = inOrder(sort)
      for (const limit of [1, 4, 23, 50]) {
        const forwards: string[] = []
        let page = await ask(sort, { limit })
        expect(page.prev).toBeUndefined()
        forwards.push(...page.rows.map(({ id }) => id))
        while (page.next !== undefined) {
          page = await ask(sort, { limit, next: page.next })
          forwards.push(...page.rows.map(({ id }) => id))
        }
        expect(forwards).toEqual(expected)

        const backwards = page.rows.map(({ id }) => id)
        while (page.prev !== undefined) {
          page = await ask(sort, { limit, prev: page.prev })
          backwards.unshift(...page.rows.map(({ id }) => id))
        }
        expect(backwards).toEqual(expected)
      }
    })

    test("rows hold what was selected and no sort keys", async () => {
      const { rows: found } = await ask([{ field: "id" }], { limit: 2 })
      expect(found).toEqual([
        { id: "i00", active: 0 },
        { id: "i01", active: expect.any(Number) },
      ])
    })

    test("rows that come and go between two pages neither repeat nor hide others", async () => {
      const first = await ask([{ field: "id" }], { limit: 5 })
      await fixture.db.transact(async (tx) => {
        await on(tx).deleteFrom("items").where("id", "in", ["i00", "i04"]).execute()
        await insertItem(tx, item("i000"))
      })
      const second = await ask([{ field: "id" }], { limit: 5, next: first.next })
      expect(second.rows.map(({ id }) => id)).toEqual(["i05", "i06", "i07", "i08", "i09"])
    })

    test("the standard order, limit and offset", async () => {
      const expected = inOrder([{ field: "score", direction: -1 }])
      expect((await ask(undefined, {})).rows.map(({ id }) => id)).toEqual(expected)
      expect((await ask([], { limit: 3, offset: 4 })).rows.map(({ id }) => id)).toEqual(expected.slice(4, 7))
      expect(await ask(undefined, { offset: 100 })).toEqual({ rows: [] })
      expect((await ask(undefined, { next: "", prev: null, limit: 1 })).rows).toHaveLength(1)
    })

    const refused = (attempt: () => unknown): Record<string, string> => {
      try {
        attempt()
      } catch (error) {
        expect(error).toBeInstanceOf(ApiError)
        expect((error as ApiError).kind).toBe("input")
        return (error as ApiError).fields ?? {}
      }
      throw new Error("was not refused")
    }

    test.each<[unknown, string]>([
      ["id", "sort"],
      [{ field: "id" }, "sort"],
      [["id"], "sort"],
      [[null], "sort"],
      [[{ field: "id" }, { field: "id", direction: -1 }], "sort"],
      [Array(wire.sortFieldsMax + 1).fill({ field: "id" }), "sort"],
      [[{ field: "labels" }], "labels"],
      [[{ field: "constructor" }], "constructor"],
      [[{ field: "custom.a.b" }], "custom.a.b"],
      [[{ field: "custom.a'b" }], "custom.a'b"],
      [[{ field: "id", direction: 0 }], "id"],
      [[{ field: "id", direction: "1" }], "id"],
    ])("the sort %j is refused", (sort, field) => {
      expect(Object.keys(refused(() => parseSort(sort, table)))).toEqual([field])
    })

    test("limits and cursors out of bounds are refused", async () => {
      const sort = parseSort([{ field: "score" }], table)
      const { next } = await ask([{ field: "score" }], { limit: 1 })
      const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
      const inputs: [PageInput, string][] = [
        [{ limit: 0 }, "limit"],
        [{ limit: -1 }, "limit"],
        [{ limit: 1.5 }, "limit"],
        [{ limit: "10" }, "limit"],
        [{ limit: wire.pageSizeMax + 1 }, "limit"],
        [{ offset: -1 }, "offset"],
        [{ offset: wire.pageOffsetMax + 1 }, "offset"],
        [{ next, prev: next }, "prev"],
        [{ next, offset: 1 }, "offset"],
        [{ next: 5 }, "next"],
        [{ next: "!" }, "next"],
        [{ next: "x".repeat(10_000) }, "next"],
        [{ prev: "AAAA" }, "prev"],
        [{ next: encode({}) }, "next"],
        [{ next: encode(["score:number,id:string", "1", "a"]) }, "next"],
        [{ next: encode(["score:number,id:string", 1, null]) }, "next"],
        [{ next: encode(["score:number,id:string", 1, "a\0"]) }, "next"],
        [{ next: encode(["score:number,id:string", 1]) }, "next"],
        [{ next: encode(["-score:number,id:string", 1, "a"]) }, "next"],
      ]
      for (const [input, field] of inputs) {
        expect(Object.keys(refused(() => parsePage(input, sort)))).toEqual([field])
      }
      expect(parsePage({ next }, sort).cursor?.values).toHaveLength(2)
      const bounds = { limitDefault: 10, limitMax: 30 }
      expect(parsePage({}, sort, bounds).limit).toBe(10)
      expect(Object.keys(refused(() => parsePage({ limit: 31 }, sort, bounds)))).toEqual(["limit"])
    })

    test("no text is a cursor by accident", () => {
      const sort = parseSort(undefined, table)
      fc.assert(
        fc.property(fc.oneof(fc.string(), fc.base64String()), (next) => {
          fc.pre(next !== "")
          refused(() => parsePage({ next }, sort))
        }),
        { numRuns: 200 },
      )
    })
  })
}
