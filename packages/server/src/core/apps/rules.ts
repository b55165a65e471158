import { inputError } from "@weir/protocol"
import { parsePolicy, policyResponse, type TokenPolicy } from "../../authenticate/policy.ts"
import type { AppRow, Environment } from "./store.ts"

/** A new app. `id` is a number of 7 to 9 digits: it appears in URLs of the management API and in logs. */
export const newApp = (id: number, name: string, environment: Environment, now: number): AppRow => ({
  id,
  name,
  environment,
  suspended: 0,
  disable_auth_checks: 0,
  allow_basic_auth: 0,
  token_policy: null,
  revoke_tokens_issued_before: null,
  created_at: now,
  updated_at: now,
})

/** The app as the wire shows it (contract/auth.md §1.10). */
export const appResponse = (row: AppRow) => ({
  id: row.id,
  name: row.name,
  environment: row.environment,
  suspended: row.suspended === 1,
  disable_auth_checks: row.disable_auth_checks === 1,
  allow_basic_auth: row.allow_basic_auth === 1,
  revoke_tokens_issued_before:
    row.revoke_tokens_issued_before === null ? null : new Date(row.revoke_tokens_issued_before).toISOString(),
  created_at: new Date(row.created_at).toISOString(),
  updated_at: new Date(row.updated_at).toISOString(),
})

/** What the gate needs of an app, for the state of each of its keys. */
export interface AppSettings {
  readonly suspended: boolean
  readonly disableAuthChecks: boolean
  readonly allowBasic: boolean
  readonly policy: TokenPolicy
  /** Milliseconds. */
  readonly revokeTokensIssuedBefore: number | null
}

export const appSettings = (row: AppRow): AppSettings => ({
  suspended: row.suspended === 1,
  // Asked twice, here and where it is set: this switch turns the whole gate off.
  disableAuthChecks: row.disable_auth_checks === 1 && row.environment === "development",
  allowBasic: row.allow_basic_auth === 1,
  policy: policyOf(row),
  revokeTokensIssuedBefore: row.revoke_tokens_issued_before,
})

/** The token policy of an app: its own, or the preset of its environment. */
export const policyOf = (row: Pick<AppRow, "token_policy" | "environment">): TokenPolicy =>
  parsePolicy(
    row.token_policy === null
      ? { preset: row.environment === "production" ? "strict" : "compatible" }
      : JSON.parse(row.token_policy),
  )

export interface AppChange {
  readonly name?: string
  readonly environment?: Environment
  readonly suspended?: boolean
  readonly disable_auth_checks?: boolean
  readonly allow_basic_auth?: boolean
  /** Milliseconds, null to undo. */
  readonly revokeTokensIssuedBefore?: number | null
}

/** The app after a change. Throws inputError when it would let anybody into a production app. */
export function changeApp(row: AppRow, change: AppChange, now: number): AppRow {
  const environment = change.environment ?? row.environment
  if (change.disable_auth_checks === true && environment === "production") {
    throw inputError("authentication cannot be switched off for a production app", {
      disable_auth_checks: "must be false for an app in production",
    })
  }
  const checksOff = environment === "production" ? false : (change.disable_auth_checks ?? row.disable_auth_checks === 1)
  return {
    ...row,
    name: change.name ?? row.name,
    environment,
    suspended: flag(change.suspended ?? row.suspended === 1),
    disable_auth_checks: flag(checksOff),
    allow_basic_auth: flag(change.allow_basic_auth ?? row.allow_basic_auth === 1),
    revoke_tokens_issued_before:
      change.revokeTokensIssuedBefore === undefined ? row.revoke_tokens_issued_before : change.revokeTokensIssuedBefore,
    updated_at: now,
  }
}

/**
 * The app with other rules for its tokens. A preset starts from that preset's rules; single rules are laid over it, or
 * over those that hold now. Throws inputError for rules that do not go together.
 */
export function changePolicy(row: AppRow, change: Readonly<Record<string, unknown>>, now: number): AppRow {
  const base = change.preset === undefined ? policyResponse(policyOf(row)) : {}
  const policy = policyResponse(parsePolicy({ ...base, ...change }))
  return { ...row, token_policy: JSON.stringify(policy), updated_at: now }
}

/** Whether a token passes under the second policy that the first one refuses. */
export function isWeaker(before: TokenPolicy, after: TokenPolicy): boolean {
  const isLonger = (bound: number | null, next: number | null): boolean =>
    bound !== null && (next === null || next > bound)
  return (
    (before.requireExp && !after.requireExp) ||
    (before.requireIat && !after.requireIat) ||
    isLonger(before.maxLifetimeSeconds, after.maxLifetimeSeconds) ||
    isLonger(before.serverMaxAgeSeconds, after.serverMaxAgeSeconds) ||
    after.leewaySeconds > before.leewaySeconds ||
    after.allowedKinds.some((kind) => !before.allowedKinds.includes(kind)) ||
    (before.iss !== null && after.iss !== before.iss) ||
    (before.aud !== null && after.aud !== before.aud)
  )
}

const flag = (on: boolean): number => (on ? 1 : 0)
