// Rows (j): deliveries to backends, and what hooks cost those who send messages. All of it is one node on SQLite.

import { loadCore, runLoad, type StartedProcess, startProcess } from "../contender.ts"
import { limits } from "../limits.ts"
import type { MessagesJob, MessagesResult } from "../load/messages.ts"
import type { ReceiverResult, SampleRequest } from "../load/receiver.ts"
import { serverToken } from "../load/tokens.ts"
import type { FetchLoopJob } from "../peers/fetch-loop.ts"
import { type Measurement, type Row, rowOf } from "../report.ts"
import { type TimeRow, type Times, timeRowOf } from "../times.ts"
import { memberId, messageBody, startWeir } from "../weir.ts"
import type { LoadContext } from "./load.ts"

const adminToken = "bench-admin-token-0123456789abcdef"
/** What Weir sends to one receiver at the same time (packages/server/src/events/webhooks/limits.ts). */
const inFlight = 32
const hooksMany = 10
/** Connections that fill the queue as fast as they are answered. */
const fillConnections = 64
const rateAim = 0.5
const replyAim = { of: "p50Ratio", max: 1.2 } as const
const host = "127.0.0.1"

type OnRun = (contender: string, run: Measurement, counts: boolean) => void

/** Deliveries (j1, j4, j5) beside a bare loop, and replies (j2, j3) beside a Weir without hooks. */
export async function measureWebhooks(
  context: LoadContext,
  onRun: OnRun,
): Promise<{ readonly rows: Row[]; readonly timeRows: TimeRow[] }> {
  const receiver = await startReceiver()
  const timeRows = await measureReplies(context, receiver, onRun)
  const rows = await measureDeliveries(context, receiver, onRun)
  return { rows, timeRows }
}

/** Three Weirs take turns: with no hook, one, and ten. */
async function measureReplies(context: LoadContext, receiver: Receiver, onRun: OnRun): Promise<TimeRow[]> {
  const { settings } = context
  const nodes = []
  for (const hooks of [0, 1, hooksMany]) nodes.push({ hooks, node: await startNode(context, receiver, hooks) })
  const runs = new Map<number, Times[]>(nodes.map(({ hooks }) => [hooks, []]))
  for (let round = 0; round <= settings.pairs; round++) {
    for (const { hooks, node } of nodes) {
      const messages = settings.repliesWarmup + settings.replies
      await receiver.begin(messages * hooks, node.pid)
      const { p50Ms, p99Ms, perSecond, busy } = await node.send(settings.repliesWarmup, settings.replies, {
        connections: settings.replyConnections,
        ratePerSecond: settings.repliesPerSecond,
      })
      if (hooks > 0) await receiver.end(messages * hooks)
      if (round > 0) {
        runs.get(hooks)?.push({ p50: p50Ms, p99: p99Ms, detail: { perSecond, serverBusy: busy.server ?? 0 } })
      }
      const latency = { p50Us: p50Ms * 1000, p99Us: p99Ms * 1000, p999Us: p99Ms * 1000 }
      onRun(`${hooks} hooks`, { perSecond, busy, latency, detail: { p50Ms, p99Ms } }, round > 0)
    }
  }
  await Promise.all(nodes.map(({ node }) => node.stop()))
  const of = (hooks: number): Times[] => runs.get(hooks) ?? []
  const plan = { what: "reply to a message, 100 a second", unit: "ms", baseline: "no hook", aim: replyAim } as const
  return [
    timeRowOf({ ...plan, id: "j2", subject: "1 hook" }, of(1), of(0)),
    timeRowOf({ ...plan, id: "j3", subject: "10 hooks" }, of(hooksMany), of(0)),
  ]
}

/**
 * j1, j5: deliveries that were made before are replayed while their hook is switched off; the clock starts when it is
 * switched on. j4: messages are sent while the receiver is down; the clock starts when it is back.
 */
