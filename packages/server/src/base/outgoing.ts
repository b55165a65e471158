// Requests to URLs that somebody else has chosen: receivers of events, queues. Such a URL may be meant to reach what
// only this machine can reach (OWASP API7:2023, server-side request forgery), so each request is held to this: https,
// public addresses, every address of the name checked and then connected to without a second look-up, no redirect
// followed, no proxy used, the certificate always verified, and every part of the answer bounded.
//
// This is a small client of HTTP/1.1 over sockets and not `fetch`, which looks the name up by itself, honours
// HTTPS_PROXY, and bounds neither the headers nor the body.

import { lookup } from "node:dns/promises"
import { isIP } from "node:net"
import { hostObjection, mayReach, normalHost, parseTarget, type Target } from "./addresses.ts"
import { limits } from "./limits.ts"
import { createLru } from "./lru.ts"
import { type Answer, isToken } from "./outgoing-answer.ts"
import { Connection, ConnectionError } from "./outgoing-connection.ts"
import { createKeptConnections } from "./outgoing-kept.ts"

export interface OutgoingRequest {
  readonly url: string
  readonly method: "POST" | "GET"
  /**
   * Names in any case. Those that belong to the connection are set here, whatever stands in it: host, content-length,
   * connection, and `accept-encoding: identity`, since nothing is decompressed.
   */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
  /** For everything: look-up, connecting, the request and the whole answer. */
  readonly timeoutMs: number
  /** What comes after it is not read, and the answer says so. */
  readonly responseBytesMax: number
}

export interface OutgoingResponse {
  readonly status: number
  /** Lower-case names; values of the same name joined by `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly isBodyCut: boolean
  readonly durationMs: number
}

/**
 * What went wrong. `refused-url`, `refused-address`: nothing was sent, because it may not be. `dns`: the name was not
 * resolved. `connect`: nobody takes connections there. `tls`: the handshake failed, or the certificate is not the
 * host's. `timeout`: it took longer than it may. `reset`: the connection ended before the answer did. `protocol`: the
 * answer is not HTTP/1.1, or the request cannot be put into it.
 */
export type OutgoingFault =
  | "refused-url"
  | "refused-address"
  | "dns"
  | "connect"
  | "tls"
  | "timeout"
  | "reset"
  | "protocol"

/** A request without an answer. The message is for operators, and names no address and nothing of the request. */
export class OutgoingError extends Error {
  override readonly name = "OutgoingError"
  constructor(
    readonly fault: OutgoingFault,
    readonly durationMs: number,
    message: string = fault,
  ) {
    super(message)
  }
}

export interface Outgoing {
  /**
   * Sends a request at least once: it is sent a second time when a kept connection turns out to have ended before
   * anything of the answer came. Rejects with OutgoingError only. Never follows a redirect: a 3xx is a response.
   */
  send(request: OutgoingRequest): Promise<OutgoingResponse>
  /**
   * For settings: why a URL would be refused without asking DNS (scheme, credentials in it, fragment, literal address
   * that is not public, too long), as the end of a sentence that begins with the URL; or null.
   */
  objection(url: string): string | null
  /** For other protocols (redis, nats): addresses of a host that may be connected to. Rejects with OutgoingError. */
  addressesOf(host: string): Promise<readonly string[]>
  /** Ends all connections, and with them the requests that are under way. */
  close(): Promise<void>
}

export interface OutgoingOptions {
  /** `http` and addresses of the own network too; never those of metadata services and alike (addresses.ts). */
  readonly allowPrivate: boolean
  /** All addresses of a name. The system's look-up when absent. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
  /** Milliseconds from any start, never backwards. */
  readonly monotonic?: () => number
  /** Certificates (PEM) in the place of the authorities that the runtime trusts. */
  readonly ca?: string
}

/** What ends a request under way; its fault becomes that of the OutgoingError. */
class Fault extends Error {
  constructor(
    readonly fault: OutgoingFault,
    message: string,
  ) {
    super(message)
  }
}

/** How far a request has come, so that its time-out can end the step that it is at. */
interface Attempt {
  /** Ends that step. */
  end: () => void
  isOver: boolean
  step: string
}

/** Opens nothing yet: connections come with the first requests. */
export function createOutgoing(options: OutgoingOptions): Outgoing {
  const { allowPrivate, ca } = options
  const resolve = options.resolve ?? systemAddresses
  const monotonic = options.monotonic ?? (() => performance.now())
  const targets = createLru<Target>(limits.outgoingTargetsMax)
  const lookUps = new Map<string, Promise<readonly string[]>>()
  const open = new Set<Connection>()
  const kept = createKeptConnections(monotonic)
  let isClosed = false

  async function send(request: OutgoingRequest): Promise<OutgoingResponse> {
    const startedMs = monotonic()
    const attempt: Attempt = { end: () => {}, isOver: false, step: "the look-up of the name" }
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      const target = targetOf(request.url)
      const bytes = bytesOf(request, target)
      const { status, headers, body, isBodyCut } = await new Promise<Answer>((succeed, fail) => {
        timer = setTimeout(() => {
          attempt.isOver = true
          fail(new Fault("timeout", `no answer within ${request.timeoutMs} ms, at ${attempt.step}`))
          attempt.end()
        }, request.timeoutMs)
        converse(target, bytes, request, attempt).then(succeed, fail)
      })
      return { status, headers, body, isBodyCut, durationMs: monotonic() - startedMs }
    } catch (error) {
      throw outgoingError(error, startedMs)
    } finally {
      clearTimeout(timer)
    }
  }

