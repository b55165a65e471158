// The open sockets of this node: who they belong to, what they hear, and when they end. Delivery to a topic is one
// call to the runtime whatever the number of subscribers; everything else goes by user.

import { ANONYMOUS_USER_ID, ApiError, closeCodeOf, closeCodes } from "@weir/protocol"
import type { ServerWebSocket } from "bun"
import { type Awaitable, chain, isPromise } from "../base/chain.ts"
import type { Clock } from "../base/clock.ts"
import { randomId } from "../base/ids.ts"
import type { Logger } from "../base/log.ts"
import type { Bus } from "./bus/bus.ts"
import { type Delivery, frameOf, type MembersOf } from "./event.ts"
import { limits } from "./limits.ts"
import type { Presence } from "./presence.ts"
import { topics } from "./topics.ts"

/** What hangs on a socket. Times are monotonic milliseconds. */
export interface SocketData {
  /** Empty until the socket is admitted. */
  connectionId: string
  appId: number
  userId: string
  /** See SocketIdentity. */
  hearsUser: boolean
  keepsCalls: boolean
  credential: unknown
  recheck: (() => Awaitable<ApiError | null>) | null
  readonly address: string
  readonly client: string | null
  /** Milliseconds since 1970; 0 until the socket is admitted. */
  connectedAt: number
  /** Null: the token has no end. */
  expiresAtMs: number | null
  readonly topics: Set<string>
  heardAtMs: number
  beatAtMs: number
  /** Frames heard in the current minute, against floods. */
  framesHeard: number
  framesWindowMs: number
  /** Set once a close was sent; the socket is cut when it lingers. */
  closingAtMs: number | null
  /** Renders an error in the dialect of the socket's path. */
  readonly errorFrame: (error: ApiError, connectionId: string, decisionId: string | null) => string
  /** The handshake's own state (request/socket.ts). */
  handshake: unknown
}

/** How the runtime treats a socket. */
export const transportOptions = {
  maxPayloadLength: limits.frameBytesMax,
  backpressureLimit: limits.socketBufferCutBytes,
  // Otherwise the runtime would leave frames out and keep the socket, which would never know what it missed.
  closeOnBackpressureLimit: true,
  /** Seconds; the sweep below ends silent sockets sooner. */
  idleTimeout: 120,
  sendPings: false,
  perMessageDeflate: false,
} as const

export type Socket = ServerWebSocket<SocketData>

/** Who a socket is for, once that is proved. */
export interface SocketIdentity {
  readonly appId: number
  readonly userId: string
  /** Milliseconds until the token expires; null when it does not. */
  readonly lifetimeMs: number | null
  /** False for a narrowed token: it hears what it asked for and nothing else of the user's. */
  readonly hearsUser: boolean
  /** The token itself opens calls, so that losing a membership does not close them. */
  readonly keepsCalls: boolean
  /** What opened the socket, for those who end it; null where nothing that can be revoked did. */
  readonly credential: unknown
  /** Asks the gate once more, from its caches: the error that the same credential would get now, or null. */
  readonly recheck: () => Awaitable<ApiError | null>
}

/** An open socket, as operators see it. */
export interface OpenSocket {
  readonly connectionId: string
  readonly userId: string
  /** Milliseconds since 1970. */
  readonly connectedAt: number
  readonly address: string
  readonly client: string | null
  readonly credential: unknown
}

/** A caller's wish to hear more on one of its sockets, wherever that socket is. */
export interface Subscription {
  readonly connectionId: string
  readonly appId: number
  readonly userId: string
  readonly topics: readonly string[]
}

