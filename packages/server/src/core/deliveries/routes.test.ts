// Deliveries in the management API, over the real tables of each database: lists, replays, test events and numbers.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import {
  type AdminCall,
  addHook,
  addMany,
  adminApi,
  appId,
  type DeliveryTables,
  hookIdOf,
  openDeliveryTables,
  otherAppId,
} from "../../../test/delivery-tables.ts"
import { databaseKinds, expectRefusal } from "../../../test/fixtures.ts"
import { importMasterKey } from "../../base/crypto.ts"
import type { EngineStats } from "../../events/webhooks/engine.ts"
import { dispatchRoutes, webhookIdOf } from "../dispatch/index.ts"
import { prune } from "../dispatch/keeper.ts"
import { limits } from "./limits.ts"
import { deliveryRoutes } from "./routes.ts"

const absentHook = hookIdOf(999)
const hourMs = 60 * 60_000
const dayMs = 24 * hourMs
const samples = { "message.new": { type: "message.new", created_at: "" }, "user.updated": { type: "user.updated" } }

for (const kind of databaseKinds) {
  describe(`deliveries in the management API on ${kind}`, () => {
    let tables: DeliveryTables
    let call: AdminCall
    let hooks = 0
    /** A hook that no other test has. */
    let hook = ""
    let woken: string[] = []
    let stats: EngineStats
    beforeAll(async () => {
      tables = await openDeliveryTables(kind)
      const engine = { now: () => Date.now(), wake: (id: string) => void woken.push(id), stats: () => stats }
      const masterKey = importMasterKey(new Uint8Array(32).fill(7))
      const lookRoutes = deliveryRoutes({ masterKey, engine, apiSecretsOf: () => null })
      call = adminApi(tables.db, [...lookRoutes, ...dispatchRoutes({ engine, samples })])
    })
    afterAll(() => tables.close())
    beforeEach(async () => {
      hook = hookIdOf(++hooks)
      await addHook(tables.db, hook)
      woken = []
      const durations = { buckets: [], sumSeconds: 0, count: 0 }
      stats = { inFlight: 0, queued: 0, lanes: [], counts: { attempts: [], durations } }
    })

    const admin = (method: string, path: string, body?: unknown) => call(method, `/apps/${appId}${path}`, body)
    const list = async (query: Record<string, string> = {}) => {
      const { status, body } = await admin("GET", `/deliveries?${new URLSearchParams({ hook_id: hook, ...query })}`)
      expect(status).toBe(200)
      return body
    }
    const replay = async (body: object) => {
      const answer = await admin("POST", "/deliveries/replay", body)
      expect({ status: answer.status, message: answer.body.message }).toEqual({ status: 200, message: undefined })
      return answer.body
    }
    const statesOf = async (query: Record<string, string> = {}): Promise<string[]> =>
      (await list({ limit: "100", ...query })).deliveries.map(({ state }: { state: string }) => state)
    const newestAudited = async () =>
      tables.db.read.selectFrom("audit_log").selectAll().orderBy("seq", "desc").limit(1).executeTakeFirst()

    test("a list goes on where it stopped, and names what it does not understand", async () => {
      const fromMs = Date.UTC(2026, 0, 1)
      await addMany(tables.db, { hookId: hook, total: 30, fromMs, type: "reaction.new" })
      const first = await list({ limit: "20" })
      expect(first.deliveries.length).toBe(20)
      expect(first.deliveries[0]).toEqual({
        id: expect.stringMatching(new RegExp(`^msg_[0-9a-z]+-${hook}$`)),
        hook_id: hook,
        type: "reaction.new",
        stream: "channel:messaging:general",
        state: "delivered",
        source: "event",
        attempts: 0,
        status: null,
        fault: null,
        due_at: null,
        created_at: "2026-01-01T00:00:29.000Z",
        finished_at: "2026-01-01T00:00:29.005Z",
      })
      const rest = await list({ limit: "20", next: first.next })
      expect(rest.next).toBeNull()
      expect(new Set([...first.deliveries, ...rest.deliveries].map(({ id }) => id)).size).toBe(30)
      const range = { since: "2026-01-01T01:00:02+01:00", until: "2026-01-01T00:00:04Z", type: "reaction.*" }
      expect((await list(range)).deliveries.length).toBe(2)
      expect((await list({ ...range, type: "message.*" })).deliveries).toEqual([])
      for (const [query, field] of [
        ["next=0", "next"],
        ["since=yesterday", "since"],
        ["since=2026-02-30T00:00:00Z", "since"],
        ["state=lost", "state"],
        ["hook_id=1", "hook_id"],
        ["type=a*b", "type"],
        ["limit=101", "limit"],
      ] as const) {
        expectRefusal(await admin("GET", `/deliveries?${query}`), "input", field)
      }
      expectRefusal(await admin("GET", "/deliveries?stream=%00"), "input")
      expectRefusal(await call("GET", "/apps/1/deliveries"), "notFound")
    })

    test("another app's deliveries are absent, and so is one under another spelling of its id", async () => {
      const foreign = hookIdOf(++hooks)
      await addHook(tables.db, foreign, { appId: otherAppId })
      await addMany(tables.db, { hookId: foreign, total: 1, state: "dead", appId: otherAppId })
      await addMany(tables.db, { hookId: hook, total: 1, state: "dead" })
      const [{ id: theirs }] = (await call("GET", `/apps/${otherAppId}/deliveries`)).body.deliveries
      const [{ id: ours }] = (await list()).deliveries
      expect((await call("GET", `/apps/${otherAppId}/deliveries/${theirs}`)).body.delivery).toMatchObject({
        id: theirs,
        body: '{"type":"x"}',
        log: [],
      })
      expectRefusal(await admin("GET", `/deliveries/${theirs}`), "notFound")
      expectRefusal(await admin("GET", `/deliveries/${webhookIdOf(0, hook)}`), "notFound")
      expect((await admin("GET", `/deliveries/${ours}`)).status).toBe(200)
      expectRefusal(await admin("GET", `/deliveries/${ours.replace("msg_", "msg_0")}`), "notFound")
      expectRefusal(await admin("GET", "/deliveries/msg_1"), "input")
      expect(await replay({ ids: [theirs] })).toMatchObject({ replayed: 0, has_more: false })
      expectRefusal(await admin("POST", "/deliveries/replay", { hook_id: foreign }), "notFound")
      expect((await call("GET", `/apps/${otherAppId}/deliveries`)).body.deliveries[0].state).toBe("dead")
      expect((await list({ hook_id: foreign })).deliveries).toEqual([])
    })

    test("a long list of dead letters is replayed in bounded calls, each of them once", async () => {
      const total = 2 * limits.replayBatchMax + 500
      await addMany(tables.db, { hookId: hook, total, state: "dead", attempts: 13 })
      const counts: number[] = []
      let next: string | undefined
      do {
        const answer = await replay({ hook_id: hook, ...(next === undefined ? {} : { next }) })
        counts.push(answer.replayed)
        expect(answer.has_more).toBe(answer.next !== null)
        next = answer.next ?? undefined
      } while (next !== undefined)
      expect(counts).toEqual([limits.replayBatchMax, limits.replayBatchMax, 500])
      expect(woken).toEqual([hook, hook, hook])
      const rows = await tables.db.read
        .selectFrom("webhook_deliveries")
        .select(["state", "attempts", "leased_by", "finished_at"])
        .distinct()
        .where("hook_id", "=", hook)
        .execute()
      expect(rows).toEqual([{ state: "pending", attempts: 0, leased_by: null, finished_at: null }])
      // Nobody asks for what is not dead any more.
      expect(await replay({ hook_id: hook })).toMatchObject({ replayed: 0, has_more: false, next: null })
      expect(woken.length).toBe(3)
    })

    test("a replay by range, type or id takes those alone, and stands in the audit log", async () => {
      const fromMs = Date.UTC(2026, 1, 1)
      await addMany(tables.db, { hookId: hook, total: 6, state: "dead", fromMs })
      await addMany(tables.db, { hookId: hook, total: 2, fromMs: fromMs + 60_000, type: "user.updated" })
      const range = { since: "2026-02-01T00:00:01Z", until: "2026-02-01T00:00:03Z" }
      expect(await replay({ hook_id: hook, ...range, type: "message.new" })).toMatchObject({ replayed: 2 })
      expect(await statesOf()).toEqual(["delivered", "delivered", "dead", "dead", "dead", "pending", "pending", "dead"])
      const entry = await newestAudited()
      expect(entry).toMatchObject({ action: "delivery.replayed", app_id: appId })
      expect(JSON.stringify(entry)).toContain("2026-02-01T00:00:01Z")
      expect(await replay({ hook_id: hook, state: "delivered", type: "user.*" })).toMatchObject({ replayed: 2 })
      const dead = (await list({ state: "dead" })).deliveries.map(({ id }: { id: string }) => id)
      expect(await replay({ ids: [dead[0], dead[0], dead[3], webhookIdOf(0, hook)] })).toMatchObject({ replayed: 2 })
      expect((await statesOf()).filter((state) => state === "dead").length).toBe(2)
      expectRefusal(await admin("POST", "/deliveries/replay", { ids: dead, hook_id: hook }), "input", "hook_id")
      expectRefusal(await admin("POST", "/deliveries/replay", { ids: [] }), "input", "ids")
      expectRefusal(await admin("POST", "/deliveries/replay", { hook_id: absentHook }), "notFound")
      const before = await newestAudited()
      expect(await replay({ hook_id: hook, until: "2000-01-01T00:00:00Z" })).toMatchObject({ replayed: 0 })
      expect(await newestAudited()).toEqual(before)
    })

    test("what waits is tried now; what a node holds, and what has no hook, stays", async () => {
      const later = Date.now() + hourMs
      await addMany(tables.db, { hookId: hook, total: 2, state: "pending", dueAt: later, attempts: 4 })
      await addMany(tables.db, { hookId: hook, total: 1, state: "pending", dueAt: later, leasedBy: "n1" })
      await addMany(tables.db, { hookId: hook, total: 1, state: "pending", dueAt: 1, attempts: 3 })
      expect(await replay({ hook_id: hook, state: "pending" })).toMatchObject({ replayed: 2 })
      const { deliveries } = await list()
      expect(deliveries.map(({ attempts }: { attempts: number }) => attempts)).toEqual([3, 0, 0, 0])
      // The third is held, so no time stands there.
      expect(deliveries[1].due_at).toBeNull()
      expect(Date.parse(deliveries[2].due_at)).toBeLessThanOrEqual(Date.now())
      await addMany(tables.db, { hookId: absentHook, total: 1, state: "dead" })
      const [orphan] = (await list({ hook_id: absentHook })).deliveries
      expect(await replay({ ids: [orphan.id] })).toMatchObject({ replayed: 0 })
    })

    test("an old dead letter that is replayed gets its time again before it is given up", async () => {
      const fromMs = Date.now() - 20 * dayMs
      await addMany(tables.db, { hookId: hook, total: 2, state: "dead", fromMs })
      const [newer] = (await list()).deliveries
      expect(await replay({ ids: [newer.id] })).toMatchObject({ replayed: 1 })
      await prune(tables.db, Date.now())
      expect(await statesOf()).toEqual(["pending", "dead"])
      await prune(tables.db, Date.now() + 5 * dayMs)
      expect(await statesOf()).toEqual(["dead", "dead"])
      expect((await list()).deliveries[0].fault).toBe("expired")
    })

    test("a test event is written for its hook alone, unless it cannot be sent", async () => {
      const path = `/hooks/${hook}/test`
      const sent = await admin("POST", path, {})
      expect(sent.status).toBe(200)
      const { id } = sent.body.delivery
      expect(woken).toEqual([hook])
      const { delivery } = (await admin("GET", `/deliveries/${id}`)).body
      expect(delivery).toMatchObject({
        id,
        type: "message.new",
        source: "test",
        state: "pending",
        stream: `test:${hook}`,
      })
      expect(Date.parse(JSON.parse(delivery.body).created_at)).toBeGreaterThan(Date.now() - 60_000)
      expect(await newestAudited()).toMatchObject({ action: "delivery.tested" })
      const own = (await admin("POST", path, { type: "order.paid", body: { total: 3 } })).body.delivery
      expect((await admin("GET", `/deliveries/${own.id}`)).body.delivery.body).toBe('{"type":"order.paid","total":3}')

      expectRefusal(await admin("POST", path, { type: "message.gone" }), "input", "type")
      expectRefusal(await admin("POST", path, { type: "a b" }), "input", "type")
      expectRefusal(await admin("POST", path, { type: "a", body: { type: "b" } }), "input", "type")
      expectRefusal(await admin("POST", path, { body: [] }), "input", "body")
      expectRefusal(await admin("POST", `/hooks/${absentHook}/test`, {}), "notFound")
      for (const [reason, said] of [
        ["gone", "410"],
        ["operator", "an operator"],
      ] as const) {
        const off = hookIdOf(++hooks)
        await addHook(tables.db, off, { enabled: 0, reason })
        const refused = await admin("POST", `/hooks/${off}/test`, {})
        expectRefusal(refused, "input", "hook")
        expect(refused.body.message).toContain(said)
        expect((await list({ hook_id: off })).deliveries).toEqual([])
      }
    })

    test("numbers of a hook say what waits, what is dead, what arrived and how attempts went", async () => {
      const now = Date.now()
      const others = (await admin("GET", "/webhooks/stats")).body.hooks.length
      await addMany(tables.db, { hookId: hook, total: 3, fromMs: now - 2 * hourMs, stepMs: 1 })
      await addMany(tables.db, { hookId: hook, total: 4, fromMs: now - 60_000, stepMs: 1 })
      await addMany(tables.db, { hookId: hook, total: 5, state: "dead" })
      const oldest = now - 30_000
      await addMany(tables.db, { hookId: hook, total: 2, state: "pending", fromMs: oldest, dueAt: now + hourMs })
      await addMany(tables.db, { hookId: hook, total: 1, state: "pending", fromMs: now, dueAt: now - 1 })
      const log = [
        { at: new Date(now - 2 * hourMs).toISOString(), duration_ms: 1, fault: "dns" },
        { at: new Date(now - 1_000).toISOString(), duration_ms: 40, fault: "timeout" },
        { at: new Date(now).toISOString(), duration_ms: 20, fault: null },
      ]
      const newest = { event_id: Number.parseInt((await list()).deliveries[0].id.slice(4).split("-")[0], 36) }
      await tables.db.transact((tx) =>
        tx
          .updateTable("webhook_deliveries")
          .set({ log: JSON.stringify(log) })
          .where("hook_id", "=", hook)
          .where("event_id", "=", newest.event_id)
          .execute(),
      )
      const failingSince = new Date(now).toISOString()
      const lane = { hookId: hook, appId, inFlight: 1, queued: 7, circuit: "open", failingSince } as const
      stats = { ...stats, inFlight: 3, queued: 9, lanes: [lane] }
      const { status, body } = await admin("GET", "/webhooks/stats")
      expect(status).toBe(200)
      expect(body.node).toEqual({ in_flight: 3, queued: 9 })
      expect(body.hooks.length).toBe(others)
      expect(body.hooks.find(({ hook_id }: { hook_id: string }) => hook_id === hook)).toEqual({
        hook_id: hook,
        enabled: true,
        pending: 3,
        due: 1,
        oldest_pending_at: new Date(oldest).toISOString(),
        dead: 5,
        delivered_last_hour: 4,
        attempts_last_hour: { sampled: 2, faults: { timeout: 1 }, p50_ms: 20, p95_ms: 40 },
        node: { in_flight: 1, queued: 7, circuit: "open", failing_since: failingSince },
      })
    })
  })
}
