// What became of the events that were sent to hooks, in the management API: lists, single deliveries with every attempt,
// replays, test events and numbers.

import { Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { deliveryIdPattern } from "../ids.ts"
import { limits } from "../limits.ts"
import { operation } from "../operation.ts"
import { Answer, Empty, OrNull, Timestamp } from "../schemas.ts"
import { webhookLimits } from "./limits.ts"
import { HookPath } from "./operations.ts"

const Text = OrNull(Type.String())
const Count = Type.Integer()

const DeliveryId = Type.String({ pattern: deliveryIdPattern })
/** Where a list goes on; from the answer before. */
const Next = Type.String({ maxLength: webhookLimits.nextCharsMax })
const HookId = HookPath.properties.hook
const DeliveryState = Type.Union([Type.Literal("pending"), Type.Literal("delivered"), Type.Literal("dead")])
/** An exact type, or the beginning of some with `*` at the end. */
const TypeFilter = Type.String({ maxLength: webhookLimits.eventTypeCharsMax, pattern: "^[\\w.:-]*\\*?$" })

export const Delivery = Type.Object({
  /** What receivers get as `webhook-id`: the same in each attempt and replay. */
  id: Type.String(),
  hook_id: Type.String(),
  type: Type.String(),
  /** Such as `channel:messaging:general`: what the order of an ordered hook is kept within. */
  stream: Type.String(),
  /** `pending` waits or is on its way; `dead` is not tried again unless it is replayed. */
  state: DeliveryState,
  /** `test`: written by SendTestEvent. */
  source: Type.Union([Type.Literal("event"), Type.Literal("test")]),
  /** Since it was written or last replayed. */
  attempts: Count,
  /** HTTP status of the last attempt; null when there was no answer. */
  status: OrNull(Type.Integer()),
  /** What went wrong in the last attempt, in one word such as `timeout`. */
  fault: Text,
  /** When it is tried next; null while it is on its way, and when it has ended. */
  due_at: OrNull(Timestamp),
  created_at: Timestamp,
  finished_at: OrNull(Timestamp),
})

/** True: a receiver takes it; false: it does not; null: the secret that it was made with is gone, or there was none. */
const IsRight = OrNull(Type.Boolean())

export const DeliveryAttempt = Type.Object({
  at: Timestamp,
  duration_ms: Type.Number(),
  /** Headers are cut to a bound each, and some are left out when there are many. */
  request: Type.Object({ target: Type.String(), headers: Type.Record(Type.String(), Type.String()) }),
  /** Null: there was no answer. `status` is null where the answer has none, as that of a queue. */
  response: OrNull(
    Type.Object({
      status: OrNull(Type.Integer()),
      headers: Type.Record(Type.String(), Type.String()),
      body: Type.String(),
    }),
  ),
  /** What went wrong, in one word; null when it was delivered. */
  fault: Text,
  detail: Text,
  /** The signatures of the attempt, made anew from the body and the secrets as they are now. */
  signature_check: Type.Object({
    /** `webhook-signature`, under the hook's own secrets. */
    standard: IsRight,
    /** `x-signature`, under the secrets of the API key that `x-api-key` names. */
    api: IsRight,
  }),
})

export const listDeliveries = operation({
  name: "ListDeliveries",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/deliveries",
  tag: "admin",
  summary: "What was sent to an app's hooks or waits for it, newest first. A page may hold few while more follow.",
  access: ["operator"],
  needs: "hooks.read",
  params: AppPath,
  query: Type.Object({
    hook_id: Type.Optional(HookId),
    state: Type.Optional(DeliveryState),
    type: Type.Optional(TypeFilter),
    stream: Type.Optional(
      Type.String({ minLength: 1, maxLength: webhookLimits.streamCharsMax, pattern: "^[^\\u0000]+$" }),
    ),
    /** Of the event; from here on. */
    since: Type.Optional(Timestamp),
    /** Of the event; before this. */
    until: Type.Optional(Timestamp),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.pageSizeMax })),
    next: Type.Optional(Next),
  }),
  body: null,
  output: Answer({
    deliveries: Type.Array(Delivery),
    /** Null: that was the last page. With filters a page is also cut when many deliveries did not match. */
    next: Text,
  }),
  status: 200,
  errors: ["notFound"],
})

