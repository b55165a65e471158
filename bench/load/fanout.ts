// Load generator for fan-out: N sockets hear one channel, a few members write to it through the real route, and each
// frame that arrives is counted. A message is done when its reply and all its N frames are here; so many may be under
// way at once. No frame may be missing at the end.

import { limits } from "../limits.ts"
import type { FrameCounts } from "./frames.ts"
import { createHistogram, type Latency, latencyOf } from "./histogram.ts"
import { type Connection, openConnection, postRequest } from "./keep-alive.ts"
import { type Busy, runJob, watchBusy } from "./run.ts"
import { firstFrame, type OpenSocket, openSocket, type SocketPlan } from "./socket.ts"
import { tokenMaker } from "./tokens.ts"

export interface FanoutJob extends SocketPlan {
  readonly serverPid: number | null
  readonly sockets: number
  readonly secret: string
  readonly series: number
  /** Users of the sockets, at least as many as sockets. */
  readonly watcherIds: readonly string[]
  readonly senderId: string
  /** Posted once per socket with its `connection_id` appended; null when the socket hears the channel anyway. */
  readonly watchPath: string | null
  readonly sendPath: string
  readonly sendBody: string
  readonly sendStatus: number
  /** What the frame of a message begins with, such as `{"type":"message.new"`. */
  readonly framePrefix: string
  /** Messages under way at once, each on a connection of its own. */
  readonly inFlight: number
  readonly warmupMs: number
  readonly durationMs: number
}

export interface FanoutResult {
  readonly messages: number
  readonly deliveries: number
  readonly elapsedMs: number
  /** Deliveries a second. */
  readonly perSecond: number
  readonly messagesPerSecond: number
  /** Bytes of one frame, header included. */
  readonly frameBytes: number
  /** From the request to its reply. */
  readonly latency: Latency
  readonly busy: Busy
}

/** Runs the job. Throws when a request is refused, a socket is closed, or frames are missing at the end. */
export async function fanoutLoad(job: FanoutJob): Promise<FanoutResult> {
  const failure = Promise.withResolvers<never>()
  const watching = await Promise.race([openWatchers(job, failure.reject), failure.promise])
  const counts: FrameCounts = { matching: 0, other: 0, bytes: 0 }
  const prefix = Buffer.from(job.framePrefix)
  const sending = await openSenders(job, counts, failure.reject)
  for (const watcher of watching) watcher.count(prefix, counts, sending.pump)
  await Promise.race([waitForQuiet(counts), failure.promise])
  if (counts.matching > 0) throw new Error("frames of messages came before the first message")

  sending.start()
  await Promise.race([Bun.sleep(job.warmupMs), failure.promise])
  sending.latencies.clear()
  const repliesBefore = sending.replies
  const framesBefore = counts.matching
  const bytesBefore = counts.bytes
  const othersBefore = counts.other
  const stopWatching = watchBusy(job.serverPid)
  await Promise.race([Bun.sleep(job.durationMs), failure.promise])
  const { elapsedMs, busy } = stopWatching()
  const messages = sending.replies - repliesBefore
  const deliveries = counts.matching - framesBefore
  const bytes = counts.bytes - bytesBefore
  const others = counts.other - othersBefore
  sending.stop()
  if (deliveries === 0) throw new Error(`no message reached a watcher within the time (${others} other frames did)`)
  await Promise.race([waitForDeliveries(job, counts, () => sending), failure.promise])
  sending.close()
  for (const watcher of watching) watcher.terminate()
  return {
    messages,
    deliveries,
    elapsedMs,
    perSecond: Math.round((deliveries / elapsedMs) * 1000),
    messagesPerSecond: Math.round((messages / elapsedMs) * 1000),
    frameBytes: Math.round(bytes / (deliveries + others)),
    latency: latencyOf(sending.latencies),
    busy,
  }
}

async function openWatchers(job: FanoutJob, onFailure: (error: Error) => void): Promise<OpenSocket[]> {
  const tokenAt = tokenMaker({ secret: job.secret, userIds: job.watcherIds, count: job.sockets, series: job.series })
  const watchers: OpenSocket[] = []
  let next = 0
  const openNext = async (): Promise<void> => {
    while (next < job.sockets) {
      const index = next++
      const userId = job.watcherIds[index]
      if (userId === undefined) throw new Error(`${job.sockets} sockets need as many users`)
      const token = tokenAt(index)
      const watcher = await openSocket(job, firstFrame(token, userId), onFailure)
      if (job.watchPath !== null) await watch(job, job.watchPath, watcher.welcome, token)
      watchers.push(watcher)
    }
  }
  await Promise.all(Array.from({ length: Math.min(setupInFlight, job.sockets) }, openNext))
  return watchers
}

