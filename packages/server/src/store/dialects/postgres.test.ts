// What only Postgres does to us: rivals, lost connections, silent servers, upgrades by another node.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import { SQL } from "bun"
import { CompiledQuery, sql } from "kysely"
import { postgresBackend, type TestDatabase } from "../../../../../contract/suites/store/index.ts"
import type { Database } from "../database.ts"
import { engineOf, type OpenTransaction } from "../engine.ts"
import { openDatabase } from "../open.ts"
import { openPostgres } from "./postgres.ts"

const serverUrl = process.env.WEIR_TEST_POSTGRES_URL

describe.skipIf(!serverUrl)("postgres", () => {
  let database: TestDatabase
  let url: string
  let db: Database
  beforeAll(async () => {
    database = await postgresBackend(serverUrl as string).create()
    url = (database.location as { url: string }).url
    db = await openDatabase(database.location)
    await run("create table accounts (id text primary key, amount double precision)")
    await run("insert into accounts values ('a', 0), ('b', 0)")
  })
  afterAll(async () => {
    await db.close()
    await database.drop()
  })

  const transact = <T>(work: (open: OpenTransaction) => Promise<T>) => engineOf(db).transact(work, 5_000)
  const run = (text: string) => transact(({ kysely }) => sql.raw(text).execute(kysely))
  const amountOf = async (id: string) => {
    const { rows } = await sql<{ amount: number }>`select amount from accounts where id = ${id}`.execute(
      engineOf(db).kysely,
    )
    return rows[0]?.amount
  }

  test("of two that wait for each other, the one that the server ends is tried again", async () => {
    const both = Promise.withResolvers<void>()
    let waiting = 0
    let runs = 0
    const pay = (from: string, to: string) =>
      transact(async ({ kysely }) => {
        runs++
        await sql`update accounts set amount = amount - 1 where id = ${from}`.execute(kysely)
        if (++waiting === 2) both.resolve()
        await both.promise
        await sql`update accounts set amount = amount + 1 where id = ${to}`.execute(kysely)
      })
    await Promise.all([pay("a", "b"), pay("b", "a")])
    expect(runs).toBe(3)
    expect([await amountOf("a"), await amountOf("b")]).toEqual([0, 0])
  })

  test("a work that wraps the server's error is tried again all the same", async () => {
    let runs = 0
    await transact(async ({ kysely }) => {
      if (++runs > 1) return
      await sql`do $$ begin raise exception 'rival' using errcode = 'serialization_failure'; end $$`
        .execute(kysely)
        .catch((cause) => {
          throw new Error("could not pay", { cause })
        })
    })
    expect(runs).toBe(2)
  })

  test("attempts are bounded, and other errors get one only", async () => {
    const attempts = async (errcode: string) => {
      let runs = 0
      await transact(({ kysely }) => {
        runs++
        return sql.raw(`do $$ begin raise exception 'no' using errcode = '${errcode}'; end $$`).execute(kysely)
      }).catch(() => {})
      return runs
    }
    expect(await attempts("40001")).toBe(3)
    expect(await attempts("40P01")).toBe(3)
    expect(await attempts("22012")).toBe(1)
  })

  const endAllConnections = async () => {
    const admin = new SQL(url, { max: 1 })
    await admin.unsafe(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    )
    await admin.close()
  }

  // A restart of the database must not cost every idle connection one failed request.
  test("connections that the server ends are replaced before anyone sees an error", async () => {
    await Promise.all(Array.from({ length: 20 }, () => amountOf("a")))
    await endAllConnections()
    expect(await Promise.all(Array.from({ length: 20 }, () => amountOf("a")))).toEqual(Array(20).fill(0))
    let runs = 0
    await transact(async ({ kysely }) => {
      await sql`update accounts set amount = amount + 1 where id = 'a'`.execute(kysely)
      if (++runs === 1) await endAllConnections()
      await sql`update accounts set amount = amount + 1 where id = 'a'`.execute(kysely)
    })
    expect(runs).toBe(2)
    expect(await amountOf("a")).toBe(2)
    await run("update accounts set amount = 0")
  })

  // Whether such a commit stands is unknown, so doing it again could do it twice.
  test("a connection that is lost during the commit is an error, and nothing is tried again", async () => {
    // A check at the end of the transaction gives the commit the time in which its connection ends.
    await run(`create function slow_check() returns trigger language plpgsql as
      $$ begin perform pg_sleep(1); return new; end $$`)
    await run(`create constraint trigger slow after update on accounts deferrable initially deferred
      for each row execute function slow_check()`)
    let runs = 0
    const outcome = transact(({ kysely }) => {
      runs++
      return sql`update accounts set amount = 50 where id = 'b'`.execute(kysely)
    }).then(
      () => null,
      (error) => error,
    )
    await Bun.sleep(400)
    await endAllConnections()
    const error = await outcome
    expect(error).toBeInstanceOf(ApiError)
    expect(error.internal).toContain("during a commit")
    expect(runs).toBe(1)
    expect(await amountOf("b")).toBe(0)
    await run("drop trigger slow on accounts")
  })

  test("statements prepared before another node's upgrade still work, in and out of transactions", async () => {
    const row = async () => (await sql`select * from accounts where id = ${"a"}`.execute(engineOf(db).kysely)).rows[0]
    const rowInside = () =>
      transact(async ({ kysely }) => (await sql`select * from accounts where id = ${"a"}`.execute(kysely)).rows[0])
    // On every connection of both pools.
    for (let count = 0; count < 3; count++)
      await Promise.all(Array.from({ length: 20 }, () => [row(), rowInside()]).flat())
    const other = new SQL(url, { max: 1 })
    await other.unsafe("alter table accounts add column note text")
    await other.close()
    const after = await Promise.all(Array.from({ length: 20 }, () => [row(), rowInside()]).flat())
    for (const found of after) expect(found).toEqual({ id: "a", amount: 0, note: null })
  })

  test("a statement that takes too long is ended by the server", async () => {
    const pool = new SQL(url, { max: 1, connection: { statement_timeout: 1 } })
    expect(await pool.unsafe("select pg_sleep(5)").catch((error) => error.errno)).toBe("57014")
    await pool.close()
    const { rows } = await sql<{ statement_timeout: string }>`show statement_timeout`.execute(engineOf(db).kysely)
    expect(rows[0]?.statement_timeout).toBe("8s")
  })

  // A network that drops packets gives no error: without a limit of our own, every connection would hang for minutes.
  test("a server that goes silent loses its connections, and the next ones work", async () => {
    const proxy = await createProxy(new URL(url))
    const pools = await openPostgres(proxy.url, 300)
    try {
      const session = await pools.reserve(0)
      session.begin()
      await session.executeQuery(CompiledQuery.raw("select 1"))
      proxy.isSilent = true
      const beganMs = performance.now()
      const hung = session.executeQuery(CompiledQuery.raw("select 2"))
      expect(await hung.catch((error) => error.code)).toBe("ERR_POSTGRES_CONNECTION_CLOSED")
      expect(performance.now() - beganMs).toBeWithin(250, 2_000)
      session.release()
      proxy.isSilent = false
      const next = await pools.reserve(0)
      next.begin()
      expect((await next.executeQuery(CompiledQuery.raw("select 3 as x"))).rows).toEqual([{ x: 3 }])
      await next.commit()
      next.release()
    } finally {
      await pools.close()
      proxy.close()
    }
  })

  test("a server that cannot be reached or does not know us is an error at once", async () => {
    const wrong = new URL(url)
    wrong.pathname = "/weir_test_not_there"
    expect(openDatabase({ kind: "postgres", url: wrong.href })).rejects.toThrow("weir_test_not_there")
    wrong.port = "1"
    expect(openDatabase({ kind: "postgres", url: wrong.href })).rejects.toThrow()
  })
})

interface Proxy {
  readonly url: string
  /** Bytes are taken and not passed on, in either direction. */
  isSilent: boolean
  close(): void
}

async function createProxy(target: URL): Promise<Proxy> {
  interface Link {
    early: Buffer[]
    server?: Bun.Socket<undefined>
  }
  const listener = Bun.listen<Link>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      async open(client) {
        client.data = { early: [] }
        const server = await Bun.connect<undefined>({
          hostname: target.hostname,
          port: Number(target.port || 5432),
          socket: {
            data(_, bytes) {
              if (!proxy.isSilent) client.write(bytes)
            },
            close: () => void client.end(),
          },
        })
        for (const bytes of client.data.early) server.write(bytes)
        client.data.server = server
      },
      data({ data }, bytes) {
        if (proxy.isSilent) return
        if (data.server === undefined) data.early.push(Buffer.from(bytes))
        else data.server.write(bytes)
      },
      close: ({ data }) => void data.server?.end(),
    },
  })
  const url = new URL(target)
  url.hostname = "127.0.0.1"
  url.port = String(listener.port)
  const proxy: Proxy = { url: url.href, isSilent: false, close: () => listener.stop(true) }
  return proxy
}
