// Rows (b), (c), (d) and, with the hand-made peer among the contenders, (e): the same load on each contender in turns.

import { type Contender, type ContenderName, runLoad } from "../contender.ts"
import type { ConnectJob, ConnectResult } from "../load/connect.ts"
import type { FanoutJob, FanoutResult } from "../load/fanout.ts"
import type { HttpJob, HttpResult } from "../load/http.ts"
import type { Measurement } from "../report.ts"
import type { Settings } from "../settings.ts"
import { connectPath, framePrefix, memberId, messageBody, welcomePrefix } from "../weir.ts"

export interface LoadContext {
  readonly settings: Settings
  readonly apiKey: string
  readonly secret: string
}

/** What to measure; the name is the row's. */
export interface LoadKind {
  readonly name: string
  run(contender: Contender, context: LoadContext, series: number): Promise<Measurement>
}

export type Runs = Partial<Record<ContenderName, Measurement[]>>

/**
 * A B C A B C …: `pairs` runs of each contender that count, after one of each that warms the servers up. Pair i of two
 * contenders is their i-th run, so both saw the machine in the same minute.
 */
export async function measureLoad(
  kind: LoadKind,
  contenders: readonly Contender[],
  context: LoadContext,
  onRun: (contender: ContenderName, measurement: Measurement, counts: boolean) => void,
): Promise<Runs> {
  const runs: Runs = {}
  for (let round = 0; round <= context.settings.pairs; round++) {
    for (const contender of contenders) {
      nextSeries++
      const measurement = await kind.run(contender, context, nextSeries).catch((error) => {
        throw new Error(`${kind.name}, ${contender.name}: ${error.message}`)
      })
      if (round > 0) {
        runs[contender.name] ??= []
        runs[contender.name]?.push(measurement)
      }
      onRun(contender.name, measurement, round > 0)
    }
  }
  return runs
}

/** No two runs share a token (load/tokens.ts), except those that measure repeated ones. */
let nextSeries = 0
const host = "127.0.0.1"

/** (b) GET of one small resource. */
export const getResource = (tokens: "distinct" | "repeated"): LoadKind => ({
  name: `get-${tokens}`,
  async run(contender, { settings, apiKey, secret }, series) {
    const fresh = tokens === "distinct" && contender.looksAtTokens
    const userIds = Array.from({ length: settings.users }, (_, index) => memberId(index))
    const count = fresh ? settings.distinctTokens : settings.repeatedTokens
    const job: HttpJob = {
      host,
      port: contender.ports.http,
      serverPid: contender.pid,
      connections: settings.httpConnections,
      warmupMs: settings.warmupMs,
      durationMs: settings.durationMs,
      path: `/api/v2/chat/messages/${contender.messageId}?api_key=${apiKey}`,
      tokens: { secret, userIds, count, series: tokens === "distinct" ? series : 0 },
      eachTokenOnce: fresh,
      expectedStatus: 200,
    }
    const result = await runLoad<HttpResult>("http", job, job.warmupMs + job.durationMs)
    const { perSecond, busy, latency, requests, usedUp } = result
    return { perSecond, busy, latency, detail: { requests, usedUp } }
  },
})

/** (c) Connects with a token in the first frame. */
export const connects: LoadKind = {
  name: "connect",
  async run(contender, { settings, apiKey, secret }, series) {
    const job: ConnectJob = {
      host,
      port: contender.ports.connect,
      serverPid: contender.pid,
      path: connectPath(apiKey),
      welcomePrefix,
      sockets: settings.stormSockets,
      inFlight: settings.stormInFlight,
      storms: settings.storms,
      tokens: { secret, userIds: Array.from({ length: settings.users }, (_, index) => memberId(index)), series },
      pauseMs: 200,
    }
    const { perSecond, busy, latency, connects: count } = await runLoad<ConnectResult>("connect", job, stormTimeMs)
    return { perSecond, busy, latency, detail: { connects: count } }
  },
}

/** (d) One message to this many watchers. */
export const fanout = (watchers: number): LoadKind => ({
  name: `fanout-${watchers}`,
  async run(contender, { settings, apiKey, secret }, series) {
    const channel = `/api/v2/chat/channels/messaging/${contender.channelFor(watchers)}`
    const job: FanoutJob = {
      host,
      port: contender.ports.fanout,
      serverPid: contender.pid,
      path: connectPath(apiKey),
      welcomePrefix,
      sockets: watchers,
      secret,
      series,
      watcherIds: Array.from({ length: watchers }, (_, index) => memberId(index + 1)),
      senderId: memberId(0),
      watchPath: contender.hearsAtOnce ? null : `${channel}/query?api_key=${apiKey}`,
      sendPath: `${channel}/message?api_key=${apiKey}`,
      sendBody: JSON.stringify(messageBody),
      sendStatus: 201,
      framePrefix,
      inFlight: settings.messagesInFlight,
      warmupMs: settings.warmupMs,
      durationMs: settings.durationMs,
    }
    const result = await runLoad<FanoutResult>("fanout", job, job.warmupMs + job.durationMs)
    const { perSecond, busy, latency, messages, messagesPerSecond, frameBytes } = result
    return { perSecond, busy, latency, detail: { messages, messagesPerSecond, frameBytes } }
  },
})

/** A storm has no set length; this is what the slowest peer may take for all of them. */
const stormTimeMs = 60_000
