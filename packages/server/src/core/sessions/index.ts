import type { Read } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { type SecretUsage, usageOf, warningResponse } from "./rules.ts"
import {
  countSessions,
  countUnexpired,
  type Matching,
  selectClients,
  selectMatching,
  selectSession,
  selectSessions,
  selectUsage,
  selectWarnings,
} from "./store.ts"

export { createSightings, type Sightings } from "./cache.ts"
export { migrations as sessionMigrations } from "./migrations.ts"
export { type SessionRouteParts, sessionRoutes, sessionShown, type UserSocket } from "./routes.ts"
export { type SecretUsage, unused } from "./rules.ts"

/** What each secret was used for, as far back as it is kept. */
export async function usageOfSecrets(
  read: Read,
  appId: number,
  kids: readonly string[],
  now: number,
): Promise<Map<string, SecretUsage>> {
  if (kids.length === 0) return new Map()
  const since = now - limits.keptMs
  const [counted, clients, backends] = await Promise.all([
    countSessions(read, appId, kids, since),
    selectClients(read, appId, kids, since, limits.clientsPerSecretMax),
    selectUsage(read, appId, kids, since),
  ])
  return usageOf(kids, counted, clients, backends)
}

/** Tokens and users that a secret's end would shut out: seen, and not expired by themselves. */
export async function unexpiredOfSecret(
  read: Read,
  appId: number,
  kid: string,
  now: number,
): Promise<{ tokens: number; users: number }> {
  const { tokens, users } = await countUnexpired(read, appId, kid, now / 1000, now - limits.keptMs)
  return { tokens: Number(tokens), users: Number(users) }
}

/** Tokens and users, seen and not expired, that a revocation would end. */
export async function countMatching(
  read: Read,
  matching: Matching,
  now: number,
): Promise<{ tokens: number; users: number }> {
  const { tokens, users } = await selectMatching(read, matching, now, now - limits.keptMs)
  return { tokens: Number(tokens), users: Number(users) }
}

/** Tokens of a user that were seen, as far back as they are kept; newest use first. */
export const sessionsOfUser = (read: Read, appId: number, userId: string, limit: number, now: number) =>
  selectSessions(read, { appId, userId, sinceMs: now - limits.keptMs, after: null, limit })

/** When a token that was seen runs out of itself, in milliseconds; null: it does not, or was not seen. */
export async function tokenExpiry(read: Read, appId: number, sha256: string): Promise<number | null> {
  const expiresAt = (await selectSession(read, appId, sha256))?.expires_at ?? null
  return expiresAt === null ? null : expiresAt * 1000
}

/** Rules that a stricter policy would have enforced, with how often. */
export const policyWarnings = async (read: Read, appId: number) =>
  (await selectWarnings(read, appId)).map(warningResponse)
