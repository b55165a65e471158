// A webhook's body: bounded, and unpacked where it is packed. Gzip (RFC 1952) is recognised by its first bytes and not
// by a header, because proxies drop headers. Queues that carry text only (SQS, SNS) bring base64 of the body, which no
// JSON can be taken for: its first letter is the H of gzip's first bytes or the e of a brace.

import { fromBase64 } from "./base64.ts"
import { limits } from "./limits.ts"
import { WeirWebhookError } from "./webhooks-error.ts"

/** Body as it arrived: the raw bytes; or the text when nothing was compressed, or when it came by a queue. */
export type WebhookBody = string | Uint8Array

/**
 * The plain bytes, unpacked by `gunzip`, which is handed what is packed and the bound, and throws when it is broken or
 * longer. Throws WeirWebhookError: `too-big`, `invalid-gzip`.
 */
export function plainBody(body: WebhookBody, gunzip: (bytes: Uint8Array, bytesMax: number) => Uint8Array): Uint8Array {
  const bytes = boundedBytesOf(body)
  if (!isGzip(bytes)) return bytes
  try {
    return gunzip(bytes, limits.webhookBytesMax)
  } catch {
    throw new WeirWebhookError("invalid-gzip", "the body is broken gzip, or unpacks beyond the bound")
  }
}

/** As plainBody, on any platform. */
export async function plainBodyAsync(body: WebhookBody): Promise<Uint8Array> {
  const bytes = boundedBytesOf(body)
  if (!isGzip(bytes)) return bytes
  const packed = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream()
  try {
    return await streamed(packed.pipeThrough(new DecompressionStream("gzip")))
  } catch (error) {
    if (error instanceof WeirWebhookError) throw error
    throw new WeirWebhookError("invalid-gzip", "the body is broken gzip")
  }
}

/** Everything that a stream gives. Rejects with WeirWebhookError `too-big`. */
export async function streamed(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const reader = stream.getReader()
  try {
    return await collected(() => reader.read())
  } catch (error) {
    await reader.cancel().catch(() => {})
    throw error
  }
}

/**
 * The chunks that `next` gives until it is done, as one. Rejects with WeirWebhookError `too-big` at the bound, so a
 * small body cannot unpack into the whole memory; `next` is not asked again then.
 */
export async function collected(next: () => Promise<{ done?: boolean; value?: unknown }>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await next()
    if (done === true) break
    const chunk = typeof value === "string" ? new TextEncoder().encode(value) : (value as Uint8Array)
    length += chunk.length
    if (length > limits.webhookBytesMax) throw tooBig()
    chunks.push(chunk)
  }
  const whole = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}

export const tooBig = (): WeirWebhookError =>
  new WeirWebhookError("too-big", `a webhook has at most ${limits.webhookBytesMax} bytes`)

function boundedBytesOf(body: WebhookBody): Uint8Array {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body
  if (bytes.length > limits.webhookBytesMax) throw tooBig()
  return bytes[0] === letterH || bytes[0] === letterE ? unwrapped(bytes) : bytes
}

const letterH = 0x48
const letterE = 0x65

function unwrapped(bytes: Uint8Array): Uint8Array {
  try {
    return fromBase64(new TextDecoder().decode(bytes))
  } catch {
    // No base64, and no event either: no signature fits it.
    return bytes
  }
}

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b
