// Rate limits: what an app has left (contract/endpoints.json `get_rate_limits`), and the management API's view of an
// app's numbers.

import { Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { operation } from "../operation.ts"
import { rateLimitBounds } from "../rate-limits.ts"
import { Answer, Empty, OrNull, Timestamp } from "../schemas.ts"

/** `reset`: Unix seconds at which the window ends. */
const LimitInfo = Type.Object({ limit: Type.Integer(), remaining: Type.Integer(), reset: Type.Integer() })
const ByOperation = Type.Record(Type.String(), LimitInfo)

export const getRateLimits = operation({
  name: "GetRateLimits",
  method: "GET",
  path: "/api/v2/rate_limits",
  tag: "common",
  summary:
    "What the app may still do in this minute, by platform and operation. Operations without a limit are left out.",
  access: ["server"],
  params: Empty,
  query: Type.Object({
    /** Platforms to show; all when none is named. */
    server_side: Type.Optional(Type.Boolean()),
    ios: Type.Optional(Type.Boolean()),
    android: Type.Optional(Type.Boolean()),
    web: Type.Optional(Type.Boolean()),
    /** Published names of operations with commas in between; all when it is absent. */
    endpoints: Type.Optional(Type.String({ maxLength: 5_000 })),
  }),
  body: null,
  output: Answer({
    server_side: Type.Optional(ByOperation),
    ios: Type.Optional(ByOperation),
    android: Type.Optional(ByOperation),
    web: Type.Optional(ByOperation),
  }),
  status: 200,
  errors: [],
})

const PerMinute = OrNull(Type.Integer({ minimum: rateLimitBounds.perMinuteMin, maximum: rateLimitBounds.perMinuteMax }))

/** Numbers of one operation, each a minute's; null: no limit; absent: what holds without it. */
const Override = Type.Object(
  { app: Type.Optional(PerMinute), user: Type.Optional(PerMinute), address: Type.Optional(PerMinute) },
  { additionalProperties: false },
)
/** By the operation's published name; `*` is every operation that has no number of its own. */
const OperationName = Type.String({ pattern: "^(?:\\*|[A-Z][A-Za-z]{0,63})$" })

const LimitsView = Type.Object({
  /** False: this deployment counts nothing (WEIR_RATE_LIMITS=off). */
  enforced: Type.Boolean(),
  window_seconds: Type.Integer(),
  overrides: Type.Record(Type.String(), Override),
  updated_at: OrNull(Timestamp),
  /** What holds for each operation now, on each platform alike. */
  limits: Type.Record(Type.String(), Type.Object({ app: PerMinute, user: PerMinute, address: PerMinute })),
  /**
   * What the app has used in this minute: by platform, operations that were called. Nodes that count together know of
   * each other's with a delay of a second or so.
   */
  usage: Type.Object({
    server_side: ByOperation,
    ios: ByOperation,
    android: ByOperation,
    web: ByOperation,
  }),
})

export const getLimits = operation({
  name: "GetLimits",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/limits",
  tag: "admin",
  summary: "The rate limits of an app, and which of them are its own.",
  access: ["operator"],
  needs: "limits.read",
  params: AppPath,
  query: Empty,
  body: null,
  output: Answer(LimitsView.properties),
  status: 200,
  errors: ["notFound"],
})

export const updateLimits = operation({
  name: "UpdateLimits",
  method: "PATCH",
  path: "/api/admin/v1/apps/{app}/limits",
  tag: "admin",
  summary: "Sets an app's own rate limits by operation, or gives them back: null for the whole operation.",
  access: ["operator"],
  needs: "limits.manage",
  params: AppPath,
  query: Empty,
  body: Type.Object({
    overrides: Type.Record(OperationName, OrNull(Override), { maxProperties: rateLimitBounds.overridesMax }),
  }),
  output: Answer(LimitsView.properties),
  status: 200,
  errors: ["notFound"],
})