async function measureDeliveries(context: LoadContext, receiver: Receiver, onRun: OnRun): Promise<Row[]> {
  const { deliveries, deliveriesWaiting, pairs } = context.settings
  const node = await startNode(context, receiver, 1)
  const loop = await startLoop(receiver)
  const fill = { connections: fillConnections, ratePerSecond: null } as const
  const [hook] = node.hookIds as [string]

  await receiver.begin(deliveries, node.pid)
  await node.send(0, deliveries, fill)
  await receiver.end(deliveries)
  const sample = await receiver.sample()

  const weirRuns: Measurement[] = []
  const loopRuns: Measurement[] = []
  const signingRuns: Measurement[] = []
  for (let round = 0; round <= pairs; round++) {
    await node.setHook(hook, { enabled: false })
    await node.replay(hook, deliveries)
    await receiver.begin(deliveries, node.pid)
    await node.setHook(hook, { enabled: true })
    const weir = measurementOf(await receiver.end(deliveries))
    const bare = await loop.run(sample, deliveries, false)
    const signing = await loop.run(sample, deliveries, true)
    if (round > 0) {
      weirRuns.push(weir)
      loopRuns.push(bare)
      signingRuns.push(signing)
    }
    onRun("weir", weir, round > 0)
    onRun("fetch loop", bare, round > 0)
    onRun("signing loop", signing, round > 0)
  }

  await receiver.down()
  await receiver.begin(deliveriesWaiting, node.pid)
  const sent = await node.send(0, deliveriesWaiting, fill)
  await receiver.up()
  const recovered = await receiver.end(deliveriesWaiting)
  const recovery = measurementOf(recovered, { queuedPerSecond: sent.perSecond })
  onRun("weir", recovery, true)
  const bare = await loop.run(sample, deliveriesWaiting, false)
  onRun("fetch loop", bare, true)
  await Promise.all([node.stop(), loop.stop()])

  const plan = { unit: "/s", subject: "weir", baseline: "fetch loop" }
  const waited = deliveriesWaiting.toLocaleString("en-US")
  return [
    rowOf({ ...plan, id: "j1", what: "deliver an event to a receiver", aim: rateAim }, weirRuns, loopRuns),
    rowOf({ ...plan, id: "j4", what: `${waited} after the receiver was down`, aim: null }, [recovery], [bare]),
    rowOf(
      { ...plan, id: "j5", what: "deliver an event to a receiver", baseline: "signing loop", aim: null },
      weirRuns,
      signingRuns,
    ),
  ]
}

function measurementOf(result: ReceiverResult, more: Record<string, number> = {}): Measurement {
  const { requests, distinct, busy } = result
  const lastMs = result.lastMs ?? 0
  const times = { firstMs: result.firstMs ?? 0, halfMs: result.halfMs ?? 0, lastMs }
  return {
    perSecond: Math.round((distinct / lastMs) * 1000),
    busy,
    latency: null,
    detail: { requests, distinct, ...times, ...more },
  }
}

interface Receiver {
  readonly port: number
  begin(distinct: number, pid: number): Promise<void>
  /** Throws when not so many have come in time, or more than that. */
  end(distinct: number): Promise<ReceiverResult>
  sample(): Promise<SampleRequest>
  down(): Promise<void>
  up(): Promise<void>
}

async function startReceiver(): Promise<Receiver> {
  const path = `${import.meta.dir}/../load/receiver.ts`
  const child = await startProcess("the receiver", [process.execPath, path], {}, true, undefined, loadCore)
  const { port, control } = child.ready as { port: number; control: number }
  const ask = (method: string, path: string) => callJson(`http://${host}:${control}${path}`, { method })
  return {
    port,
    begin: async (distinct, pid) => void (await ask("POST", `/begin?distinct=${distinct}&pid=${pid}`)),
    async end(distinct) {
      const result = (await ask("GET", `/end?timeoutMs=${limits.webhooksTimeoutMs}`)) as ReceiverResult
      if (result.distinct !== distinct) {
        throw new Error(`the receiver has ${result.distinct} of ${distinct} deliveries, by ${result.requests} requests`)
      }
      return result
    },
    sample: async () => (await ask("GET", "/sample")) as SampleRequest,
    down: async () => void (await ask("POST", "/down")),
    up: async () => void (await ask("POST", "/up")),
  }
}

