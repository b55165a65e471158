// Private keys as text: PKCS #8 in PEM (RFC 5958, RFC 7468), the form in which the server hands one out.

import { fromBase64 } from "./base64.ts"
import { limits } from "./limits.ts"

const begin = "-----BEGIN PRIVATE KEY-----"
const end = "-----END PRIVATE KEY-----"

export const isPrivateKey = (text: string): boolean => text.trimStart().startsWith("-----BEGIN")

/** The DER inside. Throws TypeError when the text is another form of key, or none. */
export function derOf(pem: string): Uint8Array {
  const text = pem.trim()
  if (text.length > limits.privateKeyCharsMax || !text.startsWith(begin) || !text.endsWith(end)) {
    throw new TypeError("a private key is PKCS #8 in PEM: it begins with BEGIN PRIVATE KEY")
  }
  const body = text.slice(begin.length, -end.length).replace(/\s/g, "")
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(body)) throw new TypeError("the private key is not base64 between its lines")
  return fromBase64(body)
}

// Object identifiers in DER: id-Ed25519 (RFC 8410), and ecPublicKey on prime256v1 (RFC 5480).
const ed25519 = [0x06, 0x03, 0x2b, 0x65, 0x70]
const p256 = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]

/** Throws TypeError when the key is neither Ed25519 nor on the curve P-256. */
export function isEd25519(pem: string): boolean {
  const der = derOf(pem)
  if (holds(der, ed25519)) return true
  if (holds(der, p256)) return false
  throw new TypeError("the private key is neither Ed25519 nor on the curve P-256")
}

// Both stand in the first bytes, before the key itself.
const holds = (der: Uint8Array, wanted: readonly number[]): boolean => {
  for (let at = 0; at <= Math.min(der.length, 64) - wanted.length; at++) {
    if (wanted.every((byte, index) => der[at + index] === byte)) return true
  }
  return false
}
