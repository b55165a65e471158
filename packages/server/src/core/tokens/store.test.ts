import { describe, expect, test } from "bun:test"
import { type Backend, testBackends } from "../../../../../contract/suites/store/backends.ts"
import type { Database } from "../../store/database.ts"
import { migrate } from "../../store/migrate.ts"
import { openDatabase } from "../../store/open.ts"
import { migrations } from "./migrations.ts"
import { countMinted, deleteMinted, insertMinted, type MintedTokenRow, pruneMinted, selectMinted } from "./store.ts"

const nowMs = Date.UTC(2026, 0, 2)
const row = (jti: string, more: Partial<MintedTokenRow> = {}): MintedTokenRow => ({
  jti,
  app_id: 1_000_001,
  operator_id: "olga",
  needs: "tokens.mint",
  expires_at: nowMs + 1000,
  ...more,
})

async function withRows(backend: Backend, rows: readonly MintedTokenRow[], run: (db: Database) => Promise<void>) {
  const made = await backend.create()
  const db = await openDatabase(made.location)
  try {
    await migrate(db, [{ module: "tokens", migrations }])
    await db.transact(async (tx) => {
      for (const one of rows) await insertMinted(tx, one)
    })
    await run(db)
  } finally {
    await db.close()
    await made.drop()
  }
}

for (const backend of testBackends()) {
  describe(`minted tokens on ${backend.name}`, () => {
    const kept = [
      row("b", { expires_at: nowMs + 2000 }),
      row("a"),
      row("over", { expires_at: nowMs }),
      row("other", { operator_id: "otto" }),
    ]

    test("of an operator only their own that are still valid are found, those that end first first", () =>
      withRows(backend, kept, async (db) => {
        const jtisOf = async (limit: number) =>
          (await selectMinted(db.read, "olga", nowMs, limit)).map(({ jti }) => jti)
        expect(await jtisOf(10)).toEqual(["a", "b"])
        expect(await jtisOf(1)).toEqual(["a"])
        expect(await countMinted(db.read, "olga", nowMs)).toBe(2)
        await db.transact((tx) => deleteMinted(tx, ["a", "none"]))
        expect(await jtisOf(10)).toEqual(["b"])
        expect(await countMinted(db.read, "otto", nowMs)).toBe(1)
      }))

    test("what has run out is forgotten, and nothing else", () =>
      withRows(backend, kept, async (db) => {
        const countAll = async () => (await db.read.selectFrom("minted_tokens").select("jti").execute()).length
        await db.transact((tx) => pruneMinted(tx, nowMs))
        expect(await countAll()).toBe(3)
        await db.transact((tx) => pruneMinted(tx, nowMs + 1000))
        expect(await db.read.selectFrom("minted_tokens").select("jti").execute()).toEqual([{ jti: "b" }])
      }))
  })
}