interface Loop {
  run(sample: SampleRequest, count: number, signs: boolean): Promise<Measurement>
  stop(): Promise<void>
}

async function startLoop(receiver: Receiver): Promise<Loop> {
  const path = `${import.meta.dir}/../peers/fetch-loop.ts`
  const child = await startProcess("the fetch loop", [process.execPath, path], {}, true)
  const { control } = child.ready as { control: number }
  return {
    async run(sample, count, signs) {
      await receiver.begin(count, child.pid)
      const job: FetchLoopJob = { url: `http://${host}:${receiver.port}/hook/0`, sample, count, inFlight, signs }
      await callJson(`http://${host}:${control}/run`, { method: "POST", body: JSON.stringify(job) })
      return measurementOf(await receiver.end(count))
    },
    stop: () => child.stop(),
  }
}

interface HookedNode extends Pick<StartedProcess, "pid"> {
  readonly hookIds: readonly string[]
  send(
    warmupMessages: number,
    messages: number,
    how: Pick<MessagesJob, "connections" | "ratePerSecond">,
  ): Promise<MessagesResult>
  setHook(id: string, change: object): Promise<void>
  /** Makes all deliveries of a hook wait again. Throws when there are not exactly so many. */
  replay(id: string, deliveries: number): Promise<void>
  stop(): Promise<void>
}

async function startNode(context: LoadContext, receiver: Receiver, hooks: number): Promise<HookedNode> {
  const { apiKey, secret } = context
  const { weir, stop } = await startWeir({
    apiKey,
    secret,
    users: senders,
    watchers: [],
    databaseUrl: null,
    variant: { adminToken, webhookAllowPrivate: true },
  })
  const origin = `http://${host}:${weir.ports.http}`
  const { app } = (await callJson(`${origin}/api/v2/app?api_key=${apiKey}`, {
    headers: { authorization: serverToken(secret), "stream-auth-type": "jwt" },
  })) as { app: { id: number } }
  const admin = (method: string, path: string, body: object) =>
    callJson(`${origin}/api/admin/v1/apps/${app.id}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    })
  const hookIds: string[] = []
  for (let index = 0; index < hooks; index++) {
    const { hook } = (await admin("POST", "/hooks", {
      hook_type: "webhook",
      webhook_url: `http://${host}:${receiver.port}/hook/${index}`,
      event_types: ["message.new"],
    })) as { hook: { id: string } }
    hookIds.push(hook.id)
  }
  return {
    pid: weir.pid,
    hookIds,
    stop,
    send(warmupMessages, messages, how) {
      const job: MessagesJob = {
        host,
        port: weir.ports.http,
        serverPid: weir.pid,
        path: `/api/v2/chat/channels/messaging/bench/message?api_key=${apiKey}`,
        body: JSON.stringify(messageBody),
        secret,
        senderId: memberId(0),
        expectedStatus: 201,
        warmupMessages,
        messages,
        ...how,
      }
      return runLoad<MessagesResult>("messages", job, limits.webhooksTimeoutMs)
    },
    setHook: async (id, change) => void (await admin("PATCH", `/hooks/${id}`, change)),
    async replay(id, deliveries) {
      let replayed = 0
      let next: string | undefined
      do {
        const page = (await admin("POST", "/deliveries/replay", {
          hook_id: id,
          state: "delivered",
          ...(next === undefined ? {} : { next }),
        })) as { replayed: number; has_more: boolean; next: string }
        replayed += page.replayed
        next = page.has_more ? page.next : undefined
      } while (next !== undefined)
      if (replayed !== deliveries) throw new Error(`${replayed} of ${deliveries} deliveries were replayed`)
    },
  }
}

/** Members of the channel that messages go to. */
const senders = 10

async function callJson(url: string, init: RequestInit): Promise<unknown> {
  const timeoutMs = limits.webhooksTimeoutMs + limits.requestTimeoutMs
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) })
  const said = await response.text()
  if (!response.ok)
    throw new Error(`${url} was refused with ${response.status}: ${said.slice(0, limits.quotedCharsMax)}`)
  return JSON.parse(said)
}
