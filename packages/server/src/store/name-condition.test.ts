import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { sql } from "kysely"
import { createPostgresDatabase } from "../testing.ts"
import type { Database } from "./database.ts"
import { type EndsPattern, type NamePattern, nameCondition } from "./name-condition.ts"
import { openDatabase } from "./open.ts"

const backends = process.env.WEIR_TEST_POSTGRES_URL ? ["sqlite", "postgres"] : ["sqlite"]
if (backends.length === 1) console.log("names: WEIR_TEST_POSTGRES_URL is not set, tested on SQLite only")

// Letters in both cases, and what `like` would take for a wildcard: both databases must read them as they stand.
const texts = ["a", "A", "b", "ab", "ba", "aba", "a_b", "axb", "a%b", "abab", "!members-a_B"]
const names = texts.flatMap((type) => texts.map((id) => ({ type, id })))

const part = fc.constantFrom("", "a", "A", "b", "ab", "_", "a_", "%", "!members-")
const ends: fc.Arbitrary<EndsPattern> = fc.oneof(
  fc.constantFrom(...texts).map((exact) => ({ exact, prefix: "", suffix: "" })),
  fc.record({ exact: fc.constant(null), prefix: part, suffix: part }),
)
const lists = fc.array(fc.array(fc.record({ type: ends, id: ends }), { maxLength: 4 }), { maxLength: 3 })

/** The same, said with what JavaScript has: escaped text around «anything». */
const isLike = ({ exact, prefix, suffix }: EndsPattern, text: string): boolean => {
  const literal = (plain: string): string => plain.replace(/[^\w]/g, "\\$&")
  return exact === null ? new RegExp(`^${literal(prefix)}.*${literal(suffix)}$`).test(text) : exact === text
}

describe.each(backends)("names on %s", (backend) => {
  let db: Database
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null
  const dir = mkdtempSync(join(tmpdir(), "weir-names-"))
  beforeAll(async () => {
    if (backend === "postgres") database = await createPostgresDatabase()
    db = await openDatabase(
      database === null ? { kind: "sqlite", path: join(dir, "weir.db") } : { kind: "postgres", url: database.url },
    )
  })
  afterAll(async () => {
    await db.close()
    await database?.drop()
    rmSync(dir, { recursive: true, force: true })
  })

  const rows = sql.join(
    names.map(({ type, id }) => sql`select cast(${type} as text) as type, cast(${id} as text) as id`),
    sql` union all `,
  )
  const found = async (condition: ReturnType<typeof nameCondition>): Promise<string[]> => {
    const query = db.read
      .selectFrom(sql<{ type: string; id: string }>`(${rows})`.as("names"))
      .select(["names.type", "names.id"])
      .where(condition)
    return (await query.execute()).map(({ type, id }) => `${type}:${id}`).sort()
  }
  const expected = (matches: (name: { type: string; id: string }) => boolean): string[] =>
    names
      .filter(matches)
      .map(({ type, id }) => `${type}:${id}`)
      .sort()

  test("a row is found when it matches a pattern of every list", async () => {
    await fc.assert(
      fc.asyncProperty(lists, async (lists) => {
        const condition = nameCondition(lists, { type: "names.type", id: "names.id" })
        const matches = ({ type, id }: { type: string; id: string }) =>
          lists.every((patterns) => patterns.some((pattern) => isLike(pattern.type, type) && isLike(pattern.id, id)))
        expect(await found(condition)).toEqual(expected(matches))
      }),
      { numRuns: 150 },
    )
  })

  test("where all rows are of one type, patterns of others find nothing", async () => {
    await fc.assert(
      fc.asyncProperty(lists, fc.constantFrom(...texts), async (lists, is) => {
        const condition = nameCondition(lists, { type: { is }, id: "names.id" })
        const matches = ({ id }: { id: string }) =>
          lists.every((patterns) => patterns.some((pattern) => isLike(pattern.type, is) && isLike(pattern.id, id)))
        expect(await found(condition)).toEqual(expected(matches))
      }),
      { numRuns: 150 },
    )
  })

  test("as many patterns as a token can hold fit into one statement", async () => {
    const pattern = (at: number): NamePattern => ({
      type: { exact: null, prefix: "a", suffix: "b" },
      id: { exact: null, prefix: `${at}`, suffix: "x" },
    })
    const many = Array.from({ length: 100 }, (_, at) => pattern(at))
    expect(await found(nameCondition([many, many], { type: "names.type", id: "names.id" }))).toEqual([])
  })
})
