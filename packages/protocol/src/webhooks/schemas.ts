// Hooks as the wire and the management API write and show them. Members of the wire bear their published names (model
// `EventHook`, contract/auth.md §7.1); compression, ordered, Redis and NATS are ours.

import { Type } from "typebox"
import { Custom, OrNull, Timestamp } from "../schemas.ts"
import { webhookLimits as limits } from "./limits.ts"

const Word = Type.String({ maxLength: 64 })
const Name = Type.String({ maxLength: limits.nameCharsMax })
const Url = Type.String({ maxLength: limits.urlCharsMax })

export const EventTypes = Type.Array(Type.String({ minLength: 1, maxLength: limits.eventTypeCharsMax }), {
  maxItems: limits.eventTypesPerHookMax,
})

/** What a hook is set to, of whichever type. Which members go together is checked by the server, by name. */
const settings = {
  enabled: Type.Optional(Type.Boolean()),
  /** `all`, `chat`, `feeds`, `video` or `moderation`; all unless given. */
  product: Type.Optional(Word),
  /** Exact types, or the beginning of some with `*` at the end (`message.*`). Empty: every type, later ones too. */
  event_types: Type.Optional(EventTypes),
  /** Also events of the app's own making (SendEvent). */
  should_send_custom_events: Type.Optional(Type.Boolean()),
  /** Of one attempt; 0: 6000. */
  timeout_ms: Type.Optional(Type.Integer()),
  /** `none` or `gzip`. */
  compression: Type.Optional(Word),
  /** Events of one channel, feed or call arrive one after the other, in their order. */
  ordered: Type.Optional(Type.Boolean()),

  webhook_url: Type.Optional(Url),

  sqs_queue_url: Type.Optional(Url),
  /** From the URL unless given; `us-east-1` where the URL is not of AWS. */
  sqs_region: Type.Optional(Word),
  /** `keys`; roles are refused by name. */
  sqs_auth_type: Type.Optional(Word),
  sqs_role_arn: Type.Optional(Name),
  sqs_key: Type.Optional(Name),

  sns_topic_arn: Type.Optional(Name),
  /** From the ARN unless given. */
  sns_region: Type.Optional(Word),
  sns_auth_type: Type.Optional(Word),
  sns_role_arn: Type.Optional(Name),
  sns_key: Type.Optional(Name),
  /** The messages of a FIFO topic are grouped by event type instead of by channel, feed or call. */
  sns_event_based_message_group_id_enabled: Type.Optional(Type.Boolean()),
  /** Where the service answers, if not at the region's own address. */
  sns_endpoint: Type.Optional(Url),

  /** `redis://` or `rediss://`. Written with its password, shown without. */
  redis_url: Type.Optional(Url),
  redis_stream: Type.Optional(Name),
  /** The stream is cut to about this many entries; null: never. */
  redis_length_max: Type.Optional(OrNull(Type.Integer({ minimum: 1 }))),

  /** `nats://` or `tls://`. */
  nats_url: Type.Optional(Url),
  nats_subject: Type.Optional(Name),
  nats_user: Type.Optional(Name),
}

/** Written and never read. An empty text leaves what is there. */
const secrets = {
  sqs_secret: Type.Optional(Name),
  sns_secret: Type.Optional(Name),
  nats_password: Type.Optional(Name),
  nats_token: Type.Optional(Name),
}

/** A hook as it is written. What a shown hook has beyond its settings may come back with it, and is not looked at. */
export const HookInput = Type.Object({
  ...settings,
  ...secrets,
  id: Type.Optional(Type.String({ maxLength: 64 })),
  /** `webhook`, `sqs`, `sns`, `redis` or `nats`. */
  hook_type: Type.Optional(Word),
})

/** A hook as it is shown: the settings that its type has, and no secret. */
export const HookView = Type.Object({
  ...settings,
  id: Type.String(),
  hook_type: Type.String(),
  enabled: Type.Boolean(),
  /** Null while it is enabled; `operator`: switched off; `gone`: its receiver answered 410. */
  disabled_reason: OrNull(Type.String()),
  product: Type.String(),
  event_types: Type.Array(Type.String()),
  should_send_custom_events: Type.Boolean(),
  timeout_ms: Type.Integer(),
  ordered: Type.Boolean(),
  created_at: Timestamp,
  updated_at: Timestamp,
})

