// The API secret: where it may be, what it may look like, and HMAC-SHA256 with it.

import { limits } from "./limits.ts"

/** Throws Error in a browser, where everyone could read the secret. */
export function checkNoBrowser(): void {
  const { window, document } = globalThis as { window?: unknown; document?: unknown }
  if (window !== undefined && document !== undefined) {
    throw new Error("the API secret must not reach a browser: whoever has it can be every user of the app")
  }
}

/** Throws Error in a browser, and TypeError when the text cannot be a secret. */
export function checkSecret(secret: string): void {
  checkNoBrowser()
  if (typeof secret !== "string" || secret === "") throw new TypeError("the API secret is missing")
  if (secret.includes(".")) throw new TypeError("this is a token, not an API secret")
  if (new TextEncoder().encode(secret).length < limits.secretBytesMin) {
    throw new TypeError(`the API secret is shorter than ${limits.secretBytesMin} bytes; was the API key given instead?`)
  }
}

/** HMAC-SHA256 (RFC 2104) with WebCrypto, which every platform has. The key is the secret's UTF-8 text. */
export async function hmacSha256Async(secret: string, data: string | Uint8Array): Promise<Uint8Array> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data
  const algorithm = { name: "HMAC", hash: "SHA-256" }
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["sign"])
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes as Uint8Array<ArrayBuffer>))
}