export interface Sockets {
  /**
   * Takes a socket in and gives it its connection id. Throws rateLimit when the user has too many, and what `refusalOf`
   * names.
   */
  admit(socket: Socket, identity: SocketIdentity): string
  /** The socket is gone. */
  remove(socket: Socket): void
  /** Closes with an error frame first, so that the client knows why. */
  refuse(socket: Socket, error: ApiError, decisionId?: string): void
  /** Subscribes one socket of this deployment. Throws connectionNotFound when it is not the caller's or not open. */
  subscribe(subscription: Subscription): Awaitable<void>
  /** Takes topics off one socket; a socket that is gone is fine. */
  unsubscribe(subscription: Subscription): Awaitable<void>
  deliver(appId: number, deliveries: readonly Delivery[]): void
  /** Users with a socket on this node that is subscribed to the topic, at most `max`. */
  subscribers(topic: string, max: number): string[]
  subscriberCount(topic: string): number
  readonly count: number
  attach(publisher: Publisher): void
  /**
   * Ends the sockets of an app for which `endedBy`, given the socket's credential and user, names an error; answers how
   * many those are. With `isDry` it only counts them.
   */
  endWhere(appId: number, endedBy: (credential: unknown) => ApiError | null, isDry: boolean): number
  /** Ends every socket with this error. */
  endAll(error: ApiError): void
  /** The sockets of these users, at most `max`. */
  socketsOf(appId: number, userIds: readonly string[], max: number): OpenSocket[]
  /** Sends every socket away with a code that says «come back». */
  drain(): void
  close(): void
}

export interface Publisher {
  publish(topic: string, frame: string): unknown
  subscriberCount(topic: string): number
}

export interface SocketsParts {
  readonly clock: Clock
  readonly bus: Bus
  readonly presence: Presence
  readonly log: Logger
  /** Ids of all members; from a cache when it can be. */
  readonly membersOf: (appId: number, of: MembersOf) => Awaitable<readonly string[]>
  /** Whether this node may tell anybody anything now: it knows who was shut out. */
  readonly mayDeliver: () => boolean
  /**
   * What has shut a credential out by now, or null. Asked in the tick in which its socket is let in: what is shut out
   * before that is refused here, what is shut out later finds the socket among the open ones.
   */
  readonly refusalOf: (credential: unknown) => ApiError | null
  /** A socket is gone, and with it what it was subscribed to. Must not throw. */
  readonly onGone: (appId: number, userId: string, topics: readonly string[]) => void
}

type Command =
  | { kind: "subscribe" | "unsubscribe"; to: string; ref: string; subscription: Subscription }
  | { kind: "done"; to: string; ref: string; outcome: Outcome }

/** What came of a command: the socket did it, is not the caller's or not open, or has no room for more. */
type Outcome = "done" | "absent" | "full"