/** How a hook fares. Counted over a bounded number of its deliveries. */
export const HookStatus = Type.Object({
  /** Deliveries that wait or are on their way; not counted further than 10,000. */
  pending: Type.Integer(),
  oldest_pending_at: OrNull(Timestamp),
  /** When the oldest delivery was made of those that failed and wait, where none has arrived since; else null. */
  failing_since: OrNull(Timestamp),
  last_delivered_at: OrNull(Timestamp),
})

/** As the management API shows a hook. */
export const ManagedHook = Type.Object({
  ...HookView.properties,
  compression: Type.String(),
  /** Which setting made it: `event_hooks`, `webhook_url`, `sqs_url`, `sns_topic_arn`, `admin` or `listen`. */
  origin: Type.String(),
  status: HookStatus,
})

const HookSecretAlg = Type.Union([Type.Literal("hmac"), Type.Literal("ed25519")])

/** A secret that deliveries of a hook are signed with (Standard Webhooks), without its text. */
export const HookSecretView = Type.Object({
  id: Type.String(),
  alg: HookSecretAlg,
  /** `whpk_…`: what receivers verify with; null for `hmac`. */
  public_key: OrNull(Type.String()),
  created_at: Timestamp,
  /** It signs until then; null: until it is retired. */
  expires_at: OrNull(Timestamp),
})

/** A new secret, shown this once: `whsec_…` for `hmac`; for `ed25519` receivers need no more than `public_key`. */
export const NewHookSecret = Type.Object({
  id: Type.String(),
  alg: HookSecretAlg,
  value: Type.String(),
  public_key: OrNull(Type.String()),
})

export const HookSecretInput = Type.Object({
  alg: HookSecretAlg,
  /** How long the older ones of the same kind go on signing; a day unless given. */
  overlap_seconds: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.overlapSecondsMax })),
})

/** What UpdateApp sets of hooks, and GetApp shows. */
export const AppHookSettings = Type.Object({
  /** Replaces the list: a hook that stands in it by its id, or by its address, keeps its secrets. */
  event_hooks: Type.Optional(Type.Array(HookInput, { maxItems: limits.hooksPerAppMax })),
  /** One hook for `webhook_events`; an empty text removes it. */
  webhook_url: Type.Optional(Url),
  webhook_events: Type.Optional(EventTypes),
  /** One hook for all events; an empty text removes it. */
  sqs_url: Type.Optional(Url),
  sqs_key: Type.Optional(Name),
  sqs_secret: Type.Optional(Name),
  /** One hook for all events; an empty text removes it. */
  sns_topic_arn: Type.Optional(Name),
  sns_key: Type.Optional(Name),
  sns_secret: Type.Optional(Name),
  /** For every hook of these settings, and for new ones that say nothing of `compression`. */
  enable_hook_payload_compression: Type.Optional(Type.Boolean()),
  /** The same switch: `gzip`, or an empty text for none. */
  webhook_compression_algorithm: Type.Optional(Word),
  /** Asked before each message is sent; an empty text removes it. */
  before_message_send_hook_url: Type.Optional(Url),
  /** 0: 1500. */
  before_message_send_hook_attempt_timeout_ms: Type.Optional(
    Type.Integer({ minimum: 0, maximum: limits.beforeMessageSendTimeoutMsMax }),
  ),
  /** When it does not answer: `allow` sends the message as it was, `refuse` does not send it. */
  before_message_send_hook_on_failure: Type.Optional(Word),
})

export const AppHookView = Type.Object({
  event_hooks: Type.Array(HookView),
  webhook_url: Type.String(),
  webhook_events: Type.Array(Type.String()),
  sqs_url: Type.String(),
  sqs_key: Type.String(),
  sns_topic_arn: Type.String(),
  sns_key: Type.String(),
  enable_hook_payload_compression: Type.Boolean(),
  webhook_compression_algorithm: Type.String(),
  before_message_send_hook_url: Type.String(),
  before_message_send_hook_attempt_timeout_ms: Type.Integer(),
  before_message_send_hook_on_failure: Type.String(),
})

/** What came of a test message: `data` says how the service answered. */
export const QueueCheck = {
  status: Type.Union([Type.Literal("ok"), Type.Literal("error")]),
  error: Type.Optional(Type.String()),
  data: Type.Optional(Custom),
}
