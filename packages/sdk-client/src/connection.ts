// One connected user's socket: opened, kept alive, opened again. `connect()` always settles. Afterwards the
// connection heals by itself until `close()`, or until the server or the token says that it never will.

import { mayReconnect } from "../../protocol/src/close-codes.ts"
import { TOKEN_EXPIRED, WeirApiError, WeirConnectionError } from "./errors.ts"
import { type Handshake, type LiveSocket, shakeHands, type Welcome } from "./handshake.ts"
import { createHeartbeat, type Heartbeat } from "./heartbeat.ts"
import { limits } from "./limits.ts"
import type { OpenSocket } from "./socket.ts"
import { backoffMs, type TimerHandle, type Timers, withTimeout } from "./timers.ts"
import type { TokenSource } from "./tokens.ts"

export type ConnectionState = "idle" | "connecting" | "online" | "reconnecting" | "closed" | "failed"

export interface ConnectionOptions {
  /** With its query: key, kind of authentication, client tag. */
  url: string
  /** The user as the server shall know them. */
  userDetails: { id: string }
  /** Null for anonymous callers. */
  tokens: TokenSource | null
  openSocket: OpenSocket
  timers: Timers
  /** Calls back when the platform regains the network; returns a function that ends it. */
  onNetworkBack(wake: () => void): () => void
  /** Every frame of the server after the welcome. */
  onFrame(frame: Record<string, unknown> & { type: string }): void
  /** `sentAtMs`: when the handshake began, by the local clock. */
  onOnline(welcome: Welcome, isReconnect: boolean, sentAtMs: number): void
  onOffline(): void
  /** It is over for good. */
  onFailed(error: Error): void
}

export interface Connection {
  readonly state: ConnectionState
  /** Id to watch with; null while there is no live socket. */
  readonly connectionId: string | null
  /** Resolves with the server's welcome, or rejects within `limits.connectTimeoutMs`. */
  connect(): Promise<Welcome>
  /** The id once there is a live socket other than `except`; rejects when it takes longer than `timeoutMs`. */
  whenOnline(timeoutMs: number, except?: string): Promise<string>
  /** There is news, such as another token: a reconnect that waits is tried now. */
  wake(): void
  /** Ends the socket normally. Whoever still waits is told `disconnected`. */
  close(): void
}

/** What an attempt's failure means: try again, get another token first, or give up. */
type Verdict = "again" | "new-token" | "never"

