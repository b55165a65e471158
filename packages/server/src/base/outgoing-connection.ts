// One connection of HTTP/1.1 to an address that was checked before, over Bun's own sockets: a request at a time, its
// answer, and then the next request or the end.

import { isIP } from "node:net"
import type { Socket, SocketHandler } from "bun"
import type { Target } from "./addresses.ts"
import { type Answer, type AnswerReader, MalformedAnswer, readAnswer } from "./outgoing-answer.ts"

/** What ended a connection or a request on it. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError"
  constructor(
    readonly fault: "connect" | "tls" | "reset" | "protocol",
    message: string,
    /** No byte of the answer had arrived. */
    readonly isUnanswered = false,
  ) {
    super(message)
  }
}

export interface ConnectionOptions {
  readonly target: Target
  /** The only one that is connected to. */
  readonly address: string
  /** PEM; in the place of the authorities that the runtime trusts. */
  readonly ca: string | undefined
  readonly openedMs: number
  /** Called once when the connection has ended, for whatever reason. */
  readonly onClosed: (connection: Connection) => void
}

interface Exchange {
  readonly reader: AnswerReader
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: ConnectionError) => void
}

/** Opens on construction; `opened` says how that went. Rejections are ConnectionError. */
export class Connection {
  readonly #opening = Promise.withResolvers<void>()
  #socket: Socket<Connection> | null = null
  #isClosed = false
  #isUsed = false
  #exchange: Exchange | null = null
  #unsent: Uint8Array | null = null
  readonly #options: ConnectionOptions

  constructor(options: ConnectionOptions) {
    this.#options = options
    // Whoever gave up waiting hears of it no more.
    this.opened.catch(() => {})
    const { target, address, ca } = options
    const isTls = target.scheme === "https"
    const tls = {
      // An address is no name to be sent along (RFC 6066 §3).
      ...(isIP(target.host) === 0 ? { serverName: target.host } : {}),
      ...(ca === undefined ? {} : { ca }),
      rejectUnauthorized: true,
    }
    const socket = isTls ? tlsHandler : plainHandler
    try {
      Bun.connect<Connection>({
        hostname: address,
        port: target.port,
        data: this,
        socket,
        ...(isTls ? { tls } : {}),
      }).catch((error: unknown) => this.failToConnect(error))
    } catch (error) {
      // A `ca` that is no certificate.
      this.failToConnect(error)
    }
  }

  get opened(): Promise<void> {
    return this.#opening.promise
  }

  get openedMs(): number {
    return this.#options.openedMs
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get target(): Target {
    return this.#options.target
  }

  /**
   * Sends a request and resolves with its answer, whose body is read up to `bodyBytesMax` bytes. Only when the
   * connection is open and no other request is under way.
   */
  exchange(request: Uint8Array, bodyBytesMax: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const socket = this.#socket
      if (this.#isClosed || socket === null) {
        reject(new ConnectionError("reset", "the connection had ended", true))
        return
      }
      this.#isUsed = true
      this.#exchange = { reader: readAnswer(bodyBytesMax), resolve, reject }
      socket.ref()
      this.#write(socket, request)
    })
  }

  /** Lets the process end while the connection waits for a next request. */
  rest(): void {
    this.#socket?.unref()
  }

  close(error = new ConnectionError("reset", "the connection was closed")): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const exchange = this.#exchange
    this.#exchange = null
    this.#unsent = null
    this.#socket?.terminate()
    this.#opening.reject(error)
    exchange?.reject(error)
    this.#options.onClosed(this)
  }

  // What follows is called by the handlers below.

  failToConnect(error: unknown): void {
    this.close(new ConnectionError("connect", `no connection came about (${codeOf(error)})`))
  }

  connected(socket: Socket<Connection>): void {
    this.#socket = socket
    if (this.#isClosed) socket.terminate()
  }

  ready(): void {
    this.#opening.resolve()
  }

  /** With `rejectUnauthorized` it is a success only where the certificate is trusted and the target's host's own. */
  shookHands(isSuccess: boolean, error: Error | null): void {
    if (isSuccess && error === null) this.ready()
    else this.close(new ConnectionError("tls", `the TLS handshake failed (${codeOf(error)})`))
  }

  drain(socket: Socket<Connection>): void {
    const unsent = this.#unsent
    if (unsent !== null) this.#write(socket, unsent)
  }

  data(bytes: Buffer): void {
    const exchange = this.#exchange
    if (exchange === null) {
      this.close(new ConnectionError("protocol", "the server spoke without being asked"))
      return
    }
    let answer: Answer | null
    try {
      answer = exchange.reader.push(bytes)
    } catch (error) {
      if (!(error instanceof MalformedAnswer)) throw error
      this.close(new ConnectionError("protocol", `the answer ${error.message}`))
      return
    }
    if (answer !== null) this.#answered(exchange, answer)
  }

  ended(error: Error | undefined): void {
    const exchange = this.#exchange
    const answer = exchange?.reader.end() ?? null
    if (exchange !== null && answer !== null && error === undefined) {
      this.#answered(exchange, answer)
      return
    }
    const isOpening = this.#options.target.scheme === "https" && !this.#isUsed
    const hasBegun = exchange?.reader.hasBegun ?? false
    const what = hasBegun
      ? "in the middle of the answer"
      : isOpening
        ? "before the TLS handshake was over"
        : "unanswered"
    this.close(new ConnectionError(isOpening ? "tls" : "reset", `the connection ended ${what}`, !hasBegun))
  }

  #answered(exchange: Exchange, answer: Answer): void {
    this.#exchange = null
    // An answer to half a request leaves the other half in the way of the next one.
    const isKept = answer.keepMs > 0 && this.#unsent === null
    if (!isKept) this.close()
    exchange.resolve(isKept ? answer : { ...answer, keepMs: 0 })
  }

  #write(socket: Socket<Connection>, bytes: Uint8Array): void {
    const written = socket.write(bytes)
    // Below zero: the socket has ended, and its handler says so.
    this.#unsent = written >= bytes.length ? null : bytes.subarray(Math.max(0, written))
  }
}

const plainHandler: SocketHandler<Connection> = {
  open(socket) {
    socket.data.connected(socket)
    socket.data.ready()
  },
  data: (socket, bytes) => socket.data.data(bytes),
  drain: (socket) => socket.data.drain(socket),
  end: (socket) => socket.data.ended(undefined),
  close: (socket, error) => socket.data.ended(error),
  error: (socket, error) => socket.data.ended(error),
  connectError: (socket, error) => socket.data.failToConnect(error),
}

const tlsHandler: SocketHandler<Connection> = {
  ...plainHandler,
  open: (socket) => socket.data.connected(socket),
  handshake: (socket, isSuccess, error) => socket.data.shookHands(isSuccess, error),
}

/** The code of a system's error, which names no address; else nothing of it. */
const codeOf = (error: unknown): string => {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === "string" && /^\w{1,64}$/.test(code) ? code : "no code"
}
