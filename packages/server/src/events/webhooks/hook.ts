// What is sent to backends, and where: the values that pass between the module of the hooks, the engine that delivers
// and the senders. A hook is one receiver of an app's events.

/** Which family of events a hook wants; `all` also those of families that come later. */
export type HookProduct = "all" | "chat" | "feeds" | "video" | "moderation"

/** Where a hook's deliveries go. Secrets are open here, so a target is never logged or shown. */
export type HookTarget =
  | { readonly kind: "webhook"; readonly url: string }
  | ({ readonly kind: "sqs"; readonly queueUrl: string; readonly region: string } & AwsCredentials)
  | ({
      readonly kind: "sns"
      readonly topicArn: string
      readonly region: string
      /** Group the messages of a FIFO topic by event type instead of by stream. */
      readonly groupByType: boolean
      /** Where the service answers, if not at the region's own address. */
      readonly endpoint: string | null
    } & AwsCredentials)
  | {
      readonly kind: "redis"
      /** `redis://` or `rediss://`, with user and password where the server wants them. */
      readonly url: string
      readonly stream: string
      /** The stream is cut to about this many entries; null: never. */
      readonly lengthMax: number | null
    }
  | {
      readonly kind: "nats"
      /** `nats://` or `tls://`. */
      readonly url: string
      readonly subject: string
      /** User and password, or a token, or neither. */
      readonly user: string | null
      readonly password: string | null
      readonly token: string | null
    }
  /** Somebody listens at the management API (`weir webhooks listen`); lives as long as they do. */
  | { readonly kind: "listen"; readonly nodeId: string }

export type HookKind = HookTarget["kind"]

/** The targets of one kind. */
export type TargetOf<Kind extends HookKind> = Extract<HookTarget, { readonly kind: Kind }>

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** A hook as the engine needs it. Times are in milliseconds. */
export interface Hook {
  readonly id: string
  readonly appId: number
  readonly enabled: boolean
  readonly product: HookProduct
  /** Exact types or one `*` at the end (`message.*`); empty: all types. */
  readonly eventTypes: readonly string[]
  /** Whether events of an app's own making are sent. */
  readonly sendsCustomEvents: boolean
  readonly target: HookTarget
  readonly timeoutMs: number
  readonly compression: "none" | "gzip"
  /** The events of one channel, feed or call arrive one after the other, in their order. */
  readonly ordered: boolean
}

/** What a delivery is signed with. */
export interface HookSigner {
  /** Of the app's newest key with an active HMAC secret: for `X-Signature`. Null: the app has only key pairs. */
  readonly api: { readonly apiKey: string; readonly secret: string } | null
  /** The hook's own secrets, newest first: one signature each in `webhook-signature`. */
  readonly own: readonly HookSecret[]
}

export type HookSecret =
  /** `whsec_` and base64 of 24 to 64 bytes. */
  | { readonly id: string; readonly alg: "hmac"; readonly secret: string }
  /** `whsk_` and base64 of the Ed25519 private key (seed and public key, 64 bytes). */
  | { readonly id: string; readonly alg: "ed25519"; readonly secret: string }

/** One delivery on its way. */
export interface HookDelivery {
  readonly appId: number
  readonly hook: Hook
  readonly signer: HookSigner
  /** The same for every attempt and replay: receivers drop what they have seen. */
  readonly webhookId: string
  /** From 1. */
  readonly attempt: number
  readonly type: string
  /** Such as `channel:messaging:general`. */
  readonly stream: string
  /** The event as JSON text; the same bytes in every attempt. */
  readonly body: string
}

/** How an attempt ended. Shown to operators, so headers and body are cut to bounds and hold no secret of ours. */
export interface AttemptOutcome {
  readonly result:
    | "delivered"
    /** Another attempt may succeed. */
    | "retry"
    /** Not with this receiver and this delivery: it goes to the dead letters. */
    | "refused"
    /** The receiver says that it is gone for good (410): the hook is switched off. */
    | "gone"
  /** HTTP status; null when there was no answer. */
  readonly status: number | null
  /** One word for counting, such as `timeout`, `dns`, `tls`, `refused-address`, `status`; null when delivered. */
  readonly fault: string | null
  /** One sentence; null when delivered. */
  readonly detail: string | null
  /** What the receiver asked for by `Retry-After`; null when nothing. */
  readonly retryAfterMs: number | null
  readonly durationMs: number
  readonly request: { readonly target: string; readonly headers: Readonly<Record<string, string>> }
  readonly response: { readonly headers: Readonly<Record<string, string>>; readonly body: string } | null
}

/** Sends deliveries of one kind of target. Never rejects: whatever goes wrong is an outcome. */
export interface HookSender {
  /** `nowMs` is the time that is signed, in milliseconds since 1970. */
  send(delivery: HookDelivery, nowMs: number): Promise<AttemptOutcome>
  close(): Promise<void>
}
