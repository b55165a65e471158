import { type ApiError, apiKeyPattern, userIdOf } from "@weir/protocol"
import { authenticationChecks } from "../../authenticate/authenticate.ts"
import { inspectToken } from "../../authenticate/inspect.ts"
import type { Denied } from "../../authorize/decide.ts"
import type { Refusal } from "../../request/refusal.ts"
import { limits } from "./limits.ts"

/** One step of a decision; `passed` is null where it was not reached. */
export interface DecisionCheck {
  readonly check: string
  readonly passed: boolean | null
  readonly detail: string | null
}

/** A refusal as it is kept and shown. Holds no secret and no token. */
export interface Decision {
  readonly id: string
  readonly app_id: number | null
  readonly at: string
  readonly operation: string
  readonly stage: string
  readonly code: number
  readonly status: number
  readonly reason: string
  readonly outcome: "denied"
  readonly caller: {
    readonly kind: string | null
    readonly user_id: string | null
    readonly role: string | null
    readonly api_key: string | null
    readonly address: string
    readonly client: string | null
  }
  readonly token: TokenFacts | null
  readonly action: string | null
  readonly resource: string | null
  readonly checks: readonly DecisionCheck[]
  readonly failed: { readonly check: string; readonly rule: string | null; readonly detail: string | null }
  readonly remedy: string
  readonly facts: Readonly<Record<string, string | number | boolean | null>>
}

export interface TokenFacts {
  readonly proved: boolean
  readonly kind: string | null
  readonly user_id: string | null
  readonly alg: string | null
  readonly kid: string | null
  readonly jti: string | null
  readonly issued_at: string | null
  readonly expires_at: string | null
  readonly age_seconds: number | null
  readonly expires_in_seconds: number | null
  readonly skew_ms: number | null
  readonly narrowed: boolean
}

/** Makes the decision of a refusal. Pure; every text that a caller chose is cut. */
export function decisionOf(refusal: Refusal, id: string, appId: number | null): Decision {
  const { error, caller, denied } = refusal
  const failed = failedOf(refusal)
  return {
    id,
    app_id: appId,
    at: new Date(refusal.at).toISOString(),
    operation: cut(refusal.operation),
    stage: refusal.stage,
    code: error.code,
    status: error.status,
    reason: cut(error.reason),
    outcome: "denied",
    caller: {
      kind: caller?.kind ?? null,
      user_id: caller === null ? null : userIdOf(caller),
      role: caller !== null && "role" in caller ? caller.role : null,
      api_key: shownKey(refusal.apiKey),
      address: cut(refusal.address, 64),
      client: refusal.client === null ? null : cut(refusal.client, 200),
    },
    token: tokenFacts(refusal),
    action: denied === null ? null : denied.action,
    resource: denied === null ? null : cut(denied.resource),
    checks: checksOf(refusal, failed).slice(0, limits.checksMax),
    failed,
    remedy: remedyOf(error, denied),
    facts: Object.fromEntries(
      Object.entries(error.why?.facts ?? {})
        .slice(0, limits.factsMax)
        .map(([name, value]) => [name, typeof value === "string" ? cut(value) : value]),
    ),
  }
}

const apiKeys = new RegExp(apiKeyPattern)

// What has not the form of a key may be the secret, which some take for it: enough is kept to recognise it by.
const shownKey = (apiKey: string | null): string | null =>
  apiKey === null || apiKeys.test(apiKey) ? apiKey : `${cut(apiKey.slice(0, limits.strangeKeyCharsMax))}…`

function failedOf({ error, denied, stage }: Refusal): Decision["failed"] {
  const last = denied?.checks.findLast(({ passed }) => !passed)
  const check = error.why?.check ?? last?.check ?? checkOfStage[stage] ?? stage
  const detail = error.why?.detail ?? last?.detail ?? error.internal ?? error.reason
  return { check, rule: error.why?.rule ?? null, detail: cut(detail) }
}

const checkOfStage: Readonly<Record<string, string>> = {
  authenticate: "token",
  load: "existence",
  handle: "state",
}

