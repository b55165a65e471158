// The engine that makes the deliveries, over the real tables of each database. What receivers answer is handed in.

import { afterEach, describe, expect, test } from "bun:test"
import fc from "fast-check"
import { type Clock, systemClock } from "../src/base/clock.ts"
import { createLogger } from "../src/base/log.ts"
import { createKeeper, prune } from "../src/core/dispatch/keeper.ts"
import { newDelivery } from "../src/core/dispatch/rules.ts"
import { type DeliveryRow, insertDeliveries, insertHookEvents } from "../src/core/dispatch/store.ts"
import { limits as hookLimits } from "../src/core/webhooks/limits.ts"
import { createEngine, type Engine } from "../src/events/webhooks/engine.ts"
import type { AttemptOutcome, Hook, HookDelivery, HookSender } from "../src/events/webhooks/hook.ts"
import { limits } from "../src/events/webhooks/limits.ts"
import { attemptsMax, retryPauseMs, retryPausesMs } from "../src/events/webhooks/retry.ts"
import type { Database } from "../src/store/database.ts"
import { addHook, appId, openDeliveryTables } from "./delivery-tables.ts"
import { type DatabaseKind, databaseKinds } from "./fixtures.ts"

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

const silent = createLogger({ level: "error", format: "json", write: () => undefined })

async function open(kind: DatabaseKind): Promise<Database> {
  const { db, close } = await openDeliveryTables(kind)
  cleanUps.push(close)
  return db
}

const hookWith = (id: string, more: Partial<Hook> = {}): Hook => ({
  id,
  appId,
  enabled: true,
  product: "all",
  eventTypes: [],
  sendsCustomEvents: false,
  target: { kind: "webhook", url: "https://example.com/hook" },
  timeoutMs: 1_000,
  compression: "none",
  ordered: false,
  ...more,
})

/** Writes one event for each stream named, and a delivery of it to the hook. */
async function addDeliveries(
  db: Database,
  hookId: string,
  streams: readonly string[],
  more: Partial<DeliveryRow> = {},
): Promise<number[]> {
  const now = Date.now()
  return db.transact(async (tx) => {
    const events = streams.map((stream, index) => ({
      app_id: appId,
      type: "message.new",
      stream,
      body: JSON.stringify({ type: "message.new", stream, index }),
      created_at: now,
    }))
    const ids = await insertHookEvents(tx, events)
    await insertDeliveries(
      tx,
      ids.map((id, index) => ({
        ...newDelivery(
          { appId, type: "message.new", stream: streams[index] as string },
          { eventId: id, hookId, source: "event" },
          now,
          now,
        ),
        ...more,
      })),
    )
    return ids
  })
}

const rowsOf = (db: Database, hookId: string): Promise<DeliveryRow[]> =>
  db.read.selectFrom("webhook_deliveries").selectAll().where("hook_id", "=", hookId).orderBy("event_id").execute()

type Answer = Partial<AttemptOutcome> & Pick<AttemptOutcome, "result">
const delivered: Answer = { result: "delivered", status: 200 }
const failed: Answer = { result: "retry", status: 503, fault: "status", detail: "the receiver answered 503" }

interface Receiver extends HookSender {
  readonly seen: HookDelivery[]
  inFlight: number
  inFlightMost: number
}

function receiver(answer: (delivery: HookDelivery, seen: number) => Answer | Promise<Answer>): Receiver {
  const self: Receiver = {
    seen: [],
    inFlight: 0,
    inFlightMost: 0,
    async send(delivery) {
      self.seen.push(delivery)
      self.inFlight++
      self.inFlightMost = Math.max(self.inFlightMost, self.inFlight)
      const given = await answer(delivery, self.seen.length)
      self.inFlight--
      return {
        status: null,
        fault: null,
        detail: null,
        retryAfterMs: null,
        durationMs: 1,
        request: { target: "https://example.com/hook", headers: {} },
        response: null,
        ...given,
      }
    },
    close: async () => undefined,
  }
  return self
}

interface Node {
  readonly engine: Engine
  readonly disabled: string[]
}

function startEngine(
  db: Database,
  hooks: readonly Hook[],
  sender: HookSender,
  { nodeId = "node-a", clock = systemClock }: { nodeId?: string; clock?: Clock } = {},
): Node {
  const disabled: string[] = []
  const engine = createEngine({
    keeper: createKeeper(db, nodeId),
    hookOf: (_, id) => hooks.find((hook) => hook.id === id) ?? null,
    signerOf: () => ({ api: null, own: [] }),
    senders: { webhook: sender, sqs: sender, sns: sender, redis: sender, nats: sender, listen: sender },
    disable: async (hook) => void disabled.push(hook.id),
    webhookIdOf: (eventId, hookId) => `msg_${eventId}-${hookId}`,
    nodeId,
    clock,
    log: silent,
  })
  cleanUps.push(engine.close)
  return { engine, disabled }
}

