// What has ended a credential before its time, and how that is told.

import { ApiError, type Proof } from "@weir/protocol"
import type { Revoked } from "./lookups.ts"
import { isRevoked } from "./token.ts"
import { why } from "./why.ts"

/** What the wire's own cut-offs, of the app (first) and of the user, have ended; null when none did. Milliseconds. */
export function revokedByField(proof: Proof, [app = null, user = null]: readonly (number | null)[]): Revoked | null {
  for (const [level, beforeMs] of [
    ["app", app],
    ["user", user],
  ] as const) {
    if (beforeMs !== null && isRevoked(proof.issuedAt, beforeMs / 1000)) return { level, revocationId: null, beforeMs }
  }
  return null
}

/** Throws ApiError tokenExpired (40) when something has ended the credential. */
export function refuseRevoked(revoked: Revoked | null, proof: Proof): void {
  if (revoked === null) return
  const { level, beforeMs, revocationId } = revoked
  const made =
    proof.issuedAt === null ? "and the token says nothing of when it was made (iat)" : "and the token was made before"
  const before = beforeMs === null ? null : new Date(beforeMs).toISOString()
  throw new ApiError("tokenExpired", "This token has been revoked, please generate a new token", {
    why: why(
      "revocation",
      proof.issuedAt === null && before !== null ? "no-iat" : level,
      before === null
        ? `its ${level} was revoked`
        : `tokens of its ${level} from before ${before} are revoked, ${made}`,
      revocationId === null
        ? "sign a new token, or take the cut-off back by setting revoke_tokens_issued_before to null"
        : `sign a new token, or undo revocation ${revocationId}`,
      { level, revocation_id: revocationId, before, issued_at: proof.issuedAt },
    ),
  })
}