export function createConnection(options: ConnectionOptions): Connection {
  const { timers, tokens } = options
  let state: ConnectionState = "idle"
  let live: LiveSocket | null = null
  let heartbeat: Heartbeat | null = null
  let openedAtMs = 0
  let failures = 0
  /** The token that the server called expired; the next attempt needs another. */
  let expiredToken: string | null = null
  let wake: (() => void) | null = null
  let end: (error: Error) => void = () => {}
  const ended = new Promise<never>((_, reject) => {
    end = reject
  })
  ended.catch(() => {})
  const over = new AbortController()
  const waiting = new Set<(connectionId: string) => void>()
  const stopListening = options.onNetworkBack(() => wake?.())

  const isOver = () => state === "closed" || state === "failed"

  return {
    get state() {
      return state
    },
    get connectionId() {
      return live?.welcome.connection_id ?? null
    },

    async connect() {
      state = "connecting"
      try {
        return await withTimeout(Promise.race([establish(false), ended]), timers, limits.connectTimeoutMs, () =>
          timedOut(`no connection within ${limits.connectTimeoutMs} ms`),
        )
      } catch (error) {
        finish("closed", error as Error)
        throw error
      }
    },

    whenOnline(timeoutMs, except) {
      const connectionId = live?.welcome.connection_id
      if (connectionId !== undefined && connectionId !== except) return Promise.resolve(connectionId)
      const online = new Promise<string>((resolve) => waiting.add(resolve))
      return withTimeout(Promise.race([online, ended]), timers, timeoutMs, () => timedOut("the socket is away"))
    },

    wake: () => wake?.(),

    close() {
      finish("closed", disconnected())
    },
  }

  /** Tries until a socket is up. `isReconnect`: as long as it takes; else a few times. Rejects when it is hopeless. */
  async function establish(isReconnect: boolean): Promise<Welcome> {
    let attempts = 0
    let providerFailures = 0
    let refusals = 0
    for (;;) {
      try {
        return await attempt(isReconnect)
      } catch (error) {
        if (isOver()) throw error
        const verdict = verdictOf(error)
        if (verdict === "never") throw error
        if (verdict === "new-token") {
          refusals += 1
          if (!canReplace(expiredToken) || refusals > (isReconnect ? limits.tokenRefusalsMax : 1)) throw error
        }
        if (isProviderFailure(error)) {
          providerFailures += 1
          if (!isReconnect || providerFailures > limits.tokenProviderFailuresMax) throw error
        }
        attempts += 1
        if (!isReconnect && attempts >= limits.connectAttemptsMax) throw error
        // The first new token may go out at once; everything else waits its turn.
        if (verdict !== "new-token" || refusals > 1) await pause()
      }
      if (isOver()) throw disconnected()
    }
  }

  function canReplace(token: string | null): boolean {
    return token !== null && tokens?.canReplace(token) === true
  }

  async function attempt(isReconnect: boolean): Promise<Welcome> {
    const token = await tokenForAttempt(isReconnect)
    if (isOver()) throw disconnected()
    const sentAtMs = timers.now()
    let welcome: Welcome | null = null
    const handshake: Handshake = {
      url: options.url,
      frame: { ...(token === null ? {} : { token }), user_details: options.userDetails },
      token,
      openSocket: options.openSocket,
      timers,
      signal: over.signal,
      onWelcome: (socket) => {
        welcome = socket.welcome
        adopt(socket, isReconnect, sentAtMs)
      },
      onFrame: (frame) => {
        heartbeat?.heard()
        options.onFrame(frame)
      },
      onLost: (socket, error) => {
        if (socket === live) lost(error)
      },
    }
    try {
      await shakeHands(handshake)
      return welcome as unknown as Welcome
    } catch (error) {
      if (isTokenExpired(error)) expiredToken = token
      throw error
    }
  }

  async function tokenForAttempt(isReconnect: boolean): Promise<string | null> {
    if (tokens === null) return null
    if (expiredToken === null) return isReconnect ? tokens.renew() : tokens.get()
    const token = await tokens.replace(expiredToken)
    expiredToken = null
    return token
  }

  function adopt(socket: LiveSocket, isReconnect: boolean, sentAtMs: number): void {
    live = socket
    state = "online"
    openedAtMs = timers.now()
    heartbeat = createHeartbeat({
      timers,
      beat: () => socket.send(JSON.stringify({ type: "health.check" })),
      onSilence: () => {
        socket.close(4001, "silence")
        lost(new WeirConnectionError("network", `the server was silent for ${limits.silenceTimeoutMs} ms`))
      },
    })
    options.onOnline(socket.welcome, isReconnect, sentAtMs)
    for (const resolve of waiting) resolve(socket.welcome.connection_id)
    waiting.clear()
  }

  function lost(error: Error): void {
    if (live === null || isOver()) return
    const { token } = live
    heartbeat?.stop()
    live = null
    options.onOffline()
    if (timers.now() - openedAtMs >= limits.stableAfterMs) failures = 0
    if (isTokenExpired(error)) expiredToken = token
    const isHopeless = verdictOf(error) === "never" || (isTokenExpired(error) && !canReplace(token))
    if (isHopeless) {
      finish("failed", error)
      return
    }
    state = "reconnecting"
    reconnect(isTokenExpired(error)).catch((reason) => finish("failed", reason))
  }

  // An expired token is no sign of trouble, so its reconnect need not wait; unless sockets keep ending young.
  async function reconnect(isExpired: boolean): Promise<void> {
    if (!isExpired || failures > 0) await pause()
    else failures += 1
    if (!isOver()) await establish(true)
  }

  function finish(last: "closed" | "failed", error: Error): void {
    if (isOver()) return
    const wasOnline = live !== null
    state = last
    stopListening()
    heartbeat?.stop()
    over.abort()
    live?.close(1000)
    live = null
    // After a failure the token still serves requests; only the socket is gone.
    if (last === "closed") tokens?.close()
    else tokens?.rest()
    end(error)
    wake?.()
    waiting.clear()
    if (wasOnline) options.onOffline()
    if (last === "failed") options.onFailed(error)
  }

  /** Waits the back-off, shorter when the network comes back or the connection ends. */
  function pause(): Promise<void> {
    const waitMs = backoffMs(failures, limits.backoffBaseMs, limits.backoffMaxMs, timers.random())
    failures += 1
    return new Promise((resolve) => {
      let timer: TimerHandle = null
      const done = () => {
        timers.clearTimeout(timer)
        wake = null
        resolve()
      }
      timer = timers.setTimeout(done, waitMs)
      wake = done
    })
  }
}

const disconnected = () => new WeirConnectionError("disconnected", "disconnect() was called")

const timedOut = (message: string) => new WeirConnectionError("timeout", message)

const isTokenExpired = (error: unknown): boolean => error instanceof WeirApiError && error.code === TOKEN_EXPIRED

const isProviderFailure = (error: unknown): boolean =>
  error instanceof WeirConnectionError && error.reason === "token_provider"

function verdictOf(error: unknown): Verdict {
  if (isTokenExpired(error)) return "new-token"
  // Only a server in trouble (500) or too many requests (429) pass by themselves; any other refusal is final.
  if (error instanceof WeirApiError) return error.status === 429 || error.status >= 500 ? "again" : "never"
  if (!(error instanceof WeirConnectionError)) return "again"
  if (error.closeCode !== null) return mayReconnect(error.closeCode) ? "again" : "never"
  return ["token_stale", "token_mismatch", "token_refused"].includes(error.reason) ? "never" : "again"
}
