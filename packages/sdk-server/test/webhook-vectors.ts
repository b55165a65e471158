// contract/vectors/webhooks in the words of this SDK.

import type { Arrival, Receiver } from "../../../tools/webhook-vectors.ts"
import type { WebhookVerifierOptions } from "../src/index.ts"

/** What a receiver is set up with. */
export const optionsOf = (receiver: Receiver): WebhookVerifierOptions => ({
  secrets: receiver.secrets,
  publicKeys: receiver.public_keys,
  apiSecret: receiver.api_secret,
  requireTimestamp: receiver.require_timestamp,
  toleranceSeconds: receiver.tolerance_seconds,
})

/** The body as it arrives. */
export const bodyOf = ({ body, body_base64 }: Arrival): string | Uint8Array<ArrayBuffer> =>
  body ?? Uint8Array.fromBase64(body_base64 as string)
