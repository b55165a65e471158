// What the management API takes and gives of an app's traffic, of nodes and of their settings, as plain types; a part
// of admin-wire.ts.

import type { Answer, Timestamp } from "../../sdk-client/src/wire.ts"

/** What happened in some span of time. Times in milliseconds are null where there were no requests. */
export interface TrafficNumbers {
  requests: number
  /** Answered with a status below 400. */
  succeeded: number
  /** 4xx. */
  refused: number
  /** 5xx. */
  failed: number
  mean_ms: number | null
  p50_ms: number | null
  p95_ms: number | null
  p99_ms: number | null
  sockets_opened: number
  sockets_closed: number
  /** The most that were open in one minute of it, over all nodes. */
  sockets_open: number
  /** Attempts to hand an event to a hook that the receiver took. */
  deliveries_succeeded: number
  deliveries_failed: number
  /** By reason, such as `tokenExpired` or `notAllowed/grant`; `other`: beyond the reasons told apart. */
  refusals: Record<string, number>
}
/** What happened from `at` on, for the length of a step. */
export interface TrafficPoint extends TrafficNumbers {
  at: Timestamp
}
export interface TrafficShare {
  requests: number
  refused: number
  failed: number
  mean_ms: number | null
}
export interface TrafficQuery {
  /** An hour before `until` unless given. Kept for 30 days. */
  since?: Timestamp
  /** Now unless given. */
  until?: Timestamp
  /** Seconds: 60, 300, 900, 3600, 21600 or 86400. */
  step?: number
}
export interface Traffic {
  since: Timestamp
  until: Timestamp
  step_seconds: number
  /** Without a gap, oldest first; the last one is still growing where `until` is now. */
  points: TrafficPoint[]
  totals: TrafficNumbers
  /** Requests by bucket: one for each bound, and one for what took longer than all of them. */
  latency: { bounds_ms: number[]; counts: number[] }
  /** Most requests first. `other`: beyond those told apart. */
  operations: ({ operation: string } & TrafficShare)[]
  keys: ({ api_key: string } & TrafficShare)[]
}

export interface AnsweredRequest {
  id: string
  at: Timestamp
  /** Published name; `Connect` for a socket. */
  operation: string
  method: string
  /** As it was sent, without the query. */
  path: string
  /** For a socket what a request would have been answered with; 101 for one that was let in. */
  status: number
  /** Code of the error catalogue; null where nothing was refused. */
  code: number | null
  reason: string | null
  duration_ms: number
  api_key: string | null
  /** Of a caller who was known. */
  user_id: string | null
  kind: string | null
  /** What the client says of itself. */
  client: string | null
  address: string
  /** Of a refusal: `decisions.get` tells the rest. */
  decision_id: string | null
  node: string
}
export interface RequestsQuery {
  /** A status such as `404`, or a class such as `4xx`. */
  status?: string
  api_key?: string
  user_id?: string
  operation?: string
  /** `after` of an earlier answer: only what came later. */
  after?: string
  limit?: number
}

export interface AppOverview {
  /** The oldest key that is switched on. */
  api_key: string | null
  /** Whether anybody was ever answered, as far back as it is kept. */
  has_traffic: boolean
  /** `is_bounded`: there are at least so many; they were counted no further. */
  users: { count: number; is_bounded: boolean }
  /** Open now, over all nodes that answered. */
  sockets: number
  nodes: { answering: number; silent: number }
  hour: TrafficNumbers
  day: TrafficNumbers
  day_before: TrafficNumbers
}

/** What a node says of itself. */
export interface NodeState {
  version: string
  runtime: string
  started_at: Timestamp
  /** Where it listens; null while it has no port. */
  address: string | null
  /** It sends its callers elsewhere, because it ends. */
  is_draining: boolean
  sockets: number
  /** Answered since it began, of all apps and of operators. */
  requests: number
  /** Of the last whole minute. */
  requests_per_minute: number
  memory: { heap_bytes: number; resident_bytes: number }
  /** How late its timers were in the last minute. */
  event_loop: { mean_ms: number; max_ms: number }
  /** `behind`: changes not applied yet. `lease_left_ms` of 0: it lets nobody in. */
  revocations: { behind: number; age_ms: number; lease_left_ms: number }
  /** `local`: there is one node, and nothing between. */
  bus: "local" | "connected" | "away"
  database: {
    dialect: string
    asked_at: Timestamp | null
    /** Round trip; null: it did not answer. */
    ping_ms: number | null
    /** How far the node's clock is ahead of the database's. */
    clock_offset_ms: number | null
  }
  /** What was left out of the records because too much came at once. */
  dropped: { refusals: number; traffic_minutes: number }
}
export interface AdminNode {
  id: string
  /** It answers whoever asks. */
  is_here: boolean
  status: "answering" | "silent"
  last_seen_at: Timestamp
  /** Null: it is silent. */
  state: NodeState | null
}
export interface AdminSetting {
  name: string
  /** As people may see it: masked, without passwords, or in brackets what holds while it is not set. */
  value: string
  source: "env" | "default" | "file"
  doc: string
  /** What a value looks like. */
  form: string
}

export interface TrafficOperations {
  getOverview: { answer: Answer<AppOverview> }
  listTraffic: { query: TrafficQuery; answer: Answer<Traffic> }
  listRequests: {
    query: RequestsQuery
    answer: Answer<{ requests: AnsweredRequest[]; after: string; missed: number; silent_nodes: string[] }>
  }
  listNodes: { answer: Answer<{ nodes: AdminNode[] }> }
  readSettings: { answer: Answer<{ settings: AdminSetting[]; warnings: string[]; version: string; node: string }> }
}
