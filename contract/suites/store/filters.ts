// Filters find the same rows on every database as a plain reading of the wire's words does.

import { beforeEach, describe, expect, test } from "bun:test"
import { ApiError, limits as wire } from "@weir/protocol"
import fc from "fast-check"
import { type SqlBool, sql } from "kysely"
import { type FilterTable, parseFilter, parseTimestamp } from "../../../packages/server/src/store/filter.ts"
import { filterCondition } from "../../../packages/server/src/store/filter-condition.ts"
import type { Backend } from "./backends.ts"
import { insertItem, item, on, useDatabase } from "./fixture.ts"

const comparisons = ["$eq", "$gt", "$gte", "$lt", "$lte", "$in", "$exists"] as const

const table: FilterTable = {
  fields: {
    id: { type: "string", operators: ["$eq", "$in"], column: "items.id" },
    name: { type: "string", operators: [...comparisons, "$autocomplete", "$q"] },
    score: { type: "number", operators: comparisons },
    active: { type: "bool", operators: ["$eq"] },
    created_at: { type: "timestamp", operators: comparisons, column: "at" },
    labels: { type: "string[]", operators: ["$eq", "$in", "$contains", "$exists"] },
    // Rows of another table, as a channel's members are.
    tag: {
      type: "string",
      operators: ["$eq", "$in"],
      build: ({ value }) =>
        sql<SqlBool>`exists (select 1 from tags where tags.item_id = items.id and tags.tag in (${sql.join(
          Array.isArray(value) && value.length > 0 ? value : [Array.isArray(value) ? null : value],
        )}))`,
    },
  },
  custom: { column: "custom", bare: true },
}

interface Thing {
  readonly id: string
  readonly name: string | null
  readonly score: number | null
  readonly active: boolean
  readonly created_at: string | null
  readonly labels: readonly string[]
  readonly tag: readonly string[]
  readonly custom: Record<string, unknown>
}

const thing = (id: string, values: Partial<Thing>): Thing => ({
  id,
  name: null,
  score: null,
  active: false,
  created_at: null,
  labels: [],
  tag: [],
  custom: {},
  ...values,
})

const things: readonly Thing[] = [
  thing("a", { name: "Ada Lovelace", score: 1, active: true, labels: ["x"], tag: ["red"], custom: { color: "red" } }),
  thing("b", { name: "ada", score: 1.5, labels: ["x", "y"], tag: ["red", "blue"], custom: { color: "blue", n: 1 } }),
  thing("c", { name: "Élodie  Ärger", score: -3, active: true, labels: ["y", "x"], custom: { color: null, n: "1" } }),
  thing("d", { name: "100% real_name!", score: 2 ** 40, created_at: "2024-01-02T03:04:05Z", custom: { n: 1.5 } }),
  thing("e", { name: "", created_at: "2024-01-02T03:04:05.678Z", labels: ["z"], custom: { on: true, n: 2 ** 40 } }),
  thing("f", { created_at: "2024-06-01T00:00:00Z", custom: { on: false, list: ["a", 1], deep: { er: "red" } } }),
  thing("g", { name: "z", score: 0, custom: { color: "true", list: "a", n: 0, on: "true" } }),
  thing("h", { name: "Real Person", active: true, tag: ["blue"], custom: { list: [], deep: { er: 5, on: [true] } } }),
]

// The words of the contract once more, as directly as JavaScript can say them.
function matches(filter: Record<string, unknown>, row: Thing): boolean {
  return Object.entries(filter).every(([key, value]) => {
    const parts = Array.isArray(value) ? (value as Record<string, unknown>[]) : []
    if (key === "$and") return parts.every((part) => matches(part, row))
    if (key === "$or") return parts.some((part) => matches(part, row))
    if (key === "$nor") return !parts.some((part) => matches(part, row))
    const operations = typeof value === "object" && value !== null && !Array.isArray(value) ? value : { $eq: value }
    return Object.entries(operations).every(([operator, wanted]) =>
      satisfies(memberOf(row, key), operator, wanted, key),
    )
  })
}