export function createSockets(parts: SocketsParts): Sockets {
  const { clock, bus, presence, log, membersOf, mayDeliver, refusalOf, onGone } = parts
  const byId = new Map<string, Socket>()
  const byUser = new Map<string, Set<Socket>>()
  const closing = new Set<Socket>()
  const waitingCommands = new Map<string, (outcome: Outcome) => void>()
  /** Deliveries to members wait for each other per channel, so that a look-up cannot change their order. */
  const memberQueues = new Map<string, Promise<void>>()
  let publisher: Publisher | null = null
  let draining = false

  const socketsOf = (appId: number, userId: string): Iterable<Socket> => byUser.get(topics.user(appId, userId)) ?? []

  const hearersOf = (topic: string): Socket[] => [...byId.values()].filter(({ data }) => data.topics.has(topic))

  const refuse = (socket: Socket, error: ApiError, decisionId: string | null = null): void => {
    if (socket.data.closingAtMs !== null) return
    socket.send(socket.data.errorFrame(error, socket.data.connectionId, decisionId))
    end(socket, closeCodeOf(error.kind), error.reason)
  }

  const end = (socket: Socket, code: number, reason: string): void => {
    if (socket.data.closingAtMs !== null) return
    socket.data.closingAtMs = clock.monotonic()
    closing.add(socket)
    remove(socket)
    // A close reason has room for 123 bytes (RFC 6455 §5.5).
    socket.close(
      code,
      Buffer.from(reason)
        .subarray(0, 120)
        .toString("utf8")
        .replace(/\uFFFD+$/, ""),
    )
  }

  // Once it is sent away, a socket hears nothing more, even while its close is on the way.
  const remove = (socket: Socket): void => {
    const { connectionId, appId, userId } = socket.data
    if (connectionId === "" || byId.get(connectionId) !== socket) return
    byId.delete(connectionId)
    const key = topics.user(appId, userId)
    const all = byUser.get(key)
    all?.delete(socket)
    if (all?.size === 0) byUser.delete(key)
    const heard = [...socket.data.topics]
    for (const topic of heard) if (socket.readyState === 1) socket.unsubscribe(topic)
    socket.data.topics.clear()
    presence.disconnect(appId, userId)
    // When all go at once there is nobody left on this node to be told of each.
    if (heard.length > 0 && !draining) onGone(appId, userId, heard)
  }

  /** All or nothing: whoever is told that there was no room looks no further after what it may hear. */
  const join = (socket: Socket, wanted: readonly string[]): Outcome => {
    const { topics } = socket.data
    const more = [...new Set(wanted)].filter((topic) => !topics.has(topic))
    if (topics.size + more.length > limits.topicsPerSocketMax) return "full"
    for (const topic of more) {
      socket.subscribe(topic)
      topics.add(topic)
    }
    return "done"
  }
  const leave = (socket: Socket, topic: string): void => {
    if (socket.data.topics.delete(topic)) socket.unsubscribe(topic)
  }

  const applyHere = (
    kind: "subscribe" | "unsubscribe",
    { connectionId, appId, userId, topics }: Subscription,
  ): Outcome => {
    const socket = byId.get(connectionId)
    if (socket === undefined || socket.data.appId !== appId || socket.data.userId !== userId) return "absent"
    if (kind === "subscribe") return join(socket, topics)
    for (const topic of topics) leave(socket, topic)
    return "done"
  }

  const apply = (kind: "subscribe" | "unsubscribe", subscription: Subscription): Awaitable<Outcome> => {
    // What cannot be an id of ours is not worth a word to the other nodes and the wait for their silence.
    const node = connectionIds.exec(subscription.connectionId)?.[1]
    if (node === undefined) return "absent"
    if (node === bus.nodeId || !bus.shared) return applyHere(kind, subscription)
    return new Promise((resolve) => {
      const ref = randomId(12)
      const timer = setTimeout(() => answered("absent"), limits.commandTimeoutMs)
      const answered = (outcome: Outcome): void => {
        clearTimeout(timer)
        waitingCommands.delete(ref)
        resolve(outcome)
      }
      waitingCommands.set(ref, answered)
      send({ kind, to: node, ref, subscription })
    })
  }

  const send = (command: Command): void => bus.publish("command", JSON.stringify(command))
  const stopHearing = bus.subscribe("command", (payload, fromNode) => {
    const command = JSON.parse(payload) as Command
    if (command.to !== bus.nodeId) return
    if (command.kind === "done") waitingCommands.get(command.ref)?.(command.outcome)
    else {
      const outcome = applyHere(command.kind, command.subscription)
      send({ kind: "done", to: fromNode, ref: command.ref, outcome })
    }
  })

  const deliverOne = (appId: number, delivery: Delivery): void => {
    switch (delivery.to) {
      case "topic":
        publisher?.publish(delivery.topic, delivery.frame)
        return
      case "users":
        for (const userId of delivery.userIds) sendToUser(appId, userId, delivery.unlessTopic, delivery.frame)
        return
      case "members":
        deliverToMembers(appId, delivery)
        return
      case "unsubscribe":
        if (delivery.userIds === "all") {
          for (const socket of hearersOf(delivery.topic)) leave(socket, delivery.topic)
          return
        }
        for (const userId of delivery.userIds) {
          for (const socket of socketsOf(appId, userId)) {
            if (!(socket.data.keepsCalls && topics.isCall(appId, delivery.topic))) leave(socket, delivery.topic)
          }
        }
        return
      case "reconnect":
        for (const socket of "topic" in delivery ? hearersOf(delivery.topic) : [...socketsOf(appId, delivery.userId)]) {
          end(socket, closeCodes.rightsChanged, delivery.reason)
        }
        return
      case "close":
        for (const socket of [...socketsOf(appId, delivery.userId)]) {
          refuse(socket, new ApiError(delivery.error, delivery.reason))
        }
        return
      case "close-revoked":
        void recheckApp(appId)
        return
      case "close-app":
        for (const socket of [...byId.values()]) {
          if (socket.data.appId === appId) refuse(socket, new ApiError(delivery.error, delivery.reason))
        }
    }
  }

  // A few at a time, because each may have to look its user up.
  const recheckApp = async (appId: number): Promise<void> => {
    const all = [...byId.values()].filter(({ data }) => data.appId === appId)
    for (let at = 0; at < all.length; at += limits.recheckBatchMax) {
      await Promise.all(all.slice(at, at + limits.recheckBatchMax).map(recheckOne))
    }
  }
  const recheckOne = async (socket: Socket): Promise<void> => {
    try {
      const error = await socket.data.recheck?.()
      if (error) refuse(socket, error)
    } catch (error) {
      // Nobody knows whether it may stay, so it goes, and may ask again.
      log.error("a socket could not be asked again", { cause: error })
      end(socket, closeCodes.rightsChanged, "the connection has to be proved again")
    }
  }

  const sendToUser = (appId: number, userId: string, unlessTopic: string | undefined, frame: string): void => {
    for (const socket of socketsOf(appId, userId)) {
      if (!socket.data.hearsUser || (unlessTopic !== undefined && socket.data.topics.has(unlessTopic))) continue
      socket.send(frame)
    }
  }

  const deliverToMembers = (appId: number, delivery: Extract<Delivery, { to: "members" }>): void => {
    if (byUser.size === 0) return
    const key = `${appId}|${delivery.of.kind}|${delivery.of.cid}`
    const tell = (userIds: readonly string[]): void => {
      for (const userId of userIds) sendToUser(appId, userId, delivery.unlessTopic, delivery.frame)
    }
    const queued = memberQueues.get(key)
    const members =
      queued === undefined ? membersOf(appId, delivery.of) : queued.then(() => membersOf(appId, delivery.of))
    if (!isPromise(members)) {
      tell(members)
      return
    }
    const done: Promise<void> = members
      .then(tell)
      .catch((error) => log.error("could not look up members for a notification", { cause: error }))
      .then(() => {
        if (memberQueues.get(key) === done) memberQueues.delete(key)
      })
    memberQueues.set(key, done)
  }

  // One pass a second over all sockets keeps the number of timers at one.
  const sweep = (): void => {
    const now = clock.monotonic()
    let beat: string | null = null
    for (const socket of [...byId.values()]) {
      const { data } = socket
      if (data.expiresAtMs !== null && now >= data.expiresAtMs) {
        refuse(socket, new ApiError("tokenExpired", "JWTAuth error: token is expired (exp)"))
      } else if (now - data.heardAtMs > limits.silenceMs) {
        end(socket, closeCodes.silence, "nothing was heard for too long")
      } else if (socket.getBufferedAmount() > limits.socketBufferBytesMax) {
        end(socket, closeCodes.slowConsumer, "the connection reads too slowly")
      } else if (now - data.beatAtMs >= limits.healthCheckEveryMs) {
        data.beatAtMs = now
        beat ??= new Date(clock.now()).toISOString()
        socket.send(healthCheck(data.connectionId, beat))
        socket.ping()
      }
    }
    for (const socket of closing) {
      if (socket.readyState === 3) closing.delete(socket)
      else if (now - (socket.data.closingAtMs ?? now) > limits.closeLingerMs) {
        socket.terminate()
        closing.delete(socket)
      }
    }
  }
  const sweeping = setInterval(sweep, limits.sweepEveryMs)
  sweeping.unref?.()

  return {
    admit(socket, { appId, userId, lifetimeMs, hearsUser, keepsCalls, credential, recheck }) {
      const refused = refusalOf(credential)
      if (refused !== null) throw refused
      const key = topics.user(appId, userId)
      const all = byUser.get(key)
      // The public key is enough to come as anonymous, so all of them together count as one user with many sockets.
      const most = userId === ANONYMOUS_USER_ID ? limits.anonymousSocketsPerAppMax : limits.socketsPerUserMax
      if (all !== undefined && all.size >= most) {
        throw new ApiError("rateLimit", `user has ${most} open connections already`)
      }
      const now = clock.monotonic()
      const { data } = socket
      data.connectionId = `${bus.nodeId}-${randomId(20)}`
      data.appId = appId
      data.userId = userId
      data.hearsUser = hearsUser
      data.keepsCalls = keepsCalls
      data.credential = credential
      data.recheck = recheck
      data.connectedAt = clock.now()
      data.expiresAtMs = lifetimeMs === null ? null : now + lifetimeMs
      data.heardAtMs = now
      data.beatAtMs = now
      byId.set(data.connectionId, socket)
      if (all === undefined) byUser.set(key, new Set([socket]))
      else all.add(socket)
      presence.connect(appId, userId)
      return data.connectionId
    },
    remove,
    refuse,
    subscribe: (subscription) => chain(apply("subscribe", subscription), requireDone),
    unsubscribe: (subscription) => chain(apply("unsubscribe", subscription), () => undefined),
    deliver(appId, deliveries) {
      if (byId.size === 0 || !mayDeliver()) return
      for (const delivery of deliveries) deliverOne(appId, delivery)
    },
    subscribers(topic, max) {
      const users = new Set<string>()
      for (const socket of byId.values()) {
        if (users.size >= max) break
        if (socket.data.topics.has(topic)) users.add(socket.data.userId)
      }
      return [...users]
    },
    subscriberCount: (topic) => publisher?.subscriberCount(topic) ?? 0,
    get count() {
      return byId.size
    },
    endWhere(appId, endedBy, isDry) {
      let ended = 0
      for (const socket of [...byId.values()]) {
        if (socket.data.appId !== appId || socket.data.credential === null) continue
        const error = endedBy(socket.data.credential)
        if (error === null) continue
        ended += 1
        if (!isDry) refuse(socket, error)
      }
      return ended
    },
    endAll(error) {
      for (const socket of [...byId.values()]) refuse(socket, error)
    },
    socketsOf(appId, userIds, max) {
      const found: OpenSocket[] = []
      for (const userId of userIds) {
        for (const { data } of socketsOf(appId, userId)) {
          if (found.length >= max) return found
          const { connectionId, connectedAt, address, client, credential } = data
          found.push({ connectionId, userId, connectedAt, address, client, credential })
        }
      }
      return found
    },
    attach(server) {
      publisher = server
    },
    drain() {
      draining = true
      for (const socket of [...byId.values()]) end(socket, closeCodes.serviceRestart, "the server restarts")
    },
    close() {
      clearInterval(sweeping)
      stopHearing()
      for (const answered of [...waitingCommands.values()]) answered("absent")
    },
  }
}

/** A node's id and what tells its sockets apart; admit() makes them. */
const connectionIds = /^([a-z0-9]{12})-[a-z0-9]{20}$/

function requireDone(outcome: Outcome): void {
  if (outcome === "absent") {
    throw new ApiError("connectionNotFound", "connection_id is not an open connection of this user")
  }
  if (outcome === "full") {
    throw new ApiError("rateLimit", `a connection can watch at most ${limits.topicsPerSocketMax} things`)
  }
}

const healthCheck = (connectionId: string, createdAt: string): string =>
  frameOf({ type: "health.check", connection_id: connectionId, cid: "*", created_at: createdAt })
