// The processes that serve a deployment, and the settings that one of them runs with.

import { type TSchema, Type } from "typebox"
import { operation } from "../operation.ts"
import { Answer, Empty, Timestamp } from "../schemas.ts"

const OrNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const Count = Type.Integer({ minimum: 0 })

/** What a node says of itself. */
const NodeState = Type.Object({
  version: Type.String(),
  /** The runtime and its version. */
  runtime: Type.String(),
  started_at: Timestamp,
  /** Where it listens; null while it has no port. */
  address: OrNull(Type.String()),
  /** It sends its callers elsewhere, because it ends. */
  is_draining: Type.Boolean(),
  sockets: Count,
  /** Requests answered since it began, of all apps and of operators. */
  requests: Count,
  /** Of the last whole minute. */
  requests_per_minute: Count,
  memory: Type.Object({ heap_bytes: Count, resident_bytes: Count }),
  /** How late its timers were in the last minute, in milliseconds: everything waits at least so long. */
  event_loop: Type.Object({ mean_ms: Type.Number(), max_ms: Type.Number() }),
  revocations: Type.Object({
    /** Changes that it has not applied yet. */
    behind: Count,
    /** Milliseconds since it last asked for news. */
    age_ms: Type.Number(),
    /** For so long it may go on without asking; 0: it lets nobody in. */
    lease_left_ms: Type.Number(),
  }),
  /** `local`: there is one node, and nothing between. */
  bus: Type.Union([Type.Literal("local"), Type.Literal("connected"), Type.Literal("away")]),
  database: Type.Object({
    dialect: Type.String(),
    /** When it was last asked. */
    asked_at: OrNull(Timestamp),
    /** Round trip; null: it did not answer. */
    ping_ms: OrNull(Type.Number()),
    /** How far the node's clock is ahead of the database's, in milliseconds; exact to half a round trip. */
    clock_offset_ms: OrNull(Type.Number()),
  }),
  /** What was left out of the records because too much came at once, since it began. */
  dropped: Type.Object({ refusals: Count, traffic_minutes: Count }),
})

const Node = Type.Object({
  id: Type.String(),
  /** It answers the operator who asks. */
  is_here: Type.Boolean(),
  status: Type.Union([Type.Literal("answering"), Type.Literal("silent")]),
  /** When it last said that it lives, by the database's clock; of one that answered: now. */
  last_seen_at: Timestamp,
  /** Null: it is silent. */
  state: OrNull(NodeState),
})

export const listNodes = operation({
  name: "ListNodes",
  method: "GET",
  path: "/api/admin/v1/nodes",
  tag: "admin",
  summary: "The nodes of this deployment and how each fares. Those that vanished are listed for an hour.",
  access: ["operator"],
  needs: "nodes.read",
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({ nodes: Type.Array(Node) }),
  status: 200,
  errors: [],
})

export const readSettings = operation({
  name: "ReadSettings",
  method: "GET",
  path: "/api/admin/v1/settings",
  tag: "admin",
  summary: "The settings that the answering node runs with, secrets masked, and where each comes from.",
  access: ["operator"],
  needs: "settings.read",
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({
    settings: Type.Array(
      Type.Object({
        name: Type.String(),
        /** As people may see it: masked, without passwords, or in brackets what holds while it is not set. */
        value: Type.String(),
        source: Type.Union([Type.Literal("env"), Type.Literal("default"), Type.Literal("file")]),
        /** One line. */
        doc: Type.String(),
        /** What a value looks like. */
        form: Type.String(),
      }),
    ),
    /** Allowed, but worth a look. */
    warnings: Type.Array(Type.String()),
    version: Type.String(),
    node: Type.String(),
  }),
  status: 200,
  errors: [],
})
