// A backend misses nothing and doubts nothing: nodes are killed at random moments under load, database connections are
// cut, and the receiver fails now and then. Each event arrives at least once, and once when duplicates are dropped by
// their id; and what arrives is what the library of the Standard Webhooks accepts.
//
// WEIR_TEST_WEBHOOK_EVENTS sets how many events.

import { afterAll, describe, expect, test } from "bun:test"
import { createHmac, randomInt, randomUUID } from "node:crypto"
import { SQL } from "bun"
import { Webhook } from "standardwebhooks"
import { call, createPostgresDatabase, testAdminToken, testApiSecret, userToken } from "../src/testing.ts"
import {
  endAllNodes,
  logOf,
  type NodeProcess,
  newFolder,
  newMasterKey,
  type Settings,
  startNode,
  until,
} from "./node-process.ts"

const events = Number(process.env.WEIR_TEST_WEBHOOK_EVENTS ?? 1_500)
const bounds = {
  kills: Math.max(3, Math.min(40, Math.round(events / 2_500))),
  writers: 8,
  lifeMsMin: 300,
  lifeMsMax: 1_800,
  /** A dead node's deliveries are free after 20 s, failed ones come again after 5 s and 30 s. */
  settleMs: 90_000,
  testMs: 120_000 + events * 12,
} as const

const cleanUps: (() => void | Promise<void>)[] = []
afterAll(async () => {
  await endAllNodes()
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
})

const postgres = await createPostgresDatabase()
if (postgres !== null) cleanUps.push(postgres.drop)
const redisUrl = process.env.WEIR_TEST_REDIS_URL

