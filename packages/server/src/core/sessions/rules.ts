import type { AppCaller, Proof } from "@weir/protocol"
import { userIdOf } from "@weir/protocol"
import type { VerifiedToken } from "../../authenticate/authenticate.ts"
import { limits } from "./limits.ts"
import type { PolicyWarningRow, SecretUsageRow, TokenSessionRow } from "./store.ts"

/** What one secret was used for, as far back as it is kept. Times are milliseconds. */
export interface SecretUsage {
  readonly tokens: number
  readonly users: number
  /** The latest first. */
  readonly clients: readonly string[]
  /** Those with most tokens, which come first. */
  readonly byClient: readonly ClientUsage[]
  readonly lastUsedAt: number | null
  readonly lastClient: string | null
  readonly lastAddress: string | null
}

export interface ClientUsage {
  /** Null: it did not say. */
  readonly client: string | null
  readonly tokens: number
  readonly users: number
  readonly lastSeenAt: number
}

export const unused: SecretUsage = {
  tokens: 0,
  users: 0,
  clients: [],
  byClient: [],
  lastUsedAt: null,
  lastClient: null,
  lastAddress: null,
}

/** The row of a token that was seen; `uses` are those that no earlier row has. */
export const sessionRow = (
  principal: AppCaller,
  token: VerifiedToken,
  seen: { readonly uses: number; readonly address: string; readonly client: string | null },
): TokenSessionRow => ({
  app_id: principal.appId,
  sha256: token.proof.sha256,
  kind: token.claims.kind,
  user_id: userIdOf(principal),
  api_key: principal.apiKey,
  kid: token.proof.kid,
  jti: token.proof.jti,
  device_id: token.proof.deviceId,
  issued_at: token.proof.issuedAt,
  expires_at: token.proof.expiresAt,
  first_seen: token.firstSeenMs,
  last_seen: token.lastSeenMs,
  uses: seen.uses,
  address: seen.address.slice(0, limits.addressCharsMax),
  client: bounded(seen.client),
})

/** A client's name in a row: what strangers send is cut, and control characters go. */
export const bounded = (client: string | null): string | null =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: taking them out is the point
  client === null ? null : client.slice(0, limits.clientCharsMax).replace(/[\u0000-\u001f\u007f\ud800-\udfff]/g, "?")

/** The credential that a row stands for, so that the gate can be asked about it as about a caller. */
export const proofOf = (row: TokenSessionRow): Proof => ({
  method: "jwt",
  kid: row.kid,
  issuedAt: row.issued_at,
  expiresAt: row.expires_at,
  jti: row.jti,
  deviceId: row.device_id,
  sha256: row.sha256,
})

export interface SessionSocketResponse {
  readonly connection_id: string
  readonly node: string
  readonly connected_at: string
  readonly address: string
  readonly client: string | null
}

/** A session as the management API shows it. */
export function sessionResponse(
  row: TokenSessionRow,
  sockets: readonly SessionSocketResponse[],
  isRevoked: boolean,
  now: number,
) {
  const state = stateOf(row, sockets.length, isRevoked, now)
  return {
    id: row.sha256,
    kind: row.kind,
    user_id: row.user_id,
    api_key: row.api_key,
    kid: row.kid,
    jti: row.jti,
    device_id: row.device_id,
    issued_at: secondsToIso(row.issued_at),
    expires_at: secondsToIso(row.expires_at),
    first_seen: new Date(row.first_seen).toISOString(),
    last_seen: new Date(row.last_seen).toISOString(),
    uses: row.uses,
    address: row.address,
    client: row.client,
    state,
    sockets: [...sockets],
  }
}

// A token that ended names its end even while its last socket is on the way out.
function stateOf(
  row: TokenSessionRow,
  sockets: number,
  isRevoked: boolean,
  now: number,
): "live" | "recent" | "revoked" | "expired" {
  if (isRevoked) return "revoked"
  if (row.expires_at !== null && row.expires_at * 1000 <= now) return "expired"
  return sockets > 0 ? "live" : "recent"
}

// Claims may lie beyond what a Date can hold.
function secondsToIso(seconds: number | null): string | null {
  if (seconds === null) return null
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}

interface Counted {
  readonly kid: string | null
  readonly tokens: number
  readonly users: number | string | bigint
  readonly last_seen: number | null
}

interface SeenClient {
  readonly kid: string | null
  readonly client: string | null
  readonly tokens: number
  readonly users: number | string | bigint
  readonly last_seen: number | null
  readonly address: string | null
}

/** Puts together what lasting tokens and what backends did with each secret. */
export function usageOf(
  kids: readonly string[],
  counted: readonly Counted[],
  clients: readonly SeenClient[],
  backends: readonly SecretUsageRow[],
): Map<string, SecretUsage> {
  return new Map(
    kids.map((kid) => {
      const tokens = counted.find((row) => row.kid === kid)
      const uses: readonly Use[] = [
        ...clients
          .filter((row) => row.kid === kid)
          .map((row) => ({
            client: row.client,
            tokens: Number(row.tokens),
            users: Number(row.users),
            at: row.last_seen ?? 0,
            address: row.address,
          })),
        ...backends
          .filter((row) => row.kid === kid)
          .map((row) => ({
            client: row.client === "" ? null : row.client,
            tokens: row.tokens,
            users: 0,
            at: row.last_seen,
            address: row.last_address,
          })),
      ].sort((a, b) => b.at - a.at)
      const [latest] = uses
      if (latest === undefined) return [kid, unused]
      const names = new Set(uses.flatMap(({ client }) => (client === null ? [] : [client])))
      return [
        kid,
        {
          tokens:
            Number(tokens?.tokens ?? 0) +
            backends.filter((row) => row.kid === kid).reduce((total, row) => total + row.tokens, 0),
          users: Number(tokens?.users ?? 0),
          clients: [...names].slice(0, limits.clientsPerSecretMax),
          byClient: byClientOf(uses),
          lastUsedAt: latest.at,
          lastClient: latest.client,
          lastAddress: latest.address,
        },
      ]
    }),
  )
}

interface Use {
  readonly client: string | null
  readonly tokens: number
  readonly users: number
  readonly at: number
  readonly address: string | null
}

/** One entry a client, whether it came with users' tokens, as a backend or as both. */
function byClientOf(uses: readonly Use[]): ClientUsage[] {
  const found = [...Map.groupBy(uses, ({ client }) => client)].map(([client, of]) => ({
    client,
    tokens: of.reduce((sum, { tokens }) => sum + tokens, 0),
    users: of.reduce((sum, { users }) => sum + users, 0),
    lastSeenAt: Math.max(...of.map(({ at }) => at)),
  }))
  return found.sort((a, b) => b.tokens - a.tokens || b.lastSeenAt - a.lastSeenAt).slice(0, limits.clientsPerSecretMax)
}

/** Rules that a stricter policy would have enforced, as GetTokenPolicy shows them. */
export const warningResponse = (row: PolicyWarningRow) => ({
  rule: row.rule,
  count: row.seen,
  first_seen: new Date(row.first_seen).toISOString(),
  last_seen: new Date(row.last_seen).toISOString(),
  kid: row.kid,
  client: row.client,
})
