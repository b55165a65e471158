// Tokens: compact JWS with HS256 (RFC 7515, RFC 7518 §3.2) that carry the claims of contract/auth.md §2.2, read by the
// rules of RFC 8725: the algorithm belongs to the key, every part has one spelling, and nothing of the payload is looked
// at before the signature is proved. Pure: keys and time are handed in.
//
// HS256 is verified here and not by a library because this is the hot path of the whole gate. Bun's keyed hasher takes
// half the time of node:crypto's createHmac; bench/micro/verify.ts measures this file against both that and jose.

import { createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto"
import { ApiError, limits } from "@weir/protocol"
import { decodeBase64url } from "./base64url.ts"
import { checkClaims, claimNames, malformed, type TokenClaims } from "./claims.ts"
import { JsonError, type MemberNames, memberNames, readMembers } from "./json.ts"

/** RFC 7518 §3.2: a key for HS256 has at least as many bits as the hash. */
export const secretBytesMin = 32
/** An API key verifies with its own secret and with those that a rotation keeps for a while. */
export const verificationKeysMax = 4
/** Headers whose text is remembered: one per minting library and key in practice. */
const headersMax = 64

export interface VerificationKey {
  /** Null: the secret serves only tokens that name no key. */
  readonly kid: string | null
  /** Pinned to the key, never taken from a token (RFC 8725 §3.1). */
  readonly alg: "HS256"
  readonly key: KeyObject
}

/**
 * Wraps an API secret as a key; its UTF-8 bytes are the HMAC key (contract/auth.md §2.1). Throws RangeError when it
 * has fewer than 32 bytes, and when half a surrogate pair in it would make different secrets the same bytes.
 */
export function importSecret(secret: string): KeyObject {
  if (/\p{Surrogate}/u.test(secret)) throw new RangeError("an API secret must be well-formed Unicode text")
  const bytes = Buffer.from(secret)
  if (bytes.byteLength < secretBytesMin) {
    throw new RangeError(`an API secret has at least ${secretBytesMin} bytes, this one has ${bytes.byteLength}`)
  }
  return createSecretKey(bytes)
}

/**
 * Proves a token and reads its claims. Times and revocation are the caller's next steps, since they change while the
 * proof does not. At most `verificationKeysMax` keys, else RangeError. `apiKey` appears, masked, in the text of 43.
 * Throws ApiError: authentication (5) when the token is malformed, tokenSignature (43) when no key proves it.
 */
export function verifyToken(token: string, keys: readonly VerificationKey[], apiKey: string): TokenClaims {
  const length = prove(token, keys, apiKey)
  return checkClaims(readStrictly(length, claimNames, "payload"))
}

/**
 * The JWS half of verifyToken: the payload's bytes, whatever they hold, once a key has proved them (RFC 7515 §5.2).
 * Throws as verifyToken does.
 */
export const verifyCompact = (token: string, keys: readonly VerificationKey[], apiKey: string): Uint8Array =>
  new Uint8Array(payload.subarray(0, prove(token, keys, apiKey)))

/**
 * Whether `mac` is the HMAC-SHA-256 of `input` under the key. The comparison takes the same time wherever the first
 * difference is. Throws RangeError when the key is no secret of at least 32 bytes.
 */
export function isHs256Mac(key: KeyObject, input: Uint8Array, mac: Uint8Array): boolean {
  if (mac.length !== macBytes) return false
  new Bun.CryptoHasher("sha256", secretBytesOf(key)).update(input).digest(digest)
  return timingSafeEqual(computedMac, mac)
}

/**
 * Checks a proved token against the clock. `nowSeconds` is Unix time and may have fractions. A token has expired when
 * now has reached `exp`; `nbf` and `iat` may be ahead of the clock by the leeway (contract/auth.md §2.9). Throws
 * ApiError tokenExpired (40), tokenNotValidYet (41), tokenBeforeIssuedAt (42), with the skew for the log.
 */
export function checkTimes(claims: TokenClaims, nowSeconds: number, leewaySeconds: number): void {
  const { exp, nbf, iat } = claims
  const latest = nowSeconds + leewaySeconds
  // Each condition asks for what is allowed, so that a clock without a value (NaN) refuses.
  if (exp !== null && !(nowSeconds < exp)) {
    throw new ApiError("tokenExpired", "JWTAuth error: token is expired (exp)", {
      internal: `exp was ${millisecondsOf(nowSeconds - exp)} ms ago`,
    })
  }
  if (nbf !== null && !(nbf <= latest)) {
    throw new ApiError("tokenNotValidYet", "JWTAuth error: token is not valid yet (nbf)", {
      internal: `nbf is ${millisecondsOf(nbf - nowSeconds)} ms ahead`,
    })
  }
  if (iat !== null && !(iat <= latest)) {
    throw new ApiError("tokenBeforeIssuedAt", "JWTAuth error: token used before issue at (iat)", {
      internal: `iat is ${millisecondsOf(iat - nowSeconds)} ms ahead`,
    })
  }
}

/**
 * Whether a cut-off has ended the token: those of the app and of the user, in Unix seconds, null where none is set; the
 * latest counts. Compared by whole seconds, so that a token made right after revoking works (contract/auth.md §3.3).
 * Without `iat` nobody can tell when the token was made, so any cut-off ends it.
 */
export function isRevoked(claims: TokenClaims, cutoffsSeconds: readonly (number | null)[]): boolean {
  let latest: number | null = null
  for (const cutoff of cutoffsSeconds) {
    if (cutoff !== null) latest = latest === null ? cutoff : Math.max(latest, cutoff)
  }
  if (latest === null) return false
  return claims.iat === null || !(claims.iat >= Math.floor(latest))
}

// Leaves the payload's bytes in `payload` and returns how many they are.
function prove(token: string, keys: readonly VerificationKey[], apiKey: string): number {
  if (keys.length > verificationKeysMax) throw new RangeError(`at most ${verificationKeysMax} verification keys`)
  if (token.length > limits.tokenBytesMax) throw malformed("token is too long")
  // As many bytes as characters means ASCII; then a place in the one is the same place in the other.
  if (utf8.encodeInto(token, text).written !== token.length) throw malformed("token is not ASCII")
  const headerEnd = token.indexOf(".")
  const payloadEnd = token.indexOf(".", headerEnd + 1)
  if (headerEnd === -1 || payloadEnd === -1 || token.includes(".", payloadEnd + 1)) {
    throw malformed("token contains an invalid number of segments")
  }
  const header = readHeader(token, headerEnd)
  const payloadLength = decodeBase64url(text, headerEnd + 1, payloadEnd, payload)
  if (payloadLength === -1) throw malformed("token payload is not canonical base64url")
  const signatureLength = decodeBase64url(text, payloadEnd + 1, token.length, signature)
  if (signatureLength === -1) throw malformed("token signature is not canonical base64url")
  if (signatureLength !== macBytes || !isProved(header, text.subarray(0, payloadEnd), keys))
    throw signatureInvalid(apiKey)
  rememberHeader(header)
  return payloadLength
}

// A token that names a key stands or falls with that key alone; where two keys bear the name, it falls.
function isProved(header: Header, input: Uint8Array, keys: readonly VerificationKey[]): boolean {
  if (header.kid === null) {
    for (const { key } of keys) if (isHs256Mac(key, input, mac)) return true
    return false
  }
  const named = keys.filter((key) => key.kid === header.kid)
  return named.length === 1 && isHs256Mac((named[0] as VerificationKey).key, input, mac)
}

// Where a token is taken apart. Used again for every token, which is safe because nothing here waits between writing
// and reading. The text has room for one character too many in UTF-8, so that no such token looks as if it fitted.
const utf8 = new TextEncoder()
const text = new Uint8Array(limits.tokenBytesMax + 4)
const payload = Buffer.alloc(limits.tokenBytesMax)
const signature = Buffer.alloc(limits.tokenBytesMax)

/** Bytes of an HMAC-SHA-256. */
const macBytes = 32
const mac = signature.subarray(0, macBytes)
// Bun's keyed hasher wants room for the longest digest that there is, and fills what it needs.
const digest = new Uint8Array(64)
const computedMac = digest.subarray(0, macBytes)

// Bun's hasher takes bytes, and taking them out of a KeyObject each time would cost more than it saves.
const secretBytes = new WeakMap<KeyObject, Uint8Array>()

function secretBytesOf(key: KeyObject): Uint8Array {
  const known = secretBytes.get(key)
  if (known !== undefined) return known
  // Keeps a public key out as well, which has no such size and whose bytes everybody knows (RFC 8725 §2.1).
  if ((key.symmetricKeySize ?? 0) < secretBytesMin) {
    throw new RangeError(`a key for HS256 is a secret of at least ${secretBytesMin} bytes`)
  }
  const bytes = new Uint8Array(key.export())
  secretBytes.set(key, bytes)
  return bytes
}

interface Header {
  /** The header as the token has it, with the dot that follows. */
  readonly prefix: string
  readonly kid: string | null
}

// Headers repeat: one per minting library and key. What they say is read from their text alone, so it is the same for
// every app; which keys a `kid` may mean is decided per call. Only headers of proved tokens are remembered, so that
// strangers cannot push the useful ones out.
const headers = new Map<string, Header>()
let latestHeader: Header | null = null

function readHeader(token: string, end: number): Header {
  if (latestHeader !== null && token.startsWith(latestHeader.prefix)) return latestHeader
  const prefix = token.slice(0, end + 1)
  return headers.get(prefix) ?? parseHeader(prefix)
}

function rememberHeader(header: Header): void {
  if (header === latestHeader) return
  latestHeader = header
  if (headers.has(header.prefix)) return
  if (headers.size >= headersMax) headers.delete(headers.keys().next().value as string)
  headers.set(header.prefix, header)
}

const headerNames = memberNames(["alg", "typ", "kid", "crit", "b64"])

// `typ` keeps other kinds of JWT out (RFC 8725 §3.11). `crit` and `b64` change what a signature covers (RFC 7515
// §4.1.11, RFC 7797). Keys that a token brings along (`jwk`, `jku`, `x5c`, `x5u`) are never looked at.
function parseHeader(prefix: string): Header {
  const length = decodeBase64url(text, 0, prefix.length - 1, payload)
  if (length === -1) throw malformed("token header is not canonical base64url")
  const [alg, typ, kid, crit, b64] = readStrictly(length, headerNames, "header")
  if (alg !== "HS256") throw malformed("signing method must be HS256 (alg)")
  if (typ !== undefined && !(typeof typ === "string" && /^jwt$/i.test(typ))) throw malformed("token is not a JWT (typ)")
  if (kid !== undefined && typeof kid !== "string") throw malformed("kid must be a string")
  if (crit !== undefined || b64 !== undefined) throw malformed("header crit or b64 is not supported")
  // A copy, because a slice would keep the whole token alive.
  return { prefix: Buffer.from(prefix).toString(), kid: kid ?? null }
}

// Reads what was decoded to `payload`.
function readStrictly(length: number, wanted: MemberNames, part: "header" | "payload"): unknown[] {
  try {
    return readMembers(payload, length, wanted, limits.jsonDepthMax)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw malformed(`token ${part} is refused: ${error.message}`)
  }
}

const signatureInvalid = (apiKey: string): ApiError =>
  new ApiError(
    "tokenSignature",
    `JWTAuth error: signature is not valid. Make sure the token is created using the secret for API key "${masked(apiKey)}"`,
  )

/** Enough of a key to recognise it by; a short one would be told in full, so nothing of it is. */
const masked = (apiKey: string): string =>
  apiKey.length < 12 ? "****" : `${apiKey.slice(0, 4)}****${apiKey.slice(-4)}`

const millisecondsOf = (seconds: number): number => Math.round(seconds * 1000)