/** Every step in order: those before the one that failed have passed, those after it were not reached. */
function checksOf({ stage, denied }: Refusal, failed: Decision["failed"]): DecisionCheck[] {
  const fails: DecisionCheck = { check: failed.check, passed: false, detail: failed.detail }
  if (stage === "authenticate") {
    const at = (authenticationChecks as readonly string[]).indexOf(failed.check)
    if (at === -1) return [fails]
    return authenticationChecks.map((check, index) =>
      index === at ? fails : { check, passed: index < at ? true : null, detail: null },
    )
  }
  const passed = (check: string): DecisionCheck => ({ check, passed: true, detail: null })
  const before = authenticationChecks.map(passed)
  if (stage === "access") return [...before, fails]
  before.push(passed("access"))
  if (stage === "rate-limit") return [...before, fails]
  before.push(passed("rate-limit"))
  if (denied !== null) {
    return [
      ...before,
      ...denied.checks.map((made) => ({ check: made.check, passed: made.passed, detail: cut(made.detail) })),
    ]
  }
  return [...before, fails]
}

function tokenFacts({ caller, authorization, at }: Refusal): TokenFacts | null {
  const proof = caller?.proof ?? null
  if (proof !== null && caller !== null) {
    const { issuedAt, expiresAt } = proof
    const isMethodOnly = proof.method === "basic" || proof.method === "signature"
    return {
      proved: true,
      kind: isMethodOnly ? proof.method : caller.kind,
      user_id: userIdOf(caller),
      alg: null,
      kid: proof.kid,
      jti: proof.jti,
      ...timesOf(issuedAt, expiresAt, null, at),
      narrowed: caller.scopes !== null,
    }
  }
  const bare = authorization?.replace(/^bearer\s+/i, "") ?? ""
  if (bare === "" || /^basic\s/i.test(bare)) return null
  const { header, claims, kind } = inspectToken(bare)
  const text = (value: unknown, charsMax = 128): string | null =>
    typeof value === "string" ? cut(value, charsMax) : null
  const number = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null)
  return {
    proved: false,
    kind,
    user_id: text(claims?.user_id, 255),
    alg: text(header?.alg, 20),
    kid: text(header?.kid),
    jti: text(claims?.jti),
    ...timesOf(number(claims?.iat), number(claims?.exp), number(claims?.nbf), at),
    narrowed: claims?.scopes !== undefined,
  }
}

function timesOf(iat: number | null, exp: number | null, nbf: number | null, atMs: number) {
  const ahead = Math.max((iat ?? 0) * 1000 - atMs, (nbf ?? 0) * 1000 - atMs)
  return {
    issued_at: isoOf(iat),
    expires_at: isoOf(exp),
    age_seconds: iat === null ? null : round(atMs / 1000 - iat),
    expires_in_seconds: exp === null ? null : round(exp - atMs / 1000),
    skew_ms: ahead > 0 ? Math.round(ahead) : null,
  }
}

const round = (seconds: number): number => Math.round(seconds * 1000) / 1000

function isoOf(seconds: number | null): string | null {
  const date = new Date((seconds ?? Number.NaN) * 1000)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}

/** The smallest change that would have allowed it, one sentence. */
export function remedyOf(error: ApiError, denied: Denied | null): string {
  const own = error.why?.remedy ?? denied?.remedy
  if (own !== undefined && own !== null && own !== "") return cut(own)
  return remedies[error.kind] ?? "see the page of the error code"
}

/** What helps in general, by error, where the check that failed knew nothing better. */
const remedies: Readonly<Partial<Record<ApiError["kind"], string>>> = {
  accessKey: "send the app's public key as api_key, and stream-auth-type: jwt",
  appSuspended: "let the app run again: PATCH the app with suspended: false",
  authentication: "send a token that the app's backend made with createToken",
  tokenExpired: "get a new token from the app's backend; the old one has ended or was revoked",
  tokenNotValidYet: "wait until the token's nbf, or set the clock of the machine that signs",
  tokenBeforeIssuedAt: "set the clock of the machine that signs by NTP, or round iat down",
  tokenSignature: "sign with an active secret of the very key that the client sends as api_key",
  notAllowed: "call it as somebody who holds the grant",
  notFound: "make it first, or ask for something that is there",
  connectionNotFound: "open a socket first and send the connection_id of its first frame",
  rateLimit: "wait for the seconds that Retry-After names, or raise the limit of the app",
  unavailable: "bring this node's database back; it lets callers in again by itself",
}

/** Bounded, and without half characters. */
const cut = (text: string, charsMax: number = limits.textCharsMax): string =>
  (text.length > charsMax ? `${text.slice(0, charsMax)}…` : text)
    .replace(/\p{Surrogate}/gu, "\uFFFD")
    .replaceAll("\0", "\uFFFD")
