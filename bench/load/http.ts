// Load generator for HTTP: a fixed number of keep-alive connections, each with one request in flight, over raw TCP.
// Requests are built before the clock starts, so that what is measured is the server.

import { limits } from "../limits.ts"
import { createHistogram, type Latency, latencyOf } from "./histogram.ts"
import { type Connection, openConnection } from "./keep-alive.ts"
import { type Busy, runJob, watchBusy } from "./run.ts"
import { type TokenPlan, tokenMaker } from "./tokens.ts"

export interface HttpJob {
  readonly host: string
  readonly port: number
  readonly serverPid: number | null
  readonly connections: number
  readonly warmupMs: number
  readonly durationMs: number
  /** With query, such as `/api/v2/chat/messages/m1?api_key=…`. */
  readonly path: string
  readonly tokens: TokenPlan
  /** True: no token is sent twice, and the run ends when they are used up. False: they go round. */
  readonly eachTokenOnce: boolean
  readonly expectedStatus: number
}

export interface HttpResult {
  readonly requests: number
  readonly elapsedMs: number
  readonly perSecond: number
  readonly latency: Latency
  readonly busy: Busy
  /** The tokens were used up before the time was; the rate is that of the time until then. */
  readonly usedUp: boolean
}

/** Runs the job. Throws when the server refuses a request, answers another status, or closes a connection. */
export async function httpLoad(job: HttpJob): Promise<HttpResult> {
  if (job.tokens.count > limits.poolRequestsMax) throw new Error(`more than ${limits.poolRequestsMax} requests at once`)
  const pool = buildPool(job)
  const latencies = createHistogram()
  const failure = Promise.withResolvers<never>()
  const usedUp = Promise.withResolvers<void>()
  let next = 0
  let completed = 0
  let running = true

  const fail = (error: Error): void => {
    running = false
    failure.reject(error)
  }

  const connect = async (): Promise<Connection> => {
    let sentAtNs = 0
    const send = (): void => {
      if (next === pool.count) {
        if (job.eachTokenOnce) {
          usedUp.resolve()
          return
        }
        next = 0
      }
      const from = pool.offsets[next] as number
      const length = (pool.offsets[next + 1] as number) - from
      next++
      sentAtNs = Bun.nanoseconds()
      connection.send(pool.bytes, from, length)
    }
    const connection = await openConnection({
      host: job.host,
      port: job.port,
      expectedStatus: job.expectedStatus,
      onFailure: fail,
      onResponse() {
        completed++
        latencies.record((Bun.nanoseconds() - sentAtNs) / 1000)
        if (running) send()
      },
    })
    send()
    return connection
  }

  const connections = await Promise.all(Array.from({ length: job.connections }, connect))
  await Promise.race([Bun.sleep(job.warmupMs), failure.promise, usedUp.promise])
  const before = completed
  latencies.clear()
  const stopWatching = watchBusy(job.serverPid)
  let wasUsedUp = false
  await Promise.race([Bun.sleep(job.durationMs), failure.promise, usedUp.promise.then(() => (wasUsedUp = true))])
  const { elapsedMs, busy } = stopWatching()
  const requests = completed - before
  running = false
  for (const connection of connections) connection.close()
  if (requests === 0) throw new Error("no request was completed within the time")
  return {
    requests,
    elapsedMs,
    perSecond: Math.round((requests / elapsedMs) * 1000),
    latency: latencyOf(latencies),
    busy,
    usedUp: wasUsedUp,
  }
}

/** All requests one after the other in one buffer; request i lies between offsets[i] and offsets[i+1]. */
function buildPool(job: HttpJob): { bytes: Buffer; offsets: Float64Array; count: number } {
  const tokenAt = tokenMaker(job.tokens)
  const head = `GET ${job.path} HTTP/1.1\r\nHost: ${job.host}:${job.port}\r\nstream-auth-type: jwt\r\nAuthorization: `
  const sample = head.length + tokenAt(0).length + 4
  const { count } = job.tokens
  // Users' ids differ in length by a few characters, and so do their tokens.
  let bytes = Buffer.allocUnsafe((sample + 64) * count)
  const offsets = new Float64Array(count + 1)
  let at = 0
  for (let index = 0; index < count; index++) {
    at += bytes.write(`${head}${tokenAt(index)}\r\n\r\n`, at, "latin1")
    offsets[index + 1] = at
  }
  bytes = bytes.subarray(0, at)
  return { bytes, offsets, count }
}

if (import.meta.main) await runJob(httpLoad)
