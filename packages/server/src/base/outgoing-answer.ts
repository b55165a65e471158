// Reads one answer of HTTP/1.1 (RFC 9112) out of the bytes of a connection. Pure: bytes go in, an answer comes out.
// Strict where two readers could disagree (line ends, lengths, transfer codings), since nothing is lost by it: the
// sender of a delivery tries again, and a person sees why.

import { limits } from "./limits.ts"

export interface Answer {
  readonly status: number
  /** Lower-case names; values of the same name joined by `, `. Has no prototype: a header may be called `constructor`. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** The body is longer than was to be read; the rest was not. */
  readonly isBodyCut: boolean
  /** Milliseconds that the connection may wait for a next request; 0: it is to be closed. */
  readonly keepMs: number
}

/** What came is no answer of HTTP/1.1. The message is the end of a sentence about it. */
export class MalformedAnswer extends Error {
  override readonly name = "MalformedAnswer"
}

export interface AnswerReader {
  /** Whether anything of the answer has arrived. */
  readonly hasBegun: boolean
  /** Takes the next bytes. The answer once it is complete, else null. Throws MalformedAnswer. */
  push(bytes: Buffer): Answer | null
  /** The peer has ended the connection: the answer if that is its end, null if it is cut off in the middle. */
  end(): Answer | null
}

type Stage = "head" | "sized" | "chunk-line" | "chunk" | "chunk-end" | "trailers" | "until-end"

interface Head {
  readonly status: number
  readonly headers: Record<string, string>
  readonly keepMs: number
}

/** A reader of one answer to a GET or POST, whose body is read up to `bodyBytesMax` bytes. */
export function readAnswer(bodyBytesMax: number): AnswerReader {
  let stage: Stage = "head"
  let head: Head | null = null
  let waiting: Buffer | null = null
  let hasBegun = false
  let interimCount = 0
  /** Bytes that are still to come of the body or of the chunk. */
  let remaining = 0
  let lineBytes = 0
  const pieces: Buffer[] = []
  let bodyBytes = 0

  const answer = (isBodyCut: boolean, isConnectionClean: boolean): Answer => {
    const { status, headers, keepMs } = head as Head
    const body = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
    return { status, headers, body, isBodyCut, keepMs: isConnectionClean ? keepMs : 0 }
  }

  /** Adds to the body; false when it does not fit. */
  const add = (bytes: Buffer): boolean => {
    const room = bodyBytesMax - bodyBytes
    const piece = bytes.length > room ? bytes.subarray(0, room) : bytes
    if (piece.length > 0) pieces.push(piece)
    bodyBytes += piece.length
    return piece === bytes
  }

  function push(bytes: Buffer): Answer | null {
    hasBegun = true
    let rest: Buffer = waiting === null ? bytes : Buffer.concat([waiting, bytes])
    waiting = null
    const wait = (bytesMax: number, what: string): null => {
      if (rest.length > bytesMax) throw new MalformedAnswer(`has ${what} of more than ${bytesMax} bytes`)
      waiting = rest
      return null
    }
    for (;;) {
      if (stage === "head") {
        const end = rest.indexOf("\r\n\r\n")
        if (end < 0) {
          refuseOtherProtocols(rest)
          return wait(limits.answerHeadBytesMax, "a head")
        }
        if (end > limits.answerHeadBytesMax) return wait(limits.answerHeadBytesMax, "a head")
        const read = readHead(rest.toString("latin1", 0, end))
        rest = rest.subarray(end + 4)
        if (read.status < 200) {
          if (read.status === 101) throw new MalformedAnswer("changes the protocol, which nobody asked for")
          interimCount += 1
          if (interimCount > limits.answerInterimMax) throw new MalformedAnswer("is announced without end (1xx)")
          continue
        }
        head = read
        const length = bodyLengthOf(read)
        if (length === 0) return answer(false, rest.length === 0)
        stage = length === "chunked" ? "chunk-line" : length === null ? "until-end" : "sized"
        remaining = typeof length === "number" ? length : 0
      }
      if (stage === "chunk-line") {
        const end = rest.indexOf("\r\n")
        if (end < 0 || end > limits.chunkLineBytesMax) {
          return wait(limits.chunkLineBytesMax, "a line with a chunk's size")
        }
        remaining = readChunkLine(rest.toString("latin1", 0, end))
        lineBytes += end
        if (lineBytes > limits.chunkLinesBytesMax) throw new MalformedAnswer("comes in too many small chunks")
        rest = rest.subarray(end + 2)
        stage = remaining === 0 ? "trailers" : "chunk"
      }
      if (stage === "trailers") {
        // The usual end is the empty line alone; trailers are read over.
        const end = rest.length >= 2 && rest[0] === 13 && rest[1] === 10 ? -2 : rest.indexOf("\r\n\r\n")
        if (end === -1 || end > limits.answerHeadBytesMax) return wait(limits.answerHeadBytesMax, "trailers")
        return answer(false, rest.length === end + 4)
      }
      if (rest.length === 0) return null
      if (stage === "chunk-end") {
        if (rest.length < 2) return wait(2, "an end of a chunk")
        if (rest[0] !== 13 || rest[1] !== 10) throw new MalformedAnswer("has a chunk that is longer than it says")
        rest = rest.subarray(2)
        stage = "chunk-line"
        continue
      }
      if (stage === "until-end") return add(rest) ? null : answer(true, false)
      const piece = rest.length > remaining ? rest.subarray(0, remaining) : rest
      if (!add(piece)) return answer(true, false)
      remaining -= piece.length
      rest = rest.subarray(piece.length)
      if (remaining > 0) return null
      if (stage === "sized") return answer(false, rest.length === 0)
      stage = "chunk-end"
    }
  }

  return {
    get hasBegun() {
      return hasBegun
    },
    push,
    end: () => (stage === "until-end" ? answer(false, false) : null),
  }
}

