// Public keys for tokens that a backend signs with a private half of its own. What comes in is checked once, here: the
// verifier trusts that a key is on its curve and of full order.

import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto"
import { inputError } from "@weir/protocol"
import type { TokenAlgorithm } from "./token.ts"

export type PublicKeyAlgorithm = Exclude<TokenAlgorithm, "HS256">

const pemCharsMax = 4096

/**
 * Reads a public key: SPKI in PEM (RFC 7468 §13) or a JWK (RFC 7517, RFC 8037). Throws inputError when it is none, is
 * for another algorithm, or brings its private half along.
 */
export function importPublicKey(alg: PublicKeyAlgorithm, given: string | Readonly<Record<string, unknown>>): KeyObject {
  const key = typeof given === "string" ? fromPem(given) : fromJwk(given)
  const { kty, crv, x } = key.export({ format: "jwk" })
  const fits = alg === "ES256" ? kty === "EC" && crv === "P-256" : kty === "OKP" && crv === "Ed25519"
  if (!fits) throw wrong(alg === "ES256" ? "is not a key on the curve P-256" : "is not an Ed25519 key")
  if (alg === "EdDSA" && isSmallOrder(Buffer.from(x ?? "", "base64url"))) {
    throw wrong("is a point of small order, under which anybody can sign")
  }
  return key
}

function fromPem(pem: string): KeyObject {
  if (pem.length > pemCharsMax) throw wrong(`is longer than ${pemCharsMax} characters`)
  // Node would derive the public half; but a private key that was sent here is no longer private.
  if (/PRIVATE KEY/.test(pem)) throw wrong("is a private key; keep it, make a new pair, and send the public half alone")
  if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(pem)) throw wrong("is not a public key in PEM (BEGIN PUBLIC KEY) or a JWK")
  try {
    return createPublicKey(pem)
  } catch {
    throw wrong("does not read as a public key")
  }
}

function fromJwk(jwk: Readonly<Record<string, unknown>>): KeyObject {
  for (const member of ["d", "p", "q", "dp", "dq", "qi", "k", "oth"]) {
    if (Object.hasOwn(jwk, member)) throw wrong(`has the private member ${member}; send the public half alone`)
  }
  const { kty, crv, x, y } = jwk
  try {
    return createPublicKey({ key: { kty, crv, x, y } as JsonWebKey, format: "jwk" })
  } catch {
    throw wrong("does not read as a public JWK")
  }
}

const wrong = (text: string) => inputError(`public_key ${text}`, { public_key: text })

/** Encodings of the eight points whose order divides the cofactor, without their sign bit, little-endian. */
const smallOrder: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
])

function isSmallOrder(point: Buffer): boolean {
  if (point.length !== 32) return true
  const unsigned = Buffer.from(point)
  unsigned[31] = (unsigned[31] as number) & 0x7f
  return smallOrder.has(unsigned.toString("hex"))
}
