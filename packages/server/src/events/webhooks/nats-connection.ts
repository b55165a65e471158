// A connection to a NATS server for one thing: to publish into JetStream and to hear that the stream has it. The client
// protocol is lines of text with counted payloads (NATS docs, «Client protocol»); a publication names a subject of our
// own to answer to, and the stream's acknowledgement comes there (ADR-1 of NATS).

import { randomId } from "../../base/ids.ts"
import type { Outgoing } from "../../base/outgoing.ts"
import { version } from "../../base/version.ts"
import type { Connection } from "./connections.ts"
import { limits } from "./limits.ts"
import { openWire, type Wire, WireError, wireAddress, within } from "./wire.ts"

export interface NatsPlace {
  readonly host: string
  readonly port: number
  /** The server must go on in TLS before we say who we are. */
  readonly isTls: boolean
}

export interface NatsCredentials {
  readonly user: string | null
  readonly password: string | null
  readonly token: string | null
}

/** What came to the subject of an answer. */
export interface NatsAnswer {
  /** Of a status line such as `NATS/1.0 503`; null when there was none. */
  readonly status: number | null
  readonly body: string
}

export interface NatsConnection extends Connection {
  /** Most bytes of headers and body together that the server takes. */
  readonly payloadBytesMax: number
  /**
   * Publishes and waits for the answer. Rejects with WireError when the connection ends first, the server forbids it
   * (`auth`), or nothing comes in time. `subject` must be one that `isSubject` accepts.
   */
  publish(subject: string, message: NatsMessage, timeoutMs: number): Promise<NatsAnswer>
}

/** A message in the two parts that are counted. */
export interface NatsMessage {
  readonly head: Buffer
  readonly body: Uint8Array
}

/** Reads the URL of a target, `nats://host:port` or `tls://host:port`; null when it is none. */
export function natsPlace(text: string): NatsPlace | null {
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  const address = wireAddress(url, 4222)
  if (address === null || !["nats:", "tls:"].includes(url.protocol)) return null
  return { ...address, isTls: url.protocol === "tls:" }
}

/** Whether something can be published to it: no blanks, which would end it on the wire, and no wildcards. */
export const isSubject = (subject: string): boolean =>
  subject.length <= 256 && /^[^\s\p{Cc}.*>]+(?:\.[^\s\p{Cc}.*>]+)*$/u.test(subject)

