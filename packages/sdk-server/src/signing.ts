// Signing with whatever the backend holds: the API secret's text, or the private half of a pair.

import { syncPlatform } from "#platform"
import { limits } from "./limits.ts"
import { derOf, isEd25519, isPrivateKey } from "./private-key.ts"
import { checkNoBrowser, checkSecret, hmacSha256Async } from "./secret.ts"

/** The parts of node:crypto's KeyObject that are used. */
export interface PrivateKeyObject {
  readonly type: string
  export(options: { format: "pem"; type: "pkcs8" }): string | Uint8Array
}

/** The parts of a WebCrypto key that are used. */
export interface WebCryptoKey {
  readonly type: string
  readonly algorithm: { readonly name: string }
  readonly usages: readonly string[]
}

/**
 * What tokens are signed with: the API secret's text (HS256); or the private half of a pair on P-256 (ES256) or Ed25519
 * (EdDSA) as PKCS #8 in PEM, as a KeyObject of node:crypto, or as a WebCrypto key, which need not be extractable and
 * signs only in the `Async` forms. An HMAC key of WebCrypto with SHA-256 holds a secret in the same way.
 */
export type SigningKey = string | PrivateKeyObject | WebCryptoKey

export type SigningAlgorithm = "HS256" | "ES256" | "EdDSA"

/** How a key signs. Throws as checkSecret does for a text, and TypeError for a key that is made for something else. */
export function algorithmOf(key: SigningKey): SigningAlgorithm {
  const held = heldKey(key)
  if (typeof held !== "string") return webAlgorithms(held).jws
  if (!isPrivateKey(held)) return "HS256"
  return isEd25519(held) ? "EdDSA" : "ES256"
}

/** The signature of a JWS, at once. Throws Error where the platform or the key signs only with a promise. */
export function signInput(key: SigningKey, input: string): Uint8Array {
  const held = heldKey(key)
  if (typeof held !== "string") throw new Error("a WebCrypto key cannot sign at once: use the function's Async form")
  if (syncPlatform === null) throw new Error("this platform cannot sign at once: use the function's Async form")
  return isPrivateKey(held) ? syncPlatform.signWithKey(held, input) : syncPlatform.hmacSha256(held, input)
}

/** The signature of a JWS with WebCrypto, which every platform has. */
export async function signInputAsync(key: SigningKey, input: string): Promise<Uint8Array> {
  const held = heldKey(key)
  const bytes = new TextEncoder().encode(input)
  if (typeof held !== "string") {
    const web = held as Parameters<typeof crypto.subtle.sign>[1]
    return new Uint8Array(await crypto.subtle.sign(webAlgorithms(held).sign, web, bytes))
  }
  if (!isPrivateKey(held)) return hmacSha256Async(held, input)
  const algorithm = isEd25519(held) ? ed25519 : ecdsaP256
  const der = derOf(held) as Uint8Array<ArrayBuffer>
  const imported = await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"])
  // WebCrypto gives ECDSA signatures as r and s, as JWS wants them.
  return new Uint8Array(await crypto.subtle.sign(algorithm, imported, bytes))
}

const ed25519 = { name: "Ed25519" }
const ecdsaP256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }

/** The text of a key that has one. Throws as algorithmOf does. */
function heldKey(key: SigningKey): string | WebCryptoKey {
  checkNoBrowser()
  if (typeof key === "object" && key !== null && !("export" in key) && "usages" in key) return key
  const text = isKeyObject(key) ? textOf(key) : key
  checkSecret(text as string)
  return text as string
}

const isKeyObject = (key: SigningKey): key is PrivateKeyObject =>
  typeof key === "object" && key !== null && "export" in key && typeof key.export === "function"

function textOf(key: PrivateKeyObject): string {
  if (key.type !== "private") throw new TypeError(`a ${key.type} key cannot sign tokens: a private key is needed`)
  return String(key.export({ format: "pem", type: "pkcs8" }))
}

/** How a WebCrypto key signs, in the words of JWS (RFC 7518 §3.1, RFC 8037) and of WebCrypto. */
function webAlgorithms({ algorithm, usages }: WebCryptoKey): { jws: SigningAlgorithm; sign: { name: string } } {
  if (!usages.includes("sign")) throw new TypeError("this key may not sign: it needs the usage sign")
  const { name, namedCurve, hash, length = 0 } = algorithm as WebAlgorithm
  if (name === "Ed25519") return { jws: "EdDSA", sign: ed25519 }
  if (name === "ECDSA" && namedCurve === "P-256") return { jws: "ES256", sign: ecdsaP256 }
  if (name !== "HMAC" || hash?.name !== "SHA-256") {
    throw new TypeError("a key is for HMAC with SHA-256, ECDSA on the curve P-256, or Ed25519")
  }
  if (length < limits.secretBytesMin * 8) throw new TypeError(`the key is shorter than ${limits.secretBytesMin} bytes`)
  return { jws: "HS256", sign: { name: "HMAC" } }
}

interface WebAlgorithm {
  readonly name: string
  readonly namedCurve?: string
  readonly hash?: { readonly name: string }
  /** Bits. */
  readonly length?: number
}
