// What an app's callers do and how they fare: counts over time, the latest requests one by one, and the numbers of an
// app at a glance.

import { type TSchema, Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { UserId } from "../ids.ts"
import { operation } from "../operation.ts"
import { Answer, Empty, Timestamp } from "../schemas.ts"

/** Widths of the points of a series, in seconds. */
export const trafficSteps = [60, 300, 900, 3_600, 21_600, 86_400] as const

/** Upper bounds of the latency histogram, in milliseconds; whatever took longer has a bucket of its own behind them. */
export const latencyBoundsMs = [0.25, 0.5, 1, 2, 5, 10, 25, 50, 100, 250, 1_000, 5_000] as const

export const trafficBounds = {
  /** Points of one answer. */
  pointsMax: 1_500,
  /** Operations and keys of one answer, those with the most requests. */
  topMax: 20,
  requestsMax: 200,
  /** A cursor has a part for each node. */
  afterCharsMax: 4_000,
} as const

const OrNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const Count = Type.Integer({ minimum: 0 })
const Milliseconds = OrNull(
  Type.Number({ description: "Milliseconds; null: no requests. Percentiles are interpolated from a histogram." }),
)
const ApiKey = Type.String({ pattern: "^[a-z0-9]{12}$" })
const OperationName = Type.String({ minLength: 1, maxLength: 64, pattern: "^\\w+$" })

const numbers = {
  requests: Count,
  /** Answered with a status below 400. */
  succeeded: Count,
  /** 4xx. */
  refused: Count,
  /** 5xx. */
  failed: Count,
  mean_ms: Milliseconds,
  p50_ms: Milliseconds,
  p95_ms: Milliseconds,
  p99_ms: Milliseconds,
  sockets_opened: Count,
  sockets_closed: Count,
  /** The most that were open in one minute of it, over all nodes. */
  sockets_open: Count,
  /** Attempts to hand an event to a hook, whatever its kind, that the receiver took. */
  deliveries_succeeded: Count,
  deliveries_failed: Count,
  /**
   * Refused and failed requests and sockets by reason: the catalogue's name of the error, and behind a slash the check
   * that refused where one did, such as `tokenExpired`, `notAllowed/grant`. `other`: beyond the reasons told apart.
   */
  refusals: Type.Record(Type.String(), Count),
}

/** What happened in some span of time. */
export const TrafficNumbers = Type.Object(numbers)

/** What happened from `at` on, for the length of a step. */
const TrafficPoint = Type.Object({ at: Timestamp, ...numbers })

const shares = { requests: Count, refused: Count, failed: Count, mean_ms: Milliseconds }

export const listTraffic = operation({
  name: "ListTraffic",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/traffic",
  tag: "admin",
  summary: "Requests, refusals, latency and sockets of an app over time.",
  access: ["operator"],
  needs: "traffic.read",
  params: AppPath,
  query: Type.Object({
    /** An hour before `until` unless given. Kept for 30 days. */
    since: Type.Optional(Timestamp),
    /** Now unless given. */
    until: Type.Optional(Timestamp),
    /** Seconds, one of trafficSteps. Beyond 48 hours there are numbers by the hour only, and the step grows to that. */
    step: Type.Optional(Type.Integer({ minimum: 60, maximum: 86_400 })),
  }),
  body: null,
  output: Answer({
    since: Timestamp,
    until: Timestamp,
    step_seconds: Type.Integer(),
    /** Without a gap, oldest first; the last one is still growing where `until` is now. */
    points: Type.Array(TrafficPoint),
    totals: TrafficNumbers,
    latency: Type.Object({
      bounds_ms: Type.Array(Type.Number()),
      /** Requests by bucket: one for each bound, and one for what took longer than all of them. */
      counts: Type.Array(Count),
    }),
    /** Most requests first. `other`: beyond those told apart. */
    operations: Type.Array(Type.Object({ operation: Type.String(), ...shares })),
    keys: Type.Array(Type.Object({ api_key: Type.String(), ...shares })),
  }),
  status: 200,
  errors: ["notFound"],
})

export const AnsweredRequest = Type.Object({
  /** Unique over all nodes: the node, and its place among what that node has answered for the app. */
  id: Type.String(),
  at: Timestamp,
  /** Published name; `Connect` for a socket. */
  operation: Type.String(),
  method: Type.String(),
  /** As it was sent, without the query. */
  path: Type.String(),
  /** For a socket what a request would have been answered with; 101 for one that was let in. */
  status: Type.Integer(),
  /** Code of the error catalogue; null where nothing was refused. */
  code: OrNull(Type.Integer()),
  reason: OrNull(Type.String()),
  duration_ms: Type.Number(),
  api_key: OrNull(Type.String()),
  /** Of a caller who was known. */
  user_id: OrNull(Type.String()),
  kind: OrNull(Type.String()),
  /** What the client says of itself: `X-Stream-Client`. */
  client: OrNull(Type.String()),
  address: Type.String(),
  /** Of a refusal: GetDecision tells the rest. */
  decision_id: OrNull(Type.String()),
  node: Type.String(),
})

export const listRequests = operation({
  name: "ListRequests",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/requests",
  tag: "admin",
  summary: "The latest requests of an app, from the memory of all nodes: no bodies, no tokens, no query values.",
  access: ["operator"],
  needs: "traffic.read",
  params: AppPath,
  query: Type.Object({
    /** A status such as `404`, or a class such as `4xx`. */
    status: Type.Optional(Type.String({ pattern: "^[1-5](?:\\d\\d|xx)$" })),
    api_key: Type.Optional(ApiKey),
    user_id: Type.Optional(UserId),
    operation: Type.Optional(OperationName),
    /** `after` of an earlier answer: only what came later. */
    after: Type.Optional(Type.String({ maxLength: trafficBounds.afterCharsMax })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: trafficBounds.requestsMax })),
  }),
  body: null,
  output: Answer({
    /** Newest first. */
    requests: Type.Array(AnsweredRequest),
    /** Hand it back as `after` to hear what is newer. */
    after: Type.String(),
    /** Of those since `after`: how many there was no room for, in the answer or in a node's memory. */
    missed: Count,
    /** Nodes that did not answer in time. */
    silent_nodes: Type.Array(Type.String()),
  }),
  status: 200,
  errors: ["notFound"],
})

export const getOverview = operation({
  name: "GetOverview",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/overview",
  tag: "admin",
  summary: "An app at a glance.",
  access: ["operator"],
  needs: "traffic.read",
  params: AppPath,
  query: Empty,
  body: null,
  output: Answer({
    /** The oldest key that is switched on. */
    api_key: OrNull(Type.String()),
    /** Whether anybody was ever answered, as far back as it is kept. */
    has_traffic: Type.Boolean(),
    users: Type.Object({
      count: Count,
      /** There are at least so many; they were counted no further. */
      is_bounded: Type.Boolean(),
    }),
    /** Open now, over all nodes that answered. */
    sockets: Count,
    nodes: Type.Object({ answering: Count, silent: Count }),
    /** The last hour, the last 24, and the 24 before those. */
    hour: TrafficNumbers,
    day: TrafficNumbers,
    day_before: TrafficNumbers,
  }),
  status: 200,
  errors: ["notFound"],
})
