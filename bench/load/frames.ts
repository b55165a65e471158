// The client's half of WebSocket framing (RFC 6455 §5), for measuring: a frame that is only counted costs a look at its
// header and at the first bytes of its payload, so that the receiver can keep up with a server that sends many.

import { limits } from "../limits.ts"

export class FrameError extends Error {
  override readonly name = "FrameError"
}

export interface FrameReader {
  /** Takes what came. Throws FrameError when the peer breaks the framing or closes. */
  feed(chunk: Buffer): void
  /**
   * From now on frames are counted and not read: those whose payload begins with `prefix` as matching, others not.
   * Until then each text frame is read as a whole and handed to `onText`.
   */
  count(prefix: Buffer, counts: FrameCounts): void
}

/** Shared by all sockets of a run. */
export interface FrameCounts {
  matching: number
  other: number
  bytes: number
}

/** `onText` gets whole text frames until count() is called; `onPing` must answer with a pong. */
export function createFrameReader(onText: (text: string) => void, onPing: () => void): FrameReader {
  let prefix: Buffer | null = null
  let counts: FrameCounts = { matching: 0, other: 0, bytes: 0 }
  let carry: Buffer | null = null
  /** Bytes of a counted frame that are still to come, and whether it matched. */
  let skip = 0
  let skippedMatches = false

  const countFrame = (matches: boolean): void => {
    if (matches) counts.matching++
    else counts.other++
  }

  const readWhole = (opcode: number, payload: Buffer): void => {
    if (opcode === opcodes.text) onText(payload.toString("utf8"))
    else if (opcode === opcodes.ping) onPing()
    else if (opcode === opcodes.close) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005
      throw new FrameError(`the server closed the socket with ${code} ${payload.toString("utf8", 2)}`.trimEnd())
    } else if (opcode !== opcodes.pong) {
      throw new FrameError(`a frame with opcode ${opcode}, which this client does not expect`)
    }
  }

  return {
    count(wanted, shared) {
      prefix = wanted
      counts = shared
    },
    feed(fresh) {
      let chunk = fresh
      if (carry !== null) {
        chunk = Buffer.concat([carry, fresh])
        carry = null
      }
      let at = 0
      if (skip > 0) {
        if (prefix !== null) counts.bytes += Math.min(skip, chunk.length)
        if (skip > chunk.length) {
          skip -= chunk.length
          return
        }
        at = skip
        skip = 0
        countFrame(skippedMatches)
      }
      while (at < chunk.length) {
        const left = chunk.length - at
        const first = chunk[at] ?? 0
        const shortLength = left < 2 ? 0 : (chunk[at + 1] ?? 0)
        const headerBytes = shortLength === 126 ? 4 : shortLength === 127 ? 10 : 2
        if (left < headerBytes) break
        if (shortLength > 127) throw new FrameError("a masked frame from the server")
        if ((first & 0xf0) !== finalBit)
          throw new FrameError(`a frame that is fragmented or compressed (byte ${first})`)
        const length =
          headerBytes === 2
            ? shortLength
            : headerBytes === 4
              ? chunk.readUInt16BE(at + 2)
              : chunk.readUInt32BE(at + 2) * 2 ** 32 + chunk.readUInt32BE(at + 6)
        const opcode = first & 0x0f
        const payloadAt = at + headerBytes
        if (prefix === null || opcode !== opcodes.text) {
          if (length > limits.framePayloadBytesMax) throw new FrameError(`a frame of ${length} bytes`)
          if (left < headerBytes + length) break
          readWhole(opcode, chunk.subarray(payloadAt, payloadAt + length))
          at = payloadAt + length
          continue
        }
        if (left < headerBytes + Math.min(length, prefix.length)) break
        const matches = length >= prefix.length && startsWith(chunk, payloadAt, prefix)
        at = payloadAt + length
        counts.bytes += Math.min(left, headerBytes + length)
        if (at > chunk.length) {
          skip = at - chunk.length
          skippedMatches = matches
          return
        }
        countFrame(matches)
      }
      if (at < chunk.length) carry = at === 0 ? chunk : Buffer.from(chunk.subarray(at))
    },
  }
}

function startsWith(chunk: Buffer, at: number, prefix: Buffer): boolean {
  for (let index = 0; index < prefix.length; index++) {
    if (chunk[at + index] !== prefix[index]) return false
  }
  return true
}

/** A text frame as a client must send it: masked (RFC 6455 §5.3). The mask is fixed; the server's work is the same. */
export function clientTextFrame(text: string): Buffer {
  return clientFrame(opcodes.text, Buffer.from(text))
}

/** The answer to a ping. */
export const clientPong = (): Buffer => clientFrame(opcodes.pong, Buffer.alloc(0))

function clientFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload
  if (length > 0xffff) throw new FrameError(`${length} bytes are more than this client sends in one frame`)
  const headerBytes = length < 126 ? 2 : 4
  const frame = Buffer.allocUnsafe(headerBytes + mask.length + length)
  frame[0] = finalBit | opcode
  if (headerBytes === 2) frame[1] = maskedBit | length
  else {
    frame[1] = maskedBit | 126
    frame.writeUInt16BE(length, 2)
  }
  mask.copy(frame, headerBytes)
  const payloadAt = headerBytes + mask.length
  for (let index = 0; index < length; index++) {
    frame[payloadAt + index] = (payload[index] ?? 0) ^ (mask[index & 3] ?? 0)
  }
  return frame
}

/** The request that opens a socket (RFC 6455 §4.1); no extension is offered, so nothing is compressed. */
export const upgradeRequest = (path: string, host: string): Buffer =>
  Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Key: d2VpciBtZWFzdXJlcyBpdA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  )

const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const
const finalBit = 0x80
const maskedBit = 0x80
const mask = Buffer.from([0x5a, 0x31, 0xc4, 0x0f])
