// Tokens: compact JWS with HS256 (RFC 7515, RFC 7518 §3.2), ES256 (§3.4) or EdDSA over Ed25519 (RFC 8037) that carry the
// claims of contract/auth.md §2.2, read by the rules of RFC 8725: the algorithm belongs to the key, every part is read
// in one spelling, and nothing of the payload is looked at before the signature is proved. Pure: keys and time are
// handed in.
//
// HS256 is verified here and not by a library because this is the hot path of the whole gate. Bun's keyed hasher takes
// half the time of node:crypto's createHmac; bench/micro/verify.ts measures this file against both that and jose.

import { createSecretKey, type KeyObject, timingSafeEqual, verify } from "node:crypto"
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

/** Algorithms of API secrets. Each secret has one, and tokens that claim another are not looked at with it. */
export const tokenAlgorithms = ["HS256", "ES256", "EdDSA"] as const
export type TokenAlgorithm = (typeof tokenAlgorithms)[number]

export interface VerificationKey {
  /** Null: the secret serves only tokens that name no key. */
  readonly kid: string | null
  /** Pinned to the key, never taken from a token (RFC 8725 §3.1). */
  readonly alg: TokenAlgorithm
  /** A secret for HS256, else a public key (public-key.ts). */
  readonly key: KeyObject
  readonly state: "active" | "retiring"
}

/** A token whose signature was proved, and by which key. */
export interface ProvedToken {
  readonly claims: TokenClaims
  readonly key: VerificationKey
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
export function verifyToken(token: string, keys: readonly VerificationKey[], apiKey: string): ProvedToken {
  const { length, key } = prove(token, keys, apiKey)
  return { claims: checkClaims(readStrictly(length, claimNames, "payload")), key }
}

/**
 * The JWS half of verifyToken: the payload's bytes, whatever they hold, once a key has proved them (RFC 7515 §5.2).
 * Throws as verifyToken does.
 */
export const verifyCompact = (token: string, keys: readonly VerificationKey[], apiKey: string): Uint8Array =>
  new Uint8Array(payload.subarray(0, prove(token, keys, apiKey).length))

/** What stands in place of a signature in a development token (contract/auth.md §1.6). */
const devSignature = ".devtoken"

export const isDevToken = (token: string): boolean => token.endsWith(devSignature)

/**
 * Reads a development token, which nothing proves: only for apps that have switched authentication off. Form and claims
 * are held to the same rules as those of a signed one, and it can only name a user. Throws ApiError authentication.
 */
export function readDevToken(token: string): TokenClaims {
  const { payloadLength } = split(token)
  const claims = checkClaims(readStrictly(payloadLength, claimNames, "payload"))
  if (claims.kind !== "user") throw malformed("a development token names a user and nothing else")
  return { ...claims, kind: "development" }
}

/**
 * What verifyToken refuses about the form of a token and its claims, whoever signed it, as one sentence; null: nothing.
 * For people who look for a fault: what a token says is not answered, because nothing has proved it.
 */
export function formProblem(token: string): string | null {
  try {
    const { payloadEnd, payloadLength } = split(token)
    checkClaims(readStrictly(payloadLength, claimNames, "payload"))
    if (decodeBase64url(text, payloadEnd + 1, token.length, signature) !== -1) return null
    throw notCanonical("signature")
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return error.why?.detail ?? error.reason
  }
}

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
    const expiredMs = millisecondsOf(nowSeconds - exp)
    throw new ApiError("tokenExpired", "JWTAuth error: token is expired (exp)", {
      internal: `exp was ${expiredMs} ms ago`,
      why: {
        check: "times",
        rule: "exp",
        detail: `the token expired ${spanText(expiredMs)} ago`,
        remedy: "get a new token from the app's backend",
        facts: { expired_ms: expiredMs },
      },
    })
  }
  if (nbf !== null && !(nbf <= latest)) throw ahead("tokenNotValidYet", "nbf", nbf - nowSeconds, leewaySeconds)
  if (iat !== null && !(iat <= latest)) throw ahead("tokenBeforeIssuedAt", "iat", iat - nowSeconds, leewaySeconds)
}

const spans = [
  [24 * 60 * 60_000, "days"],
  [60 * 60_000, "hours"],
  [60_000, "minutes"],
  [1_000, "seconds"],
] as const

/** A span as people say it; the facts beside it have the exact one. */
function spanText(ms: number): string {
  const [size, unit] = spans.find(([size]) => ms >= 2 * size) ?? [1, "ms"]
  return `${Math.floor(ms / size)} ${unit}`
}

