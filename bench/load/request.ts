// Reads the HTTP/1.1 requests of one keep-alive connection.

import { limits } from "../limits.ts"
import { createHttpMessageReader, HttpMessageError, type HttpMessageReader } from "./http-message.ts"

export interface ReadRequest {
  readonly body: Buffer
  /** By its lower-case name; null when it is not there. */
  header(name: string): string | null
  /** All of them, by the names as they came. */
  headers(): Record<string, string>
}

/** A reader that calls `onRequest` for each request that is complete. Bodies have a Content-Length; else `feed` throws. */
export function createRequestReader(onRequest: (request: ReadRequest) => void): HttpMessageReader {
  // Of the message whose length was asked for last: it is the next that is whole, and is not read a second time.
  let lastHead = ""
  return createHttpMessageReader({
    what: "a request",
    bodyLengthOf(chunk, start, headEnd) {
      lastHead = chunk.toString("latin1", start, headEnd)
      const length = headerOf(lastHead, "content-length")
      if (length !== null) return Number(length)
      throw new HttpMessageError(`a request without Content-Length: ${lastHead.slice(0, limits.quotedCharsMax)}`)
    },
    onMessage(chunk, _start, bodyStart, end) {
      const head = lastHead
      onRequest({
        body: chunk.subarray(bodyStart, end),
        header: (name) => headerOf(head, name),
        headers: () => headersOf(head),
      })
    },
  })
}

/** Names come in any case; those of Weir are small letters, so that spelling is looked for first. */
function headerOf(head: string, name: string): string | null {
  let start = head.indexOf(`\r\n${name}:`)
  if (start < 0) start = head.toLowerCase().indexOf(`\r\n${name}:`)
  if (start < 0) return null
  const from = start + name.length + 3
  const to = head.indexOf("\r\n", from)
  return head.slice(from, to < 0 ? undefined : to).trim()
}

const headersOf = (head: string): Record<string, string> =>
  Object.fromEntries(
    head
      .split("\r\n")
      .slice(1)
      .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
  )
