// Connections to message servers (Redis, NATS) whose addresses come from apps. The address is checked and then connected
// to without another look-up, a certificate must be the host's and not the address's, and a server cannot make the node
// hold more than one small frame, whatever it sends.

import { connect as connectTcp, isIP, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import type { Outgoing } from "../../base/outgoing.ts"
import { limits } from "./limits.ts"

/** A connection that did not come about or ended. The message holds no secret; a server's own words may be in it. */
export class WireError extends Error {
  override readonly name = "WireError"
  /** One word for counting, such as `connect`, `tls`, `timeout`, `reset`, `protocol`. */
  readonly fault: string

  constructor(fault: string, message: string) {
    super(message)
    this.fault = fault
  }
}

export interface WireOptions {
  readonly outgoing: Outgoing
  readonly host: string
  readonly port: number
  /** TLS from the first byte. */
  readonly isTls: boolean
  /** Certificates (PEM) to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly timeoutMs: number
  /**
   * Takes what has come and answers how many bytes of it were used, 0 when it needs more. Throws WireError on what the
   * protocol does not have: the connection is then closed with it.
   */
  readonly take: (bytes: Buffer) => number
  /** The connection has ended, by itself or by `close`. Runs once. */
  readonly lost: (error: WireError) => void
}

export interface Wire {
  readonly isTls: boolean
  /** When something last came, in milliseconds of performance.now(). */
  readonly heardAtMs: number
  /** Bytes that the server has not taken yet. */
  readonly unsentBytes: number
  /** Ends the connection with WireError `busy` when the server leaves more than limits.brokerUnsentBytesMax unread. */
  write(bytes: Uint8Array): void
  /** Goes on in TLS, where a protocol begins without. Rejects with WireError, and the connection is then closed. */
  secure(timeoutMs: number): Promise<void>
  close(error?: WireError): void
}

/** Host and port of a message server's URL, the host in the spelling that certificates and look-ups have. */
export interface WireAddress {
  readonly host: string
  readonly port: number
}

/** Reads host and port from a URL of a scheme that the URL parser does not know. Null when there is no such place. */
export function wireAddress(url: URL, portDefault: number): WireAddress | null {
  // Under http the parser brings every spelling of an address and of a name to the one form.
  const plain = `http://${url.hostname}/`
  if (url.hostname === "" || !URL.canParse(plain)) return null
  const port = url.port === "" ? portDefault : Number(url.port)
  return port === 0 ? null : { host: new URL(plain).hostname.replace(/^\[|\]$/g, ""), port }
}

/** Opens a connection to one of the host's addresses. Rejects with WireError, or with OutgoingError for the host. */
export async function openWire(options: WireOptions): Promise<Wire> {
  const { outgoing, host, port, isTls, ca, timeoutMs } = options
  const endMs = performance.now() + timeoutMs
  const addresses = (await within(timeoutMs, outgoing.addressesOf(host))).slice(0, limits.brokerAddressesMax)
  let failure = new WireError("dns", "the host has no address")
  for (const [index, address] of addresses.entries()) {
    const shareMs = (endMs - performance.now()) / (addresses.length - index)
    try {
      const server = isTls
        ? connectTls({ ...trust(host, ca), host: address, port })
        : connectTcp({ host: address, port })
      return createWire(await ready(server, isTls ? "secureConnect" : "connect", shareMs), isTls, options)
    } catch (error) {
      failure = error instanceof WireError ? error : new WireError("connect", "no connection came about")
      // Another address of the host has the same certificate, or the host is not what it says.
      if (failure.fault === "tls") break
    }
  }
  throw failure
}

function createWire(first: Socket, isTlsFirst: boolean, { host, ca, take, lost }: WireOptions): Wire {
  let socket = first
  let isTls = isTlsFirst
  let heardAtMs = performance.now()
  let waiting: Buffer = Buffer.alloc(0)
  let isLost = false

  const close = (error: WireError): void => {
    if (isLost) return
    isLost = true
    socket.destroy()
    lost(error)
  }
  const read = (chunk: Buffer): void => {
    heardAtMs = performance.now()
    waiting = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk])
    try {
      while (!isLost && waiting.length > 0) {
        const used = take(waiting)
        if (used === 0) break
        waiting = waiting.subarray(used)
      }
    } catch (error) {
      close(error instanceof WireError ? error : new WireError("protocol", "the answer could not be read"))
    }
    if (waiting.length > limits.brokerFrameBytesMax) {
      close(new WireError("protocol", `an answer has more than ${limits.brokerFrameBytesMax} bytes`))
    }
  }
  // What is sent in one tick goes out in one piece: many small writes cost more than what is in them.
  const unsent: Uint8Array[] = []
  let gatheredBytes = 0
  const flush = (): void => {
    const [first, ...more] = unsent.splice(0)
    gatheredBytes = 0
    if (!isLost && first !== undefined) socket.write(more.length === 0 ? first : Buffer.concat([first, ...more]))
  }
  const fail = (error: Error): void => close(errorOf(error, "reset"))
  const end = (): void => close(new WireError("reset", "the server ended the connection"))
  const listen = (): void => void socket.on("data", read).on("error", fail).on("close", end)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, limits.brokerIdleMs / 2)
  listen()

  return {
    get isTls() {
      return isTls
    },
    get heardAtMs() {
      return heardAtMs
    },
    get unsentBytes() {
      return socket.writableLength + gatheredBytes
    },
    write(bytes) {
      if (isLost) return
      // Who answers, or sends pings, and does not read would otherwise be given ever more to leave lying here.
      if (socket.writableLength + gatheredBytes + bytes.length > limits.brokerUnsentBytesMax) {
        close(new WireError("busy", "the server does not read what it is sent"))
        return
      }
      unsent.push(bytes)
      gatheredBytes += bytes.length
      if (unsent.length === 1) queueMicrotask(flush)
    },
    async secure(timeoutMs) {
      try {
        flush()
        // Somebody between could have added this before the encryption began.
        if (waiting.length > 0) throw new WireError("protocol", "the server spoke on before TLS began")
        const plain = socket
        plain.off("data", read).off("error", fail).off("close", end)
        const server = connectTls({ socket: plain, ...trust(host, ca) })
        socket = server
        await ready(server, "secureConnect", timeoutMs)
        isTls = true
        listen()
      } catch (error) {
        const failure = errorOf(error, "tls")
        close(failure)
        throw failure
      }
    },
    close: (error = new WireError("reset", "the connection was closed")) => close(error),
  }
}

