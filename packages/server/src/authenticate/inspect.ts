// What a token says of itself, without any proof: for people who look for a fault. Nothing here decides anything.

import { limits } from "@weir/protocol"
import { formProblem, type TokenAlgorithm, tokenAlgorithms } from "./token.ts"

const algCharsShownMax = 40

export interface TokenInspection {
  /** The decoded header and payload; null where it is no JSON object. */
  readonly header: Readonly<Record<string, unknown>> | null
  readonly claims: Readonly<Record<string, unknown>> | null
  /** Which kind of token the claims make it; null when they cannot be read. */
  readonly kind: "user" | "server" | "call" | "development" | "feeds" | null
  /** What is wrong with its form, one sentence each. */
  readonly problems: readonly string[]
}

/** Takes a compact JWS apart. Never throws: garbage has problems. */
export function inspectToken(text: string): TokenInspection {
  const problems: string[] = []
  if (text.length > limits.tokenBytesMax) {
    return { header: null, claims: null, kind: null, problems: [`it is longer than ${limits.tokenBytesMax} bytes`] }
  }
  const parts = text.split(".")
  if (parts.length !== 3) problems.push(`it has ${parts.length} segments, a signed token has 3`)
  const header = objectOf(parts[0] ?? "")
  const claims = objectOf(parts[1] ?? "")
  if (header === null) problems.push("its header is not base64url of a JSON object")
  if (claims === null) problems.push("its payload is not base64url of a JSON object")
  if (header !== null && !tokenAlgorithms.includes(header.alg as TokenAlgorithm)) {
    const shown = JSON.stringify(header.alg)?.slice(0, algCharsShownMax) ?? "missing"
    problems.push(`its algorithm is ${shown}; HS256, ES256 and EdDSA are accepted`)
  }
  // Reading for display is lenient, so that a broken token shows as much as it can; what is wrong is the verifier's word.
  const strict = problems.length === 0 ? formProblem(text) : null
  if (strict !== null) problems.push(strict)
  return { header, claims, kind: claims === null ? null : kindOf(claims, parts[2] ?? ""), problems }
}

function kindOf(claims: Readonly<Record<string, unknown>>, signature: string): TokenInspection["kind"] {
  if (signature === "devtoken") return "development"
  if (claims.resource !== undefined || claims.action !== undefined || claims.feed_id !== undefined) return "feeds"
  if (claims.call_cids !== undefined || claims.channel_cids !== undefined) return "call"
  return claims.user_id === undefined ? "server" : "user"
}

function objectOf(segment: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, "base64url").toString("utf8"))
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}
