// How transactions share commits on the database with one writer.

import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CompiledQuery, sql } from "kysely"
import { openSqlite, type SqliteConnection, type SqliteFiles, sqliteDialect } from "./dialects/sqlite.ts"
import { bindKysely, engineOf, type OpenTransaction, type Transactor } from "./engine.ts"
import { limits } from "./limits.ts"
import { migrate } from "./migrate.ts"
import { openDatabase } from "./open.ts"
import { createSerialTransactor } from "./transact-serial.ts"

describe("transactions that share commits", () => {
  let folder: string
  let files: SqliteFiles
  let transactor: Transactor
  let commits: number
  let monotonicMs: number

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "weir-serial-"))
    files = openSqlite(join(folder, "weir.db"))
    files.writer.run("create table notes (text text primary key)")
    commits = 0
    monotonicMs = 0
    // The real connection, and a count of what waits for the disk.
    const counting: SqliteConnection = Object.create(files.writer, {
      run: {
        value(statement: string) {
          files.writer.run(statement)
          if (statement === "commit") commits++
        },
      },
    })
    transactor = createSerialTransactor(counting, {
      capabilities: { dialect: "sqlite", supportsManyNodes: false },
      bind: bindKysely(sqliteDialect),
      now: Date.now,
      // A commit gathers for a bounded time; here it passes when a test says so, however busy the machine is.
      monotonic: () => monotonicMs,
      committed() {},
      emitting() {},
      onError: (error) => {
        throw error
      },
    })
  })
  afterEach(async () => {
    await transactor.drain()
    files.reader.close()
    files.writer.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const timeoutMs = 2_000
  const note =
    (text: string) =>
    ({ kysely }: OpenTransaction) =>
      sql`insert into notes (text) values (${text})`.execute(kysely)
  const notes = async (): Promise<string[]> => {
    const { rows } = await files.reader.executeQuery<{ text: string }>(
      CompiledQuery.raw("select text from notes order by text"),
    )
    return rows.map(({ text }) => text)
  }

  // The disk is waited for once and not fifty times: all that arrives in one turn of the event loop is one commit.
  test("50 that arrive at once share one commit, and those that come after them the next", async () => {
    const first = Array.from({ length: 50 }, (_, index) =>
      transactor.transact(async (open) => {
        await note(`a${index}`)(open)
        // Work that waits for nothing outside does not hold the others up.
        await Promise.resolve()
      }, timeoutMs),
    )
    const second = first.map((one, index) => one.then(() => transactor.transact(note(`b${index}`), timeoutMs)))
    await Promise.all(first)
    expect(commits).toBe(1)
    await Promise.all(second)
    expect(commits).toBe(2)
    expect(await notes()).toHaveLength(100)
  })

  test("a commit that has gathered for long enough leaves the others to the next", async () => {
    const slow = transactor.transact(async (open) => {
      await note("slow")(open)
      monotonicMs += limits.commitGatherMsMax
    }, timeoutMs)
    const next = transactor.transact(note("next"), timeoutMs)
    await slow
    expect([commits, await notes()]).toEqual([1, ["slow"]])
    await next
    expect([commits, await notes()]).toEqual([2, ["next", "slow"]])
  })

  test("what can wait takes part in the next commit and causes none", async () => {
    const deferred = transactor.transactDeferred(note("deferred"), timeoutMs)
    for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve))
    expect([commits, await notes()]).toEqual([0, []])
    await Promise.all([transactor.transact(note("urgent"), timeoutMs), deferred])
    expect(await notes()).toEqual(["deferred", "urgent"])
    // Its time comes, and there is nothing left to do.
    await Bun.sleep(limits.deferredCommitMs * 1.5)
    expect(commits).toBe(1)
  })

  test("what can wait does not wait for ever", async () => {
    const beganMs = performance.now()
    await Promise.all(["a", "b"].map((text) => transactor.transactDeferred(note(text), timeoutMs)))
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(limits.deferredCommitMs - 5)
    expect([commits, await notes()]).toEqual([1, ["a", "b"]])
    expect(await transactor.transactDeferred(async () => 42, timeoutMs)).toBe(42)
  })

  // Its time comes while another transaction is still at work; nobody else may come to take it along.
  test("what can wait is not forgotten behind one that takes long", async () => {
    const { promise: pause, resolve: goOn } = Promise.withResolvers<void>()
    const long = transactor.transact(async (open) => {
      await pause
      await note("long")(open)
    }, timeoutMs)
    await Bun.sleep(5)
    const deferred = transactor.transactDeferred(note("deferred"), timeoutMs)
    await Bun.sleep(limits.deferredCommitMs * 1.5)
    goOn()
    await Promise.all([long, deferred])
    expect(await notes()).toEqual(["deferred", "long"])
  })

  test("a failure of what can wait is its own", async () => {
    const failing = transactor.transactDeferred(async (open) => {
      await note("never")(open)
      throw new Error("no")
    }, timeoutMs)
    const others = [
      transactor.transactDeferred(note("deferred"), timeoutMs),
      transactor.transact(note("urgent"), timeoutMs),
    ]
    expect(await failing.then(String, (error) => error.message)).toBe("no")
    await Promise.all(others)
    expect(await notes()).toEqual(["deferred", "urgent"])
  })

  test("a drain ends what can wait, and nothing comes after it", async () => {
    let isDone = false
    const deferred = transactor.transactDeferred(note("deferred"), timeoutMs).then(() => {
      isDone = true
    })
    await transactor.drain()
    expect(isDone).toBe(true)
    await deferred
    expect(await notes()).toEqual(["deferred"])
    for (const transact of [transactor.transact, transactor.transactDeferred]) {
      expect(await transact(note("late"), timeoutMs).catch((error) => error.kind)).toBe("internal")
    }
  })

  // Savepoints keep the pages that they may have to bring back. In files that was most of what a busy server wrote.
  test("what a savepoint keeps is in memory, and in files only while a migration runs", async () => {
    const db = await openDatabase({ kind: "sqlite", path: join(folder, "migrated.db") })
    const seen: unknown[] = []
    const look = async (kysely: OpenTransaction["kysely"]): Promise<void> => {
      seen.push((await sql<{ temp_store: number }>`pragma temp_store`.execute(kysely)).rows[0]?.temp_store)
    }
    const lookNow = () => engineOf(db).transact(({ kysely }) => look(kysely), timeoutMs)
    const [inFiles, inMemory] = [1, 2]
    try {
      await lookNow()
      const looking = { id: "0001", up: ({ query }: { query: OpenTransaction["kysely"] }) => look(query) }
      await migrate(db, [{ module: "probe", migrations: [looking] }])
      await lookNow()
      const failing = { id: "0002", up: () => Promise.reject(new Error("broken")) }
      const broken = migrate(db, [{ module: "probe", migrations: [looking, failing] }])
      expect(await broken.then(String, (error) => error.message)).toBe("broken")
      await lookNow()
      expect(seen).toEqual([inMemory, inFiles, inMemory, inMemory])
    } finally {
      await db.close()
    }
  })
})
