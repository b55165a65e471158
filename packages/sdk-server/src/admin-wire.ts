// What the management API takes and gives, as plain types: published declarations name no other package, and the
// protocol's schemas would bring one. A test holds each of them against the protocol.

import type { Answer, Timestamp } from "../../sdk-client/src/wire.ts"
import type { HookOperations } from "./admin-wire-hooks.ts"
import type { OperatorOperations } from "./admin-wire-operators.ts"
import type { PeopleOperations } from "./admin-wire-people.ts"
import type { TrafficOperations } from "./admin-wire-traffic.ts"

export type * from "./admin-wire-hooks.ts"
export type * from "./admin-wire-operators.ts"
export type * from "./admin-wire-people.ts"
export type * from "./admin-wire-traffic.ts"

/** A page of a list: `next` comes from the answer before. */
export interface PageQuery {
  limit?: number
  next?: string
}

export interface AdminApp {
  id: number
  name: string
  environment: "development" | "production"
  suspended: boolean
  disable_auth_checks: boolean
  allow_basic_auth: boolean
  revoke_tokens_issued_before: Timestamp | null
  created_at: Timestamp
  updated_at: Timestamp
}
export interface CreateAppRequest {
  name: string
  environment?: "development" | "production"
}
export interface UpdateAppRequest {
  name?: string
  environment?: "development" | "production"
  suspended?: boolean
  disable_auth_checks?: boolean
  allow_basic_auth?: boolean
}

export type TokenKind = "user" | "server" | "call" | "guest" | "anonymous" | "development" | "feeds"
export interface TokenPolicy {
  preset: "strict" | "compatible"
  require_exp: boolean
  require_iat: boolean
  max_lifetime_seconds: number | null
  server_max_age_seconds: number | null
  leeway_seconds: number
  allowed_kinds: TokenKind[]
  iss: string | null
  aud: string | null
}
/** Tokens that a compatible policy let pass and a strict one would not. */
export interface PolicyWarning {
  rule: string
  count: number
  first_seen: Timestamp
  last_seen: Timestamp
  kid: string | null
  client: string | null
}

/** Numbers a minute; null: no limit; absent: what holds without the override. */
export interface LimitOverride {
  app?: number | null
  user?: number | null
  address?: number | null
}
export interface AppLimits {
  enforced: boolean
  window_seconds: number
  /** By published name of the operation. */
  overrides: Record<string, LimitOverride>
  updated_at: Timestamp | null
  limits: Record<string, { app: number | null; user: number | null; address: number | null }>
  /** What was used in this minute, by platform and operation. */
  usage: {
    server_side: Record<string, LimitUse>
    ios: Record<string, LimitUse>
    android: Record<string, LimitUse>
    web: Record<string, LimitUse>
  }
}
/** `reset`: Unix seconds at which the minute ends. */
export interface LimitUse {
  limit: number
  remaining: number
  reset: number
}
export interface UpdateLimitsRequest {
  /** Null gives an operation back to what is published. */
  overrides: Record<string, LimitOverride | null>
}

export type SecretState = "standby" | "active" | "retiring" | "revoked"
export interface AdminSecret {
  kid: string
  state: SecretState
  alg: "HS256" | "ES256" | "EdDSA"
  label: string
  imported: boolean
  created_by: string
  created_at: Timestamp
  state_since: Timestamp
  last_used_at: Timestamp | null
  last_client: string | null
  last_address: string | null
  /** Counted over the last 30 days. */
  usage: {
    tokens: number
    users: number
    clients: string[]
    by_client: { client: string | null; tokens: number; users: number; last_seen_at: string }[]
  }
}
export interface AdminKey {
  api_key: string
  label: string
  disabled: boolean
  created_at: Timestamp
  secrets: AdminSecret[]
}
export interface CreateSecretRequest {
  label?: string
  alg?: "HS256" | "ES256" | "EdDSA"
  state?: "standby" | "active"
  /** A secret that is in use elsewhere. */
  value?: string
  kid?: string
  prefixed?: boolean
  /** SPKI in PEM, or a JWK; without it a pair is made. */
  public_key?: string | Record<string, unknown>
}
export interface UpdateSecretQuery {
  dry_run?: boolean
  force?: boolean
}
/** What a change ends, or would end. */
export interface CutOff {
  tokens: number
  users: number
  safe: boolean
  because: string
}

