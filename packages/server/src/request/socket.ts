// The handshake of a socket: upgrade, first frame, proof of who it is, and admission. The same for both dialects:
// `/api/v2/connect` answers `connection.ok`, the older `/connect` answers `health.check` (contract/auth.md §4.4, §4.5).
// A token in the URL is accepted because older clients have no other way; URLs of sockets are never logged.

import {
  ANONYMOUS_USER_ID,
  ApiError,
  type AppCaller,
  closeCodes,
  errorEnvelope,
  type Proof,
  limits as wireLimits,
} from "@weir/protocol"
import type { Server, WebSocketHandler } from "bun"
import type { Authenticate, Credentials } from "../authenticate/authenticate.ts"
import { isNarrowed } from "../authorize/decide.ts"
import type { Awaitable } from "../base/chain.ts"
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import { frameOf } from "../events/event.ts"
import { limits } from "../events/limits.ts"
import { type Socket, type SocketData, type Sockets, transportOptions } from "../events/sockets.ts"
import { errorPagesOf, type Peer } from "./http.ts"
import { parseBody } from "./input.ts"
import type { ObservedRefusal, ObserveSockets } from "./observe.ts"
import { RateLimitError, type RateLimiter } from "./rate-limit.ts"
import type { RecordRefusal } from "./refusal.ts"
import { refusal } from "./respond.ts"
import { firstOf, parseTarget, type Query, type Target } from "./target.ts"

/** Paths that upgrade, and whether they speak the older dialect. */
const socketPaths = new Map<string, { legacy: boolean }>([
  ["/api/v2/connect", { legacy: false }],
  ["/connect", { legacy: true }],
  ["/api/v2/video/connect", { legacy: false }],
  ["/video/connect", { legacy: false }],
])

export const isSocketPath = (path: string): boolean => socketPaths.has(path)

/** Takes what a client says of itself into account and answers with its own user (`me` of the first frame). */
export type ConnectUser = (
  caller: Exclude<AppCaller, { kind: "server" }>,
  details: Record<string, unknown>,
  now: number,
) => Awaitable<object>

export interface SocketDoorParts {
  readonly authenticate: Authenticate
  /** As authenticate, for a credential that was let in before: it counts as no new use. */
  readonly recheck: Authenticate
  /** What a revocation can name of this caller. */
  readonly credentialOf: (caller: AppCaller, proof: Proof) => unknown
  readonly connectUser: ConnectUser
  readonly sockets: Sockets
  readonly limiter: RateLimiter
  readonly recordRefusal: RecordRefusal
  readonly observe: ObserveSockets
  readonly clock: Clock
  readonly log: Logger
}

export interface SocketDoor {
  /** Upgrades; the answer is a response only when that failed. */
  upgrade(request: Request, server: Server<SocketData>, peer: Peer): Response | undefined
  readonly handler: WebSocketHandler<SocketData>
  /** From now on nobody new is let in. */
  drain(): void
}

interface Handshake {
  readonly path: string
  readonly legacy: boolean
  readonly apiKey: string | null
  readonly authType: string | null
  /** `X-Stream-Client`. */
  readonly client: string | null
  /** What the URL brought, for clients that send no first frame. */
  readonly fromUrl: FirstFrame | null
  readonly address: string
  readonly isSecure: boolean
  timer: ReturnType<typeof setTimeout> | null
  begun: boolean
  /** Null until it is proved. */
  caller: AppCaller | null
}

interface FirstFrame {
  readonly token: string | null
  /** The URL may leave the id to the token. */
  readonly fromUrl: boolean
  readonly details: Record<string, unknown>
}