  const outgoingError = (error: unknown, startedMs: number): unknown =>
    error instanceof Fault || error instanceof ConnectionError
      ? new OutgoingError(error.fault, monotonic() - startedMs, error.message)
      : error

  function targetOf(url: string): Target {
    const known = targets.get(url)
    if (known !== undefined) return known
    const target = parseTarget(url, allowPrivate)
    if ("objection" in target) {
      throw new Fault(target.isPlace ? "refused-address" : "refused-url", `the URL ${target.objection}`)
    }
    targets.set(url, target)
    return target
  }

  async function converse(
    target: Target,
    bytes: Uint8Array,
    { responseBytesMax }: OutgoingRequest,
    attempt: Attempt,
  ): Promise<Answer> {
    const old = kept.take(target)
    if (old !== null) {
      try {
        return await exchange(old, bytes, responseBytesMax, attempt)
      } catch (error) {
        // The server ended it while the request was on its way. That may happen at any time, so it says nothing.
        if (!(error instanceof ConnectionError && error.fault === "reset" && error.isUnanswered)) throw error
        if (attempt.isOver) throw error
      }
    }
    const connection = await openOne(target, attempt)
    return exchange(connection, bytes, responseBytesMax, attempt)
  }

  async function exchange(
    connection: Connection,
    bytes: Uint8Array,
    responseBytesMax: number,
    attempt: Attempt,
  ): Promise<Answer> {
    attempt.step = "the answer"
    attempt.end = () => connection.close()
    if (attempt.isOver) connection.close()
    const answer = await connection.exchange(bytes, responseBytesMax)
    if (isClosed) connection.close()
    else if (answer.keepMs > 0) kept.keep(connection, answer.keepMs)
    return answer
  }

  async function openOne(target: Target, attempt: Attempt): Promise<Connection> {
    attempt.step = "the look-up of the name"
    const addresses = await publicAddresses(target.host)
    attempt.step = "connecting"
    return firstOpen(target, alternating(addresses).slice(0, limits.addressesTriedMax), attempt)
  }

  /**
   * A connection to the first of the addresses that takes one. They are tried in their order, the next one when the one
   * before it has failed or is slow (RFC 8305): many a network says that it has IPv6 and swallows it.
   */
  function firstOpen(target: Target, addresses: readonly string[], attempt: Attempt): Promise<Connection> {
    return new Promise((succeed, fail) => {
      const trying = new Set<Connection>()
      let next = 0
      let timer: ReturnType<typeof setTimeout> | undefined

      const finish = (winner: Connection | null, error: unknown): void => {
        clearTimeout(timer)
        next = addresses.length
        for (const connection of trying) if (connection !== winner) connection.close()
        if (winner === null) fail(error)
        else succeed(winner)
      }
      const tryNext = (): void => {
        clearTimeout(timer)
        const address = addresses[next]
        if (address === undefined) return
        next += 1
        if (attempt.isOver || isClosed) {
          finish(null, new Fault("connect", "no connection is opened any more"))
          return
        }
        const connection = new Connection({ target, address, ca, openedMs: monotonic(), onClosed: forget })
        if (!connection.isClosed) open.add(connection)
        trying.add(connection)
        if (next < addresses.length) timer = setTimeout(tryNext, limits.addressStaggerMs)
        connection.opened.then(
          () => finish(connection, null),
          (error: ConnectionError) => {
            trying.delete(connection)
            // A server that proved to be another one is an answer; no other address is asked for a better one.
            if (error.fault === "tls" || (trying.size === 0 && next === addresses.length)) finish(null, error)
            else tryNext()
          },
        )
      }
      attempt.end = () => finish(null, new Fault("timeout", "no connection in time"))
      tryNext()
    })
  }

