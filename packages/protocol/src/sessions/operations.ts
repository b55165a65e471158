// Sessions: tokens that were seen, and the sockets that are open under them, as operators see them. A session is named
// by the SHA-256 of its token's text; the text itself is never kept.

import { Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { UserId } from "../ids.ts"
import { operation } from "../operation.ts"
import { Answer, Empty, OrNull, Timestamp } from "../schemas.ts"

/** One open connection of a session. */
export const SessionSocket = Type.Object({
  connection_id: Type.String(),
  /** The node that holds it. */
  node: Type.String(),
  connected_at: Timestamp,
  address: Type.String(),
  client: OrNull(Type.String()),
})

export const Session = Type.Object({
  /** SHA-256 of the token in lower-case hex. */
  id: Type.String(),
  kind: Type.String(),
  user_id: OrNull(Type.String()),
  api_key: Type.String(),
  kid: OrNull(Type.String()),
  jti: OrNull(Type.String()),
  device_id: OrNull(Type.String()),
  issued_at: OrNull(Timestamp),
  expires_at: OrNull(Timestamp),
  first_seen: Timestamp,
  last_seen: Timestamp,
  uses: Type.Integer(),
  address: Type.String(),
  client: OrNull(Type.String()),
  /** `live` while a socket is open under it; otherwise why it would or would not be let in now. */
  state: Type.Union([Type.Literal("live"), Type.Literal("recent"), Type.Literal("revoked"), Type.Literal("expired")]),
  sockets: Type.Array(SessionSocket),
})

export const listSessions = operation({
  name: "ListSessions",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/sessions",
  tag: "admin",
  summary: "Tokens that were seen, newest first, of one user or of the app, with their open sockets.",
  access: ["operator"],
  needs: "users.read",
  params: AppPath,
  query: Type.Object({
    user_id: Type.Optional(UserId),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    next: Type.Optional(Type.String({ maxLength: 500 })),
  }),
  body: null,
  output: Answer({
    sessions: Type.Array(Session),
    next: OrNull(Type.String()),
    /** Nodes that did not say in time which sockets they hold. */
    nodes_missing: Type.Array(Type.String()),
  }),
  status: 200,
  errors: ["notFound"],
})

export const endSession = operation({
  name: "EndSession",
  method: "DELETE",
  path: "/api/admin/v1/apps/{app}/sessions/{id}",
  tag: "admin",
  summary: "Revokes the token of a session and closes its sockets on every node.",
  access: ["operator"],
  needs: "users.revoke",
  params: Type.Object({ ...AppPath.properties, id: Type.String({ pattern: "^[0-9a-f]{64}$" }) }),
  query: Empty,
  body: null,
  output: Answer({ receipt: Type.Unknown() }),
  status: 200,
  errors: ["notFound"],
})
