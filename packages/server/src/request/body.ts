// Reads a request body within its bound, whatever the client declares, and unpacks gzip without trusting the ratio.

import { gunzipSync } from "node:zlib"
import { ApiError, inputError, limits } from "@weir/protocol"
import { parseBody } from "./input.ts"

/** The parsed JSON of a body, or null when it is empty or `null`. Throws input, payloadTooBig. */
export async function readBody(request: Request): Promise<unknown> {
  const declared = Number(request.headers.get("content-length") ?? 0)
  if (declared > limits.bodyBytesMax) throw tooBig()
  if (request.body === null) return null
  const encoding = request.headers.get("content-encoding")?.toLowerCase()
  if (!encoding || encoding === "identity") {
    const text = await request.text()
    if (text.length > limits.bodyBytesMax || Buffer.byteLength(text) > limits.bodyBytesMax) throw tooBig()
    return parseBody(text)
  }
  if (encoding !== "gzip") throw inputError(`content-encoding ${encoding} is not supported, send gzip or identity`)
  const bytes = Buffer.from(await request.arrayBuffer())
  if (bytes.length === 0) return null
  if (bytes.length > limits.bodyBytesMax) throw tooBig()
  return parseBody(unpacked(bytes).toString("utf8"))
}

function unpacked(bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: limits.bodyBytesMax })
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw tooBig()
    throw inputError("the request body is not valid gzip")
  }
}

const tooBig = (): ApiError => new ApiError("payloadTooBig", `the request body is larger than ${limits.bodyBytesMax} bytes`)
