// What a token says, after its signature was proved. Names follow the claims (contract/auth.md §2.2).

import {
  ANONYMOUS_USER_ID,
  ApiError,
  channelIdPattern,
  parseScopes,
  type Scopes,
  typeNamePattern,
  userIdPattern,
} from "@weir/protocol"
import { memberNames } from "./json.ts"

/** Claims that Weir reads; any other claim of a token is ignored. */
export interface TokenClaims {
  /** What the claims make the token; the kinds exclude each other. `feeds`: a scoped token of Feeds v2. */
  readonly kind: "user" | "server" | "call" | "feeds" | "development"
  readonly userId: string | null
  /** Unix seconds, fractions allowed. */
  readonly exp: number | null
  readonly iat: number | null
  readonly nbf: number | null
  /** `type:id` of the calls that a call token is limited to. An empty list allows no call; null is no limit. */
  readonly callCids: readonly string[] | null
  /** `type:id` of the channels that such a token reaches besides. */
  readonly channelCids: readonly string[] | null
  /** Only read together with callCids. */
  readonly role: string | null
  readonly jti: string | null
  readonly deviceId: string | null
  /** What the token is narrowed to; null is no limit. */
  readonly scopes: Scopes | null
  readonly iss: string | null
  readonly aud: readonly string[]
}

export const userIdCharsMax = 255
export const callCidsMax = 100
export const roleCharsMax = 64
export const tokenIdCharsMax = 128
export const deviceIdCharsMax = 128
export const audiencesMax = 20
export const issuerCharsMax = 255

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
  "channel_cids",
  "jti",
  "device_id",
  "scopes",
  "iss",
  "aud",
])

/** Checks the values of claimNames as they stand in the JSON. Throws ApiError authentication (5). */
export function checkClaims(values: readonly unknown[]): TokenClaims {
  const [userId, server, exp, iat, nbf, callCids, role, resource, action, feedId, channelCids, jti, deviceId, scopes] =
    values
  const [iss, aud] = values.slice(14)
  const isLimited = callCids !== undefined || channelCids !== undefined
  const claims = {
    userId: userId === undefined ? null : checkUserId(userId, isLimited),
    exp: exp === undefined ? null : checkNumericDate("exp", exp),
    iat: iat === undefined ? null : checkNumericDate("iat", iat),
    nbf: nbf === undefined ? null : checkNumericDate("nbf", nbf),
    callCids: callCids === undefined ? null : checkCids("call_cids", callCids, callCidPattern),
    channelCids: channelCids === undefined ? null : checkCids("channel_cids", channelCids, channelCidPattern),
    role: callCids === undefined || role === undefined ? null : checkRole(role),
    jti: idOf(jti, tokenIdCharsMax),
    deviceId: idOf(deviceId, deviceIdCharsMax),
    scopes: scopes === undefined ? null : checkScopes(scopes),
    // Ignored unless the app's policy names one, so a strange one is no fault of the token.
    iss: typeof iss === "string" && iss.length <= issuerCharsMax ? iss : null,
    aud: audiencesOf(aud),
  }
  const isServer = server !== undefined && checkServer(server)
  const isFeeds = resource !== undefined || action !== undefined || feedId !== undefined
  // The kinds of token exclude each other: nothing may be both everything and one user, call or feed.
  if (isServer && (claims.userId !== null || isLimited || isFeeds)) {
    throw malformed("a server token names no user, call, channel or feed")
  }
  if (isFeeds && isLimited) throw malformed("a feed token names no call or channel")
  if (isLimited && claims.userId === null) throw malformed("token has call_cids or channel_cids but no user_id")
  const kind = isFeeds ? "feeds" : isLimited ? "call" : claims.userId === null ? "server" : "user"
  return { kind, ...claims }
}

/** 401/5 for a token that is not what a token has to be; also for its form, in token.ts. */
export const malformed = (reason: string): ApiError =>
  new ApiError("authentication", `JWTAuth error: ${reason}`, {
    why: { check: "token", rule: "form", detail: reason, remedy: "sign the token with createToken of a server SDK" },
  })

const userIds = new RegExp(userIdPattern)

function checkUserId(value: unknown, isLimited: boolean): string {
  if (typeof value !== "string") throw malformed("user_id must be a string")
  if (value.length <= userIdCharsMax && userIds.test(value)) return value
  if (value !== ANONYMOUS_USER_ID) throw malformed("user_id is not valid")
  if (!isLimited) throw malformed("an anonymous token needs call_cids")
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

/** `type:id`, each half as protocol/ids.ts has it. */
const callCidPattern = /^[\w-]{1,64}:[\w-]{1,64}$/
const halves = [typeNamePattern, channelIdPattern].map((pattern) => pattern.slice(1, -1))
const channelCidPattern = new RegExp(`^${halves.join(":")}$`)
const channelCidCharsMax = 130

function checkCids(name: string, value: unknown, pattern: RegExp): readonly string[] {
  if (!Array.isArray(value)) throw malformed(`${name} must be an array`)
  if (value.length > callCidsMax) throw malformed(`${name} has more than ${callCidsMax} items`)
  for (const cid of value) {
    if (typeof cid !== "string" || cid.length > channelCidCharsMax || !pattern.test(cid)) {
      throw malformed(`${name} must hold strings of type:id`)
    }
  }
  return value
}

function checkRole(value: unknown): string {
  if (typeof value !== "string" || value === "" || value.length > roleCharsMax) throw malformed("role is not valid")
  return value
}

// Ids that a revocation can name. Other systems put other things there, and their tokens are in the field already: one
// that is no such text counts as none, and the token can still be named by its hash.
const idOf = (value: unknown, charsMax: number): string | null =>
  typeof value === "string" && value !== "" && value.length <= charsMax && !/[\0\p{Surrogate}]/u.test(value)
    ? value
    : null

function checkScopes(value: unknown): Scopes {
  try {
    return parseScopes(value)
  } catch (error) {
    if (error instanceof RangeError) throw malformed(error.message)
    throw error
  }
}

function audiencesOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value]
  if (!Array.isArray(value) || value.length > audiencesMax) return []
  return value.filter((audience) => typeof audience === "string")
}
