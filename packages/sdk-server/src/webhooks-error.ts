// Why a webhook is not believed or not read, as codes that backends can act upon.

export type WebhookErrorCode =
  /** A header of the scheme is not there. */
  | "missing-header"
  /** A header of the scheme cannot be read. */
  | "invalid-header"
  /** The signed time is further back than the tolerance. */
  | "timestamp-too-old"
  /** The signed time is further ahead than the tolerance: one of the two clocks is wrong. */
  | "timestamp-too-new"
  /** None of the signatures was made over this body with one of the secrets. */
  | "signature-mismatch"
  /** The id was seen before. Answer with success: the sender only did not hear the first answer. */
  | "replayed"
  /** The same id is being handled right now, and whether with success is not known. Answer with 503. */
  | "being-handled"
  /** No id can be remembered, so nothing is accepted. Answer with 503. */
  | "replay-cache-full"
  /** Longer than `limits.webhookBytesMax`, as it arrived or unpacked. */
  | "too-big"
  | "invalid-gzip"
  | "invalid-json"
  /** The payload is no event. */
  | "no-type"
  /** Something parsed the body before, so the bytes that were signed are gone. A mistake of the backend's own. */
  | "body-parsed"

/** A webhook cannot be believed or read. */
export class WeirWebhookError extends Error {
  override readonly name = "WeirWebhookError"

  constructor(
    readonly code: WebhookErrorCode,
    message: string,
  ) {
    super(message)
  }
}
