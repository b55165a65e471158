// Reads the HTTP/1.1 answers of one keep-alive connection. It does little, because it must be cheaper than the server it
// measures: the status of each answer is checked, and its end is found by Content-Length.

import { limits } from "../limits.ts"
import { createHttpMessageReader, HttpMessageError, type HttpMessageReader } from "./http-message.ts"

/**
 * A reader for answers that all have the status `expectedStatus`; any other status throws with what the server said.
 * Chunked answers throw too: nothing here sends them, and a decoder would cost the measurement.
 */
export function createResponseReader(expectedStatus: number, onResponse: (body: Buffer) => void): HttpMessageReader {
  // Servers put Content-Length at the same place each time, so the last place is looked at first.
  let lengthOffset = 0

  const contentLength = (chunk: Buffer, start: number, headEnd: number): number => {
    let at = start + lengthOffset
    if (lengthOffset === 0 || !isContentLength(chunk, at)) {
      const found = chunk.toString("latin1", start, headEnd).toLowerCase().indexOf("\r\ncontent-length:")
      if (found < 0)
        throw new HttpMessageError(`an answer without Content-Length: ${chunk.toString("latin1", start, headEnd)}`)
      lengthOffset = found + 2
      at = start + lengthOffset
    }
    at += contentLengthName.length
    while (chunk[at] === space) at++
    let length = 0
    for (let digit = chunk[at] ?? 0; digit >= zero && digit <= nine; digit = chunk[++at] ?? 0) {
      length = length * 10 + digit - zero
    }
    return length
  }

  return createHttpMessageReader({
    what: "an answer",
    bodyLengthOf: contentLength,
    onMessage(chunk, start, bodyStart, end) {
      const status = statusOf(chunk, start)
      if (status !== expectedStatus) {
        const said = chunk.toString("utf8", start, end).slice(0, limits.quotedCharsMax)
        throw new HttpMessageError(`status ${status} instead of ${expectedStatus}: ${said}`)
      }
      onResponse(chunk.subarray(bodyStart, end))
    },
  })
}

const contentLengthName = Buffer.from("content-length:")
const space = 0x20
const zero = 0x30
const nine = 0x39

// `HTTP/1.1 200 …`: the three digits after the ninth byte.
const statusOf = (chunk: Buffer, start: number): number =>
  ((chunk[start + 9] ?? 0) - zero) * 100 + ((chunk[start + 10] ?? 0) - zero) * 10 + (chunk[start + 11] ?? 0) - zero

function isContentLength(chunk: Buffer, at: number): boolean {
  for (let index = 0; index < contentLengthName.length; index++) {
    // Bit 0x20 makes a letter small and leaves `-` and `:` as they are.
    if (((chunk[at + index] ?? 0) | 0x20) !== contentLengthName[index]) return false
  }
  return true
}
