import { describe, expect, test } from "bun:test"
import { sql } from "kysely"
import { type Backend, testBackends } from "../../../../contract/suites/store/backends.ts"
import { type ItemRow, idsOf, insertItem, item, on, useDatabase } from "../../../../contract/suites/store/fixture.ts"
import type { Read, Tx } from "./database.ts"
import { UniqueViolation } from "./errors.ts"
import { limits } from "./limits.ts"
import { type Places, statement } from "./statement.ts"

for (const backend of testBackends()) describe(`statements on ${backend.name}`, () => statementTests(backend))

function statementTests(backend: Backend): void {
  const fixture = useDatabase(backend)
  const insertItems = statement((tx: Tx, value: Places<{ rows: readonly ItemRow[] }>) =>
    on(tx).insertInto("items").values(value("rows")),
  )
  const itemById = statement((read: Read, value: Places<{ id: string }>) =>
    on(read).selectFrom("items").selectAll().where("id", "=", value("id")),
  )
  const failureOf = (attempt: Promise<unknown>) =>
    attempt.then(
      () => null,
      (error: Error) => error,
    )

  test("one text serves every call, each with its own values, on both handles", async () => {
    let built = 0
    const atLeast = statement((read: Read, value: Places<{ score: number; active: number }>) => {
      built++
      return on(read)
        .selectFrom("items")
        .select(["id", sql<number>`score + ${value("score")}`.as("sum")])
        .where("score", ">=", value("score"))
        .where("active", "=", value("active"))
        .where("labels", "=", "[]")
        .orderBy("id")
    })
    await fixture.db.transact(async (tx) => {
      for (const score of [1, 2, 3]) await insertItem(tx, item(`i${score}`, { score, active: score === 2 ? 0 : 1 }))
      expect(await atLeast.rows(tx, { score: 2, active: 1 })).toEqual([{ id: "i3", sum: 5 }])
    })
    const { read } = fixture.db
    expect(await atLeast.rows(read, { score: 0, active: 1 })).toEqual([
      { id: "i1", sum: 1 },
      { id: "i3", sum: 3 },
    ])
    expect(await atLeast.first(read, { active: 0, score: 1 })).toEqual({ id: "i2", sum: 3 })
    expect(await atLeast.first(read, { score: 4, active: 1 })).toBeUndefined()
    expect(built).toBe(1)
  })

  // One statement may be used with a SQLite and a Postgres database in one process, whose texts differ.
  test("each kind of database has its own text", async () => {
    const dialects: string[] = []
    const which = statement((read: Read, value: Places<{ text: string }>) => {
      dialects.push(read.capabilities.dialect)
      return on(fixture.db.read).selectFrom("items").select("id").where("name", "=", value("text"))
    })
    const { read } = fixture.db
    const other: Read = Object.create(read, { capabilities: { value: { ...read.capabilities, dialect: "another" } } })
    for (const handle of [read, other, read, other]) await which.rows(handle, { text: "x" })
    expect(dialects).toEqual([backend.name, "another"] as string[])
  })

  test("a list has a text for each length up to the limit; a longer one works as well", async () => {
    const lengths: number[] = []
    const amongIds = statement((read: Read, value: Places<{ ids: readonly string[]; active: number }>) => {
      const ids = value("ids")
      lengths.push(ids.length)
      return on(read).selectFrom("items").select("id").where("id", "in", ids).where("active", "=", value("active"))
    })
    const count = limits.statementListMax + 2
    const ids = Array.from({ length: count }, (_, index) => `i${String(index).padStart(2, "0")}`)
    await fixture.db.transact(async (tx) => {
      for (const id of ids) await insertItem(tx, item(id))
    })
    for (let round = 0; round < 2; round++) {
      for (let length = 1; length <= count; length++) {
        const asked = round === 0 ? ids.slice(0, length) : ids.slice(-length)
        const rows = await amongIds.rows(fixture.db.read, { ids: asked, active: 0 })
        expect(rows.map(({ id }) => id).sort()).toEqual(asked)
      }
    }
    const kept = Array.from({ length: limits.statementListMax }, (_, index) => index + 1)
    const long = [limits.statementListMax + 1, limits.statementListMax + 2]
    expect(lengths).toEqual([...kept, ...long, ...long])
  })

  test("rows are inserted with all their columns, null among them, and counted", async () => {
    const rowsOf = (count: number, prefix: string) =>
      Array.from({ length: count }, (_, index) =>
        item(`${prefix}${index}`, { name: index % 2 === 0 ? null : "é'\"\\", score: index, custom: `{"n":${index}}` }),
      )
    for (const [prefix, count] of [
      ["a", 1],
      ["b", 3],
      ["c", 1],
      ["d", 3],
      ["e", limits.statementListMax + 5],
    ] as const) {
      const rows = rowsOf(count, prefix)
      expect(await fixture.db.transact((tx) => insertItems.run(tx, { rows }))).toBe(count)
      for (const row of rows) expect(await itemById.first(fixture.db.read, { id: row.id })).toEqual(row)
    }
  })

  test("run answers how many rows it has changed", async () => {
    const rename = statement((tx: Tx, value: Places<{ from: number; name: string | null }>) =>
      on(tx)
        .updateTable("items")
        .set({ name: value("name") })
        .where("score", ">=", value("from")),
    )
    await fixture.db.transact((tx) =>
      insertItems.run(tx, { rows: [1, 2, 3].map((score) => item(`i${score}`, { score })) }),
    )
    const changed = (from: number, name: string | null) => fixture.db.transact((tx) => rename.run(tx, { from, name }))
    expect([await changed(2, "two"), await changed(9, "nine"), await changed(1, null)]).toEqual([2, 0, 3])
  })

  test("a row with other columns, or a value that is missing, is refused before it is sent", async () => {
    const { read } = fixture.db
    const write = (row: object) => fixture.db.transact((tx) => insertItems.run(tx, { rows: [row as ItemRow] }))
    await write(item("a"))
    const { custom: _, ...lacking } = item("lacking")
    expect(await failureOf(write(lacking))).toBeInstanceOf(TypeError)
    expect(await failureOf(write({ ...item("more"), more: 1 }))).toBeInstanceOf(TypeError)
    expect(await failureOf(write({ ...lacking, other: "{}" }))).toBeInstanceOf(TypeError)
    expect(await failureOf(itemById.rows(read, {} as { id: string }))).toBeInstanceOf(TypeError)
    expect(await failureOf(itemById.rows(read, { id: "a\0" }))).toBeInstanceOf(TypeError)
    expect(await idsOf(read)).toEqual(["a"])
  })

  // They go past Kysely, but not past what guards a transaction.
  test("what holds for queries in a transaction holds for statements", async () => {
    const rows = [item("a")]
    const escaped = await fixture.db.transact(async (tx) => {
      await insertItems.run(tx, { rows })
      return tx
    })
    expect((await failureOf(insertItems.run(escaped, { rows })))?.message).toBe("the transaction is over")
    const ignored = fixture.db.transact(async (tx) => {
      await insertItems.run(tx, { rows: [item("b")] })
      await insertItems.run(tx, { rows }).catch(() => {})
    })
    expect(await failureOf(ignored)).toBeInstanceOf(UniqueViolation)
    const sneaky = insertItems.run(fixture.db.read as Tx, { rows: [item("c")] })
    expect(await failureOf(sneaky)).toBeInstanceOf(Error)
    expect(await idsOf(fixture.db.read)).toEqual(["a"])
    const stranger = { capabilities: fixture.db.capabilities } as Tx
    expect(await failureOf(insertItems.run(stranger, { rows }))).toBeInstanceOf(TypeError)
  })
}