/** Headers and body as they travel. Line ends and other control characters in a value become blanks. */
export function natsMessage(headers: Readonly<Record<string, string>>, body: Uint8Array): NatsMessage {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value.replace(/\p{Cc}/gu, " ")}\r\n`)
  return { head: Buffer.from(`NATS/1.0\r\n${lines.join("")}\r\n`), body }
}

/** What a server says of itself before anything else, as far as it matters here. */
interface ServerInfo {
  readonly tls_required?: unknown
  readonly headers?: unknown
  readonly max_payload?: unknown
  readonly ldm?: unknown
}

/**
 * Connects, goes on in TLS where the URL or the server wants it, and proves who we are. Rejects with WireError, or with
 * OutgoingError when the host may not be connected to.
 */
export async function openNats(
  place: NatsPlace,
  credentials: NatsCredentials,
  options: { readonly outgoing: Outgoing; readonly ca?: string | undefined; readonly timeoutMs: number },
): Promise<NatsConnection> {
  const inbox = `_INBOX.${randomId(22)}`
  const waiting = new Map<string, Waiting>()
  let lost: WireError | null = null
  let info: ServerInfo = {}
  let isGreeted = false
  let mustEncrypt = false
  let publicationCount = 0
  let unaskedFrames = 0
  const greeted = Promise.withResolvers<void>()
  const accepted = Promise.withResolvers<void>()
  // Either may fail while nobody waits for it yet.
  greeted.promise.catch(() => {})
  accepted.promise.catch(() => {})

  const hear = (frame: NatsFrame): void => {
    unaskedFrames += 1
    if (unaskedFrames > limits.brokerUnaskedFramesMax) throw new WireError("protocol", "the server talks too much")
    // Before TLS only its one line counts; more of it may be from somebody between.
    if (mustEncrypt && !wire.isTls) throw new WireError("protocol", "the server spoke on before TLS began")
    if (frame.kind === "message") {
      waiting.get(frame.subject)?.resolve(frame.answer)
    } else if (frame.kind === "info") {
      info = frame.info
      if (!isGreeted) mustEncrypt = place.isTls || info.tls_required === true
      isGreeted = true
      greeted.resolve()
    } else if (frame.kind === "ping") {
      // Who sends pings and does not read what comes back must not fill the memory.
      if (wire.unsentBytes < limits.brokerFrameBytesMax) wire.write(pong)
    } else if (frame.kind === "pong") accepted.resolve()
    else if (frame.kind === "error") fail(frame.text)
  }
  /** An error ends the connection, but for one that concerns a single subject. */
  const fail = (text: string): void => {
    const error = new WireError(/authoriz|authentic|permission/i.test(text) ? "auth" : "rejected", text)
    if (!/^permissions violation for publish/i.test(text)) throw error
    for (const one of waiting.values()) if (text.includes(`"${one.subject}"`)) one.reject(error)
  }
  const wire: Wire = await openWire({
    ...options,
    ...place,
    // TLS comes after the server's first line.
    isTls: false,
    take(bytes) {
      const found = readFrame(bytes)
      if (found === null) return 0
      hear(found.frame)
      return found.bytes
    },
    lost(error) {
      lost = error
      greeted.reject(error)
      accepted.reject(error)
      for (const { reject } of waiting.values()) reject(error)
    },
  })

  const publish = async (subject: string, { head, body }: NatsMessage, timeoutMs: number): Promise<NatsAnswer> => {
    if (lost !== null) throw lost
    // The connection may have taken the time there was: what is sent now would be told as not sent.
    if (timeoutMs <= 0) throw new WireError("timeout", "no connection came about in time")
    const sentAtMs = performance.now()
    publicationCount += 1
    unaskedFrames = 0
    const replyTo = `${inbox}.${publicationCount.toString(36)}`
    const answer = new Promise<NatsAnswer>((resolve, reject) => waiting.set(replyTo, { subject, resolve, reject }))
    const line = `HPUB ${subject} ${replyTo} ${head.length} ${head.length + body.length}\r\n`
    wire.write(Buffer.concat([Buffer.from(line), head, body, lineEnd]))
    try {
      return await within(timeoutMs, answer)
    } catch (error) {
      // A stream that is slow must not end it for others; a server that says nothing may be behind a dead line.
      if (wire.heardAtMs < sentAtMs) wire.close(error as WireError)
      throw error
    } finally {
      waiting.delete(replyTo)
    }
  }

  try {
    await within(options.timeoutMs, greeted.promise)
    if (mustEncrypt) await wire.secure(options.timeoutMs)
    if (info.headers !== true) throw new WireError("protocol", "the server is too old: it knows no headers")
    wire.write(Buffer.from(`CONNECT ${JSON.stringify(introduction(credentials, mustEncrypt))}\r\nPING\r\n`))
    await within(options.timeoutMs, accepted.promise)
    wire.write(Buffer.from(`SUB ${inbox}.* 1\r\n`))
  } catch (error) {
    wire.close()
    throw error
  }
  return {
    get isUsable() {
      // A server in lame duck mode ends its connections soon.
      return lost === null && info.ldm !== true
    },
    get payloadBytesMax() {
      const { max_payload: bytesMax } = info
      return typeof bytesMax === "number" ? bytesMax : limits.brokerBodyBytesMax
    },
    publish,
    close: () => wire.close(),
  }
}

interface Waiting {
  readonly subject: string
  resolve(answer: NatsAnswer): void
  reject(error: WireError): void
}

const introduction = ({ user, password, token }: NatsCredentials, isTls: boolean) => ({
  verbose: false,
  pedantic: false,
  tls_required: isTls,
  name: "weir",
  lang: "weir",
  version,
  protocol: 1,
  echo: false,
  headers: true,
  // The server then says at once when no stream takes the subject, instead of nothing.
  no_responders: true,
  ...(user === null ? {} : { user }),
  ...(password === null ? {} : { pass: password }),
  ...(token === null ? {} : { auth_token: token }),
})

const pong = Buffer.from("PONG\r\n")
const lineEnd = Buffer.from("\r\n")

type NatsFrame =
  | { readonly kind: "info"; readonly info: ServerInfo }
  | { readonly kind: "message"; readonly subject: string; readonly answer: NatsAnswer }
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "ping" | "pong" | "ok" }

/** The first frame in `bytes`; null when it is not yet complete. Throws WireError on what a server does not say. */
function readFrame(bytes: Buffer): { readonly frame: NatsFrame; readonly bytes: number } | null {
  const end = bytes.indexOf("\r\n")
  if (end === -1) {
    if (/^[A-Z+-]/i.test(bytes.toString("latin1", 0, 1))) return null
    throw noNats()
  }
  const line = bytes.toString("utf8", 0, end)
  const [verb = ""] = line.split(/[ \t]/, 1)
  const rest = line.slice(verb.length).trim()
  const whole = (frame: NatsFrame) => ({ frame, bytes: end + 2 })
  switch (verb.toUpperCase()) {
    case "INFO":
      return whole({ kind: "info", info: readInfo(rest) })
    case "PING":
      return whole({ kind: "ping" })
    case "PONG":
      return whole({ kind: "pong" })
    case "+OK":
      return whole({ kind: "ok" })
    case "-ERR":
      return whole({ kind: "error", text: rest.replace(/^'|'$/g, "") })
    case "MSG":
      return readMessage(bytes, end + 2, rest.split(/[ \t]+/), false)
    case "HMSG":
      return readMessage(bytes, end + 2, rest.split(/[ \t]+/), true)
    default:
      throw noNats()
  }
}

/** `<subject> <sid> [reply to] [bytes of headers] <bytes in all>`, then the bytes and a line end. */
function readMessage(
  bytes: Buffer,
  start: number,
  words: readonly string[],
  hasHeaders: boolean,
): { readonly frame: NatsFrame; readonly bytes: number } | null {
  const total = Number(words.at(-1))
  const headTotal = hasHeaders ? Number(words.at(-2)) : 0
  const isCounted = [total, headTotal].every((count) => Number.isSafeInteger(count) && count >= 0)
  if (!isCounted || headTotal > total || words.length < (hasHeaders ? 4 : 3)) throw noNats()
  const end = start + total
  if (total > limits.brokerFrameBytesMax) throw new WireError("protocol", "the server's answer is too big")
  if (bytes.length < end + 2) return null
  const status = /^NATS\/1\.0[ \t]+(\d{3})/.exec(bytes.toString("latin1", start, start + headTotal))?.[1]
  const answer = {
    status: status === undefined ? null : Number(status),
    body: bytes.toString("utf8", start + headTotal, end),
  }
  return { frame: { kind: "message", subject: words[0] ?? "", answer }, bytes: end + 2 }
}

function readInfo(text: string): ServerInfo {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === "object" && value !== null) return value
  } catch {
    // Said below.
  }
  throw noNats()
}

const noNats = (): WireError => new WireError("protocol", "the server does not speak the protocol of NATS")
