import { inputError, type OperationLimits, type Platform, rateLimitBounds } from "@weir/protocol"
import { nearest } from "../../base/nearest.ts"
import type { LimitOverrides } from "../../request/rate-limit.ts"
import { limits } from "./limits.ts"

/** The stored text of an app's own limits. */
export const parseOverrides = (text: string): LimitOverrides => JSON.parse(text) as LimitOverrides

/** A change by operation; null gives the operation back to what holds without it. */
export type LimitChange = Readonly<Record<string, Partial<OperationLimits> | null>>

/**
 * An app's own limits after a change; each operation that is named is replaced as a whole. Throws inputError for a
 * name that is no operation, because a mistyped limit would be one that silently does not hold.
 */
export function changeOverrides(
  overrides: LimitOverrides,
  change: LimitChange,
  operations: readonly string[],
): LimitOverrides {
  const changed = new Map(Object.entries(overrides))
  for (const [name, given] of Object.entries(change)) {
    // Giving back needs no name that is known: an older version may have known it.
    if (given === null) changed.delete(name)
    else {
      requireOperation(name, operations)
      if (Object.keys(given).length === 0) {
        throw inputError(`overrides.${name} says nothing; null gives the operation back`, {
          [`overrides.${name}`]: "must have app, user or address",
        })
      }
      changed.set(name, given)
    }
  }
  if (changed.size > rateLimitBounds.overridesMax) {
    throw inputError(`an app has at most ${rateLimitBounds.overridesMax} limits of its own`, {
      overrides: `at most ${rateLimitBounds.overridesMax}`,
    })
  }
  return Object.fromEntries(changed)
}

function requireOperation(name: string, operations: readonly string[]): void {
  if (name === "*" || operations.includes(name)) return
  const shown = name.slice(0, limits.namedCharsMax)
  const near = nearest(shown, operations, limits.suggestionEditsMax)
  const hint = near === null ? "" : `; did you mean ${near}?`
  throw inputError(`there is no operation ${shown}${hint}`, { [`overrides.${shown}`]: `is no operation${hint}` })
}

/** Member of the answer of GetRateLimits, by platform. */
export const platformMembers = {
  server_side: "server",
  ios: "ios",
  android: "android",
  web: "web",
} as const satisfies Record<string, Platform>
export type PlatformMember = keyof typeof platformMembers

/** The platforms that were asked for: those that are true, or all when none is. */
export function wantedPlatforms(query: Readonly<Partial<Record<PlatformMember, boolean>>>): PlatformMember[] {
  const all = Object.keys(platformMembers) as PlatformMember[]
  const wanted = all.filter((member) => query[member] === true)
  return wanted.length === 0 ? all : wanted
}

/** Names of operations with commas in between; null: all. Throws inputError when there are too many. */
export function namedOperations(endpoints: string | undefined): ReadonlySet<string> | null {
  if (endpoints === undefined) return null
  const names = endpoints
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
  if (names.length > rateLimitBounds.endpointsMax) {
    throw inputError(`endpoints names more than ${rateLimitBounds.endpointsMax} operations`, {
      endpoints: `at most ${rateLimitBounds.endpointsMax} names`,
    })
  }
  return names.length === 0 ? null : new Set(names)
}
