// The listeners of a node over the real tables: signs of life, what ends them, and what is removed of dead nodes.

import { afterEach, describe, expect, test } from "bun:test"
import { webhooks } from "@weir/protocol"
import { appId, openDeliveryTables } from "../../../test/delivery-tables.ts"
import { type DatabaseKind, databaseKinds } from "../../../test/fixtures.ts"
import { until } from "../../../test/node-process.ts"
import { manualClock, systemClock } from "../../base/clock.ts"
import { importMasterKey } from "../../base/crypto.ts"
import { createLogger } from "../../base/log.ts"
import { createLocalBus } from "../../events/bus/local.ts"
import { createListenSender } from "../../events/webhooks/listen-sender.ts"
import type { Database } from "../../store/database.ts"
import { append } from "../audit/cache.ts"
import { newSecrets } from "../webhooks/index.ts"
import { createListeners, type ListenerParts, type Listeners } from "./keeper.ts"
import { limits } from "./limits.ts"
import { specOf } from "./rules.ts"

const masterKey = importMasterKey(new Uint8Array(32).fill(7))
const lines: string[] = []
const log = createLogger({ level: "warn", format: "json", write: (line) => lines.push(line) })

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  expect(lines.splice(0)).toEqual([])
})

async function openOn(kind: DatabaseKind): Promise<Database> {
  const { db, close } = await openDeliveryTables(kind)
  cleanUps.push(close)
  return db
}

interface Node {
  readonly listeners: Listeners
  readonly nodeId: string
  readonly changed: number[]
  open(): Promise<AsyncGenerator<string, void, undefined>>
}

function start(db: Database, more: Partial<ListenerParts> = {}): Node {
  const bus = createLocalBus(log)
  const changed: number[] = []
  const clock = more.clock ?? systemClock
  const listeners = createListeners({
    db,
    bus,
    masterKey,
    sender: createListenSender(),
    hooksChanged: (id) => changed.push(id),
    audit: append,
    clock,
    log,
    ...more,
  })
  cleanUps.push(bus.close, listeners.close)
  return {
    listeners,
    nodeId: bus.nodeId,
    changed,
    async open() {
      const spec = specOf({}, bus.nodeId)
      const now = clock.now()
      const opened = await listeners.open({ appId, spec, secrets: newSecrets(), actor: "test", address: "::1", now })
      if (opened === null) throw new Error("there is no app")
      return opened
    },
  }
}

const rows = (db: Database) =>
  db.read.selectFrom("webhook_hooks").select(["id", "updated_at"]).orderBy("created_at").execute()
const secretCount = async (db: Database): Promise<number> =>
  (await db.read.selectFrom("webhook_secrets").select("id").execute()).length
const lineOf = async (stream: AsyncGenerator<string, void, undefined>) => {
  const { done, value } = await stream.next()
  return done ? null : JSON.parse(value as string)
}
const silence = (db: Database, id: string, ms: number) =>
  db.transact((tx) =>
    tx
      .updateTable("webhook_hooks")
      .set(({ eb }) => ({ updated_at: eb("updated_at", "-", ms) }))
      .where("id", "=", id)
      .execute(),
  )

for (const kind of databaseKinds) {
  describe(`the listeners of a node on ${kind}`, () => {
    test("a stream says now and then that it is there, and writes it down", async () => {
      const db = await openOn(kind)
      const { open } = start(db, { pingEveryMs: 30 })
      const stream = await open()
      expect(await lineOf(stream)).toMatchObject({ type: "ready" })
      const [row] = await rows(db)
      await silence(db, row?.id as string, 10_000)
      expect(await lineOf(stream)).toEqual({ type: "ping" })
      const [touched] = await rows(db)
      expect(touched?.updated_at).toBeGreaterThanOrEqual(row?.updated_at as number)
      expect(await lineOf(stream)).toEqual({ type: "ping" })
    })

    test("whoever stops reading is removed, with the secrets, and nodes are told", async () => {
      const db = await openOn(kind)
      const { open, changed } = start(db)
      const stream = await open()
      await lineOf(stream)
      expect(changed).toEqual([appId])
      expect(await secretCount(db)).toBe(2)
      // One waits for a line when the connection breaks.
      const waiting = stream.next()
      await stream.return()
      expect(await waiting).toMatchObject({ done: true })
      await until("the hook is gone", async () => (await rows(db)).length === 0)
      expect(await secretCount(db)).toBe(0)
      await until("nodes are told", () => changed.length === 2)
      expect(await stream.next()).toMatchObject({ done: true })
    })

    test("a stream from which nobody reads ends by itself", async () => {
      const db = await openOn(kind)
      const clock = manualClock(Date.now())
      const { open } = start(db, { clock, sweepEveryMs: 10 })
      const read = await open()
      const { hook_id: readId } = await lineOf(read)
      await open()
      expect(await rows(db)).toHaveLength(2)
      clock.advance(limits.unreadMsMax - 1)
      expect(await lineOf(read)).toEqual({ type: "ping" })
      clock.advance(2)
      await until("one is gone", async () => (await rows(db)).length === 1)
      expect((await rows(db)).map(({ id }) => id)).toEqual([readId])
      clock.advance(webhooks.listenLimits.pingEveryMs)
      expect(await lineOf(read)).toEqual({ type: "ping" })
    })

    test("drained, a stream ends with the reason, and nobody is let in", async () => {
      const db = await openOn(kind)
      const { listeners, open } = start(db)
      const stream = await open()
      await lineOf(stream)
      const next = lineOf(stream)
      listeners.drain()
      expect(await next).toEqual({ type: "end", reason: "draining" })
      expect(await lineOf(stream)).toBeNull()
      await expect(open()).rejects.toMatchObject({ name: "ApiError", status: 503 })
      await listeners.close()
      expect(await rows(db)).toEqual([])
    })

    test("what a dead node left is removed, and what another one holds is not", async () => {
      const db = await openOn(kind)
      const dead = start(db)
      await dead.open()
      await dead.open()
      const [first, second] = await rows(db)
      const isAlone = !db.capabilities.supportsManyNodes
      await silence(db, first?.id as string, limits.lostAfterMs + 1_000)
      await silence(db, second?.id as string, limits.lostAfterMs - 10_000)
      const { changed } = start(db)
      // A node that has its database to itself knows that nobody can be listening.
      const left = isAlone ? [] : [second?.id as string]
      await until("the lost ones are gone", async () => (await rows(db)).length === left.length)
      expect((await rows(db)).map(({ id }) => id)).toEqual(left)
      expect(changed).toEqual([appId])
    })

    test("a hook that another node took for lost ends its listener", async () => {
      const db = await openOn(kind)
      const { open } = start(db, { pingEveryMs: 30 })
      const stream = await open()
      await lineOf(stream)
      await db.transact((tx) => tx.deleteFrom("webhook_hooks").execute())
      expect(await lineOf(stream)).toEqual({ type: "end", reason: "removed" })
      expect(await lineOf(stream)).toBeNull()
    })
  })
}