// Something else than HTTP is seen by its first bytes, and nobody needs to wait for the end of its head.
function refuseOtherProtocols(bytes: Buffer): void {
  const start = bytes.toString("latin1", 0, 7)
  if (!"HTTP/1.".startsWith(start)) throw new MalformedAnswer("does not begin like an answer of HTTP/1.1")
}

function readHead(text: string): Head {
  if (strayLineEnd.test(text)) throw new MalformedAnswer("has a stray line end in its head")
  const lines = text.split("\r\n")
  const parts = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: |$)/.exec(lines[0] as string)
  if (parts === null) throw new MalformedAnswer("has no status line of HTTP/1.1")
  if (lines.length - 1 > limits.answerHeadersMax) {
    throw new MalformedAnswer(`has more than ${limits.answerHeadersMax} headers`)
  }
  const headers: Record<string, string> = Object.create(null)
  for (let n = 1; n < lines.length; n++) {
    const line = lines[n] as string
    const colon = line.indexOf(":")
    const name = colon < 0 ? "" : line.slice(0, colon)
    // Neither a space before the colon nor a folded line (RFC 9112 §5).
    if (!isToken(name)) throw new MalformedAnswer("has a header that is none")
    const key = name.toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = headers[key]
    headers[key] = before === undefined ? value : `${before}, ${value}`
  }
  return { status: Number(parts[2]), headers, keepMs: keepMsOf(parts[1] === "1", headers) }
}

const strayLineEnd = /\0|\r(?!\n)|(?<!\r)\n/

/** Whether a text is a token (RFC 9110 §5.6.2), as names of headers are. */
export const isToken = (text: string): boolean => /^[!#$%&'*+.^_`|~\w-]+$/.test(text)

/** Length of the body (RFC 9112 §6.3): bytes, `chunked`, or null when the connection's end is its end. */
function bodyLengthOf({ status, headers }: Head): number | "chunked" | null {
  if (status === 204 || status === 304) return 0
  const coding = headers["transfer-encoding"]
  const length = headers["content-length"]
  if (coding !== undefined) {
    if (length !== undefined) throw new MalformedAnswer("has two lengths")
    if (coding.toLowerCase() !== "chunked") throw new MalformedAnswer("has a transfer coding that is not chunked")
    return "chunked"
  }
  if (length === undefined) return null
  // The same length twice is one length; two lengths are none.
  const [first, ...others] = length.split(/[\t ]*,[\t ]*/) as [string, ...string[]]
  if (!/^\d{1,15}$/.test(first) || others.some((other) => other !== first)) {
    throw new MalformedAnswer("has a length that is none")
  }
  return Number(first)
}

function readChunkLine(line: string): number {
  const parts = /^([\da-f]{1,8})[\t ]*(?:;|$)/i.exec(line)
  if (parts === null || /[\0\r\n]/.test(line)) throw new MalformedAnswer("has a chunk without a size")
  return Number.parseInt(parts[1] as string, 16)
}

// A server says by `keep-alive: timeout=5` when it will close. A second before that, nothing is sent any more.
function keepMsOf(isHttp11: boolean, headers: Record<string, string>): number {
  const options = headers.connection === undefined ? [] : headers.connection.toLowerCase().split(/[\t ]*,[\t ]*/)
  if (options.includes("close") || !(isHttp11 || options.includes("keep-alive"))) return 0
  const timeout = /(?:^|[\s,])timeout=(\d{1,9})/i.exec(headers["keep-alive"] ?? "")
  if (timeout === null) return limits.keptConnectionMsMax
  return Math.min(Math.max(0, Number(timeout[1]) * 1_000 - 1_000), limits.keptConnectionMsMax)
}
