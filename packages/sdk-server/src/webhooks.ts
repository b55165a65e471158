// Webhooks: the header `X-Signature` is the hex HMAC-SHA256 of the body before compression, the key being the API
// secret (contract/README.md, «Webhooks»). A gzip body is recognised by its first bytes, not by a header, because
// proxies drop headers.

import { syncPlatform } from "#platform"
import { limits } from "./limits.ts"
import { checkSecret, hmacSha256Async } from "./secret.ts"

export interface WebhookEvent {
  type: string
  created_at?: string
  [member: string]: unknown
}

/** A webhook cannot be believed or read. */
export class WeirWebhookError extends Error {
  override readonly name = "WeirWebhookError"
}

/** Body as it arrived: the raw bytes, or the text when nothing was compressed. */
export type WebhookBody = string | Uint8Array

/**
 * Whether the body was sent by the app's Weir. Give the raw body, never one that was parsed and written again.
 * False as well for a broken or oversized gzip body. Throws Error where only the `Async` form works.
 */
export function verifyWebhook(body: WebhookBody, signature: string, apiSecret: string): boolean {
  checkSecret(apiSecret)
  if (syncPlatform === null) throw new Error("this platform cannot verify at once: use verifyWebhookAsync")
  const plain = plainBody(body, (bytes) => syncPlatform?.gunzip(bytes, limits.webhookBytesMax) as Uint8Array)
  return plain !== null && isSame(hex(syncPlatform.hmacSha256(apiSecret, plain)), signature)
}

/** As verifyWebhook, on any platform. */
export async function verifyWebhookAsync(body: WebhookBody, signature: string, apiSecret: string): Promise<boolean> {
  checkSecret(apiSecret)
  const plain = await plainBodyAsync(body)
  return plain !== null && isSame(hex(await hmacSha256Async(apiSecret, plain)), signature)
}

/** Verifies and reads a webhook. Rejects with WeirWebhookError when it is not genuine, or no event. */
export async function readWebhook(body: WebhookBody, signature: string, apiSecret: string): Promise<WebhookEvent> {
  if (!(await verifyWebhookAsync(body, signature, apiSecret))) throw new WeirWebhookError("signature mismatch")
  const plain = (await plainBodyAsync(body)) as Uint8Array
  let event: unknown
  try {
    event = JSON.parse(new TextDecoder().decode(plain))
  } catch {
    throw new WeirWebhookError("invalid JSON payload")
  }
  const { type } = (event ?? {}) as { type?: unknown }
  if (typeof type !== "string" || type === "") throw new WeirWebhookError("the payload has no type")
  return event as WebhookEvent
}

function plainBody(body: WebhookBody, gunzip: (bytes: Uint8Array) => Uint8Array): Uint8Array | null {
  const bytes = bytesOf(body)
  if (bytes.length > limits.webhookBytesMax) return null
  if (!isGzip(bytes)) return bytes
  try {
    return gunzip(bytes)
  } catch {
    return null
  }
}

async function plainBodyAsync(body: WebhookBody): Promise<Uint8Array | null> {
  const bytes = bytesOf(body)
  if (bytes.length > limits.webhookBytesMax) return null
  if (!isGzip(bytes)) return bytes
  try {
    const unpacked = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"))
    return await collected(unpacked)
  } catch {
    return null
  }
}

// Stops at the bound, so a small body cannot unpack into the whole memory.
async function collected(stream: ReadableStream<Uint8Array>): Promise<Uint8Array | null> {
  const reader = stream.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.length
    if (length > limits.webhookBytesMax) {
      await reader.cancel()
      return null
    }
    chunks.push(value)
  }
  const whole = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}

const bytesOf = (body: WebhookBody): Uint8Array => (typeof body === "string" ? new TextEncoder().encode(body) : body)

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

// Looks at every character whatever the first difference, so that its time says nothing about where that is.
function isSame(expected: string, given: string): boolean {
  if (typeof given !== "string" || given.length !== expected.length) return false
  let difference = 0
  for (let index = 0; index < expected.length; index += 1) {
    difference |= expected.charCodeAt(index) ^ given.charCodeAt(index)
  }
  return difference === 0
}
