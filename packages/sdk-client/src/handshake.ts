// From an address to a live socket: open it, say who we are, wait for the welcome or the refusal.

import { frameErrorOf, WeirConnectionError } from "./errors.ts"
import { limits } from "./limits.ts"
import type { OpenSocket, Socket } from "./socket.ts"
import type { Timers } from "./timers.ts"
import type { OwnUser } from "./wire.ts"

/** The first frame of the server. */
export interface Welcome {
  type: "connection.ok"
  connection_id: string
  me: OwnUser
  created_at?: string
}

export type Frame = Record<string, unknown> & { type: string }

export interface LiveSocket {
  readonly welcome: Welcome
  /** The token it was opened with. */
  readonly token: string | null
  send(text: string): void
  /** Ends it; nothing is reported afterwards. */
  close(code: number, reason?: string): void
}

export interface Handshake {
  url: string
  /** The client's first frame. */
  frame: object
  token: string | null
  openSocket: OpenSocket
  timers: Timers
  /** Ends a handshake that is under way. */
  signal: AbortSignal
  /** In the same turn as the welcome, so that no frame and no close can slip in between. */
  onWelcome(socket: LiveSocket): void
  onFrame(frame: Frame): void
  /** The socket ended after its welcome: with the server's own reason if it gave one, else with the close code. */
  onLost(socket: LiveSocket, error: Error): void
}

/**
 * Resolves after `onWelcome`. Rejects with WeirApiError (the server refused), or WeirConnectionError: `timeout`,
 * `network` (could not be opened), `closed` (with the close code) or `disconnected` (the signal).
 */
export function shakeHands(handshake: Handshake): Promise<void> {
  const { timers, signal } = handshake
  return new Promise((resolve, reject) => {
    let socket: Socket | null = null
    let welcomed: LiveSocket | null = null
    let isDone = false
    let refusal: Error | null = null
    let networkError: unknown

    const timer = timers.setTimeout(() => {
      fail(new WeirConnectionError("timeout", `no welcome within ${limits.handshakeTimeoutMs} ms`))
      end(4000, "handshake timeout")
    }, limits.handshakeTimeoutMs)

    signal.addEventListener("abort", abort)

    Promise.resolve()
      .then(() => handshake.openSocket(handshake.url))
      .then(listen)
      .catch((cause) => fail(new WeirConnectionError("network", `the socket could not be opened: ${cause}`, { cause })))

    function listen(opened: Socket): void {
      socket = opened
      if (isDone) {
        end(1000)
        return
      }
      opened.onopen = () => opened.send(JSON.stringify(handshake.frame))
      opened.onmessage = ({ data }) => receive(data)
      opened.onerror = (event) => {
        networkError =
          (event as { error?: unknown; message?: unknown }).error ?? (event as { message?: unknown }).message
      }
      opened.onclose = ({ code }) => closed(code)
    }

    function receive(data: unknown): void {
      const frame = parsed(data)
      if (frame === null) return
      if (frame.type === "connection.error" || (frame.type === undefined && frame.error !== undefined)) {
        // The close that follows reports it; but a server that forgets to close must not leave us waiting.
        refusal = frameErrorOf(frame.error)
        if (welcomed === null) {
          fail(refusal)
          end(1000)
        }
        return
      }
      if (welcomed !== null) {
        if (typeof frame.type === "string") handshake.onFrame(frame as Frame)
        return
      }
      if (frame.type === "connection.ok" && typeof frame.connection_id === "string")
        welcome(frame as unknown as Welcome)
    }

    function welcome(frame: Welcome): void {
      if (isDone) return
      done()
      welcomed = { welcome: frame, token: handshake.token, send, close: end }
      handshake.onWelcome(welcomed)
      resolve()
    }

    function abort(): void {
      fail(new WeirConnectionError("disconnected", "disconnect() was called"))
      end(1000)
    }

    function done(): void {
      isDone = true
      timers.clearTimeout(timer)
      signal.removeEventListener("abort", abort)
    }

    function closed(code: number): void {
      const error = refusal ?? closeErrorOf(code, networkError)
      const socketThatWas = welcomed
      end(code)
      if (socketThatWas === null) fail(error)
      else handshake.onLost(socketThatWas, error)
    }

    function fail(error: Error): void {
      if (isDone) return
      done()
      reject(error)
    }

    function send(text: string): void {
      try {
        socket?.send(text)
      } catch {
        // Closing already; the close event says the rest.
      }
    }

    function end(code: number, reason?: string): void {
      if (socket === null) return
      const ending = socket
      socket = null
      ending.onopen = ending.onmessage = ending.onclose = null
      ending.onerror = () => {}
      try {
        ending.close(code === 1000 || (code >= 3000 && code <= 4999) ? code : 1000, reason)
      } catch {
        // Not open yet or closed already: nothing is left to close.
      }
    }
  })
}

// 4540 and 4040 name the error in the code itself, but a frame with the full reason came before; a bare code is
// what is left when that frame was lost.
function closeErrorOf(code: number, cause: unknown): Error {
  if (code === 4040) return frameErrorOf({ code: 40, StatusCode: 401, message: "the token has expired" })
  const isNetwork = code === 1006
  const message = isNetwork
    ? `the connection was lost${cause ? `: ${cause}` : ""}`
    : `the server closed the socket (${code})`
  return new WeirConnectionError(isNetwork ? "network" : "closed", message, { closeCode: code, cause })
}

function parsed(data: unknown): Record<string, unknown> | null {
  if (typeof data !== "string" || data.length > limits.frameBytesMax) return null
  try {
    const frame: unknown = JSON.parse(data)
    return typeof frame === "object" && frame !== null ? (frame as Record<string, unknown>) : null
  } catch {
    return null
  }
}
