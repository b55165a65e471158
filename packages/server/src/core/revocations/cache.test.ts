// What a node knows of revocations and for how long it may believe it, on real databases and without the rest of the
// house: time is the test's, and the sockets are a list.

import { afterEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ApiError } from "@weir/protocol"
import { type RawBuilder, sql } from "kysely"
import { createLinkedBuses } from "../../../../../contract/suites/bus/linked.ts"
import { databaseKinds } from "../../../test/fixtures.ts"
import type { RevocationQuestion } from "../../authenticate/authenticate.ts"
import { type ManualClock, manualClock } from "../../base/clock.ts"
import { generateMasterKeyText, type MasterKey, parseMasterKey } from "../../base/crypto.ts"
import { createLogger } from "../../base/log.ts"
import type { Bus } from "../../events/bus/bus.ts"
import { createLocalBus } from "../../events/bus/local.ts"
import type { Database, Tx } from "../../store/database.ts"
import { engineOf } from "../../store/engine.ts"
import { migrate } from "../../store/migrate.ts"
import { openDatabase } from "../../store/open.ts"
import { createPostgresDatabase } from "../../testing.ts"
import { insertApp, newApp } from "../apps/index.ts"
import { migrations as appMigrations } from "../apps/migrations.ts"
import { migrations as keyMigrations } from "../keys/migrations.ts"
import { createRevocations, type Revocations } from "./cache.ts"
import { limits } from "./limits.ts"
import { migrations } from "./migrations.ts"
import { type NewRevocation, revocationRoutes, revoke } from "./routes.ts"
import { markUndone, nextSeq, type RevocationRow, selectRevocation, takeNonce } from "./store.ts"

const app = 7
const lifeSeconds = 3_600
const hourMs = 3_600_000
const masterKey = parseMasterKey(generateMasterKeyText()) as MasterKey
const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

