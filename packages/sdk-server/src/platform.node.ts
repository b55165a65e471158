// What only Node and Bun have: hashing and unpacking without a promise.

import { createHmac } from "node:crypto"
import { gunzipSync } from "node:zlib"
import type { SyncPlatform } from "./platform.ts"

export const syncPlatform: SyncPlatform | null = {
  hmacSha256: (key, data) => createHmac("sha256", key).update(data).digest(),
  gunzip: (bytes, bytesMax) => gunzipSync(bytes, { maxOutputLength: bytesMax }),
}
