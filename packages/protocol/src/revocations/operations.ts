// Revocations: what ends tokens before their time, and the receipts that say when it held everywhere.

import { Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { UserId } from "../ids.ts"
import { operation } from "../operation.ts"
import { Answer, Empty, OrNull, Timestamp } from "../schemas.ts"

export const RevocationMode = Type.Union([Type.Literal("enforce"), Type.Literal("shadow")])

export const RevocationLevel = Type.Union([
  Type.Literal("app"),
  Type.Literal("user"),
  Type.Literal("key"),
  Type.Literal("kid"),
  Type.Literal("jti"),
  Type.Literal("token"),
  Type.Literal("device"),
])

/** Proof of a revocation: when it held on which node. `signature` is Ed25519 over the canonical JSON of the rest. */
export const Receipt = Type.Object({
  id: Type.String(),
  app_id: Type.Integer(),
  mode: RevocationMode,
  level: RevocationLevel,
  /** The user, key, secret, token or device; empty for the whole app. */
  target: Type.String(),
  /** Tokens issued before are refused; null: whenever they were issued. */
  before: OrNull(Timestamp),
  /** From here on no node lets such a token in, and nothing is delivered to a socket that was opened with one. */
  effective_at: Timestamp,
  sockets_closed: Type.Integer(),
  nodes: Type.Array(
    Type.Object({
      id: Type.String(),
      /** Null where the node did not answer until its lease was over: since then it lets nobody in. */
      applied_at: OrNull(Timestamp),
      sockets_closed: Type.Integer(),
      fenced: Type.Boolean(),
    }),
  ),
  /** From the commit to the last node. */
  max_lag_ms: Type.Integer(),
  key_id: Type.String(),
  /** Base64url. */
  signature: Type.String(),
})

export const Revocation = Type.Object({
  id: Type.String(),
  mode: RevocationMode,
  level: RevocationLevel,
  target: Type.String(),
  before: OrNull(Timestamp),
  terminal: Type.Boolean(),
  reason: Type.String(),
  created_by: Type.String(),
  created_at: Timestamp,
  undone_at: OrNull(Timestamp),
  /** When what it ends has run out of itself, so that it is forgotten; null: not known. */
  expires_at: OrNull(Timestamp),
  /** Of a shadow: requests that would have been refused so far, and how many users sent them. */
  shadow: OrNull(Type.Object({ hits: Type.Integer(), users: Type.Integer() })),
  receipt: OrNull(Receipt),
})

const endsMany = (body: unknown): boolean => {
  const { api_key, kid, all } = body as { api_key?: string; kid?: string; all?: true }
  return api_key !== undefined || kid !== undefined || all === true
}

export const createRevocation = operation({
  name: "CreateRevocation",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/revocations",
  tag: "admin",
  summary: "Ends the tokens and open sockets of a user, key, secret, token, device or the whole app, on every node.",
  access: ["operator"],
  needs: "users.revoke",
  // A user's tokens are support's daily work; a whole key or app is the work of whoever keeps the secrets.
  needsAlso: ({ body }) => (endsMany(body) ? "secrets.manage" : null),
  stepUp: ({ query, body }) => endsMany(body) && (query as { dry_run?: boolean }).dry_run !== true,
  params: AppPath,
  query: Type.Object({
    /** Counts the sockets and known tokens that it would end, and changes nothing. */
    dry_run: Type.Optional(Type.Boolean()),
  }),
  body: Type.Object({
    /** Exactly one of these seven. */
    user_id: Type.Optional(UserId),
    api_key: Type.Optional(Type.String({ pattern: "^[a-z0-9]{12}$" })),
    kid: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    jti: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    token_sha256: Type.Optional(Type.String({ pattern: "^[0-9a-fA-F]{64}$" })),
    device_id: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    /** Users' tokens of the whole app; those of servers end with their key or secret. */
    all: Type.Optional(Type.Literal(true)),
    /**
     * Tokens issued before this second end, those of the second itself do not. Unless given, all that were issued up to
     * now and in this very second. For jti and token_sha256 it does not matter.
     */
    before: Type.Optional(Timestamp),
    /** `shadow` refuses nobody and counts whom `enforce` would. */
    mode: Type.Optional(RevocationMode),
    /** Sockets are told to stay away instead of coming back with a new token. */
    terminal: Type.Optional(Type.Boolean()),
    reason: Type.Optional(Type.String({ maxLength: 500 })),
  }),
  output: Answer({
    receipt: OrNull(Receipt),
    /** With dry_run. */
    would: OrNull(Type.Object({ sockets: Type.Integer(), tokens: Type.Integer(), users: Type.Integer() })),
  }),
  status: 201,
  errors: ["notFound"],
})

export const listRevocations = operation({
  name: "ListRevocations",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/revocations",
  tag: "admin",
  summary: "Revocations of an app, newest first.",
  access: ["operator"],
  needs: "users.read",
  params: AppPath,
  query: Type.Object({
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    next: Type.Optional(Type.String({ pattern: "^\\d{1,16}$" })),
  }),
  body: null,
  output: Answer({ revocations: Type.Array(Revocation), next: OrNull(Type.String()) }),
  status: 200,
  errors: ["notFound"],
})

const RevocationPath = Type.Object({ ...AppPath.properties, id: Type.String({ pattern: "^[0-9a-f-]{36}$" }) })

export const getRevocation = operation({
  name: "GetRevocation",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/revocations/{id}",
  tag: "admin",
  summary: "One revocation and its receipt.",
  access: ["operator"],
  needs: "users.read",
  params: RevocationPath,
  query: Empty,
  body: null,
  output: Answer({ revocation: Revocation }),
  status: 200,
  errors: ["notFound"],
})

export const undoRevocation = operation({
  name: "UndoRevocation",
  method: "DELETE",
  path: "/api/admin/v1/apps/{app}/revocations/{id}",
  tag: "admin",
  summary: "Takes a revocation back: what it alone had ended counts again.",
  access: ["operator"],
  // Whoever takes a revocation back lets tokens in again, whatever it had ended.
  needs: "secrets.manage",
  stepUp: true,
  params: RevocationPath,
  query: Empty,
  body: null,
  output: Answer({ revocation: Revocation }),
  status: 200,
  errors: ["notFound"],
})

export const listReceiptKeys = operation({
  name: "ListReceiptKeys",
  method: "GET",
  path: "/api/admin/v1/receipt-keys",
  tag: "admin",
  summary: "Public keys that receipts are signed with.",
  access: ["operator"],
  needs: "settings.read",
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({
    keys: Type.Array(
      Type.Object({
        key_id: Type.String(),
        alg: Type.Literal("EdDSA"),
        public_key: Type.String(),
        created_at: Timestamp,
      }),
    ),
  }),
  status: 200,
  errors: [],
})
