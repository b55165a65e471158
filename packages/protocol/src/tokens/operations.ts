// Tokens as operators make and examine them. A token is shown once, in the answer of the operation that made it, and is
// kept nowhere; an examined one is forgotten with the answer.

import { type TSchema, Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { DecisionCheck } from "../decisions/operations.ts"
import { apiKeyPattern, UserId } from "../ids.ts"
import { SecretState } from "../keys/operations.ts"
import { limits } from "../limits.ts"
import { operation } from "../operation.ts"
import { Revocation } from "../revocations/operations.ts"
import { Answer, Empty, Timestamp } from "../schemas.ts"
import { scopeLimits } from "../scopes.ts"

/** Bounds of tokens that operators make. The app's token policy may be narrower. */
export const tokenLimits = {
  /** Of tokens for users, guests and calls: 30 days. */
  userExpiresInSecondsMax: 30 * 24 * 60 * 60,
  userExpiresInSecondsDefault: 60 * 60,
  /** Of server tokens: an hour. */
  serverExpiresInSecondsMax: 60 * 60,
  serverExpiresInSecondsDefault: 10 * 60,
  /** Of the tokens that explorers use. */
  explorerExpiresInSeconds: 10 * 60,
  cidsMax: 100,
} as const

const OrNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const Text = OrNull(Type.String())
const ApiKey = Type.String({ pattern: apiKeyPattern })

const Scopes = Type.Record(
  Type.String({ minLength: 1, maxLength: scopeLimits.patternCharsMax }),
  Type.Array(Type.String({ minLength: 1, maxLength: scopeLimits.actionCharsMax }), {
    maxItems: scopeLimits.actionsPerPatternMax,
  }),
  { maxProperties: scopeLimits.patternsMax },
)
const Cids = Type.Array(Type.String({ minLength: 3, maxLength: 130, pattern: "^!?[\\w-]+:!?[\\w-]+$" }), {
  minItems: 1,
  maxItems: tokenLimits.cidsMax,
})
/** A header or payload as it stands in the token. */
const JsonObject = Type.Record(Type.String(), Type.Unknown())

/** What a token can be made for. */
export const MintedKind = Type.Union([
  Type.Literal("user"),
  Type.Literal("call"),
  Type.Literal("guest"),
  Type.Literal("server"),
])

export const mintToken = operation({
  name: "MintToken",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/tokens",
  tag: "admin",
  summary: "Makes a token for a user, guest, call or backend; it is shown this once.",
  access: ["operator"],
  needs: "tokens.mint",
  // What a backend may do with its token is more than a role that makes tokens holds, and as much as the secret itself.
  needsAlso: ({ body }) => ((body as { kind?: unknown }).kind === "server" ? "secrets.manage" : null),
  stepUp: true,
  params: AppPath,
  query: Empty,
  body: Type.Object({
    kind: MintedKind,
    /**
     * For user tokens, and for those calls whose caller has a user. For a guest: what the id that is made ends with. Not
     * for servers.
     */
    user_id: Type.Optional(UserId),
    /** Of a guest. */
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    /** Calls that a call token is limited to, each `type:id`. */
    call_cids: Type.Optional(Cids),
    /** Channels that a call token reaches besides, each `type:id`. */
    channel_cids: Type.Optional(Cids),
    /** Role that a call token's bearer has on those calls. */
    role: Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: "^[\\w-]+$" })),
    /** What the token is narrowed to; a scope only takes away. */
    scopes: Type.Optional(Scopes),
    /** Seconds. Unless given: an hour, 10 minutes for servers, or what the app's policy allows if that is less. */
    expires_in: Type.Optional(Type.Integer({ minimum: 1, maximum: tokenLimits.userExpiresInSecondsMax })),
    /** The key that it will come with; the app's first key that can sign unless given. */
    api_key: Type.Optional(ApiKey),
  }),
  output: Answer({
    token: Type.String(),
    kind: MintedKind,
    api_key: Type.String(),
    /** The secret that signed it. */
    kid: Text,
    /** Names the token in the audit log, and in a revocation. */
    jti: Type.String(),
    /** SHA-256 of the token in lower-case hex: what its session is called. */
    sha256: Type.String(),
    user_id: Text,
    claims: JsonObject,
    issued_at: Timestamp,
    expires_at: Timestamp,
  }),
  status: 201,
  errors: ["notFound"],
})