  /** The addresses of a host, all of which may be connected to. Throws Fault. */
  async function publicAddresses(host: string): Promise<readonly string[]> {
    const objection = hostObjection(host, allowPrivate)
    if (objection !== null) throw new Fault("refused-address", `the URL ${objection}`)
    const addresses = isIP(host) !== 0 ? [host] : await lookUp(host)
    if (addresses.length === 0) throw new Fault("dns", "the host's name has no address")
    if (addresses.length > limits.addressesMax) {
      throw new Fault("dns", `the host's name has more than ${limits.addressesMax} addresses`)
    }
    // One that may not be reached among those that may: the name is a trap, or its owner made a mistake.
    if (!addresses.every((address) => mayReach(address, allowPrivate))) {
      throw new Fault("refused-address", "the host's name has an address that is not public")
    }
    return addresses
  }

  /** Requests that wait for the same name at the same time share one look-up. */
  function lookUp(host: string): Promise<readonly string[]> {
    const under = lookUps.get(host)
    if (under !== undefined) return under
    let timer: ReturnType<typeof setTimeout> | undefined
    const answer = new Promise<readonly string[]>((succeed, fail) => {
      timer = setTimeout(
        () => fail(new Fault("dns", "the look-up of the host's name took too long")),
        limits.lookUpMsMax,
      )
      Promise.resolve(resolve(host)).then(succeed, () => fail(new Fault("dns", "the host's name was not resolved")))
    }).finally(() => {
      clearTimeout(timer)
      lookUps.delete(host)
    })
    lookUps.set(host, answer)
    return answer
  }

  const forget = (connection: Connection): void => {
    open.delete(connection)
    kept.forget(connection)
  }

  return {
    send,
    objection(url) {
      const target = parseTarget(url, allowPrivate)
      return "objection" in target ? target.objection : null
    },
    async addressesOf(host) {
      const startedMs = monotonic()
      try {
        const normal = normalHost(host)
        if (normal === null) throw new Fault("refused-url", "the host is neither a name nor an address")
        return await publicAddresses(normal)
      } catch (error) {
        throw outgoingError(error, startedMs)
      }
    },
    async close() {
      isClosed = true
      kept.close()
      for (const connection of [...open]) connection.close()
    },
  }
}

/**
 * The head and the body as they travel. Throws Fault when a header cannot be written: its name is no token, or its value
 * holds a line end (which would begin another header) or a character that is not of Latin-1.
 */
function bytesOf({ method, headers, body }: OutgoingRequest, { path, authority }: Target): Uint8Array {
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${authority}\r\naccept-encoding: identity\r\n`
  for (const name in headers) {
    const value = headers[name] as string
    if (!isToken(name) || !isHeaderValue(value)) throw new Fault("protocol", "a header cannot be written")
    if (!ownHeaders.has(name.toLowerCase())) head += `${name}: ${value}\r\n`
  }
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.length
  if (method === "POST" || length > 0) head += `content-length: ${length}\r\n`
  const bytes = Buffer.allocUnsafe(head.length + 2 + length)
  bytes.write(`${head}\r\n`, 0, "latin1")
  if (typeof body === "string") bytes.write(body, head.length + 2, "utf8")
  else bytes.set(body, head.length + 2)
  return bytes
}

const ownHeaders: ReadonlySet<string> = new Set([
  "host",
  "accept-encoding",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "proxy-connection",
  "upgrade",
  "expect",
  "te",
  "trailer",
])

const isHeaderValue = (value: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(value)

/** As programs of this machine see the name: the hosts file, then DNS. */
async function systemAddresses(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address)
}

/** The families by turns (RFC 8305 §4), so that one that does not work leaves room for the other. */
function alternating(addresses: readonly string[]): string[] {
  const first = addresses.filter((address) => isIP(address) === isIP(addresses[0] ?? ""))
  const second = addresses.filter((address) => !first.includes(address))
  return first.flatMap((address, at) => [address, ...second.slice(at, at + 1)]).concat(second.slice(first.length))
}
