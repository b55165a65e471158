// From credentials to a principal, in the order of the checklist in contract/auth.md §12: key, app, kind of
// authentication, token, times, revocation, the user's state. Look-ups are handed in, so this stage knows no table.

import { ANONYMOUS_USER_ID, ApiError, type AppCaller, apiKeyPattern, type CallGrant } from "@weir/protocol"
import { type Awaitable, chain } from "../base/chain.ts"
import type { TokenClaims } from "./claims.ts"
import { checkTimes, isRevoked, type VerificationKey, verifyToken } from "./token.ts"

/** An API key as it stands now, with its app's switches. Replaced, never changed, so `verified` goes with it. */
export interface KeyState {
  readonly appId: number
  readonly apiKey: string
  readonly suspended: boolean
  /** Milliseconds; tokens of the whole app issued before are refused. */
  readonly revokeTokensIssuedBefore: number | null
  readonly verificationKeys: readonly VerificationKey[]
  /** Claims of tokens whose signature this key has proved, by their full text. Bounded. */
  readonly verified: { get(token: string): TokenClaims | undefined; set(token: string, claims: TokenClaims): unknown }
}

/** The part of a user that decides whether and as whom they may call. */
export interface UserState {
  readonly role: string
  readonly teams: readonly string[]
  readonly deactivatedAt: number | null
  readonly deletedAt: number | null
  readonly revokeTokensIssuedBefore: number | null
}

export interface Lookups {
  key(apiKey: string): Awaitable<KeyState | null>
  user(appId: number, userId: string): Awaitable<UserState | null>
}

/** What a request or a socket brought along; null where it brought nothing. */
export interface Credentials {
  readonly apiKey: string | null
  /** `jwt` or `anonymous`. */
  readonly authType: string | null
  /** With or without a leading `Bearer `. */
  readonly authorization: string | null
}

const apiKeys = new RegExp(apiKeyPattern)

/** Seconds that a client's clock may be ahead in `iat` and `nbf`; `exp` has none. */
export const leewaySeconds = 5

export type Authenticate = (credentials: Credentials, nowMs: number) => Awaitable<AppCaller>

/** Builds the stage. Throws (or rejects with) ApiError: accessKey, appSuspended, authentication, token*. */
export function createAuthenticate(lookups: Lookups): Authenticate {
  return (credentials, nowMs) => {
    if (!credentials.apiKey) throw new ApiError("accessKey", "api_key or app_id not provided")
    // What cannot be a key is neither looked for nor remembered: strangers choose its length and its number.
    if (!apiKeys.test(credentials.apiKey)) throw new ApiError("accessKey", "api_key is invalid")
    return chain(lookups.key(credentials.apiKey), (key) => {
      if (key === null) throw new ApiError("accessKey", "api_key is invalid")
      if (key.suspended) throw new ApiError("appSuspended", "app is suspended")
      if (credentials.authType === "anonymous") return anonymousPrincipal(key, credentials, nowMs)
      if (credentials.authType !== "jwt") throw new ApiError("accessKey", "stream-auth-type missing or invalid")
      const claims = provenClaims(key, credentials.authorization, nowMs)
      if (claims.isFeedsScope) throw new ApiError("authentication", "a feed token is not accepted by this endpoint")
      if (claims.userId === ANONYMOUS_USER_ID) return anonymousWithCalls(key, claims)
      if (claims.userId === null) return serverPrincipal(key, claims)
      return userPrincipal(lookups, key, claims, claims.userId)
    })
  }
}

function provenClaims(key: KeyState, authorization: string | null, nowMs: number): TokenClaims {
  const token = bareToken(authorization)
  if (token === null) throw new ApiError("authentication", "Authorization header is missing or empty")
  let claims = key.verified.get(token)
  if (claims === undefined) {
    claims = verifyToken(token, key.verificationKeys, key.apiKey)
    key.verified.set(token, claims)
  }
  checkTimes(claims, nowMs / 1000, leewaySeconds)
  return claims
}

/** Strips the optional `Bearer `, which many users add by habit (contract/auth.md §2.8). */
export function bareToken(authorization: string | null): string | null {
  if (!authorization) return null
  const token = /^bearer\s/i.test(authorization.slice(0, 7)) ? authorization.slice(7).trim() : authorization
  return token === "" ? null : token
}

// Server tokens are not bound by the app's cut-off: they are ended by rotating the secret (contract/auth.md §3.2).
function serverPrincipal(key: KeyState, claims: TokenClaims): AppCaller {
  if (claims.callCids !== null) throw new ApiError("authentication", "token has call_cids but no user_id")
  return { kind: "server", appId: key.appId, apiKey: key.apiKey }
}

function userPrincipal(lookups: Lookups, key: KeyState, claims: TokenClaims, userId: string): Awaitable<AppCaller> {
  return chain(lookups.user(key.appId, userId), (user) => {
    if (isRevoked(claims, [secondsOf(key.revokeTokensIssuedBefore), secondsOf(user?.revokeTokensIssuedBefore)])) {
      throw new ApiError("tokenExpired", "This token has been revoked, please generate a new token")
    }
    if (user?.deletedAt) throw new ApiError("authentication", `User with id ${userId} was deleted`)
    if (user?.deactivatedAt) throw new ApiError("authentication", `User with id ${userId} is deactivated`)
    const role = user?.role ?? "user"
    return {
      kind: role === "guest" ? "guest" : "user",
      appId: key.appId,
      apiKey: key.apiKey,
      userId,
      role,
      teams: user?.teams ?? [],
      issuedAt: claims.iat,
      expiresAt: claims.exp,
      calls: callGrantOf(claims),
    }
  })
}

// An anonymous caller brings no token, or one that lists calls (contract/auth.md §2.5); anything else that such
// a caller sends along is ignored, because clients are known to attach leftovers (contract/auth.md §1.8.1).
function anonymousPrincipal(key: KeyState, credentials: Credentials, nowMs: number): AppCaller {
  const token = bareToken(credentials.authorization)
  if (token === null || token.split(".").length !== 3) return anonymous(key, null)
  const claims = provenClaims(key, token, nowMs)
  if (claims.callCids === null) return anonymous(key, null)
  if (claims.userId !== null && claims.userId !== ANONYMOUS_USER_ID) {
    throw new ApiError("authentication", "the token belongs to a user, but stream-auth-type is anonymous")
  }
  return anonymousWithCalls(key, claims)
}

function anonymousWithCalls(key: KeyState, claims: TokenClaims): AppCaller {
  const calls = callGrantOf(claims)
  if (calls === null) throw new ApiError("authentication", "an anonymous token needs call_cids")
  if (isRevoked(claims, [secondsOf(key.revokeTokensIssuedBefore)])) {
    throw new ApiError("tokenExpired", "This token has been revoked, please generate a new token")
  }
  return anonymous(key, calls)
}

const anonymous = (key: KeyState, calls: CallGrant | null): AppCaller => ({
  kind: "anonymous",
  appId: key.appId,
  apiKey: key.apiKey,
  calls,
})

const callGrantOf = (claims: TokenClaims): CallGrant | null =>
  claims.callCids === null ? null : { cids: claims.callCids, role: claims.role }

const secondsOf = (ms: number | null | undefined): number | null => (ms == null ? null : ms / 1000)
