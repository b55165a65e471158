// Why a caller was refused, for operators; and whether somebody would be allowed.

import { Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { UserId } from "../ids.ts"
import { limits } from "../limits.ts"
import { operation } from "../operation.ts"
import { Answer, Empty, OrNull, Timestamp } from "../schemas.ts"

const Text = OrNull(Type.String())

/** One step of a decision. `passed` is null where a step was not reached. */
export const DecisionCheck = Type.Object({ check: Type.String(), passed: OrNull(Type.Boolean()), detail: Text })

export const Decision = Type.Object({
  id: Type.String(),
  app_id: OrNull(Type.Integer()),
  at: Timestamp,
  operation: Type.String(),
  /** Where in the pipeline it ended. */
  stage: Type.String(),
  code: Type.Integer(),
  status: Type.Integer(),
  /** What the caller was told. */
  reason: Type.String(),
  outcome: Type.Literal("denied"),
  caller: Type.Object({
    kind: Text,
    user_id: Text,
    role: Text,
    api_key: Text,
    address: Type.String(),
    client: Text,
  }),
  /** Null when no token came along. */
  token: OrNull(
    Type.Object({
      /** False: nothing of this is proved, it is what the token says of itself. */
      proved: Type.Boolean(),
      kind: Text,
      user_id: Text,
      alg: Text,
      kid: Text,
      jti: Text,
      issued_at: OrNull(Timestamp),
      expires_at: OrNull(Timestamp),
      age_seconds: OrNull(Type.Number()),
      expires_in_seconds: OrNull(Type.Number()),
      /** How far the token's `iat` or `nbf` is ahead of this clock; null when neither is. */
      skew_ms: OrNull(Type.Number()),
      narrowed: Type.Boolean(),
    }),
  ),
  action: Text,
  resource: Text,
  /** In the order in which they were made. */
  checks: Type.Array(DecisionCheck),
  failed: Type.Object({ check: Type.String(), rule: Text, detail: Text }),
  /** The smallest change that would have allowed it. */
  remedy: Type.String(),
  facts: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()])),
})

const DecisionId = Type.String({ pattern: "^[0-9a-f-]{36}$" })

export const getDecision = operation({
  name: "GetDecision",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/decisions/{id}",
  tag: "admin",
  summary: "Why a caller of this app was refused: the id is the refusal's X-Decision-Id.",
  access: ["operator"],
  needs: "decisions.read",
  params: Type.Object({ ...AppPath.properties, id: DecisionId }),
  query: Empty,
  body: null,
  output: Answer({ decision: Decision }),
  status: 200,
  errors: ["notFound"],
})

export const findDecision = operation({
  name: "FindDecision",
  method: "GET",
  path: "/api/admin/v1/decisions/{id}",
  tag: "admin",
  summary: "A refusal of any app, or of a caller who named none.",
  access: ["operator"],
  needs: "decisions.read",
  params: Type.Object({ id: DecisionId }),
  query: Empty,
  body: null,
  output: Answer({ decision: Decision }),
  status: 200,
  errors: ["notFound"],
})

export const listDecisions = operation({
  name: "ListDecisions",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/decisions",
  tag: "admin",
  summary: "Refusals of an app, newest first.",
  access: ["operator"],
  needs: "decisions.read",
  params: AppPath,
  query: Type.Object({
    user_id: Type.Optional(UserId),
    code: Type.Optional(Type.Integer()),
    operation: Type.Optional(Type.String({ maxLength: 64, pattern: "^\\w+$" })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    next: Type.Optional(Type.String({ maxLength: 100 })),
  }),
  body: null,
  output: Answer({ decisions: Type.Array(Decision), next: Text }),
  status: 200,
  errors: ["notFound"],
})

export const explain = operation({
  name: "Explain",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/explain",
  tag: "admin",
  summary: "Would this user, or the bearer of this token, be allowed to do that? Changes nothing.",
  access: ["operator"],
  needs: "decisions.read",
  params: AppPath,
  query: Empty,
  body: Type.Object({
    /** Exactly one of these two. */
    user_id: Type.Optional(UserId),
    token: Type.Optional(Type.String({ minLength: 1, maxLength: limits.tokenBytesMax })),
    /** For a token: the key that it would come with; the app's first key unless given. */
    api_key: Type.Optional(Type.String({ pattern: "^[a-z0-9]{12}$" })),
    /** Id of an action such as `create-message`, or its published name such as `CreateMessage`. */
    action: Type.String({ minLength: 1, maxLength: 64, pattern: "^[A-Za-z][A-Za-z-]*$" }),
    resource: Type.Object({
      type: Type.Union([
        Type.Literal("channel"),
        Type.Literal("call"),
        Type.Literal("feed"),
        Type.Literal("user"),
        Type.Literal("app"),
      ]),
      /** `type:id` of a channel or call, `group:id` of a feed, id of a user. */
      id: Type.String({ minLength: 1, maxLength: 512 }),
    }),
    /** What a token for this user would be narrowed to. */
    scopes: Type.Optional(Type.Record(Type.String({ maxLength: 512 }), Type.Array(Type.String({ maxLength: 64 })))),
  }),
  output: Answer({
    allowed: Type.Boolean(),
    checks: Type.Array(DecisionCheck),
    failed: OrNull(Type.Object({ check: Type.String(), rule: Text, detail: Text })),
    remedy: Text,
    /** Roles that counted, and where each comes from. */
    roles: Type.Array(Type.Object({ role: Type.String(), from: Type.String() })),
  }),
  status: 200,
  errors: ["notFound"],
})
