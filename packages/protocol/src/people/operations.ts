// Users of an app as operators find and examine them.

import { type TSchema, Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { UserId } from "../ids.ts"
import { operation } from "../operation.ts"
import { Revocation } from "../revocations/operations.ts"
import { Answer, Custom, Empty, Timestamp } from "../schemas.ts"
import { Session, SessionSocket } from "../sessions/operations.ts"

const OrNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const Text = OrNull(Type.String())

/** A user with what decides about their rights. */
export const AppUser = Type.Object({
  id: Type.String(),
  name: Text,
  image: Text,
  role: Type.String(),
  teams: Type.Array(Type.String()),
  language: Type.String(),
  /** On any node, however much the user hides. */
  online: Type.Boolean(),
  invisible: Type.Boolean(),
  /** From the whole app. */
  banned: Type.Boolean(),
  /** Null: for ever, or there is no ban of the whole app. */
  ban_expires: OrNull(Timestamp),
  /** Channels that the user is banned from. */
  banned_channels: Type.Integer(),
  created_at: Timestamp,
  updated_at: Timestamp,
  last_active: OrNull(Timestamp),
  deactivated_at: OrNull(Timestamp),
  deleted_at: OrNull(Timestamp),
  /** Tokens of the user from before are refused. */
  revoke_tokens_issued_before: OrNull(Timestamp),
})

export const AppUserBan = Type.Object({
  /** Null: the whole app. */
  channel_cid: Text,
  /** Null: a server call that named nobody. */
  banned_by_id: Text,
  reason: Text,
  created_at: Timestamp,
  /** Null: for ever. */
  expires: OrNull(Timestamp),
})

export const listAppUsers = operation({
  name: "ListAppUsers",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/users",
  tag: "admin",
  summary: "Users of an app, newest first; or those whose id or name begins with a text.",
  access: ["operator"],
  needs: "users.read",
  params: AppPath,
  query: Type.Object({
    /** What an id or a name begins with; of a name, letters A to Z in either case. Ids come first. */
    q: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    role: Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: "^[\\w-]+$" })),
    /** True: those who are banned from the app or a channel. False: those who are banned from nothing. */
    banned: Type.Optional(Type.Boolean()),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    next: Type.Optional(Type.String({ minLength: 1, maxLength: 3000 })),
  }),
  body: null,
  output: Answer({ users: Type.Array(AppUser), next: Text }),
  status: 200,
  errors: ["notFound"],
})

const UserPath = Type.Object({ ...AppPath.properties, user: UserId })

export const readAppUser = operation({
  name: "ReadAppUser",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/users/{user}",
  tag: "admin",
  summary: "One user: role, teams, bans, open sockets on all nodes, recent tokens and what was revoked.",
  access: ["operator"],
  needs: "users.read",
  params: UserPath,
  query: Empty,
  body: null,
  output: Answer({
    user: AppUser,
    custom: Custom,
    /** Newest first, at most 100. */
    bans: Type.Array(AppUserBan),
    sockets: Type.Array(
      Type.Object({
        ...SessionSocket.properties,
        /** SHA-256 of the token that it was opened with, which names its session; empty: it was opened without one. */
        session_id: Type.String(),
      }),
    ),
    /** Nodes that did not say in time which sockets they hold. */
    nodes_missing: Type.Array(Type.String()),
    /** Tokens that were seen in the last 30 days, newest first, at most 25. */
    tokens: Type.Array(Session),
    /** Revocations of this user, newest first, at most 25; undone ones among them. */
    revocations: Type.Array(Revocation),
  }),
  status: 200,
  errors: ["notFound"],
})

export const exportUser = operation({
  name: "ExportUser",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/users/{user}/export",
  tag: "admin",
  summary: "Everything that is stored of a user, one JSON object a line.",
  access: ["operator"],
  needs: "users.export",
  stepUp: true,
  params: UserPath,
  query: Empty,
  body: null,
  /** One line: `kind` says what it is, such as `user`, `message` or `end`; `data` is the thing. */
  output: Type.Object({ kind: Type.String(), data: Type.Record(Type.String(), Type.Unknown()) }),
  contentType: "application/x-ndjson",
  status: 200,
  errors: ["notFound"],
})