export const inspectToken = operation({
  name: "InspectToken",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/tokens/inspect",
  tag: "admin",
  summary: "What a token is, which secret signed it, and whether it would be let in now. Changes nothing.",
  access: ["operator"],
  needs: "tokens.inspect",
  params: AppPath,
  query: Empty,
  body: Type.Object({
    /** With or without a leading `Bearer `. Anything is taken; garbage is said to be garbage. */
    token: Type.String({ minLength: 1, maxLength: 2 * limits.tokenBytesMax }),
    /** The key that it would come with. Unless given: the one whose secret signed it, else the app's first. */
    api_key: Type.Optional(ApiKey),
  }),
  output: Answer({
    /** Whether the gate would let it in at this moment. */
    passes: Type.Boolean(),
    /** Every check of the gate in its order; `passed` is null where a check could not be made. */
    reasons: Type.Array(DecisionCheck),
    /** The first check that failed; null when none did. */
    failed: OrNull(Type.Object({ check: Type.String(), rule: Text, detail: Text })),
    /** The smallest change that would let it in. */
    remedy: Text,
    /** Which kind of token its claims make it; null when they cannot be read. */
    kind: Text,
    /** As they stand in the token, proved or not; null where that is no JSON object. */
    header: OrNull(JsonObject),
    claims: OrNull(JsonObject),
    /** What is wrong with its form, one sentence each. */
    problems: Type.Array(Type.String()),
    /** SHA-256 of its text in lower-case hex. */
    sha256: Type.String(),
    /** The key that it was asked about with; null when the app has none. */
    api_key: Text,
    /** The secret of this app that its signature was made with, whatever its state; null: none of them. */
    signed_by: OrNull(
      Type.Object({
        api_key: Type.String(),
        kid: Type.String(),
        alg: Type.String(),
        state: SecretState,
        label: Type.String(),
      }),
    ),
    issued_at: OrNull(Timestamp),
    not_before: OrNull(Timestamp),
    expires_at: OrNull(Timestamp),
    /** Negative: it has expired. */
    expires_in_seconds: OrNull(Type.Number()),
    /** How far `iat` or `nbf` may be ahead of the clock. */
    leeway_seconds: OrNull(Type.Number()),
    /** Rules of a strict policy that it breaks and this app's policy lets pass. */
    warnings: Type.Array(Type.String()),
    /** Revocations in force that name it, its user, key, secret or device, shadows among them. */
    revocations: Type.Array(Revocation),
    /** The user that it names, as they stand; null when it names none or there is none yet. */
    user: OrNull(
      Type.Object({
        id: Type.String(),
        name: Text,
        role: Type.String(),
        teams: Type.Array(Type.String()),
        deactivated_at: OrNull(Timestamp),
        deleted_at: OrNull(Timestamp),
        /** A banned user is let in, and may read. */
        bans: Type.Array(Type.Object({ channel_cid: Text, expires: OrNull(Timestamp) })),
      }),
    ),
  }),
  status: 200,
  errors: ["notFound"],
})

export const explorerToken = operation({
  name: "ExplorerToken",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/explorer-token",
  tag: "admin",
  summary: "A server token of 10 minutes, narrowed to what this operator may see and change, for the public API.",
  access: ["operator"],
  needs: "content.read",
  params: AppPath,
  query: Empty,
  body: null,
  output: Answer({
    token: Type.String(),
    api_key: Type.String(),
    jti: Type.String(),
    scopes: Scopes,
    /** Whether it also writes. */
    writes: Type.Boolean(),
    expires_at: Timestamp,
  }),
  status: 201,
  errors: ["notFound"],
})
