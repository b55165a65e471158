// Who is calling. A discriminated union: each kind has exactly its fields, so no handler can read a user id that
// is not there. `operator` is the management API's caller; the others come through an app's API key.

import type { OperatorRole } from "./operators/roles.ts"

/**
 * A token limited to calls and channels (claims `call_cids`, `channel_cids` and `role`; contract/auth.md §2.5). It
 * reaches nothing else.
 */
export interface CallGrant {
  /** `type:id` of each call that the bearer may reach. */
  readonly cids: readonly string[]
  /** `type:id` of each channel that the bearer may reach, with the rights that they have there anyway. */
  readonly channelCids: readonly string[]
  /** Role that the bearer has on those calls, instead of a membership. */
  readonly role: string | null
}

/**
 * What a token is narrowed to (claim `scopes`): resource pattern `product:type:id` to actions, each `read`, `write`,
 * `manage` or the id of one action. The grammar stands in scopes.ts. A scope only takes away.
 */
export type Scopes = Readonly<Record<string, readonly string[]>>

/** The credential that proved a caller: what a revocation can name. One object for as long as a token is cached. */
export interface Proof {
  readonly method: "jwt" | "signature" | "basic" | "devtoken"
  /** Secret that proved it, also when the token named none; null for a development token, which nothing proves. */
  readonly kid: string | null
  /** Unix seconds; null when the token carries none. */
  readonly issuedAt: number | null
  readonly expiresAt: number | null
  /** Claim `jti` (RFC 7519 §4.1.7). */
  readonly jti: string | null
  /** Claim `device_id`. */
  readonly deviceId: string | null
  /** SHA-256 of the token's text in lower-case hex, made when it is first asked for; empty where there is no token. */
  readonly sha256: string
  /**
   * The same of the other text that the token can be written as without any key (ES256: n - s for s), so that naming
   * one ends both. Null or absent: it has one text.
   */
  readonly otherSha256?: string | null
}

/** A ban. `expiresAt`: milliseconds since 1970; null: for ever. */
export interface Ban {
  readonly expiresAt: number | null
}

/** Where a user may read but not write (contract/auth.md §3.8): everywhere, and in channels by their `type:id`. */
export interface Bans {
  readonly app: Ban | null
  readonly channels: Readonly<Record<string, Ban>>
}

interface AppPrincipal {
  readonly appId: number
  /** The public key that the request named; its secret proved the token. */
  readonly apiKey: string
  /** Null: not narrowed. */
  readonly scopes: Scopes | null
  /** Null: an anonymous caller without a token. */
  readonly proof: Proof | null
}

interface IdentifiedPrincipal extends AppPrincipal {
  readonly userId: string
  /** App-level role as it stands now, not as it was when the token was made. */
  readonly role: string
  readonly teams: readonly string[]
  /** Unix seconds; null when the token carries none. */
  readonly issuedAt: number | null
  readonly expiresAt: number | null
  readonly calls: CallGrant | null
  /** Those that stand now; null: none. */
  readonly bans: Bans | null
}

export interface ServerPrincipal extends AppPrincipal {
  readonly kind: "server"
}
export interface UserPrincipal extends IdentifiedPrincipal {
  readonly kind: "user"
}
export interface GuestPrincipal extends IdentifiedPrincipal {
  readonly kind: "guest"
}
export interface AnonymousPrincipal extends AppPrincipal {
  readonly kind: "anonymous"
  readonly calls: CallGrant | null
}
export interface OperatorPrincipal {
  readonly kind: "operator"
  /** For the audit log: the operator's email, or `admin token`. */
  readonly name: string
  readonly role: OperatorRole
  /** Null: the admin token of the settings. */
  readonly operatorId: string | null
  readonly sessionId: string | null
  /** When this session's operator last proved who they are, milliseconds since 1970; null: proved with each request. */
  readonly verifiedAtMs: number | null
}

export type Principal = ServerPrincipal | UserPrincipal | GuestPrincipal | AnonymousPrincipal | OperatorPrincipal
export type PrincipalKind = Principal["kind"]
/** Callers that come through an app's key. */
export type AppCaller = Exclude<Principal, OperatorPrincipal>

/** Id of the anonymous user on the wire (contract/chat.md §1.13). */
export const ANONYMOUS_USER_ID = "!anon"

/** Id of the user behind a principal, or null for server and operator. */
export function userIdOf(principal: Principal): string | null {
  switch (principal.kind) {
    case "user":
    case "guest":
      return principal.userId
    case "anonymous":
      return ANONYMOUS_USER_ID
    default:
      return null
  }
}
