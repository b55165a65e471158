// Reads the HTTP/1.1 requests of one keep-alive connection (RFC 9112), with little work: whoever sends must be what is
// measured, and not who receives.

import { limits } from "../limits.ts"

export interface ReadRequest {
  readonly body: Buffer
  /** By its lower-case name; null when it is not there. */
  header(name: string): string | null
  /** All of them, by the names as they came. */
  headers(): Record<string, string>
}

/** A reader that calls `onRequest` for each request that is complete. Bodies have a Content-Length; else `feed` throws. */
export function createRequestReader(onRequest: (request: ReadRequest) => void): { feed(chunk: Buffer): void } {
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
          if (chunk.length - at > limits.headBytesMax) throw new Error("the head of a request does not end")
          break
        }
        const head = chunk.toString("latin1", at, headEnd)
        const bodyStart = headEnd + headEndMark.length
        const length = headerOf(head, "content-length")
        if (length === null)
          throw new Error(`a request without Content-Length: ${head.slice(0, limits.quotedCharsMax)}`)
        const bodyEnd = bodyStart + Number(length)
        if (bodyEnd > chunk.length) break
        onRequest({
          body: chunk.subarray(bodyStart, bodyEnd),
          header: (name) => headerOf(head, name),
          headers: () => headersOf(head),
        })
        at = bodyEnd
      }
      if (at < chunk.length) pending = at === 0 ? chunk : chunk.subarray(at)
    },
  }
}

const headEndMark = Buffer.from("\r\n\r\n")

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
