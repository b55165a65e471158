import { createHash } from "node:crypto"
import type { Proof } from "@weir/protocol"
import type { TokenClaims } from "./claims.ts"

/** The credential as a value. `text` is the token, "" where there is none; only its hash is ever shown. */
export function createProof(method: Proof["method"], kid: string | null, claims: TokenClaims, text: string): Proof {
  let sha256: string | null = text === "" ? "" : null
  return {
    method,
    kid,
    issuedAt: claims.iat,
    expiresAt: claims.exp,
    jti: claims.jti,
    deviceId: claims.deviceId,
    get sha256() {
      sha256 ??= createHash("sha256").update(text).digest("hex")
      return sha256
    },
  }
}
