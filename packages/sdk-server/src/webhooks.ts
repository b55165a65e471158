// Webhooks by one signature: the header `X-Signature` is the hex HMAC-SHA256 of the body before compression, the key
// being the API secret (contract/README.md, «Webhooks»). webhooks-verifier.ts also knows times and replays.

import { syncPlatform } from "#platform"
import { checkSecret, hmacSha256Async } from "./secret.ts"
import { plainBody, plainBodyAsync, type WebhookBody } from "./webhooks-body.ts"
import { WeirWebhookError } from "./webhooks-error.ts"
import { hex, isSame } from "./webhooks-signature.ts"
import { eventOf, mismatch, type WebhookEvent } from "./webhooks-verifier.ts"

/**
 * Whether the body was sent by the app's Weir. Give the raw body, never one that was parsed and written again.
 * False as well for a broken or oversized gzip body. This signature holds no time, so whoever saw a delivery can send it
 * again: drop ids that you have seen, or see createWebhookVerifier. Throws Error where only the `Async` form works.
 */
export function verifyWebhook(body: WebhookBody, signature: string, apiSecret: string): boolean {
  checkSecret(apiSecret)
  if (syncPlatform === null) throw new Error("this platform cannot verify at once: use verifyWebhookAsync")
  const { gunzip, hmacSha256 } = syncPlatform
  try {
    return isSame(hex(hmacSha256(apiSecret, plainBody(body, gunzip))), signature)
  } catch (error) {
    if (error instanceof WeirWebhookError) return false
    throw error
  }
}

/** As verifyWebhook, on any platform. */
export async function verifyWebhookAsync(body: WebhookBody, signature: string, apiSecret: string): Promise<boolean> {
  return (await genuineBody(body, signature, apiSecret)) !== null
}

/** Verifies and reads a webhook. Rejects with WeirWebhookError when it is not genuine, or no event. */
export async function readWebhook(body: WebhookBody, signature: string, apiSecret: string): Promise<WebhookEvent> {
  const plain = await genuineBody(body, signature, apiSecret)
  if (plain === null) throw mismatch()
  return eventOf(plain)
}

/** The plain body, or null where it cannot be read or was not signed so. Rejects with what checkSecret throws. */
async function genuineBody(body: WebhookBody, signature: string, apiSecret: string): Promise<Uint8Array | null> {
  checkSecret(apiSecret)
  try {
    const plain = await plainBodyAsync(body)
    return isSame(hex(await hmacSha256Async(apiSecret, plain)), signature) ? plain : null
  } catch (error) {
    if (error instanceof WeirWebhookError) return null
    throw error
  }
}
