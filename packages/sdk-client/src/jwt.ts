// Reads a token's claims without judging them: only the server can tell whether a token is genuine.

export interface ReadableClaims {
  userId: string | null
  /** Unix seconds. */
  expiresAtSeconds: number | null
  issuedAtSeconds: number | null
}

/** The claims of a compact JWS (RFC 7515 §7.1), or null when the text is not one. */
export function readClaims(token: string): ReadableClaims | null {
  const segments = token.split(".")
  const payload = segments[1]
  if (segments.length !== 3 || !payload) return null
  try {
    const claims: unknown = JSON.parse(utf8Of(payload))
    if (typeof claims !== "object" || claims === null) return null
    const { user_id: userId, exp, iat } = claims as Record<string, unknown>
    return {
      userId: typeof userId === "string" ? userId : null,
      expiresAtSeconds: typeof exp === "number" ? exp : null,
      issuedAtSeconds: typeof iat === "number" ? iat : null,
    }
  } catch {
    return null
  }
}

/** What a token says apart from when it was made and until when it holds: two tokens for the same thing agree in it. */
export function kinshipOf(token: string): string | null {
  const payload = token.split(".")[1]
  if (!payload) return null
  try {
    const claims = JSON.parse(utf8Of(payload)) as Record<string, unknown>
    const lasting = Object.entries(claims).filter(([name]) => !["exp", "iat", "nbf", "jti"].includes(name))
    return JSON.stringify(lasting.sort(([a], [b]) => (a < b ? -1 : 1)))
  } catch {
    return null
  }
}

function utf8Of(base64url: string): string {
  const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"))
  return new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)))
}
