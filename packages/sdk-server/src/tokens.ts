// Tokens: compact JWS (RFC 7515), signed with the API secret's text (HS256) or with a private key (ES256, EdDSA). Each
// kind comes in two forms: at once, where the platform can sign without a promise (Node, Bun), and `…Async` everywhere.

// By its file, because the index of the protocol brings every schema along.
import type { Scopes } from "../../protocol/src/principal.ts"
import { parseScopes } from "../../protocol/src/scopes.ts"
import { limits } from "./limits.ts"
import { algorithmOf, type SigningKey, signInput, signInputAsync } from "./signing.ts"

/** Seconds, or a number with a unit: `45s`, `30m`, `24h`, `7d`. */
export type Duration = number | `${number}${"s" | "m" | "h" | "d"}`

export interface TokenOptions {
  /** How long the token lives; 24 h unless told otherwise. Null: for ever, which nobody can take back one by one. */
  expiresIn?: Duration | null
  /** When it was made; now unless told otherwise. A number counts Unix seconds. */
  issuedAt?: Date | number
  /** Which of the key's secrets signs it: the server then tries no other. */
  kid?: string
  /** Narrows the token: resource pattern to actions, such as `{"chat:messaging:*": ["read"]}`. It only takes away. */
  scopes?: Scopes
  /** An id, by which this one token can be revoked; true makes one. */
  jti?: string | true
  /** The device that it is for, by which all tokens of a device can be revoked. */
  deviceId?: string
  /** Further claims. They cannot replace those that have an option or an argument of their own. */
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
export const createToken = (apiSecret: SigningKey, userId: string, options: TokenOptions = {}): string =>
  signToken(apiSecret, userClaims(userId, options), options.kid)

/** As createToken, on any platform. */
export const createTokenAsync = (apiSecret: SigningKey, userId: string, options: TokenOptions = {}): Promise<string> =>
  signAsync(apiSecret, () => userClaims(userId, options), options.kid)

/** A token for the app itself (contract/auth.md §2.7): it may do everything, so it must never leave your servers. */
export const createServerToken = (apiSecret: SigningKey, options: TokenOptions = {}): string =>
  signToken(apiSecret, serverClaims(options), options.kid)

/** As createServerToken, on any platform. */
export const createServerTokenAsync = (apiSecret: SigningKey, options: TokenOptions = {}): Promise<string> =>
  signAsync(apiSecret, () => serverClaims(options), options.kid)

/** A token that opens only the listed calls (contract/auth.md §2.5). */
export const createCallToken = (apiSecret: SigningKey, options: CallTokenOptions): string =>
  signToken(apiSecret, callClaims(options), options.kid)

/** As createCallToken, on any platform. */
export const createCallTokenAsync = (apiSecret: SigningKey, options: CallTokenOptions): Promise<string> =>
  signAsync(apiSecret, () => callClaims(options), options.kid)

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

const reservedClaims = ["user_id", "exp", "iat", "server", "device_id"]

function standardClaims({ expiresIn, issuedAt, kid: _, scopes, jti, deviceId, ...rest }: TokenOptions): Claims {
  const claims = { ...rest, ...scopesClaim(scopes), ...idClaims(jti, deviceId) }
  for (const claim of reservedClaims) {
    if (Object.hasOwn(rest, claim)) throw new TypeError(`the claim ${claim} cannot be given as an extra claim`)
  }
  const iat = secondsOf(issuedAt ?? Date.now() / 1000)
  if (expiresIn === null) return { ...claims, iat }
  return { ...claims, iat, exp: iat + durationSecondsOf(expiresIn ?? limits.tokenLifeSecondsDefault) }
}

function scopesClaim(scopes: Scopes | undefined): Claims {
  if (scopes === undefined) return {}
  try {
    return { scopes: { ...parseScopes(scopes) } }
  } catch (error) {
    throw new TypeError((error as Error).message)
  }
}

function idClaims(jti: string | true | undefined, deviceId: string | undefined): Claims {
  const ids: Claims = {}
  if (jti !== undefined) ids.jti = jti === true ? crypto.randomUUID() : checkedId("jti", jti)
  if (deviceId !== undefined) ids.device_id = checkedId("deviceId", deviceId)
  return ids
}

function checkedId(name: string, id: unknown): string {
  if (typeof id === "string" && id !== "" && id.length <= limits.tokenIdCharsMax) return id
  throw new TypeError(`${name} must be a text of 1 to ${limits.tokenIdCharsMax} characters`)
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
export function signToken(secret: SigningKey, claims: Claims, kid?: string): string {
  const input = signingInput(secret, claims, kid)
  return `${input}.${base64url(signInput(secret, input))}`
}

async function signAsync(secret: SigningKey, claims: () => Claims, kid?: string): Promise<string> {
  const input = signingInput(secret, claims(), kid)
  return `${input}.${base64url(await signInputAsync(secret, input))}`
}

function signingInput(secret: SigningKey, claims: Claims, kid: string | undefined): string {
  if (kid !== undefined && !/^[\w.-]{1,64}$/.test(kid))
    throw new TypeError("kid is 1 to 64 of the characters a-z A-Z 0-9 _ . -")
  const header = { alg: algorithmOf(secret), typ: "JWT", ...(kid === undefined ? {} : { kid }) }
  return `${segment(header)}.${segment(claims)}`
}

const segment = (value: object): string => base64url(new TextEncoder().encode(JSON.stringify(value)))

function base64url(bytes: Uint8Array): string {
  let binary = ""
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
}
