// The bus of a deployment with many processes: Redis or Valkey pub/sub. Pub/sub keeps nothing for those who are away,
// so what matters is to notice every loss: each message carries its sender and the sender's count, and each node must
// hear its own beat again through the server, which proves both connections at once.

import type { Clock } from "../../base/clock.ts"
import { randomId } from "../../base/ids.ts"
import type { Logger } from "../../base/log.ts"
import { limits } from "../limits.ts"
import type { Bus, BusTopic } from "./bus.ts"
import { createListeners, runAll } from "./listeners.ts"

export interface RedisBusOptions {
  /** `redis://`, or `rediss://` for TLS; may hold user and password. */
  readonly url: string
  /** Deployments that share one Redis have different names here: channels are `weir:<deployment>:<topic>`. */
  readonly deployment: string
  readonly clock: Clock
  readonly log: Logger
}

export interface RedisBus extends Bus {
  /** Messages of this node that did not go to the others. */
  readonly droppedCount: number
}

const topics = [
  "event",
  "invalidate",
  "presence",
  "command",
  "sessions",
  "revocation",
  "nodes",
  "listeners",
] as const satisfies readonly BusTopic[]
/** The topics, and the bus's own. */
type Channel = BusTopic | "beat"

/**
 * Connects and subscribes before it resolves. Rejects when Redis cannot be reached within limits.busConnectTimeoutMs;
 * after the first success it comes back by itself, with growing pauses, for as long as it takes.
 */
export async function createRedisBus({ url, deployment, clock, log }: RedisBusOptions): Promise<RedisBus> {
  const nodeId = randomId(12)
  const listeners = createListeners(log)
  const gapListeners: (() => void)[] = []
  const senders = createSenders(clock)
  const prefix = `weir:${deployment}:`
  const channels = [...topics, "beat" as const].map((channel) => prefix + channel)

  let link: Link | null = null
  let isClosed = false
  let sentCount = 0
  let droppedCount = 0
  let inFlightBytes = 0
  let ownBeatHeardMs = 0
  let gapLoggedMs = Number.NEGATIVE_INFINITY
  let lastBeatMs = clock.monotonic()
  let reconnectPauseMs: number = limits.busReconnectMinMs
  let reconnecting: ReturnType<typeof setTimeout> | null = null

  const gap = (reason: string): void => {
    // When much is lost, each hole is told to the listeners, but not each to the operator.
    if (clock.monotonic() - gapLoggedMs >= limits.busBeatEveryMs) {
      gapLoggedMs = clock.monotonic()
      log.warn("messages from other nodes may have been lost", { reason, node: nodeId })
    }
    runAll(gapListeners, log, "a listener for gaps in the bus failed")
  }

  const hear = (message: string, channel: string): void => {
    const envelope = parseEnvelope(message)
    if (isClosed || envelope === null) return
    if (envelope.fromNode === nodeId) {
      if (channel === `${prefix}beat`) ownBeatHeardMs = clock.monotonic()
      return
    }
    const order = senders.check(envelope.fromNode, envelope.count)
    if (order === "late") return
    if (order === "gap") gap(`a message of node ${envelope.fromNode} is missing`)
    const topic = channel.slice(prefix.length) as Channel
    if (topic !== "beat") listeners.tell(topic, envelope.payload, envelope.fromNode)
  }

  const send = (channel: Channel, payload: string): void => {
    // The count grows even when the message stays here: the others then see that one is missing.
    sentCount += 1
    const message = `${nodeId} ${sentCount} ${payload}`
    // A UTF-16 unit takes at most three bytes, so most messages need no exact count.
    const bytes = message.length * 3 <= limits.busMessageBytesMax ? message.length : Buffer.byteLength(message)
    const usedLink = link
    if (usedLink === null || bytes > limits.busMessageBytesMax || inFlightBytes + bytes > limits.busInFlightBytesMax) {
      drop(usedLink === null ? "the bus is away" : "it is too big, or too much is on its way already")
      return
    }
    inFlightBytes += bytes
    usedLink.publish(prefix + channel, message).then(
      () => {
        inFlightBytes -= bytes
      },
      (error) => {
        inFlightBytes -= bytes
        drop("the connection failed")
        lose(usedLink, error)
      },
    )
  }
  const drop = (reason: string): void => {
    droppedCount += 1
    // The first one tells that something is wrong; an outage must not fill the log.
    if (droppedCount === 1 || droppedCount % 1_000 === 0) {
      log.warn("a message for other nodes was dropped", { reason, dropped_so_far: droppedCount })
    }
  }

  const connect = async (): Promise<void> => {
    let own: Link | null = null
    let failure: unknown = null
    own = await openLink(url, channels, hear, (error) => {
      failure = error
      if (own !== null) lose(own, error)
    })
    if (isClosed || failure !== null) {
      own.close()
      if (failure !== null) throw failure
      return
    }
    senders.restart()
    ownBeatHeardMs = clock.monotonic()
    reconnectPauseMs = limits.busReconnectMinMs
    link = own
    send("beat", "")
  }
  const lose = (lost: Link, error: unknown): void => {
    if (link !== lost || isClosed) return
    link = null
    lost.close()
    log.error("the bus is away", { cause: error })
    reconnectSoon()
  }
  const reconnectSoon = (): void => {
    // Half of the pause is drawn by lot, so that the nodes of a deployment do not all knock at the same moment.
    const pauseMs = reconnectPauseMs * (0.5 + Math.random() / 2)
    reconnectPauseMs = Math.min(2 * reconnectPauseMs, limits.busReconnectMaxMs)
    reconnecting = setTimeout(async () => {
      reconnecting = null
      try {
        await connect()
        if (isClosed) return
        log.info("the bus is back", { node: nodeId })
        gap("the bus was away")
      } catch (error) {
        log.debug("the bus is still away", { cause: error })
        if (!isClosed) reconnectSoon()
      }
    }, pauseMs)
  }

  const beat = (): void => {
    const now = clock.monotonic()
    // After this process itself stood still, what came meanwhile is read first and judged at the next beat.
    if (now - lastBeatMs > 2 * limits.busBeatEveryMs) ownBeatHeardMs = now
    lastBeatMs = now
    if (link === null) return
    if (now - ownBeatHeardMs > limits.busSilenceMs) {
      lose(link, new Error(`nothing came back from the bus for ${limits.busSilenceMs} ms`))
    } else send("beat", "")
  }

  await connect()
  const beating = setInterval(beat, limits.busBeatEveryMs)
  beating.unref?.()

  return {
    nodeId,
    shared: true,
    get connected() {
      return link !== null
    },
    get droppedCount() {
      return droppedCount
    },
    publish(topic, payload) {
      if (isClosed) return
      send(topic, payload)
      listeners.tell(topic, payload, nodeId)
    },
    subscribe: listeners.subscribe,
    onGap(listener) {
      gapListeners.push(listener)
    },
    async close() {
      if (isClosed) return
      isClosed = true
      clearInterval(beating)
      if (reconnecting !== null) clearTimeout(reconnecting)
      listeners.clear()
      await link?.finish()
      link = null
    },
  }
}