// The name that the certificate must have. An address is no name to be sent along (RFC 6066 §3), so it is checked as
// the host.
const trust = (host: string, ca: string | undefined) => ({
  ...(isIP(host) === 0 ? { servername: host } : { host }),
  ...(ca === undefined ? {} : { ca }),
  rejectUnauthorized: true,
})

/** Resolves with the socket when it has come to `event`. */
function ready<T extends Socket>(socket: T, event: "connect" | "secureConnect", timeoutMs: number): Promise<T> {
  const whenFailed = event === "connect" ? "connect" : "tls"
  return new Promise((resolve, reject) => {
    const end = (error: WireError | null): void => {
      clearTimeout(timer)
      socket.off(event, succeed).off("error", fail).off("close", lose)
      // A late error of a socket that nobody waits for any more.
      socket.on("error", () => {})
      if (error === null) resolve(socket)
      else {
        socket.destroy()
        reject(error)
      }
    }
    const timer = setTimeout(
      () => end(new WireError("timeout", "no connection came about in time")),
      Math.max(1, timeoutMs),
    )
    const succeed = (): void => end(null)
    const fail = (error: Error): void => end(errorOf(error, whenFailed, event === "secureConnect"))
    const lose = (): void => end(new WireError(whenFailed, "the server ended the connection"))
    socket.on(event, succeed).on("error", fail).on("close", lose)
  })
}

const networkCodes: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect",
  EHOSTUNREACH: "connect",
  ENETUNREACH: "connect",
  EADDRNOTAVAIL: "connect",
  ETIMEDOUT: "timeout",
  ECONNRESET: "reset",
  EPIPE: "reset",
}

/** `isShaking`: in the handshake of TLS, where a connection that ends is how many servers say no. */
function errorOf(error: unknown, faultDefault: string, isShaking = false): WireError {
  if (error instanceof WireError) return error
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  const named = typeof code === "string" ? networkCodes[code] : undefined
  const known = isShaking && named === "reset" ? "tls" : named
  return new WireError(known ?? faultDefault, String(message ?? code ?? "the connection failed"))
}

/** What `promise` gives, or WireError `timeout` when it takes longer. */
export function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new WireError("timeout", "there was no answer in time")),
      Math.max(1, timeoutMs),
    )
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
