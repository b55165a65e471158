// What the stage asks of the house, and what it is handed: so that it knows no table and no cache.

import type { AppCaller, Bans, Proof } from "@weir/protocol"
import type { Awaitable } from "../base/chain.ts"
import type { TokenClaims } from "./claims.ts"
import type { TokenPolicy } from "./policy.ts"
import type { SignedRequest } from "./signed-request.ts"
import type { VerificationKey } from "./token.ts"

/** An API key as it stands now, with its app's switches. Replaced, never changed, so `verified` goes with it. */
export interface KeyState {
  readonly appId: number
  readonly apiKey: string
  readonly suspended: boolean
  /** The key itself is switched off. */
  readonly disabled: boolean
  /** Development tokens are taken; never true for an app in production. */
  readonly disableAuthChecks: boolean
  readonly allowBasic: boolean
  readonly policy: TokenPolicy
  /** Milliseconds; tokens of the whole app issued before are refused. */
  readonly revokeTokensIssuedBefore: number | null
  /** Active ones first, then retiring ones. */
  readonly verificationKeys: readonly VerificationKey[]
  /** Tokens whose signature this key has proved, by their full text. Bounded. */
  readonly verified: {
    get(token: string): VerifiedToken | undefined
    set(token: string, verified: VerifiedToken): unknown
  }
}

/** A proved token and what this node has seen of it. Times are milliseconds since 1970. */
export interface VerifiedToken {
  readonly claims: TokenClaims
  readonly proof: Proof
  readonly firstSeenMs: number
  lastSeenMs: number
  uses: number
}

/** The part of a user that decides whether and as whom they may call. */
export interface UserState {
  readonly role: string
  readonly teams: readonly string[]
  readonly deactivatedAt: number | null
  readonly deletedAt: number | null
  readonly revokeTokensIssuedBefore: number | null
  /** Those that ran out may be among them. */
  readonly bans: Bans | null
}

/** A credential that asks to be let in. */
export interface RevocationQuestion {
  readonly appId: number
  readonly apiKey: string
  /** Null: a server token, or one for nobody in particular. */
  readonly userId: string | null
  readonly isServer: boolean
  readonly proof: Proof
}

/** What ended a credential. */
export interface Revoked {
  readonly level: "app" | "user" | "key" | "kid" | "jti" | "token" | "device"
  readonly revocationId: string | null
  /** Milliseconds; tokens issued before are refused. Null: whenever they were issued. */
  readonly beforeMs: number | null
}

export interface Lookups {
  key(apiKey: string): Awaitable<KeyState | null>
  user(appId: number, userId: string): Awaitable<UserState | null>
  /** Throws ApiError unavailable while this node cannot know what has been revoked. */
  requireLease(): void
  /** What has ended this credential, or null. Throws as requireLease does. */
  revoked(question: RevocationQuestion): Revoked | null
  /** Whether a nonce is new, on all nodes, and from now on is not. */
  isNonceFresh(apiKey: string, nonce: string, expiresAtMs: number): Promise<boolean>
  /**
   * A credential was let in: tokens are told at their first use and after a pause, others each time. Must not throw.
   * Null: uses are not counted.
   */
  readonly sighted:
    | ((key: KeyState, token: VerifiedToken, credentials: Credentials, principal: AppCaller) => void)
    | null
  /** The policy let a token pass that a strict one would have refused by this rule. Must not throw. */
  warned(key: KeyState, rule: string, token: VerifiedToken, credentials: Credentials): void
}

/** What a request or a socket brought along; null where it brought nothing. */
export interface Credentials {
  readonly apiKey: string | null
  /** `jwt` or `anonymous`. */
  readonly authType: string | null
  /** With or without a leading `Bearer `; or `Basic …`. */
  readonly authorization: string | null
  /** `X-Stream-Client`. */
  readonly client: string | null
  /** Found out only when it is asked for. */
  readonly address: () => string
  /** Whether nobody between the caller and the gate can read along. */
  readonly isSecure: () => boolean
  /** The request, where it carries a signature of its own (RFC 9421). */
  readonly signed: SignedRequest | null
}

/** As `lookups`, for questions that are no use of the credential: nothing is counted and nobody told. */
export const withoutTrace = (lookups: Lookups): Lookups => ({ ...lookups, sighted: null, warned: () => undefined })
