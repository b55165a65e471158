// What only Node and Bun have: hashing and unpacking without a promise.

import { createHmac, sign } from "node:crypto"
import { gunzipSync } from "node:zlib"
import type { SyncPlatform } from "./platform.ts"
import { isEd25519 } from "./private-key.ts"

export const syncPlatform: SyncPlatform | null = {
  hmacSha256: (key, data) => createHmac("sha256", key).update(data).digest(),
  signWithKey: (pem, data) =>
    // Ed25519 takes no hash of its own; for the other key the encoding of JWS is asked for (RFC 7518 §3.4).
    sign(isEd25519(pem) ? null : "sha256", Buffer.from(data), { key: pem, dsaEncoding: "ieee-p1363" }),
  gunzip: (bytes, bytesMax) => gunzipSync(bytes, { maxOutputLength: bytesMax }),
}