async function until(holds: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error("it did not happen in time")
    await Bun.sleep(10)
  }
}

const allIn = (db: Database, hookId: string, state: DeliveryRow["state"]) => async () =>
  (await rowsOf(db, hookId)).every((row) => row.state === state)

describe("case 63: when it is tried again", () => {
  test("case 63: pauses grow over three days, and a fifth of each is left to chance", () => {
    expect(retryPausesMs.reduce((total, pause) => total + pause, 0)).toBeGreaterThan(3 * 24 * 3_600_000)
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: attemptsMax - 1 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (n, r) => {
          const pause = retryPausesMs[n - 1] as number
          const given = retryPauseMs(n, null, r) as number
          expect(given).toBeGreaterThanOrEqual(Math.floor(pause * 0.8))
          expect(given).toBeLessThanOrEqual(Math.ceil(pause * 1.2))
        },
      ),
    )
    expect(retryPauseMs(1, null, 0)).not.toBe(retryPauseMs(1, null, 0.9))
    expect(retryPauseMs(attemptsMax, null, 0.5)).toBeNull()
  })

  test("case 63: Retry-After is obeyed when it is longer, never shortened by chance, and bounded", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10 * 24 * 3_600_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (asked, r) => {
          const given = retryPauseMs(1, asked, r) as number
          expect(given).toBeGreaterThanOrEqual(Math.min(asked, limits.retryAfterMsMax))
          expect(given).toBeLessThanOrEqual(limits.retryAfterMsMax + 10_000)
        },
      ),
    )
    // It cannot bring an attempt forward.
    expect(retryPauseMs(5, 1, 0.5)).toBe(retryPausesMs[4] as number)
    expect(retryPauseMs(attemptsMax, 60_000, 0.5)).toBeNull()
  })
})