function ahead(
  kind: "tokenNotValidYet" | "tokenBeforeIssuedAt",
  rule: "nbf" | "iat",
  aheadSeconds: number,
  leewaySeconds: number,
): ApiError {
  const skewMs = millisecondsOf(aheadSeconds)
  // No clock is wrong by millennia; but Date.now() is, where seconds are due.
  const isMilliseconds = aheadSeconds > aheadSecondsOfClocksMax
  const text = rule === "nbf" ? "token is not valid yet (nbf)" : "token used before issue at (iat)"
  return new ApiError(kind, `JWTAuth error: ${text}`, {
    internal: `${rule} is ${skewMs} ms ahead`,
    why: {
      check: "times",
      rule,
      detail: `${rule} is ${skewMs} ms ahead of this clock, ${leewaySeconds * 1000} ms are allowed`,
      remedy: isMilliseconds
        ? `sign with ${rule} in seconds, this looks like milliseconds`
        : rule === "nbf"
          ? `use the token in ${Math.ceil(aheadSeconds)} s, or set the clock of the machine that signs by NTP`
          : "set the clock of the machine that signs by NTP, and round iat down to whole seconds",
      facts: { skew_ms: skewMs, leeway_ms: leewaySeconds * 1000 },
    },
  })
}

/** Three thousand years. */
const aheadSecondsOfClocksMax = 1e11

/**
 * Whether a cut-off has ended a token; both in Unix seconds. Compared by whole seconds, so that a token made right after
 * revoking works (contract/auth.md §3.3). Without `iat` nobody can tell when the token was made, so any cut-off ends it.
 */
export const isRevoked = (issuedAt: number | null, cutoffSeconds: number): boolean =>
  // Asked for what is allowed, so that a value that is no number refuses.
  issuedAt === null || !(issuedAt >= Math.floor(cutoffSeconds))

interface Split {
  readonly header: Header
  /** Where the signed text ends. */
  readonly payloadEnd: number
  readonly payloadLength: number
}

// Leaves the text in `text` and the payload's bytes in `payload`.
function split(token: string): Split {
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
  if (payloadLength === -1) throw notCanonical("payload")
  return { header, payloadEnd, payloadLength }
}

const notCanonical = (part: "header" | "payload" | "signature"): ApiError =>
  malformed(`token ${part} is not canonical base64url`)

// Leaves the payload's bytes in `payload`; answers how many they are and which key proved them.
function prove(
  token: string,
  keys: readonly VerificationKey[],
  apiKey: string,
): { length: number; key: VerificationKey } {
  if (keys.length > verificationKeysMax) throw new RangeError(`at most ${verificationKeysMax} verification keys`)
  const { header, payloadEnd, payloadLength } = split(token)
  const signatureLength = decodeBase64url(text, payloadEnd + 1, token.length, signature)
  if (signatureLength === -1) throw notCanonical("signature")
  const key = provingKey(header, text.subarray(0, payloadEnd), signatureLength, keys)
  if (key === null) throw signatureInvalid(header, keys, apiKey)
  rememberHeader(header)
  return { length: payloadLength, key }
}

// A token that names a key stands or falls with that key alone; where two keys bear the name, it falls.
function provingKey(
  header: Header,
  input: Uint8Array,
  signatureLength: number,
  keys: readonly VerificationKey[],
): VerificationKey | null {
  if (header.kid === null) {
    for (const key of keys) if (isSignedBy(key, header, input, signatureLength)) return key
    return null
  }
  let named: VerificationKey | null = null
  for (const key of keys) {
    if (key.kid !== header.kid) continue
    if (named !== null) return null
    named = key
  }
  return named !== null && isSignedBy(named, header, input, signatureLength) ? named : null
}

function isSignedBy(key: VerificationKey, header: Header, input: Uint8Array, signatureLength: number): boolean {
  if (key.alg !== header.alg) return false
  switch (key.alg) {
    case "HS256":
      return signatureLength === macBytes && isHs256Mac(key.key, input, mac)
    case "ES256":
      return isEs256Signature(key.key, input, signature.subarray(0, signatureLength))
    case "EdDSA":
      return isEd25519Signature(key.key, input, signature.subarray(0, signatureLength))
  }
}

/**
 * Whether these are r and s of a P-256 signature, as two numbers of 32 bytes, big-endian (RFC 7518 §3.4). Both lie in 1
 * to n-1; the library is not asked about others, because some have taken zero for a signature of everything
 * (CVE-2022-21449).
 */
export function isEs256Signature(key: KeyObject, input: Uint8Array, rs: Uint8Array): boolean {
  if (rs.length !== pairBytes) return false
  if (!isInOrder(rs.subarray(0, 32)) || !isInOrder(rs.subarray(32))) return false
  return verify("sha256", input, { key, dsaEncoding: "ieee-p1363" }, rs)
}

