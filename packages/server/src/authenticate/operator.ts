// Operators, for the management API: a bearer token from the settings (RFC 6750 §2.1). Those who log in come with a
// session instead, which core/operators knows.

import { createHash, timingSafeEqual } from "node:crypto"
import { ApiError, type OperatorPrincipal } from "@weir/protocol"

/** Builds the check; without an admin token in the settings nobody has one. Its bearer acts as an owner. */
export function createAuthenticateOperator(
  adminToken: string | null,
): (authorization: string | null) => OperatorPrincipal {
  const expected = adminToken === null ? null : digest(adminToken)
  return (authorization) => {
    if (expected === null)
      throw new ApiError("authentication", "the admin token is off: WEIR_ADMIN_TOKEN is not set; log in instead")
    const token = /^bearer (\S+)$/i.exec(authorization ?? "")?.[1]
    // Digests have one length, so the comparison says nothing about the token's.
    if (token === undefined || !timingSafeEqual(digest(token), expected)) {
      throw new ApiError("authentication", "the admin token is missing or wrong")
    }
    return {
      kind: "operator",
      name: "admin token",
      role: "owner",
      operatorId: null,
      sessionId: null,
      verifiedAtMs: null,
    }
  }
}

const digest = (token: string): Buffer => createHash("sha256").update(token).digest()
