// What the management API takes and gives of an app's users, their tokens and what roles may do, as plain types; a part
// of admin-wire.ts.

import type { Answer, Timestamp } from "../../sdk-client/src/wire.ts"
import type { AdminSession, DecisionCheck, FailedCheck, PageQuery, Revocation, SecretState } from "./admin-wire.ts"

/** A user with what decides about their rights. */
export interface AppUser {
  id: string
  name: string | null
  image: string | null
  role: string
  teams: string[]
  language: string
  /** On any node, however much the user hides. */
  online: boolean
  invisible: boolean
  /** From the whole app. */
  banned: boolean
  /** Null: for ever, or there is no ban of the whole app. */
  ban_expires: Timestamp | null
  /** Channels that the user is banned from. */
  banned_channels: number
  created_at: Timestamp
  updated_at: Timestamp
  last_active: Timestamp | null
  deactivated_at: Timestamp | null
  deleted_at: Timestamp | null
  revoke_tokens_issued_before: Timestamp | null
}
export interface AppUsersQuery extends PageQuery {
  /** What an id or a name begins with; of a name, letters A to Z in either case. */
  q?: string
  role?: string
  /** True: banned from the app or a channel. False: banned from nothing. */
  banned?: boolean
}
export interface AppUserBan {
  /** Null: the whole app. */
  channel_cid: string | null
  banned_by_id: string | null
  reason: string | null
  created_at: Timestamp
  /** Null: for ever. */
  expires: Timestamp | null
}
export interface AppUserDetails {
  user: AppUser
  custom: Record<string, unknown>
  /** Newest first, at most 100. */
  bans: AppUserBan[]
  /** `session_id` names the session of the token that it was opened with; empty: there was none. */
  sockets: (AdminSession["sockets"][number] & { session_id: string })[]
  /** Nodes that did not say in time which sockets they hold. */
  nodes_missing: string[]
  /** Seen in the last 30 days, newest first, at most 25. */
  tokens: AdminSession[]
  /** Newest first, at most 25; undone ones among them. */
  revocations: Revocation[]
}

export type MintedKind = "user" | "call" | "guest" | "server"
export interface MintTokenRequest {
  kind: MintedKind
  /** Not for servers. For a guest: what the id that is made ends with. */
  user_id?: string
  /** Of a guest. */
  name?: string
  /** Calls that a call token is limited to, each `type:id`. */
  call_cids?: string[]
  /** Channels that a call token reaches besides, each `type:id`. */
  channel_cids?: string[]
  /** Role of a call token's bearer on those calls. */
  role?: string
  /** What the token is narrowed to; a scope only takes away. */
  scopes?: Record<string, string[]>
  /** Seconds. Unless given: an hour, 10 minutes for servers, or what the app's policy allows if that is less. */
  expires_in?: number
  /** The app's first key that can sign unless given. */
  api_key?: string
}
export interface MintedToken {
  token: string
  kind: MintedKind
  api_key: string
  /** The secret that signed it. */
  kid: string | null
  /** Names the token in the audit log, and in a revocation. */
  jti: string
  /** SHA-256 of the token in lower-case hex: what its session is called. */
  sha256: string
  user_id: string | null
  claims: Record<string, unknown>
  issued_at: Timestamp
  expires_at: Timestamp
}
export interface InspectTokenRequest {
  /** With or without a leading `Bearer `. */
  token: string
  /** Unless given: the key whose secret signed it, else the app's first. */
  api_key?: string
}
export interface TokenInspection {
  /** Whether the gate would let it in at this moment. */
  passes: boolean
  /** Every check of the gate in its order. */
  reasons: DecisionCheck[]
  failed: FailedCheck | null
  /** The smallest change that would let it in. */
  remedy: string | null
  /** Null when its claims cannot be read. */
  kind: string | null
  /** As they stand in the token, proved or not. */
  header: Record<string, unknown> | null
  claims: Record<string, unknown> | null
  /** What is wrong with its form, one sentence each. */
  problems: string[]
  sha256: string
  api_key: string | null
  /** The secret of this app that it was signed with, whatever its state; null: none of them. */
  signed_by: { api_key: string; kid: string; alg: string; state: SecretState; label: string } | null
  issued_at: Timestamp | null
  not_before: Timestamp | null
  expires_at: Timestamp | null
  /** Negative: it has expired. */
  expires_in_seconds: number | null
  leeway_seconds: number | null
  /** Rules of a strict policy that it breaks and this app's policy lets pass. */
  warnings: string[]
  /** In force and naming it, its user, key, secret or device; shadows among them. */
  revocations: Revocation[]
  /** Null when it names none, or there is none yet. */
  user: {
    id: string
    name: string | null
    role: string
    teams: string[]
    deactivated_at: Timestamp | null
    deleted_at: Timestamp | null
    /** A banned user is let in, and may read. */
    bans: { channel_cid: string | null; expires: Timestamp | null }[]
  } | null
}
export interface ExplorerToken {
  token: string
  api_key: string
  jti: string
  scopes: Record<string, string[]>
  /** Whether it also writes. */
  writes: boolean
  expires_at: Timestamp
}

/** What a role may do; what is not listed is refused. */
export interface AdminGrant {
  role: string
  /** `own`: only to what the user made or is. */
  extent: "all" | "own"
  /** Also across teams. */
  any_team: boolean
}
export interface GrantScope {
  /** `app`; `chat:` and a channel type; `feeds:` and a visibility; `video:` and a call type. */
  id: string
  product: "app" | "chat" | "feeds" | "video"
  title: string
  /** Those that hold anything here. */
  roles: string[]
  actions: {
    /** As grants and the scopes of tokens name it. */
    id: string
    /** As refusals name it. */
    name: string
    title: string
    level: "read" | "write" | "manage"
    grants: AdminGrant[]
  }[]
}

export interface PeopleOperations {
  listAppUsers: { query: AppUsersQuery; answer: Answer<{ users: AppUser[]; next: string | null }> }
  readAppUser: { answer: Answer<AppUserDetails> }
  mintToken: { body: MintTokenRequest; answer: Answer<MintedToken> }
  inspectToken: { body: InspectTokenRequest; answer: Answer<TokenInspection> }
  explorerToken: { answer: Answer<ExplorerToken> }
  readGrants: { query: { scope?: string }; answer: Answer<{ scopes: GrantScope[]; known: string[] }> }
}