function memberOf(row: Thing, key: string): unknown {
  if (Object.hasOwn(table.fields, key)) return row[key as keyof Thing]
  const path = key.replace(/^custom\./, "").split(".")
  return path.reduce<unknown>((value, name) => {
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>)[name] : undefined
  }, row.custom)
}

function satisfies(value: unknown, operator: string, wanted: unknown, key: string): boolean {
  const isAbsent = value === null || value === undefined
  if (wanted === null) return isAbsent
  if (operator === "$exists") return isAbsent !== wanted
  if (key === "labels" || key === "tag") {
    const list = value as readonly string[]
    if (operator === "$in") return (wanted as string[]).some((one) => list.includes(one))
    if (!Array.isArray(wanted)) return list.includes(wanted as string)
    return list.length === wanted.length && wanted.every((one) => list.includes(one))
  }
  if (operator === "$contains") return Array.isArray(value) && value.includes(wanted)
  if (operator === "$in") return (wanted as unknown[]).some((one) => satisfies(value, "$eq", one, key))
  if (typeof value !== typeof wanted || isAbsent) return false
  if (operator === "$autocomplete" || operator === "$q") {
    const text = asciiLower(value as string)
    const words = asciiLower(wanted as string)
      .split(/\s+/)
      .filter((word) => word !== "")
    if (operator === "$q") return words.every((word) => text.includes(word))
    return text.startsWith(words.join(" ")) || text.includes(` ${words.join(" ")}`)
  }
  const order =
    key === "created_at"
      ? Date.parse(value as string) - Date.parse(wanted as string)
      : typeof value === "string"
        ? Buffer.compare(Buffer.from(value), Buffer.from(wanted as string))
        : Number(value) - Number(wanted)
  const holds = { $eq: order === 0, $gt: order > 0, $gte: order >= 0, $lt: order < 0, $lte: order <= 0 }
  return holds[operator as keyof typeof holds]
}

const asciiLower = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

