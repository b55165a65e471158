import type { Proof } from "@weir/protocol"
import type { TokenClaims } from "./claims.ts"
import { otherSpelling, type TokenAlgorithm } from "./token.ts"

/**
 * The credential as a value. `text` is the token, "" where there is none; only its hash is ever shown. `alg` is what
 * proved it, null where that was no signature of a token.
 */
export function createProof(
  method: Proof["method"],
  kid: string | null,
  claims: TokenClaims,
  text: string,
  alg: TokenAlgorithm | null = null,
): Proof {
  let sha256: string | null = text === "" ? "" : null
  // Undefined: not made yet.
  let otherSha256: string | null | undefined = alg === "ES256" ? undefined : null
  return {
    method,
    kid,
    issuedAt: claims.iat,
    expiresAt: claims.exp,
    jti: claims.jti,
    deviceId: claims.deviceId,
    get sha256() {
      sha256 ??= sha256Of(text)
      return sha256
    },
    get otherSha256() {
      if (otherSha256 === undefined) otherSha256 = sha256Of(otherSpelling(text))
      return otherSha256
    },
  }
}

const sha256Of = (text: string): string => Bun.SHA256.hash(text, "hex")
