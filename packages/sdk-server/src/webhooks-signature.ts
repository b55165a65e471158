// The two ways in which a webhook is signed: `X-Signature`, hex HMAC-SHA256 of the body (contract/README.md,
// «Webhooks»), and Standard Webhooks, where `<id>.<time>.<body>` is signed by an HMAC (`v1`) or Ed25519 (`v1a`).

import { base64, fromBase64 } from "./base64.ts"
import { limits } from "./limits.ts"
import { WeirWebhookError } from "./webhooks-error.ts"

/** A secret of a hook, or the public key of its pair, ready to be asked. */
export interface WebhookKey {
  /** Whether one of the signatures (base64, by their version) was made over these bytes. */
  isSigner(signatures: readonly Signature[], signed: Uint8Array): Promise<boolean>
}

export interface Signature {
  readonly version: string
  /** Base64. */
  readonly value: string
}

/** Bounds of Standard Webhooks for the key of an HMAC. */
const hmacKeyBytesMin = 24
const hmacKeyBytesMax = 64
const ed25519KeyBytes = 32
const ed25519SignatureBytes = 64

/** `whsec_` and base64 of 24 to 64 bytes. Throws TypeError for anything else; the message holds nothing of it. */
export function hmacKey(secret: string): WebhookKey {
  const bytes = bytesAfter("whsec_", secret)
  if (bytes === null || bytes.length < hmacKeyBytesMin || bytes.length > hmacKeyBytesMax) {
    throw new TypeError(`a webhook secret is whsec_ and base64 of ${hmacKeyBytesMin} to ${hmacKeyBytesMax} bytes`)
  }
  const key = once(() => crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]))
  return {
    async isSigner(signatures, signed) {
      const given = signatures.filter(({ version }) => version === "v1")
      if (given.length === 0) return false
      const mac = new Uint8Array(await crypto.subtle.sign("HMAC", await key(), signed as Uint8Array<ArrayBuffer>))
      const expected = base64(mac)
      return given.some(({ value }) => isSame(expected, value))
    },
  }
}

/** `whpk_` and base64 of an Ed25519 public key (RFC 8032). Throws TypeError for anything else. */
export function publicKey(text: string): WebhookKey {
  const bytes = bytesAfter("whpk_", text)
  if (bytes === null || bytes.length !== ed25519KeyBytes) {
    throw new TypeError(`a webhook's public key is whpk_ and base64 of ${ed25519KeyBytes} bytes`)
  }
  const key = once(() => crypto.subtle.importKey("raw", bytes, { name: "Ed25519" }, false, ["verify"]))
  return {
    async isSigner(signatures, signed) {
      for (const { version, value } of signatures) {
        const signature = version === "v1a" ? base64BytesOf(value) : null
        if (signature === null || signature.length !== ed25519SignatureBytes) continue
        const data = signed as Uint8Array<ArrayBuffer>
        if (await crypto.subtle.verify({ name: "Ed25519" }, await key(), signature, data)) return true
      }
      return false
    },
  }
}

/**
 * The signatures of a header `webhook-signature`, those of unknown versions too. They are separated by spaces, or by a
 * comma and spaces where something on the way joined several headers into one. Throws WeirWebhookError `invalid-header`
 * when there are more than anybody sends: each one costs time, whoever sent it.
 */
export function signaturesOf(header: string): Signature[] {
  const parts = header.length > limits.webhookSignatureCharsMax ? null : header.split(/,? +/)
  if (parts === null || parts.length > limits.webhookSignaturesMax) {
    throw new WeirWebhookError("invalid-header", "webhook-signature holds too many signatures")
  }
  return parts.flatMap((part) => {
    const [, version = "", value = ""] = /^(\w{1,16}),([A-Za-z0-9+/=]+)$/.exec(part) ?? []
    return version === "" ? [] : [{ version, value }]
  })
}

export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** Looks at every character whatever the first difference, so that its time says nothing about where that is. */
export function isSame(expected: string, given: string): boolean {
  if (typeof given !== "string" || given.length !== expected.length) return false
  let difference = 0
  for (let index = 0; index < expected.length; index += 1) {
    difference |= expected.charCodeAt(index) ^ given.charCodeAt(index)
  }
  return difference === 0
}

const bytesAfter = (prefix: string, text: string): Uint8Array<ArrayBuffer> | null =>
  typeof text === "string" && text.startsWith(prefix) ? base64BytesOf(text.slice(prefix.length)) : null

/** Null for what is not base64 (RFC 4648 §4) in its one spelling. */
function base64BytesOf(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const bytes = fromBase64(text)
    return base64(bytes) === text ? bytes : null
  } catch {
    return null
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null
  return () => {
    made ??= make()
    return made
  }
}
