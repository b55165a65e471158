// Signing with whatever the backend holds: the API secret's text, or the private half of a pair.

import { syncPlatform } from "#platform"
import { derOf, isEd25519, isPrivateKey } from "./private-key.ts"
import { checkSecret, hmacSha256Async } from "./secret.ts"

/** HS256 for a secret; of a private key what it is made for. Throws as checkSecret does, TypeError for another key. */
export function algorithmOf(secret: string): "HS256" | "ES256" | "EdDSA" {
  checkSecret(secret)
  if (!isPrivateKey(secret)) return "HS256"
  return isEd25519(secret) ? "EdDSA" : "ES256"
}

/** The signature of a JWS, at once. Throws Error where the platform signs only with a promise. */
export function signInput(secret: string, input: string): Uint8Array {
  checkSecret(secret)
  if (syncPlatform === null) throw new Error("this platform cannot sign at once: use the function's Async form")
  return isPrivateKey(secret) ? syncPlatform.signWithKey(secret, input) : syncPlatform.hmacSha256(secret, input)
}

/** The signature of a JWS with WebCrypto, which every platform has. */
export async function signInputAsync(secret: string, input: string): Promise<Uint8Array> {
  checkSecret(secret)
  if (!isPrivateKey(secret)) return hmacSha256Async(secret, input)
  const algorithm = isEd25519(secret) ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
  const der = derOf(secret) as Uint8Array<ArrayBuffer>
  const key = await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"])
  // WebCrypto gives ECDSA signatures as r and s, as JWS wants them.
  return new Uint8Array(await crypto.subtle.sign(algorithm, key, new TextEncoder().encode(input)))
}