const until = async (what: string, is: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> => {
  const endMs = performance.now() + timeoutMs
  while (!(await is())) {
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await Bun.sleep(5)
  }
}
const question = (userId: string | null, issuedAt: number | null, sha256 = ""): RevocationQuestion => ({
  appId: app,
  apiKey: "key",
  userId,
  isServer: userId === null,
  proof: { method: "jwt", kid: null, issuedAt, expiresAt: null, jti: null, deviceId: null, sha256 },
})

async function openOn(kind: "sqlite" | "postgres", clock: ManualClock): Promise<Database> {
  const folder = mkdtempSync(join(tmpdir(), "weir-revocations-"))
  const postgres = kind === "postgres" ? await createPostgresDatabase() : null
  const db = await openDatabase(
    postgres === null ? { kind: "sqlite", path: join(folder, "weir.db") } : { kind: "postgres", url: postgres.url },
    { now: clock.now },
  )
  await migrate(db, [
    { module: "apps", migrations: appMigrations },
    { module: "keys", migrations: keyMigrations },
    { module: "revocations", migrations },
  ])
  ending.push(async () => {
    await db.close()
    await postgres?.drop()
    rmSync(folder, { recursive: true, force: true })
  })
  return db
}

interface Node {
  readonly revocations: Revocations
  /** Who has a socket. */
  readonly open: Map<string, RevocationQuestion>
  readonly fences: ApiError[]
  readonly log: string[]
}

async function startNode(db: Database, clock: ManualClock, bus?: Bus): Promise<Node> {
  const lines: string[] = []
  const log = createLogger({ level: "debug", format: "json", write: (line) => lines.push(line) })
  const open = new Map<string, RevocationQuestion>()
  const fences: ApiError[] = []
  const revocations = await createRevocations({
    db,
    bus: bus ?? createLocalBus(log),
    clock,
    log,
    masterKey,
    closeSockets(appId, endedBy, isDry) {
      let ended = 0
      for (const [name, asked] of open) {
        if (asked.appId !== appId || endedBy(asked) === null) continue
        ended += 1
        if (!isDry) open.delete(name)
      }
      return ended
    },
    fence: (error) => fences.push(error),
    longestLifeSeconds: async () => lifeSeconds,
  })
  ending.push(() => revocations.close())
  return { revocations, open, fences, log: lines }
}

for (const kind of databaseKinds) {
  describe(`what a node knows, on ${kind}`, () => {
    const start = async (startMs = 1_800_000_000_000) => {
      const clock = manualClock(startMs)
      const db = await openOn(kind, clock)
      const make = (given: Partial<NewRevocation> & Pick<NewRevocation, "level" | "target">): Promise<RevocationRow> =>
        db.transact((tx) =>
          revoke(tx, { appId: app, beforeMs: clock.now(), reason: "", ...given }, "test", clock.now()),
        )
      const isKept = async (row: RevocationRow) => (await selectRevocation(db.read, app, row.id)) !== undefined
      /** Time in which no lease runs out by itself: a node that is awake renews it at once. */
      const pass = async (node: Node, ms: number): Promise<void> => {
        clock.advance(ms)
        await until("the lease is renewed", () => node.revocations.mayDeliver())
      }
      return { clock, db, make, isKept, pass }
    }
    const ended = ({ revocations }: Node, asked: RevocationQuestion) => revocations.check(asked)?.level ?? null

    test("case 44: what ends no living token any more is forgotten, in the database and in memory; the rest stays", async () => {
      const { clock, db, make, isKept, pass } = await start()
      const oldSeconds = clock.now() / 1000 - 10
      const node = await startNode(db, clock)
      const sha256 = "a".repeat(64)
      const rows = {
        user: await make({ level: "user", target: "jessica" }),
        app: await make({ level: "app", target: "" }),
        // Servers' tokens have no longest life, and nobody knows how long this device's live.
        kid: await make({ level: "kid", target: "kid", beforeMs: null }),
        device: await make({ level: "device", target: "phone" }),
        known: await make({ level: "token", target: sha256, beforeMs: null, expiresAtMs: clock.now() + hourMs }),
        unknown: await make({ level: "token", target: "b".repeat(64), beforeMs: null }),
      }
      const undone = await make({ level: "key", target: "other" })
      await db.transact(async (tx) => markUndone(tx, undone.id, await nextSeq(tx), clock.now()))
      expect(await db.transact((tx) => takeNonce(tx, nonce))).toBe(true)
      await node.revocations.news()
      expect(node.revocations.truth.size).toBe(6)
      expect(ended(node, question("jessica", oldSeconds))).toBe("app")
      expect(ended(node, question(null, oldSeconds, sha256))).toBe("token")

      await pass(node, limits.pruneEveryMs)
      await until("a round of tidying is over", () => node.revocations.truth.size === 6)
      expect(await isKept(rows.user)).toBe(true)

      await pass(node, hourMs + limits.pruneMarginMs)
      await until("the database has forgotten", async () => !(await isKept(rows.app)) && !(await isKept(rows.user)))
      await until("the token that ran out is forgotten", async () => !(await isKept(rows.known)))
      await until("memory has forgotten", () => node.revocations.truth.size === 3)
      for (const row of [rows.kid, rows.device, rows.unknown, undone]) expect(await isKept(row)).toBe(true)
      expect(await db.transact((tx) => takeNonce(tx, nonce))).toBe(true)
      // A node that starts now knows the same.
      expect((await startNode(db, clock)).revocations.truth.size).toBe(3)

      await pass(node, limits.undoneKeptMs)
      await until("what was undone leaves the list", async () => !(await isKept(undone)))
      expect(await isKept(rows.kid)).toBe(true)
    })
    const nonce = { api_key: "key", nonce: "once", expires_at: 1_800_000_000_000 + 300_000 }

    test("a node that knew nothing for days reads everything anew, and hears of what was undone meanwhile", async () => {
      const { clock, db, make } = await start()
      const node = await startNode(db, clock)
      const row = await make({ level: "kid", target: "kid", beforeMs: null })
      const kept = await make({ level: "device", target: "phone" })
      await node.revocations.news()
      expect(node.revocations.truth.size).toBe(2)
      // Undone and forgotten by the others while this node was away: no row is left that could tell it.
      await db.transact((tx) => tx.deleteFrom("revocations").where("id", "=", row.id).execute())
      await node.revocations.news()
      expect(node.revocations.truth.size).toBe(2)
      clock.advance(limits.reloadAfterMs + limits.leaseMs + 1)
      expect(() => node.revocations.requireLease()).toThrow("cannot reach its database")
      await until("it is back", () => node.revocations.truth.size === 1)
      await until("it serves", () => node.revocations.mayDeliver())
      expect(node.revocations.truth.appIds()).toEqual([app])
      expect(await selectRevocation(db.read, app, kept.id)).toBeDefined()
    })

    test("case 43: a lease that is over lets nobody in and delivers nothing, from that moment until it is renewed", async () => {
      const { clock, db } = await start()
      const node = await startNode(db, clock)
      expect(node.revocations.check(question("jessica", 1))).toBeNull()
      clock.advance(limits.leaseMs - 1)
      expect(node.revocations.mayDeliver()).toBe(true)
      clock.advance(1)
      expect(() => node.revocations.check(question("jessica", 1))).toThrow("cannot reach its database")
      expect(node.revocations.mayDeliver()).toBe(false)
      expect(node.fences.map(({ kind }) => kind)).toEqual(["unavailable"])
      await until("it is back", () => node.revocations.mayDeliver())
      expect(node.revocations.check(question("jessica", 1))).toBeNull()
      expect(node.fences).toHaveLength(1)
      expect(node.log.filter((line) => line.includes('"level":"error"'))).toHaveLength(1)
      expect(node.log.filter((line) => line.includes("lets callers in"))).toHaveLength(1)
    })

    test("a shadow counts each user once, however often it comes and however often counts are written", async () => {
      const { clock, db, make } = await start()
      const node = await startNode(db, clock)
      const row = await make({ level: "app", target: "", mode: "shadow" })
      await node.revocations.news()
      const counts = async () => {
        const { shadow_hits, shadow_users } = (await selectRevocation(db.read, app, row.id)) as RevocationRow
        return [shadow_hits, shadow_users]
      }
      for (const users of [
        ["jessica", "jessica", "john"],
        ["jessica", "john"],
        ["mary", "jessica"],
      ]) {
        const before = (await counts())[0] ?? 0
        for (const user of users) expect(node.revocations.check(question(user, 1))).toBeNull()
        await until("it is written", async () => (await counts())[0] === before + users.length)
      }
      expect(await counts()).toEqual([7, 3])
      // Another node meets one of them and somebody new.
      const other = await startNode(db, clock)
      for (const user of ["john", "peter"]) other.revocations.check(question(user, 1))
      await other.revocations.close()
      expect(await counts()).toEqual([9, 4])
    })

    test("of many revocations at once each is told what it alone closed, and a shadow what it would have", async () => {
      const { clock, db, make } = await start()
      const node = await startNode(db, clock)
      for (const user of ["a", "b", "c"]) node.open.set(user, question(user, 1))
      node.open.set("later", question("a", clock.now() / 1000 + 60))
      const rows = [
        await make({ level: "user", target: "a" }),
        await make({ level: "app", target: "", mode: "shadow" }),
        await make({ level: "user", target: "b" }),
        await make({ level: "user", target: "nobody" }),
      ]
      const receipts = await Promise.all(rows.map((row) => node.revocations.receipt(row, clock.monotonic())))
      // The shadow is asked after those that came with it.
      expect(receipts.map(({ sockets_closed }) => sockets_closed)).toEqual([1, 1, 1, 0])
      expect([...node.open.keys()].sort()).toEqual(["c", "later"])
      for (const { nodes } of receipts) expect(nodes).toHaveLength(1)
    })

    test("there is an end to how many are held, and the management API says so", async () => {
      const { clock, db } = await start()
      const [create] = revocationRoutes({
        revocations: { truth: { size: limits.revocationsMax } as Revocations["truth"] } as Revocations,
        monotonic: clock.monotonic,
        expiryOf: async () => null,
        count: async () => ({ sockets: 0, tokens: 0, users: 0 }),
      })
      await db.transact((tx) => insertApp(tx, newApp(app, "full", "production", clock.now())))
      const given = (tx: Tx) => ({ input: { path: { app: String(app) }, query: {}, body: { all: true } }, tx })
      const made = db.transact((tx) =>
        Promise.resolve(create?.handle({ ...given(tx), now: clock.now(), principal: { name: "test" } } as never)),
      )
      await expect(made).rejects.toThrow("5000000 revocations in force")
    })
  })
}

if (databaseKinds.includes("postgres")) {
  describe("two nodes on one database", () => {
    test("case 42: while the bus is away they hear of each other through the database, sockets counted", async () => {
      const clock = manualClock(1_800_000_000_000)
      const db = await openOn("postgres", clock)
      const buses = createLinkedBuses("by-itself")
      const [near, far] = [buses.open(), buses.open()]
      const a = await startNode(db, clock, near)
      const b = await startNode(db, clock, far)
      for (const user of ["jessica", "john", "jessica "]) b.open.set(user, question(user.trim(), 1))
      near.cut()
      far.cut()
      const row = await db.transact((tx) =>
        revoke(tx, { appId: app, level: "user", target: "jessica", beforeMs: clock.now() }, "test", clock.now()),
      )
      const receipt = await a.revocations.receipt(row, clock.monotonic())
      expect(receipt.nodes.map(({ id, sockets_closed, fenced }) => [id, sockets_closed, fenced]).sort()).toEqual(
        [
          [near.nodeId, 0, false],
          [far.nodeId, 2, false],
        ].sort(),
      )
      expect([...b.open.keys()]).toEqual(["john"])
    })
  })
}

test("case 42: with a full disk nothing is revoked, nobody is told otherwise, and what was revoked before stays so", async () => {
  const clock = manualClock(1_800_000_000_000)
  const db = await openOn("sqlite", clock)
  const node = await startNode(db, clock)
  const make = (target: string) =>
    db.transact((tx) =>
      revoke(
        tx,
        { appId: app, level: "user", target, beforeMs: clock.now(), reason: "x".repeat(20_000) },
        "test",
        clock.now(),
      ),
    )
  await make("early")
  await node.revocations.news()
  const ask = <Row>(query: RawBuilder<Row>) => engineOf(db).transact(({ kysely }) => query.execute(kysely), 1_000)
  const [{ page_count: pages } = { page_count: 0 }] = (await ask(sql<{ page_count: number }>`pragma page_count`)).rows
  const roomFor = (more: number) => ask(sql`pragma max_page_count = ${sql.lit(pages + more)}`)
  await roomFor(0)
  await expect(make("late")).rejects.toThrow("full")
  await node.revocations.news()
  expect(node.revocations.check(question("early", 1))?.level).toBe("user")
  expect(node.revocations.check(question("late", 1))).toBeNull()
  await roomFor(1_000)
  await make("late")
  await node.revocations.news()
  expect(node.revocations.check(question("late", 1))?.level).toBe("user")
})