export const readDelivery = operation({
  name: "ReadDelivery",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/deliveries/{delivery}",
  tag: "admin",
  summary:
    "One delivery: the event as it was sent, and its newest attempts with request, answer and a signature check.",
  access: ["operator"],
  // The event is a message, or whatever else people wrote.
  needs: "content.read",
  params: Type.Object({ ...AppPath.properties, delivery: DeliveryId }),
  query: Empty,
  body: null,
  output: Answer({
    delivery: Type.Object({
      ...Delivery.properties,
      /** JSON, byte for byte as it is signed. */
      body: Type.String(),
      /** Oldest first. */
      log: Type.Array(DeliveryAttempt),
    }),
  }),
  status: 200,
  errors: ["notFound"],
})

export const replayDeliveries = operation({
  name: "ReplayDeliveries",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/deliveries/replay",
  tag: "admin",
  summary:
    "Sends deliveries again, in the order of their events and under their old ids: a receiver that had one drops it.",
  access: ["operator"],
  needs: "hooks.manage",
  params: AppPath,
  query: Empty,
  body: Type.Object({
    /** These alone, whatever became of them; no other filter goes with it. */
    ids: Type.Optional(Type.Array(DeliveryId, { minItems: 1, maxItems: webhookLimits.replayIdsMax })),
    hook_id: Type.Optional(HookId),
    /** `dead` unless given. `pending`: those that wait for their next attempt are tried now. */
    state: Type.Optional(DeliveryState),
    type: Type.Optional(TypeFilter),
    /** Of the event; from here on. */
    since: Type.Optional(Timestamp),
    /** Of the event; before this. */
    until: Type.Optional(Timestamp),
    /** Goes on behind what the answer before replayed. */
    next: Type.Optional(Next),
  }),
  output: Answer({
    /** What is on its way already is not counted, nor what belongs to a hook that is gone. */
    replayed: Count,
    /** One call replays a bounded number: call again with `next`. */
    has_more: Type.Boolean(),
    next: Text,
  }),
  status: 200,
  errors: ["notFound"],
})

export const sendTestEvent = operation({
  name: "SendTestEvent",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/hooks/{hook}/test",
  tag: "admin",
  summary: "Sends one hook a sample of an event, or a body of your own, signed and retried as any other.",
  access: ["operator"],
  needs: "hooks.manage",
  params: HookPath,
  query: Empty,
  body: Type.Object({
    /** `message.new` unless given, or what `body` says. */
    type: Type.Optional(
      Type.String({ minLength: 1, maxLength: webhookLimits.eventTypeCharsMax, pattern: "^[\\w.:-]+$" }),
    ),
    /** In place of the sample. Gets `type` when it has none. */
    body: Type.Optional(Type.Record(Type.String({ maxLength: 255 }), Type.Unknown())),
  }),
  output: Answer({ delivery: Type.Object({ id: Type.String() }) }),
  status: 200,
  errors: ["notFound"],
})

export const HookStats = Type.Object({
  hook_id: Type.String(),
  enabled: Type.Boolean(),
  /** Waiting or on their way, and of those, the ones whose time has come. */
  pending: Count,
  due: Count,
  oldest_pending_at: OrNull(Timestamp),
  dead: Count,
  /** Over the last hour, counted in a bounded number of the hook's newest deliveries. */
  delivered_last_hour: Count,
  /** Attempts of the last hour in a sample of the hook's newest deliveries. */
  attempts_last_hour: Type.Object({
    sampled: Count,
    /** By one word each. */
    faults: Type.Record(Type.String(), Count),
    p50_ms: OrNull(Type.Number()),
    p95_ms: OrNull(Type.Number()),
  }),
  /** What the node that answers does for the hook at this moment; null: nothing. */
  node: OrNull(
    Type.Object({
      in_flight: Count,
      queued: Count,
      /** `open`: the receiver fails and gets one delivery at a time. */
      circuit: Type.Union([Type.Literal("closed"), Type.Literal("open")]),
      failing_since: OrNull(Timestamp),
    }),
  ),
})

export const getWebhookStats = operation({
  name: "GetWebhookStats",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/webhooks/stats",
  tag: "admin",
  summary: "How each hook of an app fares: what waits, what failed, how long receivers take.",
  access: ["operator"],
  needs: "hooks.read",
  params: AppPath,
  query: Empty,
  body: null,
  output: Answer({
    hooks: Type.Array(HookStats),
    /** The node that answers, over all apps. */
    node: Type.Object({ in_flight: Count, queued: Count }),
  }),
  status: 200,
  errors: ["notFound"],
})
