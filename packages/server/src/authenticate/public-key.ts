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
  const key = typeof given === "string" ? fromPem(given) : fromJwk(alg, given)
  const { kty, crv, x } = key.export({ format: "jwk" })
  const fits = alg === "ES256" ? kty === "EC" && crv === "P-256" : kty === "OKP" && crv === "Ed25519"
  if (!fits) throw wrong(alg === "ES256" ? "is not a key on the curve P-256" : "is not an Ed25519 key")
  if (alg === "EdDSA") checkPoint(Buffer.from(x ?? "", "base64url"))
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

function fromJwk(algorithm: PublicKeyAlgorithm, jwk: Readonly<Record<string, unknown>>): KeyObject {
  for (const member of ["d", "p", "q", "dp", "dq", "qi", "k", "oth"]) {
    if (Object.hasOwn(jwk, member)) throw wrong(`has the private member ${member}; send the public half alone`)
  }
  const { kty, crv, x, y, alg, use, key_ops: operations } = jwk
  // What a key says that it is for, it is for that alone (RFC 7517 §4.2 to §4.4). RFC 9864 has a second name for EdDSA.
  if (alg !== undefined && alg !== algorithm && !(algorithm === "EdDSA" && alg === "Ed25519")) {
    throw wrong(`is not for ${algorithm} by its own word (alg)`)
  }
  if (use !== undefined && use !== "sig") throw wrong("is not for signatures by its own word (use)")
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) {
    throw wrong("is not for verifying by its own word (key_ops)")
  }
  try {
    return createPublicKey({ key: { kty, crv, x, y } as JsonWebKey, format: "jwk" })
  } catch {
    throw wrong("does not read as a public JWK")
  }
}

const wrong = (text: string) => inputError(`public_key ${text}`, { public_key: text })

// The library takes both kinds: y beyond the field's prime as the remainder, which RFC 8032 §5.1.3 refuses, and points
// under which the same signature proves many messages.
function checkPoint(point: Buffer): void {
  const unsigned = Buffer.from(point)
  if (unsigned.length !== pointBytes) throw wrong(`is not a point of ${pointBytes} bytes`)
  unsigned[pointBytes - 1] = (unsigned[pointBytes - 1] as number) & 0x7f
  if (Buffer.compare(Buffer.from(unsigned).reverse(), fieldPrime) >= 0) throw wrong("is a point in a second spelling")
  if (smallOrder.has(unsigned.toString("hex"))) throw wrong("is a point of small order, under which anybody can sign")
}

const pointBytes = 32
/** 2^255 - 19, big-endian. */
const fieldPrime = Buffer.from("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed", "hex")

/** Encodings of the points whose order divides the cofactor, without their sign bit, little-endian. */
const smallOrder: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
])
