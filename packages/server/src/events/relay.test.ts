// From the commit to the sockets, on real databases. A node that died is an outbox row that nobody marked.

import { afterEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type DatabaseKind, databaseKinds } from "../../test/fixtures.ts"
import { type ManualClock, manualClock } from "../base/clock.ts"
import { randomId } from "../base/ids.ts"
import { createLogger } from "../base/log.ts"
import type { Database, OutboxEvent } from "../store/database.ts"
import { migrate } from "../store/migrate.ts"
import { type DatabaseLocation, openDatabase } from "../store/open.ts"
import { createPostgresDatabase } from "../testing.ts"
import type { Bus } from "./bus/bus.ts"
import { createLocalBus } from "./bus/local.ts"
import { createRedisBus } from "./bus/redis.ts"
import { type Delivery, outboxEvent } from "./event.ts"
import { limits } from "./limits.ts"
import { createRelay, type Relay } from "./relay.ts"

for (const kind of databaseKinds) describe(`relay on ${kind}`, () => relayOn(kind))

function relayOn(kind: DatabaseKind): void {
  const startMs = 1_700_000_000_000
  const ending: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ending.splice(0).reverse()) await end()
  })

  const location = async (): Promise<DatabaseLocation> => {
    if (kind === "postgres") {
      const database = (await createPostgresDatabase()) as { url: string; drop(): Promise<void> }
      ending.push(database.drop)
      return { kind, url: database.url }
    }
    const folder = mkdtempSync(join(tmpdir(), "weir-relay-"))
    ending.push(() => rmSync(folder, { recursive: true, force: true }))
    return { kind, path: join(folder, "weir.db") }
  }

  interface Node {
    readonly db: Database
    readonly relay: Relay
    readonly told: { appId: number; deliveries: readonly Delivery[] }[]
    readonly log: string[]
    frames(): string[]
    close(): Promise<void>
  }
  /** A node of the relay's parts; `failOn` is a frame that cannot be told. */
  const node = async (where: DatabaseLocation, clock: ManualClock, bus: Bus, failOn?: string): Promise<Node> => {
    const lines: string[] = []
    const log = createLogger({ level: "debug", format: "json", write: (line) => lines.push(line) })
    const db = await openDatabase(where, { now: () => clock.now() })
    await migrate(db, [])
    const told: Node["told"] = []
    const frames = () =>
      told.flatMap(({ deliveries }) => deliveries.map((delivery) => ("frame" in delivery ? delivery.frame : "")))
    const deliver = (appId: number, deliveries: readonly Delivery[]): void => {
      if (deliveries.some((delivery) => "frame" in delivery && delivery.frame === failOn))
        throw new Error("cannot be told")
      told.push({ appId, deliveries })
    }
    const relay = createRelay({ db, bus, clock, log, deliver, sendAway: () => {} })
    let isOpen = true
    const close = async (): Promise<void> => {
      if (!isOpen) return
      isOpen = false
      await relay.close()
      await db.close()
    }
    ending.push(close)
    return { db, relay, told, log: lines, frames, close }
  }
  const event = (frame: string, appId = 7): OutboxEvent =>
    outboxEvent(appId, "test", "s", [{ to: "topic", topic: "t", frame }])
  const emit = (db: Database, ...frames: string[]) =>
    db.transact(async (tx) => {
      for (const frame of frames) tx.emit(event(frame))
    })
  const rows = (db: Database) =>
    db.read.selectFrom("outbox").select(["relayed_at", "claimed_by"]).orderBy("id").execute()
  const until = async (what: string, is: () => boolean | Promise<boolean>, timeoutMs = 8_000): Promise<void> => {
    const endMs = performance.now() + timeoutMs
    while (!(await is())) {
      if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`)
      await Bun.sleep(10)
    }
  }

  test("a committed event is told once, in the order of its transaction, and marked", async () => {
    const clock = manualClock(startMs)
    const { db, frames, told } = await node(await location(), clock, createLocalBus())
    await emit(db, "1", "2", "3")
    await emit(db, "4")
    expect(frames()).toEqual(["1", "2", "3", "4"])
    expect(told[0]).toEqual({ appId: 7, deliveries: [{ to: "topic", topic: "t", frame: "1" }] })
    await until("all are marked", async () => (await rows(db)).every(({ relayed_at }) => relayed_at === startMs))
    expect(frames()).toHaveLength(4)
  })

  test("a change that did not happen is not told of", async () => {
    const { db, frames } = await node(await location(), manualClock(startMs), createLocalBus())
    const failing = db.transact(async (tx) => {
      tx.emit(event("never"))
      throw new Error("no")
    })
    expect(failing).rejects.toThrow("no")
    await failing.catch(() => {})
    await emit(db, "after")
    expect(frames()).toEqual(["after"])
    expect(await rows(db)).toHaveLength(1)
  })

  test("the caches are dropped before the world is told, and the caller goes on after both", async () => {
    const { db, told } = await node(await location(), manualClock(startMs), createLocalBus())
    const order: string[] = []
    await db.transact(async (tx) => {
      tx.emit(event("1"))
      tx.afterCommit(() => order.push(`dropped, told ${told.length}`))
    })
    order.push(`done, told ${told.length}`)
    expect(order).toEqual(["dropped, told 0", "done, told 1"])
  })

  test("an event that cannot be told silences none behind it, and is not tried for ever", async () => {
    const { db, frames, log } = await node(await location(), manualClock(startMs), createLocalBus(), "2")
    await emit(db, "1", "2", "3")
    expect(frames()).toEqual(["1", "3"])
    expect(log.join("")).toContain("cannot be told")
    await until("all are marked", async () => (await rows(db)).every(({ relayed_at }) => relayed_at !== null))
  })

  test("what is fleeting is told and never written", async () => {
    const { db, relay, frames } = await node(await location(), manualClock(startMs), createLocalBus())
    relay.tell(7, event("typing").deliveries as Delivery[])
    expect(frames()).toEqual(["typing"])
    expect(await rows(db)).toEqual([])
  })

  test("closing marks what was told, so that no other node tells it again", async () => {
    const where = await location()
    const { db, close } = await node(where, manualClock(startMs), createLocalBus())
    await emit(db, "1")
    await close()
    const clock = manualClock(startMs + limits.outboxStaleAfterMs * 2)
    const next = await node(where, clock, createLocalBus())
    expect((await rows(next.db)).map(({ relayed_at }) => relayed_at)).toEqual([startMs])
  })

  test("case 42: events of a node that died are told by another once they are stale, not before, and once", async () => {
    const where = await location()
    // Nobody listens on this one: it dies between the commit and the telling.
    const dead = await openDatabase(where, { now: () => startMs })
    await migrate(dead, [])
    await emit(dead, "lost1", "lost2")
    await dead.close()
    const clock = manualClock(startMs)
    const heir = await node(where, clock, createLocalBus())
    clock.advance(limits.outboxStaleAfterMs - 1)
    await Bun.sleep(limits.outboxStaleEveryMs + 500)
    expect(heir.frames()).toEqual([])
    clock.advance(2)
    await until("they are told", () => heir.told.length > 0)
    expect(heir.frames()).toEqual(["lost1", "lost2"])
    await until("they are marked", async () => (await rows(heir.db)).every(({ relayed_at }) => relayed_at !== null))
    expect(heir.frames()).toEqual(["lost1", "lost2"])
  }, 30_000)

  const redisUrl = process.env.WEIR_TEST_REDIS_URL
  if (kind !== "postgres") return
  if (redisUrl === undefined) {
    console.log("WEIR_TEST_REDIS_URL is not set, the relay of two nodes is skipped")
    return
  }
  test("two nodes: each event reaches both, once; of what a dead one left, one tells it to both", async () => {
    const where = await location()
    const dead = await openDatabase(where, { now: () => startMs })
    await migrate(dead, [])
    await emit(dead, "lost")
    await dead.close()
    const clock = manualClock(startMs)
    const deployment = `relay-${randomId(8)}`
    const log = createLogger({ level: "error", format: "json", write: () => {} })
    const buses = await Promise.all(
      [1, 2].map(() =>
        createRedisBus({
          url: redisUrl,
          deployment,
          clock: { now: Date.now, monotonic: () => performance.now() },
          log,
        }),
      ),
    )
    for (const bus of buses) ending.push(() => bus.close())
    const [a, b] = (await Promise.all(buses.map((bus) => node(where, clock, bus)))) as [Node, Node]
    await Promise.all(Array.from({ length: 10 }, (_, n) => emit((n % 2 === 0 ? a : b).db, String(n))))
    await until("all on both", () => a.told.length === 10 && b.told.length === 10)
    a.relay.tell(7, event("typing").deliveries as Delivery[])
    await until("the fleeting one", () => b.frames().includes("typing"))
    clock.advance(limits.outboxStaleAfterMs + 1)
    await until("the lost one on both", () => [a, b].every(({ frames }) => frames().includes("lost")), 12_000)
    await until("it is marked", async () => (await rows(a.db)).every(({ relayed_at }) => relayed_at !== null))
    for (const { frames } of [a, b]) expect(frames().sort()).toEqual([..."0123456789", "lost", "typing"].sort())
  }, 40_000)
}