export type RevocationLevel = "app" | "user" | "key" | "kid" | "jti" | "token" | "device"
/** Proof of a revocation; see verifyReceipt. */
export interface RevocationReceipt {
  id: string
  app_id: number
  mode: "enforce" | "shadow"
  level: RevocationLevel
  target: string
  before: Timestamp | null
  effective_at: Timestamp
  sockets_closed: number
  nodes: { id: string; applied_at: Timestamp | null; sockets_closed: number; fenced: boolean }[]
  max_lag_ms: number
  key_id: string
  signature: string
}
export interface Revocation {
  id: string
  mode: "enforce" | "shadow"
  level: RevocationLevel
  target: string
  before: Timestamp | null
  terminal: boolean
  reason: string
  created_by: string
  created_at: Timestamp
  undone_at: Timestamp | null
  /** From here on it is forgotten, because no token is left that it could end; null: never. */
  expires_at: Timestamp | null
  shadow: { hits: number; users: number } | null
  receipt: RevocationReceipt | null
}
/** Exactly one of user_id, api_key, kid, jti, token_sha256, device_id and all. */
export interface RevocationRequest {
  user_id?: string
  api_key?: string
  kid?: string
  jti?: string
  token_sha256?: string
  device_id?: string
  all?: true
  before?: Timestamp
  mode?: "enforce" | "shadow"
  terminal?: boolean
  reason?: string
}
export interface AdminReceiptKey {
  key_id: string
  alg: "EdDSA"
  /** SPKI in PEM. */
  public_key: string
  created_at: Timestamp
}

export interface AdminSession {
  /** SHA-256 of the token in lower-case hex. */
  id: string
  kind: string
  user_id: string | null
  api_key: string
  kid: string | null
  jti: string | null
  device_id: string | null
  issued_at: Timestamp | null
  expires_at: Timestamp | null
  first_seen: Timestamp
  last_seen: Timestamp
  uses: number
  address: string
  client: string | null
  state: "live" | "recent" | "revoked" | "expired"
  sockets: { connection_id: string; node: string; connected_at: Timestamp; address: string; client: string | null }[]
}

export interface DecisionCheck {
  check: string
  passed: boolean | null
  detail: string | null
}
export interface FailedCheck {
  check: string
  rule: string | null
  detail: string | null
}
export interface Decision {
  id: string
  app_id: number | null
  at: Timestamp
  operation: string
  stage: string
  code: number
  status: number
  /** What the caller was told. */
  reason: string
  outcome: "denied"
  caller: {
    kind: string | null
    user_id: string | null
    role: string | null
    api_key: string | null
    address: string
    client: string | null
  }
  token: {
    /** False: it is only what the token says of itself. */
    proved: boolean
    kind: string | null
    user_id: string | null
    alg: string | null
    kid: string | null
    jti: string | null
    issued_at: Timestamp | null
    expires_at: Timestamp | null
    age_seconds: number | null
    expires_in_seconds: number | null
    skew_ms: number | null
    narrowed: boolean
  } | null
  action: string | null
  resource: string | null
  checks: DecisionCheck[]
  failed: FailedCheck
  /** The smallest change that would have allowed it. */
  remedy: string
  facts: Record<string, string | number | boolean | null>
}
export interface DecisionsQuery extends PageQuery {
  user_id?: string
  code?: number
  operation?: string
}
/** Exactly one of user_id and token. */
export interface ExplainRequest {
  user_id?: string
  token?: string
  api_key?: string
  action: string
  resource: { type: "channel" | "call" | "feed" | "user" | "app"; id: string }
  scopes?: Record<string, string[]>
}
export interface Explanation {
  allowed: boolean
  checks: DecisionCheck[]
  failed: FailedCheck | null
  remedy: string | null
  roles: { role: string; from: string }[]
}