export function createSocketDoor(parts: SocketDoorParts): SocketDoor {
  const { authenticate, connectUser, sockets, limiter, clock, log } = parts
  const counted = limiter.operation("Connect")
  let draining = false

  const begin = (socket: Socket, first: FirstFrame): void => {
    const handshake = socket.data.handshake as Handshake
    handshake.begun = true
    if (handshake.timer !== null) clearTimeout(handshake.timer)
    const startedMs = performance.now()
    const observe = (refusal: ObservedRefusal | null): void =>
      parts.observe.handshake({ ...handshake, startedMs }, refusal)
    const admitted = admit(socket, handshake, first).then((isWelcome) => {
      if (isWelcome) observe(null)
    })
    admitted.catch((thrown) => {
      const error = thrown instanceof ApiError ? thrown : new ApiError("internal", "internal error", { cause: thrown })
      let decisionId: string | undefined
      if (error.kind === "internal") log.error("socket handshake failed", { cause: thrown })
      else {
        decisionId = parts.recordRefusal({
          at: clock.now(),
          operation: "Connect",
          stage: error instanceof RateLimitError && handshake.caller !== null ? "rate-limit" : "authenticate",
          error,
          caller: handshake.caller,
          denied: null,
          apiKey: handshake.apiKey,
          authorization: first.token,
          client: handshake.client,
          address: handshake.address,
        })
        log.info("socket refused", {
          operation: "Connect",
          code: error.code,
          reason: error.reason,
          internal: error.internal,
          why: error.why,
          decision_id: decisionId,
          address: handshake.address,
        })
      }
      observe({ error, decisionId: decisionId ?? null })
      sockets.refuse(socket, error, decisionId)
    })
  }

  /** Answers whether it was welcomed: it may be gone by now, or the node may be going. */
  const admit = async (socket: Socket, handshake: Handshake, first: FirstFrame): Promise<boolean> => {
    const credentials: Credentials = {
      apiKey: handshake.apiKey,
      authType: handshake.authType,
      authorization: first.token,
      client: handshake.client,
      address: () => handshake.address,
      isSecure: () => handshake.isSecure,
      signed: null,
    }
    const caller = await authenticate(credentials, clock.now())
    handshake.caller = caller
    if (caller.kind === "server") throw new ApiError("notAllowed", "a server token cannot open a connection")
    if (caller.kind === "anonymous" && caller.calls !== null) {
      throw new ApiError("notAllowed", "an anonymous call token cannot open a connection")
    }
    await limiter.take(counted, caller, handshake.client, credentials.address, clock.now())
    requireSameUser(caller, first)
    const me = await connectUser(caller, first.details, clock.now())
    if (socket.readyState !== 1) return false
    const userId = caller.kind === "anonymous" ? ANONYMOUS_USER_ID : caller.userId
    const expiresAt = caller.kind === "anonymous" ? (caller.proof?.expiresAt ?? null) : caller.expiresAt
    const lifetimeMs = expiresAt === null ? null : expiresAt * 1000 - clock.now()
    const hearsUser = caller.kind !== "anonymous" && !isNarrowed(caller)
    if (draining) {
      socket.close(closeCodes.serviceRestart, "the server restarts")
      return false
    }
    // From here on the socket hears its user's events, so its own first frame goes out in the same tick.
    const { appId, proof } = caller
    const connectionId = sockets.admit(socket, {
      appId,
      userId,
      lifetimeMs,
      hearsUser,
      // Without a role of its own the token rests on the membership, and ends with it.
      keepsCalls: caller.calls !== null && caller.calls.role !== null,
      credential: proof === null ? null : parts.credentialOf(caller, proof),
      recheck: () => recheck(credentials),
    })
    parts.observe.opened(appId)
    socket.send(
      frameOf({
        type: handshake.legacy ? "health.check" : "connection.ok",
        connection_id: connectionId,
        cid: "*",
        created_at: new Date(clock.now()).toISOString(),
        me,
      }),
    )
    // Whoever was shut out while this handshake ran was not among the sockets that were closed, so ask once more.
    const error = await recheck(credentials)
    if (error !== null) throw error
    return true
  }

  const recheck = async (credentials: Credentials): Promise<ApiError | null> => {
    try {
      await parts.recheck(credentials, clock.now())
      return null
    } catch (error) {
      if (error instanceof ApiError) return error
      throw error
    }
  }

  /** Counts a frame, of whatever kind; false when it is one too many, and the socket is sent away. */
  const isHeard = (socket: Socket): boolean => {
    socket.data.heardAtMs = clock.monotonic()
    if (!isFlooding(socket.data)) return true
    sockets.refuse(socket, new ApiError("rateLimit", "too many frames"))
    return false
  }

  return {
    upgrade(request, server, peer) {
      if (draining) return new Response("the server restarts\n", { status: 503, headers: { "retry-after": "1" } })
      const startedMs = performance.now()
      let target: Target
      let fromUrl: FirstFrame | null
      try {
        target = parseTarget(request.url)
        fromUrl = firstFrameOfUrl(request, target.query)
      } catch (error) {
        const errorPages = errorPagesOf(request)
        return refusal(error as ApiError, { operation: "Connect", startedMs, errorPages, decisionId: null })
      }
      const { path, query } = target
      const legacy = socketPaths.get(path)?.legacy ?? false
      const handshake: Handshake = {
        path,
        legacy,
        apiKey: firstOf(query, "api_key"),
        authType: firstOf(query, "stream-auth-type") ?? request.headers.get("stream-auth-type"),
        client: firstOf(query, "X-Stream-Client") ?? request.headers.get("x-stream-client"),
        fromUrl,
        address: peer.address,
        isSecure: peer.isSecure,
        timer: null,
        begun: false,
        caller: null,
      }
      const data = newSocketData(handshake, legacy, errorPagesOf(request), clock)
      if (server.upgrade(request, { data })) return undefined
      return new Response("this address speaks WebSocket\n", { status: 426, headers: { upgrade: "websocket" } })
    },
    handler: {
      data: {} as SocketData,
      ...transportOptions,
      open(socket) {
        const handshake = socket.data.handshake as Handshake
        if (handshake.fromUrl !== null) begin(socket, handshake.fromUrl)
        else {
          handshake.timer = setTimeout(() => {
            if (!handshake.begun) socket.close(closeCodes.firstFrameTimeout, "no first frame came in time")
          }, limits.firstFrameTimeoutMs)
        }
      },
      message(socket, message) {
        const handshake = socket.data.handshake as Handshake
        if (isHeard(socket) && !handshake.begun) {
          try {
            begin(socket, parseFirstFrame(message))
          } catch (error) {
            handshake.begun = true
            sockets.refuse(socket, error as ApiError)
          }
        }
      },
      // The runtime answers pings by itself, but they cost as much as any frame.
      ping(socket) {
        isHeard(socket)
      },
      pong(socket) {
        isHeard(socket)
      },
      close(socket) {
        const handshake = socket.data.handshake as Handshake
        if (handshake.timer !== null) clearTimeout(handshake.timer)
        sockets.remove(socket)
        if (socket.data.connectionId !== "") parts.observe.closed(socket.data.appId)
      },
    },
    drain() {
      draining = true
    },
  }
}