export function filterSuite(backend: Backend): void {
  describe("filters", () => {
    const fixture = useDatabase(backend)
    beforeEach(async () => {
      await fixture.db.transact(async (tx) => {
        for (const { id, name, score, active, created_at, labels, tag, custom } of things) {
          const at = created_at === null ? null : Date.parse(created_at)
          const json = { labels: JSON.stringify(labels), custom: JSON.stringify(custom) }
          await insertItem(tx, item(id, { name, score, active: active ? 1 : 0, at, ...json }))
          for (const one of tag) await on(tx).insertInto("tags").values({ item_id: id, tag: one }).execute()
        }
      })
    })

    const find = async (filter: unknown): Promise<string> => {
      const condition = filterCondition(parseFilter(filter, table), table, fixture.db.capabilities)
      const rows = await on(fixture.db.read).selectFrom("items").select("id").where(condition).orderBy("id").execute()
      return rows.map(({ id }) => id).join("")
    }

    // Written out by hand, so that a mistake which the reading above shares with the product is seen.
    test.each<[unknown, string]>([
      [undefined, "abcdefgh"],
      [{}, "abcdefgh"],
      [{ id: "a" }, "a"],
      [{ id: { $eq: "a" } }, "a"],
      [{ id: { $in: ["a", "h", "none"] } }, "ah"],
      [{ id: { $in: [] } }, ""],
      [{ name: "ada" }, "b"],
      [{ name: null }, "f"],
      [{ name: { $exists: true } }, "abcdegh"],
      [{ name: { $exists: false } }, "f"],
      [{ name: { $gt: "ada" } }, "cg"],
      [{ name: { $gte: "ada" } }, "bcg"],
      [{ name: { $lt: "Ada Z" } }, "ade"],
      [{ name: { $autocomplete: "ADA" } }, "ab"],
      [{ name: { $autocomplete: "love" } }, "a"],
      [{ name: { $autocomplete: "lace" } }, ""],
      [{ name: { $autocomplete: "100%" } }, "d"],
      [{ name: { $autocomplete: "1_0" } }, ""],
      [{ name: { $autocomplete: "real_name!" } }, "d"],
      [{ name: { $q: "lace a" } }, "a"],
      [{ name: { $q: "real" } }, "dh"],
      [{ name: { $q: "%" } }, "d"],
      [{ score: 1 }, "a"],
      [{ score: { $gt: 1 } }, "bd"],
      [{ score: { $gte: 1, $lt: 2 } }, "ab"],
      [{ score: { $lte: 0 } }, "cg"],
      [{ score: { $in: [1, 0, 1099511627776] } }, "adg"],
      [{ active: true }, "ach"],
      [{ active: false }, "bdefg"],
      [{ created_at: "2024-01-02T04:04:05+01:00" }, "d"],
      [{ created_at: { $gt: "2024-01-02T03:04:05Z" } }, "ef"],
      [{ created_at: { $lte: "2024-01-02T03:04:05.678999999Z" } }, "de"],
      [{ labels: "x" }, "abc"],
      [{ labels: { $contains: "y" } }, "bc"],
      [{ labels: { $in: ["z", "y"] } }, "bce"],
      [{ labels: { $eq: ["y", "x"] } }, "bc"],
      [{ labels: [] }, "dfgh"],
      [{ tag: "red" }, "ab"],
      [{ tag: { $in: ["blue", "green"] } }, "bh"],
      [{ color: "red" }, "a"],
      [{ "custom.color": "true" }, "g"],
      [{ color: { $exists: true } }, "abg"],
      [{ color: null }, "cdefh"],
      [{ n: 1 }, "b"],
      [{ n: "1" }, "c"],
      [{ n: { $gte: 1 } }, "bde"],
      [{ n: { $in: [1, "1", 0] } }, "bcg"],
      [{ on: true }, "e"],
      [{ on: false }, "f"],
      [{ on: { $in: [true, "true"] } }, "eg"],
      [{ list: { $contains: "a" } }, "f"],
      [{ list: { $contains: 1 } }, "f"],
      [{ list: { $contains: "1" } }, ""],
      [{ "deep.er": "red" }, "f"],
      [{ "custom.deep.er": 5 }, "h"],
      [{ color: { $autocomplete: "BL" } }, "b"],
      [{ color: { $gt: "Z" } }, "abg"],
      [{ color: { $lt: "Z" } }, ""],
      [{ active: true, score: { $lt: 0 } }, "c"],
      [{ $or: [{ id: "a" }, { score: 0 }] }, "ag"],
      [{ $and: [{ active: true }, { $or: [{ tag: "blue" }, { labels: "x" }] }] }, "ach"],
      [{ $nor: [{ name: "ada" }, { score: { $gt: 0 } }] }, "cefgh"],
      [{ $nor: [{ $nor: [{ name: "ada" }] }] }, "b"],
      [{ $nor: [{ color: "red" }] }, "bcdefgh"],
      [{ $or: [{}] }, "abcdefgh"],
    ])("%j finds %s", async (filter, expected) => {
      expect(await find(filter)).toBe(expected)
      expect(
        things
          .filter((row) => matches((filter ?? {}) as Record<string, unknown>, row))
          .map(({ id }) => id)
          .join(""),
      ).toBe(expected)
    })

    test("random filters find what a plain reading finds", async () => {
      const text = fc.constantFrom("a", "Ada", "ada", "red", "blue", "true", "x", "É", "", "1", "real", "z")
      const number = fc.constantFrom(0, 1, -3, 1.5, 2 ** 40, 5)
      const word = fc.constantFrom("ada", "REAL", "r", "%", "_", "é", "love a", "'; --", '"', "\\")
      const scalar = fc.oneof(text, number, fc.boolean())
      const time = fc.constantFrom("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.678Z", "2023-12-31T23:00:00-02:00")
      const ordered = <T>(value: fc.Arbitrary<T>) =>
        fc.oneof(
          value,
          fc.constant(null),
          fc.tuple(fc.constantFrom("$eq", "$gt", "$gte", "$lt", "$lte"), value).map(([op, one]) => ({ [op]: one })),
          fc.tuple(value, value).map(([low, high]) => ({ $gte: low, $lt: high })),
          fc.array(value, { maxLength: 4 }).map(($in) => ({ $in })),
          fc.boolean().map(($exists) => ({ $exists })),
        )
      const search = fc.tuple(fc.constantFrom("$autocomplete", "$q"), word).map(([op, one]) => ({ [op]: one }))
      const label = fc.constantFrom("x", "y", "z")
      const customName = fc.constantFrom("color", "n", "on", "list", "deep.er", "custom.color", "custom.deep", "none")
      const labels = fc.uniqueArray(label)
      const field = fc.oneof(
        fc.record({ name: fc.oneof(ordered(text), search) }),
        fc.record({ score: ordered(number) }),
        fc.record({ created_at: ordered(time) }),
        fc.record({ active: fc.boolean() }),
        fc.record({
          labels: fc.oneof(
            label,
            labels,
            labels.map(($in) => ({ $in })),
            label.map(($contains) => ({ $contains })),
          ),
        }),
        fc.record({
          tag: fc.oneof(
            fc.constantFrom("red", "blue"),
            fc.subarray(["red", "blue"]).map(($in) => ({ $in })),
          ),
        }),
        fc
          .tuple(
            customName,
            fc.oneof(
              scalar,
              ordered(text),
              ordered(number),
              search,
              fc.array(scalar, { maxLength: 4 }).map(($in) => ({ $in })),
              fc.oneof(text, number).map(($contains) => ({ $contains })),
            ),
          )
          .map(([name, value]) => ({ [name]: value })),
      )
      const { filter } = fc.letrec<{ filter: Record<string, unknown> }>((tie) => ({
        filter: fc.oneof(
          { maxDepth: 3, withCrossShrink: true },
          field as fc.Arbitrary<Record<string, unknown>>,
          fc
            .tuple(fc.constantFrom("$and", "$or", "$nor"), fc.array(tie("filter"), { minLength: 1, maxLength: 3 }))
            .map(([group, parts]) => ({ [group]: parts })),
          fc.tuple(field, field).map(([one, other]) => ({ ...one, ...other })),
        ),
      }))
      await fc.assert(
        fc.asyncProperty(filter, async (one) => {
          const expected = things.filter((row) => matches(one, row)).map(({ id }) => id)
          const found = await find(one).catch((error) => {
            // One that asks for too much is refused, which is another test's business.
            if (error instanceof ApiError && error.message.includes("has more than")) return null
            throw error
          })
          fc.pre(found !== null)
          expect(found).toBe(expected.join(""))
        }),
        { numRuns: 400 },
      )
    })

    const nested = (levels: number): Record<string, unknown> =>
      levels === 1 ? { id: "a" } : { $and: [nested(levels - 1)] }

    test.each<[string, unknown, string | null]>([
      ["a list", [], null],
      ["a text", "id", null],
      ["an unknown field of a table without custom data", { nope: 1 }, "nope"],
      ["an unknown operator", { id: { $regex: "a" } }, "id"],
      ["an unknown group", { $not: [{ id: "a" }] }, "$not"],
      ["an operator that the field does not offer", { id: { $gt: "a" } }, "id"],
      ["no operator", { id: {} }, "id"],
      ["an object as value", { id: { a: 1 } }, "id"],
      ["a list as value", { id: ["a"] }, "id"],
      ["a number for a text", { id: 1 }, "id"],
      ["a text for a number", { score: "1" }, "score"],
      ["a number for a flag", { active: 1 }, "active"],
      ["no list", { id: { $in: "a" } }, "id"],
      ["a list with another type in it", { id: { $in: ["a", 1] } }, "id"],
      ["a list that is too long", { id: { $in: Array(wire.filterValuesMax + 1).fill("a") } }, "id"],
      ["a text that is too long", { name: "x".repeat(wire.stringCharsMax + 1) }, "name"],
      ["U+0000", { name: "a\0" }, "name"],
      ["a day that is not in the calendar", { created_at: "2024-02-31T00:00:00Z" }, "created_at"],
      ["a date without time", { created_at: "2024-02-01" }, "created_at"],
      ["milliseconds for a time", { created_at: 1_704_164_645_000 }, "created_at"],
      ["an empty search", { name: { $autocomplete: " " } }, "name"],
      ["a search of too many words", { name: { $q: "a ".repeat(50) } }, "name"],
      ["a group that is not a list", { $or: { id: "a" } }, "$or"],
      ["an empty group", { $and: [] }, "$and"],
      ["a group of something else", { $or: ["a"] }, null],
      ["too many levels", nested(wire.filterDepthMax + 1), null],
      ["too many conditions", { $or: Array(wire.filterNodesMax).fill({ id: "a" }) }, null],
      ["too many empty conditions", { $or: Array(wire.filterNodesMax + 1).fill({}) }, null],
      ["too many words in all searches together", { $or: Array(6).fill({ name: { $q: "a b" } }) }, "name"],
      ["existence that is not a boolean", { name: { $exists: 1 } }, "name"],
      ["a prototype's name", { constructor: { $eq: "a" } }, "constructor"],
    ])("%s is refused", (_, filter, field) => {
      const strict: FilterTable = { fields: table.fields }
      let error: unknown
      try {
        parseFilter(filter, strict)
      } catch (thrown) {
        error = thrown
      }
      expect(error).toBeInstanceOf(ApiError)
      expect((error as ApiError).kind).toBe("input")
      if (field !== null) expect(Object.keys((error as ApiError).fields ?? {})).toEqual([field])
    })

    test.each(["custom.", "custom.a..b", 'custom.a"b', "custom.a\\b", "custom.a\nb", "custom.a\ud800"])(
      "the custom path %j is refused",
      (name) => {
        expect(() => parseFilter({ [name]: 1 }, table)).toThrow(ApiError)
      },
    )

    test("what is at the bounds is accepted", async () => {
      expect(await find(nested(wire.filterDepthMax))).toBe("a")
      expect(await find({ id: { $in: Array(wire.filterValuesMax).fill("a") } })).toBe("a")
      expect(await find({ name: "x".repeat(wire.stringCharsMax) })).toBe("")
    })

    // Names and values from outside must never become SQL.
    test("hostile names and values find nothing and break nothing", async () => {
      const hostile = ["' or 1=1 --", "a'); drop table items; --", "$.color", "{color}", "a,b", "%", "[0]", "*", "é"]
      for (const text of hostile) {
        expect(await find({ [`custom.${text}`]: text })).toBe("")
        expect(await find({ color: text })).toBe("")
        expect(await find({ name: { $autocomplete: `${text}'` } })).toBe("")
      }
      expect(await find({})).toBe("abcdefgh")
    })
  })
}

describe("RFC 3339", () => {
  test.each<[string, string | null]>([
    ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.000Z"],
    ["2024-01-02t03:04:05z", "2024-01-02T03:04:05.000Z"],
    ["2024-01-02T03:04:05.1Z", "2024-01-02T03:04:05.100Z"],
    ["2024-01-02T03:04:05.123456789Z", "2024-01-02T03:04:05.123Z"],
    ["2024-01-02T03:04:05.9999+02:00", "2024-01-02T01:04:05.999Z"],
    ["2024-02-29T23:59:59-11:30", "2024-03-01T11:29:59.000Z"],
    ["2023-02-29T00:00:00Z", null],
    ["2024-13-01T00:00:00Z", null],
    ["2024-01-02T25:04:05Z", null],
    ["2024-01-02T03:04:05", null],
    ["2024-01-02T03:04:05.Z", null],
    ["2024-01-02T03:04:05.1234567890Z", null],
    ["1704164645", null],
    ["", null],
  ])("%s is %p", (text, expected) => {
    const ms = parseTimestamp(text)
    expect(ms === null ? null : new Date(ms).toJSON()).toBe(expected)
  })
})
