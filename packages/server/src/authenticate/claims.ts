// What a token says, after its signature was proved. Names follow the claims (contract/auth.md §2.2).

import { ANONYMOUS_USER_ID, ApiError, userIdPattern } from "@weir/protocol"
import { memberNames } from "./json.ts"

/** Claims that Weir reads; any other claim of a token is ignored. */
export interface TokenClaims {
  readonly userId: string | null
  /** Claim `server: true`. */
  readonly server: boolean
  /** Unix seconds, fractions allowed. */
  readonly exp: number | null
  readonly iat: number | null
  readonly nbf: number | null
  /** `type:id` of the calls that a call token is limited to. An empty list allows no call; null is no limit. */
  readonly callCids: readonly string[] | null
  /** Only read together with callCids. */
  readonly role: string | null
  /** Feeds v2 scope claims are recognised so that such a token is never taken for a server token. */
  readonly isFeedsScope: boolean
}

export const userIdCharsMax = 255
export const callCidsMax = 100
export const roleCharsMax = 64

/** The claims' names, in the order in which checkClaims expects their values. */
export const claimNames = memberNames([
  "user_id",
  "server",
  "exp",
  "iat",
  "nbf",
  "call_cids",
  "role",
  "resource",
  "action",
  "feed_id",
])

/** Checks the values of claimNames as they stand in the JSON. Throws ApiError authentication (5). */
export function checkClaims(values: readonly unknown[]): TokenClaims {
  const [userId, server, exp, iat, nbf, callCids, role, resource, action, feedId] = values
  const claims: TokenClaims = {
    userId: userId === undefined ? null : checkUserId(userId, callCids !== undefined),
    server: server !== undefined && checkServer(server),
    exp: exp === undefined ? null : checkNumericDate("exp", exp),
    iat: iat === undefined ? null : checkNumericDate("iat", iat),
    nbf: nbf === undefined ? null : checkNumericDate("nbf", nbf),
    callCids: callCids === undefined ? null : checkCallCids(callCids),
    role: callCids === undefined || role === undefined ? null : checkRole(role),
    isFeedsScope: resource !== undefined || action !== undefined || feedId !== undefined,
  }
  // The kinds of token exclude each other: nothing may be both everything and one user, call or feed.
  if (claims.server && (claims.userId !== null || claims.callCids !== null || claims.isFeedsScope)) {
    throw malformed("a server token names no user, call or feed")
  }
  return claims
}

/** 401/5 for a token that is not what a token has to be; also for its form, in token.ts. */
export const malformed = (reason: string): ApiError => new ApiError("authentication", `JWTAuth error: ${reason}`)

const userIds = new RegExp(userIdPattern)

function checkUserId(value: unknown, hasCallCids: boolean): string {
  if (typeof value !== "string") throw malformed("user_id must be a string")
  if (value.length <= userIdCharsMax && userIds.test(value)) return value
  if (value !== ANONYMOUS_USER_ID) throw malformed("user_id is not valid")
  if (!hasCallCids) throw malformed("an anonymous token needs call_cids")
  return value
}

// `server: false` is refused, not read as absent: a token without user_id would then be a server token all the same.
function checkServer(value: unknown): true {
  if (value !== true) throw malformed("server must be true where it is present")
  return true
}

// RFC 7519 §2, NumericDate. JSON knows no NaN, but 1e400 reads as Infinity, and beyond 2^53 seconds are no longer exact.
function checkNumericDate(name: string, value: unknown): number {
  if (typeof value !== "number") throw malformed(`${name} must be a number`)
  if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) throw malformed(`${name} is out of range`)
  return value
}

/** `type:id`, each half as protocol/ids.ts has it for calls. */
const callCidPattern = /^[\w-]{1,64}:[\w-]{1,64}$/

function checkCallCids(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw malformed("call_cids must be an array")
  if (value.length > callCidsMax) throw malformed(`call_cids has more than ${callCidsMax} items`)
  for (const cid of value) {
    if (typeof cid !== "string" || !callCidPattern.test(cid)) throw malformed("call_cids must hold strings of type:id")
  }
  return value
}

function checkRole(value: unknown): string {
  if (typeof value !== "string" || value === "" || value.length > roleCharsMax) throw malformed("role is not valid")
  return value
}