describe("case 63: at least once after kill -9, and once by id", () => {
  test.concurrent("on SQLite", () => killUnderLoad({ WEIR_DATA_DIR: newFolder() }, 1, null), bounds.testMs)

  if (postgres === null || !redisUrl) {
    console.log(
      "webhooks.kill.slow.test.ts: WEIR_TEST_POSTGRES_URL or WEIR_TEST_REDIS_URL is not set, two nodes are skipped",
    )
    return
  }
  const settings = { WEIR_DATABASE_URL: postgres.url, WEIR_REDIS_URL: redisUrl, WEIR_MASTER_KEY: newMasterKey() }
  const cut = async (): Promise<void> => {
    const sql = new SQL(postgres.url, { max: 1 })
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`
    await sql.close()
  }
  test.concurrent(
    "on two nodes over Postgres, whose connections are cut",
    () => killUnderLoad(settings, 2, cut),
    bounds.testMs,
  )
})

interface Arrived {
  /** How often each webhook-id came and was answered with success. */
  readonly taken: Map<string, number>
  /** Ids of messages by the webhook-id that brought them. */
  readonly messages: Map<string, string>
  readonly faults: string[]
  readonly secret: { value: string }
  failed: number
}

/** Counts, verifies in two ways, and fails the first attempt of some. */
function startReceiver(): { url: string; arrived: Arrived } {
  const arrived: Arrived = { taken: new Map(), messages: new Map(), faults: [], secret: { value: "" }, failed: 0 }
  const failedOnce = new Set<string>()
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const body = await request.text()
      const id = request.headers.get("webhook-id") ?? ""
      try {
        new Webhook(arrived.secret.value).verify(body, Object.fromEntries(request.headers))
        const expected = createHmac("sha256", testApiSecret).update(body).digest("hex")
        if (request.headers.get("x-signature") !== expected) throw new Error("X-Signature differs")
        if (request.headers.get("x-webhook-id") !== id) throw new Error("X-Webhook-Id differs")
      } catch (error) {
        arrived.faults.push(`${id}: ${error}`)
        return new Response(null, { status: 401 })
      }
      if (!failedOnce.has(id) && randomInt(50) === 0) {
        failedOnce.add(id)
        arrived.failed++
        return new Response("not now", { status: 503 })
      }
      const { message } = JSON.parse(body) as { message: { id: string } }
      const known = arrived.messages.get(id)
      if (known !== undefined && known !== message.id) arrived.faults.push(`${id} brought ${known} and ${message.id}`)
      arrived.messages.set(id, message.id)
      arrived.taken.set(id, (arrived.taken.get(id) ?? 0) + 1)
      return new Response(null, { status: 200 })
    },
  })
  cleanUps.push(() => server.stop(true))
  return { url: `http://127.0.0.1:${server.port}/hook`, arrived }
}

async function killUnderLoad(given: Settings, nodeCount: number, cut: (() => Promise<void>) | null): Promise<void> {
  const settings = { ...given, WEIR_WEBHOOK_ALLOW_PRIVATE: "true" }
  const start = (): Promise<NodeProcess> =>
    startNode(nodeCount === 1 ? settings : { ...settings, WEIR_DATA_DIR: newFolder() })
  const nodes: NodeProcess[] = [await start()]
  while (nodes.length < nodeCount) nodes.push(await start())
  const { url, arrived } = startReceiver()
  const admin = { as: `Bearer ${testAdminToken}`, apiKey: null, authType: null } as const
  const first = nodes[0] as NodeProcess
  const [app] = (await call(first.url, "GET", "/api/admin/v1/apps", admin)).body.apps
  const made = await call(first.url, "POST", `/api/admin/v1/apps/${app.id}/hooks`, {
    ...admin,
    body: { hook_type: "webhook", webhook_url: url, event_types: ["message.new"] },
  })
  expect(made.status).toBe(201)
  arrived.secret.value = made.body.secrets.find(({ alg }: { alg: string }) => alg === "hmac").value
  const users = Object.fromEntries(Array.from({ length: bounds.writers }, (_, n) => [`w${n}`, { id: `w${n}` }]))
  await call(first.url, "POST", "/api/v2/users", { body: { users } })
  const data = { created_by_id: "w0", members: Object.keys(users).map((user_id) => ({ user_id })) }
  await call(first.url, "POST", "/api/v2/chat/channels/messaging/all/query", { body: { data } })
  // Another node may hold «this app has no hooks» for a moment (events/caches.ts).
  await Bun.sleep(500)

  const acknowledged = new Set<string>()
  let isStopped = false
  const writer = async (n: number): Promise<void> => {
    for (let turn = 0; acknowledged.size < events && !isStopped; turn++) {
      const id = randomUUID()
      for (;;) {
        const node = nodes[(n + turn) % nodes.length] as NodeProcess
        const options = { as: userToken(`w${n}`), body: { message: { id, text: `${turn}` } } }
        const answer = await call(node.url, "POST", "/api/v2/chat/channels/messaging/all/message", options).catch(
          () => null,
        )
        if (answer?.status === 201) {
          acknowledged.add(id)
          break
        }
        await Bun.sleep(20)
      }
    }
  }
  const writing = Promise.all(Object.keys(users).map((_, n) => writer(n)))
  for (let kill = 0; kill < bounds.kills; kill++) {
    await Bun.sleep(randomInt(bounds.lifeMsMin, bounds.lifeMsMax))
    const at = randomInt(nodes.length)
    await (nodes[at] as NodeProcess).end("SIGKILL")
    nodes[at] = await start()
    if (cut !== null && kill % 2 === 1) await cut()
  }
  await writing
  isStopped = true
  expect(acknowledged.size).toBeGreaterThanOrEqual(events)
  const seen = (): Set<string> => new Set(arrived.messages.values())
  let [before, missing] = [-1, [...acknowledged]]
  await until(
    "every acknowledged message has arrived",
    async () => {
      if (arrived.messages.size !== before) {
        const here = seen()
        missing = missing.filter((id) => !here.has(id))
      }
      before = arrived.messages.size
      return missing.length === 0
    },
    bounds.settleMs + events * 4,
  )
  expect(arrived.faults).toEqual([])
  // One event, one id: a second id for a message would be counted twice by a receiver that drops duplicates.
  expect(arrived.messages.size).toBe(seen().size)
  const repeats = [...arrived.taken.values()].filter((count) => count > 1).length
  console.log(
    `${nodeCount} node(s): ${acknowledged.size} events acknowledged, ${arrived.messages.size} arrived by id, ` +
      `${repeats} more than once, ${arrived.failed} failed by the receiver, ${bounds.kills} kills`,
  )
  for (const node of nodes) {
    expect(await node.end("SIGTERM")).toBe(0)
    if (cut === null) expect(logOf(node.output()).filter(({ level }) => level === "error")).toEqual([])
  }
}