describe.each([...databaseKinds])("deliveries on %s", (kind) => {
  test("are made once, and what came of them is kept", async () => {
    const db = await open(kind)
    await addHook(db, "h")
    await addDeliveries(db, "h", ["a", "b", "c"])
    const sender = receiver(() => ({ ...delivered, response: { headers: { server: "x" }, body: "thanks" } }))
    startEngine(db, [hookWith("h")], sender)
    await until(allIn(db, "h", "delivered"))
    expect(sender.seen.map(({ attempt }) => attempt)).toEqual([1, 1, 1])
    expect(new Set(sender.seen.map(({ webhookId }) => webhookId)).size).toBe(3)
    const [row] = await rowsOf(db, "h")
    expect(row).toMatchObject({ attempts: 1, status: 200, fault: null, leased_by: null })
    expect(row?.finished_at).toBeNumber()
    expect(JSON.parse(row?.log ?? "")).toMatchObject([{ status: 200, response: { body: "thanks" } }])
  })

  test("case 63: a failed one waits for its pause, a refused one and one without attempts left are dead", async () => {
    const db = await open(kind)
    await addHook(db, "h")
    await addDeliveries(db, "h", ["later", "asked", "refused"])
    const [last] = await addDeliveries(db, "h", ["last"], { attempts: attemptsMax - 1 })
    const sender = receiver(({ stream }) => {
      if (stream === "refused") return { result: "refused", fault: "too-big", detail: "it is too big" }
      return stream === "asked" ? { ...failed, retryAfterMs: 3_600_000 } : failed
    })
    const before = Date.now()
    startEngine(db, [hookWith("h")], sender)
    await until(async () =>
      (await rowsOf(db, "h")).every(({ attempts }) => attempts > 0 && attempts !== attemptsMax - 1),
    )
    const [later, asked, refused, end] = await rowsOf(db, "h")
    expect(later).toMatchObject({ state: "pending", attempts: 1, status: 503, fault: "status", leased_by: null })
    expect((later?.due_at ?? 0) - before).toBeGreaterThanOrEqual(4_000)
    expect((later?.due_at ?? 0) - before).toBeLessThanOrEqual(12_000)
    expect((asked?.due_at ?? 0) - before).toBeGreaterThanOrEqual(3_600_000)
    expect(refused).toMatchObject({ state: "dead", fault: "too-big" })
    expect(end).toMatchObject({ event_id: last as number, state: "dead", attempts: attemptsMax, fault: "status" })
    expect(sender.seen).toHaveLength(4)
  })

  test("case 63: 410 switches the hook off and makes a dead letter", async () => {
    const db = await open(kind)
    await addHook(db, "h")
    await addDeliveries(db, "h", ["a"])
    const gone: Answer = { result: "gone", status: 410, fault: "gone", detail: "the receiver is gone" }
    const { disabled } = startEngine(
      db,
      [hookWith("h")],
      receiver(() => gone),
    )
    await until(allIn(db, "h", "dead"))
    await until(() => disabled.length > 0)
    expect(disabled).toEqual(["h"])
  })

  test("what waits for a hook that is switched off stays, and is made when it is on again", async () => {
    const db = await open(kind)
    await addHook(db, "h")
    await addDeliveries(db, "h", ["a"])
    const hooks = [hookWith("h", { enabled: false })]
    const sender = receiver(() => delivered)
    startEngine(db, hooks, sender)
    await Bun.sleep(limits.lookEveryMs * 2)
    expect(sender.seen).toHaveLength(0)
    hooks[0] = hookWith("h")
    await until(allIn(db, "h", "delivered"))
  })

  test("case 63: what a dead node held is made by another when its lease is over, and not before", async () => {
    const db = await open(kind)
    await addHook(db, "h")
    await addDeliveries(db, "h", ["over"], { leased_by: "dead-node", due_at: Date.now() - 1 })
    await addDeliveries(db, "h", ["running"], { leased_by: "other-node", due_at: Date.now() + 60_000 })
    const sender = receiver(() => delivered)
    startEngine(db, [hookWith("h")], sender)
    await until(async () => (await rowsOf(db, "h"))[0]?.state === "delivered")
    await Bun.sleep(limits.lookEveryMs * 2)
    expect(sender.seen.map(({ stream }) => stream)).toEqual(["over"])
    expect((await rowsOf(db, "h"))[1]).toMatchObject({ state: "pending", leased_by: "other-node" })
  })

  test("a receiver that fails gets one at a time, and everything once it answers", async () => {
    const db = await open(kind)
    await addHook(db, "h")
    await addDeliveries(
      db,
      "h",
      Array.from({ length: 300 }, (_, n) => `s${n}`),
    )
    let answers = false
    const sender = receiver(async () => {
      await Bun.sleep(2)
      return answers ? delivered : failed
    })
    const { engine } = startEngine(db, [hookWith("h")], sender)
    await until(() => engine.stats().lanes[0]?.circuit === "open")
    await until(() => sender.inFlight === 0)
    const whenOpen = sender.seen.length
    expect(whenOpen).toBeLessThanOrEqual(limits.laneInFlightMax + limits.failuresUntilOpen)
    sender.inFlightMost = 0
    await until(() => sender.seen.length > whenOpen)
    expect(sender.inFlightMost).toBe(1)
    answers = true
    await until(
      async () => (await rowsOf(db, "h")).filter(({ state }) => state === "delivered").length >= 300 - whenOpen - 2,
    )
    expect(engine.stats().lanes[0]?.circuit).toBe("closed")
  }, 20_000)

  test("a receiver that hangs takes nothing from another", async () => {
    const db = await open(kind)
    for (const id of ["slow", "quick"]) await addHook(db, id)
    let release = (): void => undefined
    const hanging = new Promise<void>((resolve) => {
      release = resolve
    })
    await addDeliveries(
      db,
      "slow",
      Array.from({ length: 400 }, (_, n) => `s${n}`),
    )
    const sender = receiver(async ({ hook }) => {
      if (hook.id === "slow") await hanging
      return delivered
    })
    startEngine(db, [hookWith("slow"), hookWith("quick")], sender)
    await until(() => sender.inFlight === limits.laneInFlightMax)
    await addDeliveries(
      db,
      "quick",
      Array.from({ length: 400 }, (_, n) => `q${n}`),
    )
    await until(allIn(db, "quick", "delivered"))
    expect((await rowsOf(db, "slow")).some(({ state }) => state === "delivered")).toBe(false)
    release()
    await until(allIn(db, "slow", "delivered"))
  }, 20_000)

  test("an ordered hook gets each stream in its order, whatever fails, from two nodes at once", async () => {
    const db = await open(kind)
    const hook = hookWith("h", { ordered: true })
    await addHook(db, hook.id)
    const streams = Array.from({ length: 400 }, (_, n) => `stream-${n % 7}`)
    await addDeliveries(db, "h", streams)
    const arrived = new Map<string, number[]>()
    const busy = new Set<string>()
    let overlaps = 0
    const sender = receiver(async ({ stream, body }, seen) => {
      if (busy.has(stream)) overlaps++
      busy.add(stream)
      await Bun.sleep(Math.random() * 3)
      busy.delete(stream)
      if (seen % 40 === 0) return failed
      const list = arrived.get(stream) ?? []
      list.push(JSON.parse(body).index)
      arrived.set(stream, list)
      return delivered
    })
    // One that fails would wait for seconds; here it is due again at once.
    const impatient = setInterval(() => {
      void db.transact((tx) =>
        tx
          .updateTable("webhook_deliveries")
          .set({ due_at: 0 })
          .where("state", "=", "pending")
          .where("leased_by", "is", null)
          .execute(),
      )
    }, 50)
    cleanUps.push(() => clearInterval(impatient))
    const nodes = kind === "postgres" ? ["node-a", "node-b"] : ["node-a"]
    for (const nodeId of nodes) startEngine(db, [hook], sender, { nodeId })
    await until(allIn(db, "h", "delivered"), 25_000)
    expect(overlaps).toBe(0)
    for (const [stream, order] of arrived) {
      expect(order).toEqual(streams.flatMap((name, index) => (name === stream ? [index] : [])))
    }
  }, 30_000)

  test("two nodes never both hold one", async () => {
    const db = await open(kind)
    await addHook(db, "h")
    await addDeliveries(
      db,
      "h",
      Array.from({ length: 1_000 }, (_, n) => `s${n}`),
    )
    const sender = receiver(async () => {
      await Bun.sleep(1)
      return delivered
    })
    for (const nodeId of ["node-a", "node-b"]) startEngine(db, [hookWith("h")], sender, { nodeId })
    await until(allIn(db, "h", "delivered"))
    expect(sender.seen).toHaveLength(1_000)
    expect(new Set(sender.seen.map(({ webhookId }) => webhookId)).size).toBe(1_000)
  }, 20_000)

  test("a node that ends gives back what it had not begun", async () => {
    const db = await open(kind)
    await addHook(db, "h")
    await addDeliveries(
      db,
      "h",
      Array.from({ length: 100 }, (_, n) => `s${n}`),
    )
    const sender = receiver(async () => {
      await Bun.sleep(300)
      return delivered
    })
    const { engine } = startEngine(db, [hookWith("h")], sender)
    await until(() => sender.inFlight === limits.laneInFlightMax)
    await engine.close()
    const rows = await rowsOf(db, "h")
    expect(rows.filter(({ state }) => state === "delivered")).toHaveLength(limits.laneInFlightMax)
    expect(rows.filter(({ leased_by }) => leased_by !== null)).toHaveLength(0)
    expect(sender.seen).toHaveLength(limits.laneInFlightMax)
  })

  test("old deliveries go with their events, and what waits too long becomes a dead letter", async () => {
    const db = await open(kind)
    for (const id of ["h", "other"]) await addHook(db, id)
    const now = Date.now()
    const old = now - hookLimits.pendingKeptMs - 1
    await addDeliveries(db, "h", ["waits"], { created_at: old })
    await addDeliveries(db, "h", ["shown"], { state: "delivered", finished_at: now - hookLimits.deliveredKeptMs - 1 })
    await addDeliveries(db, "h", ["fresh"], { state: "delivered", finished_at: now })
    await addDeliveries(db, "removed", ["x", "y"])
    const [shared] = await addDeliveries(db, "other", ["shared"])
    await db.transact((tx) =>
      insertDeliveries(tx, [
        {
          ...newDelivery(
            { appId, type: "message.new", stream: "shared" },
            { eventId: shared as number, hookId: "h", source: "event" },
            now,
            now,
          ),
          state: "dead",
          finished_at: now - hookLimits.deadKeptMs - 1,
        },
      ]),
    )
    expect(await prune(db, now)).toEqual({ expired: 1, overflowed: 0, deleted: 4 })
    expect((await rowsOf(db, "h")).map(({ stream, state, fault }) => [stream, state, fault])).toEqual([
      ["waits", "dead", "expired"],
      ["fresh", "delivered", null],
    ])
    const events = await db.read.selectFrom("webhook_events").select("stream").orderBy("id").execute()
    expect(events.map(({ stream }) => stream)).toEqual(["waits", "fresh", "shared"])
    expect(await prune(db, now)).toEqual({ expired: 0, overflowed: 0, deleted: 0 })
  })
})
