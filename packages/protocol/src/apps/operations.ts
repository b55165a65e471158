// Apps: one tenant each. The public read of an app's settings, and the management API's list and creation.

import { Type } from "typebox"
import { operation } from "../operation.ts"
import { Answer, Empty, OrNull, Timestamp } from "../schemas.ts"
import { AppHookSettings, AppHookView } from "../webhooks/schemas.ts"

/** Names an app in a path of the management API. */
export const AppPath = Type.Object({ app: Type.String({ pattern: "^\\d{1,15}$" }) })

const Environment = Type.Union([Type.Literal("development"), Type.Literal("production")])
const AppName = Type.String({ minLength: 1, maxLength: 100 })

export const AppResponse = Type.Object({
  id: Type.Integer(),
  name: AppName,
  environment: Environment,
  suspended: Type.Boolean(),
  /** Development tokens are accepted: whoever knows the key can be anybody. */
  disable_auth_checks: Type.Boolean(),
  /** A backend may prove itself by key and secret in `Authorization: Basic`. */
  allow_basic_auth: Type.Boolean(),
  revoke_tokens_issued_before: OrNull(Timestamp),
  created_at: Timestamp,
  updated_at: Timestamp,
})

export const getApp = operation({
  name: "GetApp",
  method: "GET",
  path: "/api/v2/app",
  tag: "common",
  summary: "The settings of the app.",
  access: ["server"],
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({ app: Type.Object({ ...AppResponse.properties, ...AppHookView.properties }) }),
  status: 200,
  errors: [],
})

export const createApp = operation({
  name: "CreateApp",
  method: "POST",
  path: "/api/admin/v1/apps",
  tag: "admin",
  summary: "Makes an app with its first key; the secret is shown this once.",
  access: ["operator"],
  needs: "apps.manage",
  stepUp: true,
  params: Empty,
  query: Empty,
  body: Type.Object({
    name: Type.String({ minLength: 1, maxLength: 100 }),
    environment: Type.Optional(Type.Union([Type.Literal("development"), Type.Literal("production")])),
  }),
  output: Answer({ app: AppResponse, key: Type.Object({ api_key: Type.String() }), secret: Type.String() }),
  status: 201,
  errors: [],
})

export const listApps = operation({
  name: "ListApps",
  method: "GET",
  path: "/api/admin/v1/apps",
  tag: "admin",
  summary: "All apps of this deployment.",
  access: ["operator"],
  needs: "apps.read",
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({ apps: Type.Array(AppResponse) }),
  status: 200,
  errors: [],
})

export const readApp = operation({
  name: "ReadApp",
  method: "GET",
  path: "/api/admin/v1/apps/{app}",
  tag: "admin",
  summary: "One app and its switches.",
  access: ["operator"],
  needs: "apps.read",
  params: AppPath,
  query: Empty,
  body: null,
  output: Answer({ app: AppResponse }),
  status: 200,
  errors: ["notFound"],
})

export const updateAppState = operation({
  name: "UpdateAppState",
  method: "PATCH",
  path: "/api/admin/v1/apps/{app}",
  tag: "admin",
  summary: "Renames an app, suspends it or lets it run again, and turns its switches.",
  access: ["operator"],
  needs: "apps.manage",
  // What shuts everybody out, and what lowers the gate: an app in development is let to do so.
  stepUp: ({ body }) => {
    const { suspended, disable_auth_checks, allow_basic_auth, environment } = body as Record<string, unknown>
    return (
      suspended === true || disable_auth_checks === true || allow_basic_auth === true || environment === "development"
    )
  },
  params: AppPath,
  query: Empty,
  body: Type.Object({
    name: Type.Optional(AppName),
    environment: Type.Optional(Environment),
    suspended: Type.Optional(Type.Boolean()),
    disable_auth_checks: Type.Optional(Type.Boolean()),
    allow_basic_auth: Type.Optional(Type.Boolean()),
  }),
  output: Answer({ app: AppResponse }),
  status: 200,
  errors: ["notFound"],
})

export const updateApp = operation({
  name: "UpdateApp",
  method: "PATCH",
  path: "/api/v2/app",
  tag: "common",
  summary: "Changes settings of the app: a cut-off for all user tokens, development tokens, and hooks.",
  access: ["server"],
  params: Empty,
  query: Empty,
  body: Type.Object({
    /** Null takes the cut-off back. */
    revoke_tokens_issued_before: Type.Optional(OrNull(Timestamp)),
    disable_auth_checks: Type.Optional(Type.Boolean()),
    ...AppHookSettings.properties,
  }),
  output: Answer({}),
  status: 200,
  errors: [],
})

const TokenKind = Type.Union([
  Type.Literal("user"),
  Type.Literal("server"),
  Type.Literal("call"),
  Type.Literal("guest"),
  Type.Literal("anonymous"),
  Type.Literal("development"),
  Type.Literal("feeds"),
])
const Preset = Type.Union([Type.Literal("strict"), Type.Literal("compatible")])
const policyRules = {
  require_exp: Type.Boolean(),
  require_iat: Type.Boolean(),
  /** Of tokens for users; null: no bound. */
  max_lifetime_seconds: OrNull(Type.Integer({ minimum: 60, maximum: 31_536_000 })),
  /** Of server tokens without `exp`, counted from `iat`; null: no bound. */
  server_max_age_seconds: OrNull(Type.Integer({ minimum: 60, maximum: 31_536_000 })),
  /** How far a token's `iat` and `nbf` may be ahead of this clock. */
  leeway_seconds: Type.Integer({ minimum: 0, maximum: 60 }),
  allowed_kinds: Type.Array(TokenKind, { maxItems: 7, uniqueItems: true }),
  iss: OrNull(Type.String({ minLength: 1, maxLength: 255 })),
  aud: OrNull(Type.String({ minLength: 1, maxLength: 255 })),
}

export const TokenPolicyResponse = Type.Object({ preset: Preset, ...policyRules })

/** Tokens that a compatible policy let pass and a strict one would not. */
export const PolicyWarning = Type.Object({
  rule: Type.String(),
  count: Type.Integer(),
  first_seen: Timestamp,
  last_seen: Timestamp,
  kid: OrNull(Type.String()),
  client: OrNull(Type.String()),
})

export const getTokenPolicy = operation({
  name: "GetTokenPolicy",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/token-policy",
  tag: "admin",
  summary: "What an app demands of tokens, and what a strict policy would have refused.",
  access: ["operator"],
  needs: "apps.read",
  params: AppPath,
  query: Empty,
  body: null,
  output: Answer({ policy: TokenPolicyResponse, warnings: Type.Array(PolicyWarning) }),
  status: 200,
  errors: ["notFound"],
})

export const updateTokenPolicy = operation({
  name: "UpdateTokenPolicy",
  method: "PATCH",
  path: "/api/admin/v1/apps/{app}/token-policy",
  tag: "admin",
  summary: "Sets a preset, or single rules on top of what holds.",
  access: ["operator"],
  needs: "policy.manage",
  // Besides, whatever makes the policy that holds weaker: only the server can tell.
  stepUp: ({ body }) => (body as { preset?: string }).preset === "compatible",
  params: AppPath,
  query: Empty,
  body: Type.Partial(Type.Object({ preset: Preset, ...policyRules })),
  output: Answer({ policy: TokenPolicyResponse }),
  status: 200,
  errors: ["notFound"],
})