/** The order n of P-256, big-endian (SEC 2 §2.4.2). */
const p256Order = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex")
const isInOrder = (number: Uint8Array): boolean =>
  Buffer.compare(number, p256Order) < 0 && number.some((byte) => byte !== 0)

/**
 * The other text of an ES256 token that was proved: with s, n - s is a signature of the same, and takes no key to write
 * down (SEC 1 §4.1.4). Signers use either, so neither can be refused, and what names a token by its text has to know
 * both. Tokens of the other algorithms have one text.
 */
export function otherSpelling(token: string): string {
  const dot = token.lastIndexOf(".")
  const rs = Buffer.from(token.slice(dot + 1), "base64url")
  const s = BigInt(`0x${rs.subarray(32).toString("hex")}`)
  const other = (BigInt(`0x${p256Order.toString("hex")}`) - s).toString(16).padStart(64, "0")
  return `${token.slice(0, dot + 1)}${Buffer.concat([rs.subarray(0, 32), Buffer.from(other, "hex")]).toString("base64url")}`
}

/** Whether this is an Ed25519 signature. S lies below the order L (RFC 8032 §5.1.7), or one would have several spellings. */
export function isEd25519Signature(key: KeyObject, input: Uint8Array, rs: Uint8Array): boolean {
  if (rs.length !== pairBytes) return false
  const s = Buffer.from(rs.subarray(32)).reverse()
  return Buffer.compare(s, ed25519Order) < 0 && verify(null, input, key, rs)
}

/** The order L of Ed25519's base point, big-endian (RFC 8032 §5.1). */
const ed25519Order = Buffer.from("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed", "hex")

// Where a token is taken apart. Used again for every token, which is safe because nothing here waits between writing
// and reading. The text has room for one character too many in UTF-8, so that no such token looks as if it fitted.
const utf8 = new TextEncoder()
const text = new Uint8Array(limits.tokenBytesMax + 4)
const payload = Buffer.alloc(limits.tokenBytesMax)
const signature = Buffer.alloc(limits.tokenBytesMax)

/** Bytes of an HMAC-SHA-256. */
const macBytes = 32
const mac = signature.subarray(0, macBytes)
/** Bytes of an ES256 or Ed25519 signature. */
const pairBytes = 64
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
  readonly alg: TokenAlgorithm
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
  if (length === -1) throw notCanonical("header")
  const [alg, typ, kid, crit, b64] = readStrictly(length, headerNames, "header")
  if (!tokenAlgorithms.includes(alg as TokenAlgorithm)) {
    throw malformed("signing method must be HS256, ES256 or EdDSA (alg)")
  }
  if (typ !== undefined && !(typeof typ === "string" && /^jwt$/i.test(typ))) throw malformed("token is not a JWT (typ)")
  if (kid !== undefined && typeof kid !== "string") throw malformed("kid must be a string")
  if (crit !== undefined || b64 !== undefined) throw malformed("header crit or b64 is not supported")
  // A copy, because a slice would keep the whole token alive.
  return { prefix: Buffer.from(prefix).toString(), alg: alg as TokenAlgorithm, kid: kid ?? null }
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

function signatureInvalid(header: Header, keys: readonly VerificationKey[], apiKey: string): ApiError {
  const named = header.kid === null ? [] : keys.filter(({ kid }) => kid === header.kid)
  const shownKid = JSON.stringify(header.kid?.slice(0, kidCharsShownMax))
  const [rule, detail, remedy] =
    header.kid !== null && named.length === 0
      ? [
          "kid",
          `the token names the secret ${shownKid}, which is not an active or retiring secret of this key`,
          "sign with an active secret of this API key, or make the named one active",
        ]
      : header.kid !== null && named[0]?.alg !== header.alg
        ? [
            "alg",
            `the secret ${shownKid} is for ${named[0]?.alg}, the token says ${header.alg}`,
            `sign with ${named[0]?.alg}`,
          ]
        : [
            "signature",
            keys.length === 0
              ? "this key has no active or retiring secret"
              : `none of the key's ${keys.length} active and retiring secrets proves it`,
            "sign with an active secret of the very key that the client sends as api_key",
          ]
  return new ApiError(
    "tokenSignature",
    `JWTAuth error: signature is not valid. Make sure the token is created using the secret for API key "${masked(apiKey)}"`,
    { why: { check: "signature", rule: rule as string, detail: detail as string, remedy: remedy as string } },
  )
}

const kidCharsShownMax = 64

/** Enough of a key to recognise it by; a short one would be told in full, so nothing of it is. */
const masked = (apiKey: string): string =>
  apiKey.length < 12 ? "****" : `${apiKey.slice(0, 4)}****${apiKey.slice(-4)}`

const millisecondsOf = (seconds: number): number => Math.round(seconds * 1000)
