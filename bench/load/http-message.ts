// Finds the HTTP/1.1 messages of one keep-alive connection (RFC 9112) in what comes over it, with little work: whoever is
// measured is the one on the other side.

import { limits } from "../limits.ts"

export class HttpMessageError extends Error {
  override readonly name = "HttpMessageError"
}

export interface HttpMessageReader {
  /** Takes what came. Throws HttpMessageError, and what the callbacks throw. */
  feed(chunk: Buffer): void
}

export interface HttpMessageHandlers {
  /** For errors: `a request` or `an answer`. */
  readonly what: string
  /** Bytes of the body of the message that begins at `start` and whose head ends at `headEnd`. */
  bodyLengthOf(chunk: Buffer, start: number, headEnd: number): number
  /** A whole message, right after its `bodyLengthOf`. The offsets are those of its first byte, of its body, and of the byte behind it. */
  onMessage(chunk: Buffer, start: number, bodyStart: number, end: number): void
}

/** A reader of messages that come in pieces and together. */
export function createHttpMessageReader({ what, bodyLengthOf, onMessage }: HttpMessageHandlers): HttpMessageReader {
  let pending: Buffer | null = null
  return {
    feed(fresh) {
      let chunk = fresh
      if (pending !== null) {
        chunk = Buffer.concat([pending, fresh])
        pending = null
      }
      let at = 0
      while (at < chunk.length) {
        const headEnd = chunk.indexOf(headEndMark, at)
        if (headEnd < 0) {
          if (chunk.length - at > limits.headBytesMax) throw new HttpMessageError(`the head of ${what} does not end`)
          break
        }
        const bodyStart = headEnd + headEndMark.length
        const end = bodyStart + bodyLengthOf(chunk, at, headEnd)
        if (end > chunk.length) break
        onMessage(chunk, at, bodyStart, end)
        at = end
      }
      if (at < chunk.length) pending = at === 0 ? chunk : chunk.subarray(at)
    },
  }
}

const headEndMark = Buffer.from("\r\n\r\n")