export interface AuditEntry {
  seq: number
  at: Timestamp
  app_id: number | null
  /** `noun.verb`. */
  action: string
  actor: string
  address: string | null
  target: Record<string, unknown> | null
  before: Record<string, unknown> | null
  after: Record<string, unknown> | null
  hash: string
  prev_hash: string
}

type Page<Members> = Answer<Members & { next: string | null }>

/** Body, query and answer of each operation, by its name in the protocol. */
export interface AdminOperations extends HookOperations, OperatorOperations, PeopleOperations, TrafficOperations {
  createApp: { body: CreateAppRequest; answer: Answer<{ app: AdminApp; key: { api_key: string }; secret: string }> }
  listApps: { answer: Answer<{ apps: AdminApp[] }> }
  readApp: { answer: Answer<{ app: AdminApp }> }
  updateAppState: { body: UpdateAppRequest; answer: Answer<{ app: AdminApp }> }
  getTokenPolicy: { answer: Answer<{ policy: TokenPolicy; warnings: PolicyWarning[] }> }
  updateTokenPolicy: { body: Partial<TokenPolicy>; answer: Answer<{ policy: TokenPolicy }> }
  getLimits: { answer: Answer<AppLimits> }
  updateLimits: { body: UpdateLimitsRequest; answer: Answer<AppLimits> }
  listKeys: { answer: Answer<{ keys: AdminKey[] }> }
  getKey: { answer: Answer<{ key: AdminKey }> }
  createKey: { body: { label?: string }; answer: Answer<{ key: AdminKey; secret: string }> }
  updateKey: { body: { label?: string; disabled?: boolean }; answer: Answer<{ key: AdminKey }> }
  createSecret: {
    body: CreateSecretRequest
    answer: Answer<{ secret: AdminSecret; value: string | null; shared_with: string[] }>
  }
  updateSecret: {
    body: { state?: SecretState; label?: string }
    query: UpdateSecretQuery
    answer: Answer<{ secret: AdminSecret; cut_off: CutOff; receipt: unknown }>
  }
  createRevocation: {
    body: RevocationRequest
    query: { dry_run?: boolean }
    answer: Answer<{
      receipt: RevocationReceipt | null
      would: { sockets: number; tokens: number; users: number } | null
    }>
  }
  listRevocations: { query: PageQuery; answer: Page<{ revocations: Revocation[] }> }
  getRevocation: { answer: Answer<{ revocation: Revocation }> }
  undoRevocation: { answer: Answer<{ revocation: Revocation }> }
  listReceiptKeys: { answer: Answer<{ keys: AdminReceiptKey[] }> }
  listSessions: {
    query: PageQuery & { user_id?: string }
    answer: Page<{ sessions: AdminSession[]; nodes_missing: string[] }>
  }
  endSession: { answer: Answer<{ receipt: unknown }> }
  getDecision: { answer: Answer<{ decision: Decision }> }
  findDecision: { answer: Answer<{ decision: Decision }> }
  listDecisions: { query: DecisionsQuery; answer: Page<{ decisions: Decision[] }> }
  explain: { body: ExplainRequest; answer: Answer<Explanation> }
  listAppAudit: { query: PageQuery; answer: Page<{ entries: AuditEntry[] }> }
  listAudit: { query: PageQuery; answer: Page<{ entries: AuditEntry[] }> }
  verifyAudit: {
    answer: Answer<{
      whole: boolean
      rows: number
      head: { seq: number; hash: string } | null
      fault: { seq: number; what: string } | null
    }>
  }
}