// Ids are compared byte by byte: look-alikes, case and stray spaces are other users.
function requireSameUser(caller: Exclude<AppCaller, { kind: "server" }>, first: FirstFrame): void {
  const { id } = first.details
  if (caller.kind === "anonymous" || (id === undefined && first.fromUrl)) return
  if (id === undefined) throw new ApiError("input", "user_details.id is required")
  if (id !== caller.userId) {
    throw new ApiError("authentication", "user_details.id does not match the user_id of the token")
  }
}

/** Reads the first text frame: `{"token", "user_details": {"id", …}}`; unknown members are ignored. */
function parseFirstFrame(message: string | Buffer): FirstFrame {
  if (typeof message !== "string") throw new ApiError("input", "the first frame must be text")
  if (message.length > wireLimits.tokenBytesMax + limits.userDetailsBytesMax) {
    throw new ApiError("payloadTooBig", "the first frame is too big")
  }
  const frame = objectOf(message)
  if (frame === null) throw new ApiError("input", "the first frame must be a JSON object")
  const details = frame.user_details ?? {}
  if (typeof details !== "object" || Array.isArray(details))
    throw new ApiError("input", "user_details must be an object")
  return {
    token: typeof frame.token === "string" ? frame.token : null,
    fromUrl: false,
    details: details as Record<string, unknown>,
  }
}

/** What older clients put into the URL: `authorization=` and `json={"user_details": …}`. */
function firstFrameOfUrl(request: Request, query: Query): FirstFrame | null {
  const token = firstOf(query, "authorization") ?? request.headers.get("authorization")
  const json = firstOf(query, "json")
  if (token === null && json === null) return null
  const frame = json === null ? null : objectOf(json)
  const details = frame?.user_details ?? (frame?.user_id === undefined ? undefined : { id: frame.user_id })
  return {
    token,
    fromUrl: true,
    details: (typeof details === "object" && details !== null ? details : {}) as Record<string, unknown>,
  }
}

function objectOf(text: string): Record<string, unknown> | null {
  const value = parseBody(text)
  return value !== null && typeof value === "object" && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null
}

function isFlooding(data: SocketData): boolean {
  if (data.heardAtMs - data.framesWindowMs > 60_000) {
    data.framesWindowMs = data.heardAtMs
    data.framesHeard = 0
  }
  data.framesHeard += 1
  return data.framesHeard > limits.framesPerMinuteMax
}

function newSocketData(handshake: Handshake, legacy: boolean, errorPages: string, clock: Clock): SocketData {
  const now = clock.monotonic()
  return {
    connectionId: "",
    appId: 0,
    userId: "",
    hearsUser: false,
    keepsCalls: false,
    credential: null,
    recheck: null,
    address: handshake.address,
    client: handshake.client,
    connectedAt: 0,
    expiresAtMs: null,
    topics: new Set(),
    heardAtMs: now,
    beatAtMs: now,
    framesHeard: 0,
    framesWindowMs: now,
    closingAtMs: null,
    errorFrame: (error, connectionId, decisionId) => {
      const envelope = errorEnvelope(error, "Connect", "0.00ms", `${errorPages}/${error.code}`)
      const decision = decisionId === null ? {} : { decision_id: decisionId }
      if (legacy) return JSON.stringify({ error: envelope, ...decision })
      const created_at = new Date(clock.now()).toISOString()
      const frame = { type: "connection.error", connection_id: connectionId, created_at, error: envelope, ...decision }
      return frameOf(frame)
    },
    handshake,
  }
}
