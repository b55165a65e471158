// What an app demands of tokens beyond a signature. Two presets: `strict` for production, `compatible` for apps whose
// existing clients send tokens without `exp` or `iat` (contract/README.md, «Requests»). What a compatible policy lets
// pass and a strict one would not is counted, so that the change is a decision on facts. Pure.

import { ApiError, inputError } from "@weir/protocol"
import type { TokenClaims } from "./claims.ts"

export const tokenKinds = ["user", "server", "call", "guest", "anonymous", "development", "feeds"] as const
export type TokenKind = (typeof tokenKinds)[number]

export interface TokenPolicy {
  readonly preset: "strict" | "compatible"
  readonly requireExp: boolean
  readonly requireIat: boolean
  /** Of tokens for users, `exp - iat`; null: no bound. */
  readonly maxLifetimeSeconds: number | null
  /** Of server tokens without `exp`, counted from `iat`; null: no bound. */
  readonly serverMaxAgeSeconds: number | null
  /** How far `iat` and `nbf` may be ahead of the clock; `exp` has none. */
  readonly leewaySeconds: number
  readonly allowedKinds: readonly TokenKind[]
  /** Compared byte by byte; null: not looked at. */
  readonly iss: string | null
  /** One of the token's audiences must be this one; null: not looked at. */
  readonly aud: string | null
}

/** Rules that a strict policy has and a compatible one only warns of. */
export type PolicyRule =
  | "require_exp"
  | "require_iat"
  | "max_lifetime"
  | "server_max_age"
  | "allowed_kinds"
  | "iss"
  | "aud"

export const leewaySecondsDefault = 5
export const leewaySecondsMax = 60
const daySeconds = 86_400
const hourSeconds = 3_600
const boundSecondsMin = 60
const boundSecondsMax = 31_536_000
const nameCharsMax = 255

const base = { leewaySeconds: leewaySecondsDefault, allowedKinds: tokenKinds, iss: null, aud: null } as const

export const presets: Readonly<Record<TokenPolicy["preset"], TokenPolicy>> = {
  strict: {
    preset: "strict",
    requireExp: true,
    requireIat: true,
    maxLifetimeSeconds: daySeconds,
    serverMaxAgeSeconds: hourSeconds,
    ...base,
  },
  compatible: {
    preset: "compatible",
    requireExp: false,
    requireIat: false,
    maxLifetimeSeconds: null,
    serverMaxAgeSeconds: null,
    ...base,
  },
}

/** The policy as the management API and the database spell it. */
export interface PolicyJson {
  preset: "strict" | "compatible"
  require_exp: boolean
  require_iat: boolean
  max_lifetime_seconds: number | null
  server_max_age_seconds: number | null
  leeway_seconds: number
  allowed_kinds: TokenKind[]
  iss: string | null
  aud: string | null
}

export const policyResponse = (policy: TokenPolicy): PolicyJson => ({
  preset: policy.preset,
  require_exp: policy.requireExp,
  require_iat: policy.requireIat,
  max_lifetime_seconds: policy.maxLifetimeSeconds,
  server_max_age_seconds: policy.serverMaxAgeSeconds,
  leeway_seconds: policy.leewaySeconds,
  allowed_kinds: [...policy.allowedKinds],
  iss: policy.iss,
  aud: policy.aud,
})

/**
 * Reads a policy: members that are absent come from the preset, `compatible` unless named. Throws inputError for a
 * value out of its bounds and for rules that contradict each other.
 */
export function parsePolicy(json: Readonly<Record<string, unknown>>): TokenPolicy {
  const { preset: name = "compatible" } = json
  if (name !== "strict" && name !== "compatible") throw wrong("preset", "must be strict or compatible")
  const preset = presets[name]
  const policy: TokenPolicy = {
    preset: name,
    requireExp: boolean(json, "require_exp", preset.requireExp),
    requireIat: boolean(json, "require_iat", preset.requireIat),
    maxLifetimeSeconds: bound(json, "max_lifetime_seconds", preset.maxLifetimeSeconds),
    serverMaxAgeSeconds: bound(json, "server_max_age_seconds", preset.serverMaxAgeSeconds),
    leewaySeconds: leeway(json, preset.leewaySeconds),
    allowedKinds: kinds(json, preset.allowedKinds),
    iss: nameOf(json, "iss"),
    aud: nameOf(json, "aud"),
  }
  if (policy.maxLifetimeSeconds !== null && !(policy.requireExp && policy.requireIat)) {
    throw wrong("max_lifetime_seconds", "needs require_exp and require_iat: a token without them has no known life")
  }
  return policy
}

const wrong = (field: string, text: string): ApiError => inputError(`${field} ${text}`, { [field]: text })

function boolean(json: Readonly<Record<string, unknown>>, field: string, fallback: boolean): boolean {
  const value = json[field]
  if (value === undefined) return fallback
  if (typeof value !== "boolean") throw wrong(field, "must be true or false")
  return value
}

function bound(json: Readonly<Record<string, unknown>>, field: string, fallback: number | null): number | null {
  const value = json[field]
  if (value === undefined) return fallback
  if (value === null) return null
  if (typeof value === "number" && Number.isInteger(value) && value >= boundSecondsMin && value <= boundSecondsMax) {
    return value
  }
  throw wrong(field, `must be null or ${boundSecondsMin} to ${boundSecondsMax} seconds`)
}

