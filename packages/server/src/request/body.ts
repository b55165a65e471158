// Reads a request body within its bound, whatever the client declares, and unpacks gzip without trusting the ratio.

import { gunzipSync } from "node:zlib"
import { ApiError, inputError, limits } from "@weir/protocol"
import { parseBody } from "./input.ts"

/** The parsed JSON of a body, or null when it is empty or `null`. Throws input, payloadTooBig. */
export async function readBody(request: Request): Promise<unknown> {
  const declared = declaredBytes(request)
  if (request.body === null) return null
  // The runtime reads no more than what was declared; a body in chunks declares nothing and is counted here.
  if (declared !== null && encodingOf(request) === "identity") return parseBody(await request.text().catch(cutShort))
  return parseBytes(request, await bytesOf(request, declared))
}

/** The bytes of a body as they came, for a signature that covers them. Throws payloadTooBig, input. */
export async function readBytes(request: Request): Promise<Buffer> {
  const declared = declaredBytes(request)
  return request.body === null ? Buffer.alloc(0) : bytesOf(request, declared)
}

/** What readBody answers, from bytes that were read before. Throws input, payloadTooBig. */
export function parseBytes(request: Request, bytes: Buffer): unknown {
  const encoding = encodingOf(request)
  if (bytes.length === 0) return null
  return parseBody((encoding === "gzip" ? unpacked(bytes) : bytes).toString("utf8"))
}

function declaredBytes(request: Request): string | null {
  const declared = request.headers.get("content-length")
  if (Number(declared ?? 0) > limits.bodyBytesMax) throw tooBig()
  return declared
}

const bytesOf = async (request: Request, declared: string | null): Promise<Buffer> =>
  declared === null
    ? readChunks(request.body as ReadableStream<Uint8Array>)
    : Buffer.from(await request.arrayBuffer().catch(cutShort))

function encodingOf(request: Request): "identity" | "gzip" {
  const encoding = request.headers.get("content-encoding")?.toLowerCase() || "identity"
  if (encoding === "identity" || encoding === "gzip") return encoding
  throw inputError(`content-encoding ${encoding.slice(0, 40)} is not supported, send gzip or identity`)
}

async function readChunks(body: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read().catch(cutShort)
    if (done) return Buffer.concat(chunks)
    bytes += value.length
    if (bytes > limits.bodyBytesMax) {
      await reader.cancel()
      throw tooBig()
    }
    chunks.push(value)
  }
}

function unpacked(bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: limits.bodyBytesMax })
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw tooBig()
    throw inputError("the request body is not valid gzip")
  }
}

/** The client, or the end of this node, closed the connection in the middle: nobody's fault here, and nobody to tell. */
function cutShort(cause: unknown): never {
  throw new ApiError("input", "the request body ended before it was whole", { cause })
}

const tooBig = (): ApiError =>
  new ApiError("payloadTooBig", `the request body is larger than ${limits.bodyBytesMax} bytes`)
