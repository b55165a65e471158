// Receipts of revocations: proof of when one held on which node, which needs nobody's word but the key's.

import { type CanonicalValue, canonicalJson } from "../../protocol/src/canonical-json.ts"
import { fromBase64 } from "./base64.ts"

/** A receipt as the server gave it (protocol, Receipt). */
export type Receipt = { readonly key_id: string; readonly signature: string } & Readonly<Record<string, unknown>>

export interface ReceiptKey {
  readonly key_id: string
  /** SPKI in PEM. */
  readonly public_key: string
}

/**
 * Whether a receipt is as it was signed, by one of these keys (`/.well-known/weir-receipt-keys.json`, noted before).
 * Asks nobody. False for anything that is no such receipt. Ed25519 (RFC 8032) over the canonical JSON (RFC 8785) of all
 * members but the signature.
 */
export async function verifyReceipt(receipt: Receipt, keys: readonly ReceiptKey[]): Promise<boolean> {
  try {
    const key = keys.find(({ key_id }) => key_id === receipt.key_id)
    if (key === undefined || typeof receipt.signature !== "string") return false
    const { signature, ...signed } = receipt
    const text = canonicalJson(signed as CanonicalValue)
    const der = fromBase64(key.public_key.replace(/-----[^-]+-----|\s/g, ""))
    const publicKey = await crypto.subtle.importKey("spki", der, { name: "Ed25519" }, false, ["verify"])
    const made = fromBase64(signature.replaceAll("-", "+").replaceAll("_", "/"))
    return await crypto.subtle.verify({ name: "Ed25519" }, publicKey, made, new TextEncoder().encode(text))
  } catch {
    return false
  }
}