async function watch(job: FanoutJob, path: string, welcome: string, token: string): Promise<void> {
  const { connection_id } = JSON.parse(welcome) as { connection_id?: string }
  const separator = path.includes("?") ? "&" : "?"
  const response = await fetch(`http://${job.host}:${job.port}${path}${separator}connection_id=${connection_id}`, {
    method: "POST",
    headers: { authorization: token, "stream-auth-type": "jwt", "content-type": "application/json" },
    body: '{"watch":true,"state":false,"presence":false}',
    signal: AbortSignal.timeout(limits.requestTimeoutMs),
  })
  const said = await response.text()
  if (!response.ok)
    throw new Error(`watching was refused with ${response.status}: ${said.slice(0, limits.quotedCharsMax)}`)
}

interface Senders {
  readonly latencies: ReturnType<typeof createHistogram>
  readonly sent: number
  readonly replies: number
  start(): void
  /** Sends what may be sent now. */
  readonly pump: () => void
  stop(): void
  close(): void
}

async function openSenders(job: FanoutJob, counts: FrameCounts, onFailure: (error: Error) => void): Promise<Senders> {
  const latencies = createHistogram()
  const token = tokenMaker({ secret: job.secret, userIds: [job.senderId], count: 1, series: job.series })(0)
  const { host, port } = job
  const request = postRequest({ host, port, path: job.sendPath, token, body: job.sendBody })
  let running = false
  let sent = 0
  let replies = 0
  /** Connections whose last request is answered. */
  const idle: { send(): void }[] = []

  const pump = (): void => {
    while (running && idle.length > 0 && sent - Math.floor(counts.matching / job.sockets) < job.inFlight) {
      sent++
      idle.pop()?.send()
    }
  }

  const connect = async (): Promise<Connection> => {
    let sentAtNs = 0
    const sender = {
      send() {
        sentAtNs = Bun.nanoseconds()
        connection.send(request)
      },
    }
    const connection = await openConnection({
      host,
      port,
      expectedStatus: job.sendStatus,
      onFailure,
      onResponse() {
        replies++
        latencies.record((Bun.nanoseconds() - sentAtNs) / 1000)
        idle.push(sender)
        pump()
      },
    })
    idle.push(sender)
    return connection
  }

  const connections = await Promise.all(Array.from({ length: job.inFlight }, connect))
  return {
    latencies,
    get sent() {
      return sent
    },
    get replies() {
      return replies
    },
    start() {
      running = true
      pump()
    },
    pump,
    stop() {
      running = false
    },
    close() {
      for (const connection of connections) connection.close()
    },
  }
}

/** Setting up may cause frames of its own (who watches, who is online); they must be over before the clock starts. */
async function waitForQuiet(counts: FrameCounts): Promise<void> {
  const endMs = Date.now() + limits.quietTimeoutMs
  for (let last = -1; counts.bytes !== last; ) {
    if (Date.now() > endMs)
      throw new Error(`frames kept coming for ${limits.quietTimeoutMs} ms before the first message`)
    last = counts.bytes
    await Bun.sleep(limits.quietMs)
  }
}

async function waitForDeliveries(job: FanoutJob, counts: FrameCounts, senders: () => Senders): Promise<void> {
  const endMs = Date.now() + limits.deliveryTimeoutMs
  for (;;) {
    const { sent, replies } = senders()
    const wanted = sent * job.sockets
    if (counts.matching > wanted) throw new Error(`${counts.matching} frames came for ${wanted} expected ones`)
    if (counts.matching === wanted && replies === sent) return
    if (Date.now() > endMs) {
      throw new Error(
        `${sent} messages, ${replies} replies; ${counts.matching} of ${wanted} frames came (${counts.other} others)`,
      )
    }
    await Bun.sleep(10)
  }
}

const setupInFlight = 16

if (import.meta.main) await runJob(fanoutLoad)
