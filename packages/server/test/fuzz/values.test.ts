// Values from outside that become conditions of the database, or text that is signed: filters and canonical JSON.

import { Database } from "bun:sqlite"
import { expect, test } from "bun:test"
import { ApiError, type CanonicalValue, canonicalJson, limits } from "@weir/protocol"
import fc from "fast-check"
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "kysely"
import {
  comparisonsOf,
  type FilterNode,
  type FilterTable,
  filterOperators,
  parseFilter,
} from "../../src/store/filter.ts"
import { filterCondition } from "../../src/store/filter-condition.ts"
import { fuzz, fuzzTimeoutMs } from "./fuzz.ts"

const table: FilterTable = {
  fields: {
    id: { type: "string", operators: ["$eq", "$in", "$gt", "$autocomplete", "$exists"] },
    name: { type: "string", operators: filterOperators, foldedColumn: "name_folded" },
    age: { type: "number", operators: ["$eq", "$gt", "$gte", "$lt", "$lte", "$in"] },
    banned: { type: "bool", operators: ["$eq", "$exists"] },
    created_at: { type: "timestamp", operators: ["$eq", "$gt", "$lte", "$in"] },
    teams: { type: "string[]", operators: ["$eq", "$in", "$contains"] },
  },
  custom: { column: "custom", bare: true },
}

const names = fc.oneof(
  fc.constantFrom(...Object.keys(table.fields), "custom.a", "custom.a.b", "a", "custom.", "custom", ".", "a..b"),
  fc.constantFrom(
    "constructor",
    "__proto__",
    "toString",
    "hasOwnProperty",
    "valueOf",
    "id; drop table things",
    "'",
    '"',
  ),
  fc.constantFrom("$and", "$or", "$nor", "$not", "$where", "$eq", "$constructor"),
  fc.string({ unit: "binary", maxLength: 8 }),
)
const scalars = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, "", "a", "' or 1=1 --", "%", "_", "\0", "\ud800", "2020-01-01T00:00:00Z"),
  fc.constantFrom<unknown>(0, -0, 1e308, Number.MAX_SAFE_INTEGER, 0.1, -1, "x".repeat(limits.stringCharsMax + 1)),
  fc.string({ unit: "binary", maxLength: 12 }),
)
const operators = fc.oneof(fc.constantFrom(...filterOperators), fc.constantFrom("$ne", "constructor", "__proto__", ""))
const filters = fc.letrec((tie) => ({
  filter: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.array(fc.tuple(names, tie("value")), { maxLength: 4 }).map((members) => objectOf(members)),
    scalars,
  ),
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalars,
    fc.array(scalars, { maxLength: 4 }),
    fc
      .array(fc.tuple(operators, fc.oneof(scalars, fc.array(scalars, { maxLength: 3 }))), { maxLength: 3 })
      .map(objectOf),
    fc.array(tie("filter"), { maxLength: 3 }),
    tie("filter"),
  ),
})).filter

/** As JSON.parse makes it: `__proto__` is a member like others. */
function objectOf(members: readonly (readonly [string, unknown])[]): object {
  return Object.fromEntries(members)
}

const groups = ["and", "or", "nor"]
const isWhole = (node: FilterNode): boolean =>
  node.kind === "field" || node.kind === "custom" || (groups.includes(node.kind) && node.children.every(isWhole))

test(
  "case 66: any filter is refused with its field, or is a condition that the database takes",
  () => {
    const db = new Database(":memory:")
    db.run(
      "create table things (id text, name text, name_folded text, age real, banned integer, created_at integer, teams text, custom text)",
    )
    db.run(
      "insert into things values ('a', 'A b', 'a b', 1, 0, 0, '[\"red\"]', '{\"a\":{\"b\":1},\"constructor\":\"x\"}')",
    )
    // Only writes the text of the query; the database above answers it.
    const compiler = new Kysely<{ things: { id: string } }>({
      dialect: {
        createAdapter: () => new SqliteAdapter(),
        createDriver: () => new DummyDriver(),
        createIntrospector: (of) => new SqliteIntrospector(of),
        createQueryCompiler: () => new SqliteQueryCompiler(),
      },
    })
    let taken = 0
    fuzz("filters", filters, (filter) => {
      let node: FilterNode
      try {
        node = parseFilter(filter, table)
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 4) throw error
        return
      }
      expect(isWhole(node)).toBe(true)
      for (const { operator, value } of comparisonsOf(node)) {
        expect(filterOperators).toContain(operator)
        for (const one of Array.isArray(value) ? value : [value])
          expect(typeof one).toBeOneOf(["string", "number", "boolean"])
      }
      const condition = filterCondition(node, table, { dialect: "sqlite", supportsManyNodes: false })
      const { sql, parameters } = compiler.selectFrom("things").select("id").where(condition).compile()
      const [row, ...more] = db.query(sql).all(...(parameters as string[]))
      expect(more).toEqual([])
      if (row !== undefined) taken += 1
    })
    expect(taken).toBeGreaterThan(0)
    db.close()
  },
  fuzzTimeoutMs,
)

test(
  "case 66: canonical JSON is one text for one value, whatever the value",
  () => {
    const leaves = fc.oneof(
      fc.constantFrom<unknown>(null, true, 0, -0, 1e21, 0.5, 2 ** 53, "\ud800", "\u2028", "", "é", "e\u0301"),
      fc.string({ unit: "binary", maxLength: 6 }),
      fc.integer(),
    )
    const keys = fc.oneof(
      fc.constantFrom("__proto__", "constructor", "1", "10", "9", "", "a", "B"),
      fc.string({ unit: "binary", maxLength: 4 }),
    )
    const values = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        leaves,
        fc.array(tie("value"), { maxLength: 4 }),
        fc.array(fc.tuple(keys, tie("value")), { maxLength: 5 }).map(objectOf),
      ),
    })).value
    const shuffled = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shuffled)
      if (typeof value !== "object" || value === null) return value
      return objectOf(
        Object.entries(value)
          .reverse()
          .map(([name, member]) => [name, shuffled(member)]),
      )
    }
    let written = 0
    fuzz("canonical JSON", values, (value) => {
      let text: string
      try {
        text = canonicalJson(value as CanonicalValue)
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
        return
      }
      written += 1
      expect(canonicalJson(shuffled(value) as CanonicalValue)).toBe(text)
      const back = JSON.parse(text) as CanonicalValue
      expect(canonicalJson(back)).toBe(text)
      // Minus zero is the one value that is not written as it was.
      expect(JSON.stringify(back)).toBe(JSON.stringify(JSON.parse(JSON.stringify(back))))
    })
    expect(written).toBeGreaterThan(0)
  },
  fuzzTimeoutMs,
)
