// Tokens: compact JWS (RFC 7515) with HS256, the key being the API secret's text. Each kind comes in two forms:
// at once, where the platform can hash without a promise (Node, Bun), and `…Async` everywhere.

import { syncPlatform } from "#platform"
import { limits } from "./limits.ts"
import { checkSecret, hmacSha256Async } from "./secret.ts"

/** Seconds, or a number with a unit: `45s`, `30m`, `24h`, `7d`. */
export type Duration = number | `${number}${"s" | "m" | "h" | "d"}`

export interface TokenOptions {
  /** How long the token lives; 24 h unless told otherwise. Null: for ever, which nobody can take back one by one. */
  expiresIn?: Duration | null
  /** When it was made; now unless told otherwise. A number counts Unix seconds. */
  issuedAt?: Date | number
  /** Further claims. They cannot replace `user_id`, `exp`, `iat` or `server`. */
  [claim: string]: unknown
}

export interface CallTokenOptions extends TokenOptions {
  /** `type:id` of each call that the bearer may reach; nothing else is open to them. */
  callCids: readonly string[]
  /** Role on those calls. */
  role?: string
  /** Whom the token is for; without it, for anyone (`!anon`). */
  userId?: string
}

type Claims = Record<string, unknown>

/**
 * A token for one user (contract/auth.md §2.3), to be handed to that user's device. Make it only after your own
 * login has proved who is asking. Throws TypeError for a bad id or option, Error in a browser or where only the
 * `Async` form works.
 */
export const createToken = (apiSecret: string, userId: string, options: TokenOptions = {}): string =>
  signToken(apiSecret, userClaims(userId, options))

/** As createToken, on any platform. */
export const createTokenAsync = (apiSecret: string, userId: string, options: TokenOptions = {}): Promise<string> =>
  signAsync(apiSecret, () => userClaims(userId, options))

/** A token for the app itself (contract/auth.md §2.7): it may do everything, so it must never leave your servers. */
export const createServerToken = (apiSecret: string, options: TokenOptions = {}): string =>
  signToken(apiSecret, serverClaims(options))

/** As createServerToken, on any platform. */
export const createServerTokenAsync = (apiSecret: string, options: TokenOptions = {}): Promise<string> =>
  signAsync(apiSecret, () => serverClaims(options))

/** A token that opens only the listed calls (contract/auth.md §2.5). */
export const createCallToken = (apiSecret: string, options: CallTokenOptions): string =>
  signToken(apiSecret, callClaims(options))

/** As createCallToken, on any platform. */
export const createCallTokenAsync = (apiSecret: string, options: CallTokenOptions): Promise<string> =>
  signAsync(apiSecret, () => callClaims(options))

function userClaims(userId: string, options: TokenOptions): Claims {
  return { user_id: checkedUserId(userId), ...standardClaims(options) }
}

function serverClaims(options: TokenOptions): Claims {
  return { server: true, ...standardClaims(options) }
}

function callClaims({ callCids, role, userId = "!anon", ...options }: CallTokenOptions): Claims {
  if (!Array.isArray(callCids) || callCids.length === 0 || callCids.length > limits.callCidsMax) {
    throw new TypeError(`callCids must list 1 to ${limits.callCidsMax} calls`)
  }
  for (const cid of callCids) {
    if (!/^[\w-]+:[\w-]+$/.test(cid)) throw new TypeError(`'${cid}' is no call: expected type:id`)
  }
  const id = userId === "!anon" ? userId : checkedUserId(userId)
  return { user_id: id, call_cids: callCids, ...(role === undefined ? {} : { role }), ...standardClaims(options) }
}

const reservedClaims = ["user_id", "exp", "iat", "server"]

function standardClaims({ expiresIn, issuedAt, ...claims }: TokenOptions): Claims {
  for (const claim of reservedClaims) {
    if (Object.hasOwn(claims, claim)) throw new TypeError(`the claim ${claim} cannot be given as an extra claim`)
  }
  const iat = secondsOf(issuedAt ?? Date.now() / 1000)
  if (expiresIn === null) return { ...claims, iat }
  return { ...claims, iat, exp: iat + durationSecondsOf(expiresIn ?? limits.tokenLifeSecondsDefault) }
}

// Rounded down: an `iat` in the future would be refused (contract/auth.md §2.9).
function secondsOf(time: Date | number): number {
  const seconds = Math.floor(time instanceof Date ? time.getTime() / 1000 : time)
  if (!Number.isSafeInteger(seconds) || seconds < 0) throw new TypeError("issuedAt is not a time")
  return seconds
}

const secondsByUnit = { s: 1, m: 60, h: 60 * 60, d: 24 * 60 * 60 }

/** Whole seconds of a duration. Throws TypeError unless it is at least one second and at most ten years. */
export function durationSecondsOf(duration: Duration): number {
  const match = /^(\d+)([smhd])$/.exec(String(duration))
  const seconds = match ? Number(match[1]) * secondsByUnit[match[2] as keyof typeof secondsByUnit] : Number(duration)
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > limits.tokenLifeSecondsMax) {
    throw new TypeError(`expiresIn must be whole seconds or text such as 24h, up to 3650d; got ${duration}`)
  }
  return seconds
}

function checkedUserId(userId: string): string {
  if (typeof userId !== "string" || userId.length > limits.userIdCharsMax || !/^[@\w-]+$/.test(userId)) {
    throw new TypeError(`a user id is 1 to ${limits.userIdCharsMax} of the characters a-z A-Z 0-9 @ _ -`)
  }
  return userId
}

/** A token with exactly these claims. Throws as createToken does, but does not look into the claims. */
export function signToken(apiSecret: string, claims: Claims): string {
  checkSecret(apiSecret)
  if (syncPlatform === null) throw new Error("this platform cannot sign at once: use the function's Async form")
  const input = signingInput(claims)
  return `${input}.${base64url(syncPlatform.hmacSha256(apiSecret, input))}`
}

async function signAsync(apiSecret: string, claims: () => Claims): Promise<string> {
  checkSecret(apiSecret)
  const input = signingInput(claims())
  return `${input}.${base64url(await hmacSha256Async(apiSecret, input))}`
}

const header = base64url(new TextEncoder().encode('{"alg":"HS256","typ":"JWT"}'))

const signingInput = (claims: Claims): string =>
  `${header}.${base64url(new TextEncoder().encode(JSON.stringify(claims)))}`

function base64url(bytes: Uint8Array): string {
  let binary = ""
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
}
