// Operators, for the management API: a bearer token from the settings (RFC 6750 §2.1).

import { createHash, timingSafeEqual } from "node:crypto"
import { ApiError, type OperatorPrincipal } from "@weir/protocol"

/** Builds the check; without an admin token in the settings the management API lets nobody in. */
export function createAuthenticateOperator(
  adminToken: string | null,
): (authorization: string | null) => OperatorPrincipal {
  const expected = adminToken === null ? null : digest(adminToken)
  return (authorization) => {
    if (expected === null)
      throw new ApiError("authentication", "the management API is off: WEIR_ADMIN_TOKEN is not set")
    const token = /^bearer (\S+)$/i.exec(authorization ?? "")?.[1]
    // Digests have one length, so the comparison says nothing about the token's.
    if (token === undefined || !timingSafeEqual(digest(token), expected)) {
      throw new ApiError("authentication", "the admin token is missing or wrong")
    }
    return { kind: "operator", name: "admin token" }
  }
}

const digest = (token: string): Buffer => createHash("sha256").update(token).digest()