/** A pair of connections: a connection that subscribes can do nothing else. */
interface Link {
  publish(channel: string, message: string): Promise<number>
  /** Waits until what was published has been taken, at most limits.busConnectTimeoutMs, then closes. */
  finish(): Promise<void>
  close(): void
}

/** Opens both connections and subscribes. `onLost` runs when one of them ends by itself. */
async function openLink(
  url: string,
  channels: string[],
  hear: (message: string, channel: string) => void,
  onLost: (error: unknown) => void,
): Promise<Link> {
  // Reconnecting is the bus's own matter: the client's way would bring neither the subscriptions back nor the word
  // that something was lost. Nothing is queued for later either, because late news is worse than a known gap.
  const options = {
    autoReconnect: false,
    enableOfflineQueue: false,
    connectionTimeout: limits.busConnectTimeoutMs,
  }
  const publisher = new Bun.RedisClient(url, options)
  const subscriber = new Bun.RedisClient(url, options)
  const close = (): void => {
    for (const client of [publisher, subscriber]) {
      client.onclose = null
      client.close()
    }
  }
  try {
    await withTimeout(Promise.all([publisher.connect(), subscriber.connect()]))
    for (const client of [publisher, subscriber]) client.onclose = onLost
    await withTimeout(subscriber.subscribe(channels, hear))
  } catch (error) {
    close()
    throw new Error(`Redis at ${hostOf(url)} cannot be used: ${error instanceof Error ? error.message : error}`)
  }
  return {
    publish: async (channel, message) => publisher.publish(channel, message),
    async finish() {
      // Replies come in order, so this one says that all messages before it have been taken.
      await withTimeout(publisher.ping()).catch(() => {})
      close()
    },
    close,
  }
}

/** How the messages of each sender follow one another. */
function createSenders(clock: Clock) {
  const lastCounts = new Map<string, number>()
  let startedAtMs = clock.monotonic()
  return {
    /** Begins anew: whatever was missed so far is known to be missed. */
    restart(): void {
      lastCounts.clear()
      startedAtMs = clock.monotonic()
    },
    /** `gap`: messages before this one are missing. `late`: this one was counted as missing before. */
    check(nodeId: string, count: number): "next" | "gap" | "late" {
      const last = lastCounts.get(nodeId)
      if (last !== undefined && count <= last) return "late"
      if (last === undefined && lastCounts.size >= limits.busSendersMax) lastCounts.clear()
      lastCounts.set(nodeId, count)
      if (last !== undefined) return count === last + 1 ? "next" : "gap"
      // Every other node beats, so after a moment all are known, and a stranger in the middle of its count was away.
      const isSettled = clock.monotonic() - startedAtMs > limits.busSilenceMs
      return count > 1 && isSettled ? "gap" : "next"
    },
  }
}

/** `<node id> <count> <payload>`; null when another program writes into these channels. */
function parseEnvelope(message: string): { fromNode: string; count: number; payload: string } | null {
  const nodeEnd = message.indexOf(" ")
  const countEnd = message.indexOf(" ", nodeEnd + 1)
  const count = Number(message.slice(nodeEnd + 1, countEnd))
  if (nodeEnd !== 12 || countEnd === -1 || !Number.isSafeInteger(count)) return null
  return { fromNode: message.slice(0, nodeEnd), count, payload: message.slice(countEnd + 1) }
}

function withTimeout<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer within ${limits.busConnectTimeoutMs} ms`)),
      limits.busConnectTimeoutMs,
    )
  })
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer))
}

/** Host and port, without the credentials. */
const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : "the given address")
