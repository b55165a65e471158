// What only Node and Bun have: hashing and unpacking without a promise. This is the file for everything else.

export interface SyncPlatform {
  /** HMAC-SHA256 (RFC 2104). */
  hmacSha256(key: string, data: string | Uint8Array): Uint8Array
  /** Signs with a private key (PKCS #8 in PEM): ES256 as r and s, or Ed25519. */
  signWithKey(pem: string, data: string): Uint8Array
  /** Unpacks gzip (RFC 1952). Throws when it is broken or longer than `bytesMax`. */
  gunzip(bytes: Uint8Array, bytesMax: number): Uint8Array
}

export const syncPlatform: SyncPlatform | null = null as SyncPlatform | null