function leeway(json: Readonly<Record<string, unknown>>, fallback: number): number {
  const { leeway_seconds: value = fallback } = json
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= leewaySecondsMax) return value
  throw wrong("leeway_seconds", `must be 0 to ${leewaySecondsMax}`)
}

function kinds(json: Readonly<Record<string, unknown>>, fallback: readonly TokenKind[]): readonly TokenKind[] {
  const value = json.allowed_kinds
  if (value === undefined) return fallback
  if (Array.isArray(value) && value.length <= tokenKinds.length && value.every((kind) => tokenKinds.includes(kind))) {
    return value
  }
  throw wrong("allowed_kinds", `must list some of ${tokenKinds.join(", ")}`)
}

function nameOf(json: Readonly<Record<string, unknown>>, field: string): string | null {
  const value = json[field]
  if (value === undefined || value === null) return null
  if (typeof value === "string" && value !== "" && value.length <= nameCharsMax) return value
  throw wrong(field, `must be null or a text of 1 to ${nameCharsMax} characters`)
}

const noWarnings: readonly PolicyRule[] = []

/**
 * Holds a proved token against the policy. Answers the rules that a strict policy would have refused it by, for
 * counting. `isGuest`: the user of the token is a guest. Throws ApiError authentication (5), or tokenExpired (40) for a
 * server token that is too old, each naming its rule.
 */
export function checkPolicy(policy: TokenPolicy, claims: TokenClaims, nowSeconds: number): readonly PolicyRule[] {
  requireKind(policy, claims.kind)
  if (policy.iss !== null && claims.iss !== policy.iss) {
    throw refused(
      "iss",
      "the issuer (iss) is not the one that this app demands",
      `sign with iss: ${JSON.stringify(policy.iss)}`,
    )
  }
  if (policy.aud !== null && !claims.aud.includes(policy.aud)) {
    throw refused(
      "aud",
      "the audience (aud) is not the one that this app demands",
      `sign with aud: ${JSON.stringify(policy.aud)}`,
    )
  }
  return claims.kind === "server" ? serverRules(policy, claims, nowSeconds) : userRules(policy, claims)
}

/** Throws when the app does not take this kind of token or caller. */
export function requireKind(policy: TokenPolicy, kind: TokenKind): void {
  if (policy.allowedKinds.includes(kind)) return
  throw refused(
    "allowed_kinds",
    `this app takes no ${kind} tokens`,
    `add ${kind} to allowed_kinds of the app's token policy`,
  )
}

function userRules(policy: TokenPolicy, claims: TokenClaims): readonly PolicyRule[] {
  // A development token is made by a device that knows nothing of policies, and its app is no production app.
  if (claims.kind === "development") return noWarnings
  const { exp, iat } = claims
  if (exp === null && policy.requireExp) {
    throw refused("require_exp", "exp is required", "sign with an expiry; createToken sets one of 24 h by itself")
  }
  if (iat === null && policy.requireIat) {
    throw refused("require_iat", "iat is required", "sign with iat; createToken sets it by itself")
  }
  const max = policy.maxLifetimeSeconds
  if (max !== null && exp !== null && iat !== null && exp - iat > max) {
    throw refused(
      "max_lifetime",
      `the token lives ${Math.ceil(exp - iat)} s, ${max} s are allowed`,
      `sign with an expiry of at most ${max} s after iat`,
      { lifetime_seconds: exp - iat, max_lifetime_seconds: max },
    )
  }
  if (exp !== null && iat !== null && exp - iat <= daySeconds) return noWarnings
  const warnings: PolicyRule[] = []
  if (exp === null) warnings.push("require_exp")
  if (iat === null) warnings.push("require_iat")
  if (exp !== null && iat !== null && max === null) warnings.push("max_lifetime")
  return warnings
}

function serverRules(policy: TokenPolicy, claims: TokenClaims, nowSeconds: number): readonly PolicyRule[] {
  const { exp, iat } = claims
  if (exp !== null) return noWarnings
  const max = policy.serverMaxAgeSeconds
  if (max !== null) {
    if (iat === null) {
      throw refused(
        "server_max_age",
        "a server token needs exp, or iat",
        "sign with iat, or with an expiry, as the server SDKs do",
      )
    }
    // Asked for what is allowed, so that a clock without a value refuses.
    if (!(nowSeconds - iat < max)) {
      throw new ApiError(
        "tokenExpired",
        `token policy: the server token is older than ${max} s (rule server_max_age)`,
        {
          why: {
            check: "policy",
            rule: "server_max_age",
            detail: `iat is ${Math.round(nowSeconds - iat)} s ago and there is no exp`,
            remedy: "sign a new server token for each request or every few minutes, as the server SDKs do",
            facts: { age_seconds: Math.round(nowSeconds - iat), max_age_seconds: max },
          },
        },
      )
    }
    return noWarnings
  }
  return iat !== null && nowSeconds - iat < hourSeconds ? noWarnings : ["server_max_age"]
}

const refused = (
  rule: PolicyRule,
  text: string,
  remedy: string,
  facts?: Readonly<Record<string, string | number | boolean | null>>,
): ApiError =>
  new ApiError("authentication", `token policy: ${text} (rule ${rule})`, {
    why: { check: "policy", rule, detail: text, remedy, ...(facts === undefined ? {} : { facts }) },
  })
