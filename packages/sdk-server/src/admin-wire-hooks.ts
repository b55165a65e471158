// What the management API takes and gives of hooks and their deliveries, as plain types; a part of admin-wire.ts.

import type { Answer, Timestamp } from "../../sdk-client/src/wire.ts"

/** Where a hook sends. Members of its own type alone are taken, and shown. */
export interface HookTarget {
  webhook_url?: string
  sqs_queue_url?: string
  sqs_region?: string
  sqs_auth_type?: string
  sqs_role_arn?: string
  sqs_key?: string
  sns_topic_arn?: string
  sns_region?: string
  sns_auth_type?: string
  sns_role_arn?: string
  sns_key?: string
  sns_event_based_message_group_id_enabled?: boolean
  sns_endpoint?: string
  redis_url?: string
  redis_stream?: string
  redis_length_max?: number | null
  nats_url?: string
  nats_subject?: string
  nats_user?: string
}
/** What a hook does, wherever it sends. */
export interface HookSettings {
  enabled: boolean
  /** `all`, `chat`, `feeds`, `video` or `moderation`. */
  product: string
  /** Exact types, or the beginning of some with `*` at the end. Empty: every type. */
  event_types: string[]
  should_send_custom_events: boolean
  /** Of one attempt; 0: the server's default. */
  timeout_ms: number
  /** `none` or `gzip`. */
  compression: string
  /** Events of one channel, feed or call arrive one after the other. */
  ordered: boolean
}
export interface HookRequest extends Partial<HookSettings>, HookTarget {
  id?: string
  /** `webhook`, `sqs`, `sns`, `redis` or `nats`. */
  hook_type?: string
  sqs_secret?: string
  sns_secret?: string
  nats_password?: string
  nats_token?: string
}
export interface AdminHook extends HookSettings, HookTarget {
  id: string
  hook_type: string
  /** Null while it is enabled; `operator`, or `gone`: its receiver answered 410. */
  disabled_reason: string | null
  created_at: Timestamp
  updated_at: Timestamp
  /** Which setting made it. */
  origin: string
  status: {
    pending: number
    oldest_pending_at: Timestamp | null
    failing_since: Timestamp | null
    last_delivered_at: Timestamp | null
  }
}

export interface HookSecretRequest {
  alg: "hmac" | "ed25519"
  /** How long the older ones of the same kind go on signing; a day unless given. */
  overlap_seconds?: number
}
export interface AdminHookSecret {
  id: string
  alg: "hmac" | "ed25519"
  /** What receivers verify with; null for `hmac`. */
  public_key: string | null
  created_at: Timestamp
  expires_at: Timestamp | null
}
/** Shown once. */
export interface NewHookSecret {
  id: string
  alg: "hmac" | "ed25519"
  value: string
  public_key: string | null
}

export type DeliveryState = "pending" | "delivered" | "dead"
export interface Delivery {
  /** What receivers get as `webhook-id`. */
  id: string
  hook_id: string
  type: string
  /** Such as `channel:messaging:general`. */
  stream: string
  state: DeliveryState
  source: "event" | "test"
  attempts: number
  /** HTTP status of the last attempt. */
  status: number | null
  /** One word, such as `timeout`. */
  fault: string | null
  /** Null while it is on its way, and when it has ended. */
  due_at: Timestamp | null
  created_at: Timestamp
  finished_at: Timestamp | null
}
export interface DeliveryAttempt {
  at: Timestamp
  duration_ms: number
  request: { target: string; headers: Record<string, string> }
  response: { status: number | null; headers: Record<string, string>; body: string } | null
  fault: string | null
  detail: string | null
  /** Null: the secret is gone, or it was not signed in this way. */
  signature_check: { standard: boolean | null; api: boolean | null }
}
export interface DeliveryDetails extends Delivery {
  /** JSON, byte for byte as it is signed. */
  body: string
  log: DeliveryAttempt[]
}
export interface DeliveriesQuery {
  hook_id?: string
  state?: DeliveryState
  /** An exact type, or the beginning of some with `*` at the end. */
  type?: string
  stream?: string
  since?: Timestamp
  until?: Timestamp
  limit?: number
  next?: string
}
/** Either ids, at most 100, or a range: all dead letters unless it says more. */
export interface ReplayRequest {
  ids?: string[]
  hook_id?: string
  state?: DeliveryState
  type?: string
  since?: Timestamp
  until?: Timestamp
  next?: string
}
export interface HookStats {
  hook_id: string
  enabled: boolean
  pending: number
  due: number
  oldest_pending_at: Timestamp | null
  dead: number
  delivered_last_hour: number
  attempts_last_hour: {
    sampled: number
    faults: Record<string, number>
    p50_ms: number | null
    p95_ms: number | null
  }
  /** What the node that answers does for the hook at this moment. */
  node: {
    in_flight: number
    queued: number
    circuit: "closed" | "open"
    failing_since: Timestamp | null
  } | null
}

/** What became of a delivery to a listener, as an HTTP answer would say it. */
export interface DeliveryAnswer {
  /** Id and attempt as the line of ListenToHooks had them. */
  delivery: string
  attempt: number
  /** HTTP status; null or absent: there was no answer, and `error` says why. */
  status?: number | null
  headers?: Record<string, string>
  body?: string
  /** How long the receiver took; the time until this call counts unless given. */
  duration_ms?: number
  error?: string
}

export interface HookOperations {
  listHooks: { answer: Answer<{ hooks: AdminHook[] }> }
  createHook: { body: HookRequest; answer: Answer<{ hook: AdminHook; secrets: NewHookSecret[] }> }
  readHook: { answer: Answer<{ hook: AdminHook }> }
  updateHook: { body: HookRequest; answer: Answer<{ hook: AdminHook }> }
  deleteHook: { answer: Answer }
  listHookSecrets: { answer: Answer<{ secrets: AdminHookSecret[] }> }
  createHookSecret: {
    body: HookSecretRequest
    answer: Answer<{ secret: NewHookSecret; secrets: AdminHookSecret[] }>
  }
  retireHookSecret: { answer: Answer<{ secrets: AdminHookSecret[] }> }
  answerDelivery: { body: DeliveryAnswer; answer: Answer<{ accepted: boolean }> }
  listDeliveries: { query: DeliveriesQuery; answer: Answer<{ deliveries: Delivery[]; next: string | null }> }
  readDelivery: { answer: Answer<{ delivery: DeliveryDetails }> }
  replayDeliveries: {
    body: ReplayRequest
    answer: Answer<{ replayed: number; has_more: boolean; next: string | null }>
  }
  sendTestEvent: {
    body: { type?: string; body?: Record<string, unknown> }
    answer: Answer<{ delivery: { id: string } }>
  }
  getWebhookStats: { answer: Answer<{ hooks: HookStats[]; node: { in_flight: number; queued: number } }> }
}
