// Load generator for connects: a storm of sockets, as after a restart of a server. The clock runs from the first TCP
// connect to the last welcome; the sockets stay open until it has stopped, so that nobody's farewell is measured.

import { limits } from "../limits.ts"
import { createHistogram, type Latency, latencyOf } from "./histogram.ts"
import { type Busy, runJob, watchBusy } from "./run.ts"
import { firstFrame, type OpenSocket, openSocket, type SocketPlan } from "./socket.ts"
import { type TokenPlan, tokenMaker } from "./tokens.ts"

export interface ConnectJob extends SocketPlan {
  readonly serverPid: number | null
  readonly sockets: number
  /** Handshakes under way at once. */
  readonly inFlight: number
  /** Storms that count; one more comes first and does not. */
  readonly storms: number
  /** `count` is given by sockets × storms; no token is used twice. */
  readonly tokens: Omit<TokenPlan, "count">
  /** Between two storms, for the server to forget the sockets of the last one. */
  readonly pauseMs: number
}

export interface ConnectResult {
  readonly connects: number
  readonly elapsedMs: number
  readonly perSecond: number
  /** From the TCP connect to the welcome. */
  readonly latency: Latency
  readonly busy: Busy
}

/** Runs the job. Throws when one handshake fails. */
export async function connectLoad(job: ConnectJob): Promise<ConnectResult> {
  if (job.sockets > limits.socketsMax) throw new Error(`more than ${limits.socketsMax} sockets in one process`)
  const latencies = createHistogram()
  const { userIds } = job.tokens
  const count = job.sockets * (job.storms + 1)
  const tokenAt = tokenMaker({ ...job.tokens, count })
  const busyParts: { elapsedMs: number; busy: Busy }[] = []

  for (let storm = 0; storm <= job.storms; storm++) {
    const first = Array.from({ length: job.sockets }, (_, index) => {
      const tokenIndex = storm * job.sockets + index
      return firstFrame(tokenAt(tokenIndex), userIds[tokenIndex % userIds.length] as string)
    })
    if (storm === 1) latencies.clear()
    const stopWatching = watchBusy(job.serverPid)
    const open = await connectAll(job, first, (latencyUs) => latencies.record(latencyUs))
    const part = stopWatching()
    if (storm > 0) busyParts.push(part)
    for (const socket of open) socket.terminate()
    await Bun.sleep(job.pauseMs)
  }

  const elapsedMs = busyParts.reduce((sum, part) => sum + part.elapsedMs, 0)
  const weighted = (share: (busy: Busy) => number): number =>
    Math.round((busyParts.reduce((sum, part) => sum + share(part.busy) * part.elapsedMs, 0) / elapsedMs) * 1000) / 1000
  const connects = job.sockets * job.storms
  return {
    connects,
    elapsedMs,
    perSecond: Math.round((connects / elapsedMs) * 1000),
    latency: latencyOf(latencies),
    busy: {
      server: busyParts.some((part) => part.busy.server === null) ? null : weighted((busy) => busy.server ?? 0),
      load: weighted((busy) => busy.load),
    },
  }
}

/** Opens one socket per first frame, `inFlight` at a time. */
async function connectAll(
  job: ConnectJob,
  first: readonly Buffer[],
  onLatency: (latencyUs: number) => void,
): Promise<OpenSocket[]> {
  const failure = Promise.withResolvers<never>()
  const open: OpenSocket[] = []
  let next = 0
  const connectOne = async (): Promise<void> => {
    while (next < first.length) {
      const frame = first[next++] as Buffer
      const startedNs = Bun.nanoseconds()
      open.push(await openSocket(job, frame, failure.reject))
      onLatency((Bun.nanoseconds() - startedNs) / 1000)
    }
  }
  await Promise.race([Promise.all(Array.from({ length: job.inFlight }, connectOne)), failure.promise])
  return open
}

if (import.meta.main) await runJob(connectLoad)
