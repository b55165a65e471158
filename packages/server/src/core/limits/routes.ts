import { notFoundError, type OperationLimits, rateLimits as operations, rateLimitWindowSeconds } from "@weir/protocol"
import { can } from "../../authorize/decide.ts"
import { type LimitOverrides, type LimitState, type RateLimiter, rulesOf } from "../../request/rate-limit.ts"
import { type AdminRoute, adminRead, adminRoute, type Route, route } from "../../request/route.ts"
import { appResource, lockApp, requireApp } from "../apps/index.ts"
import { actions } from "./actions.ts"
import type { AppLimits } from "./cache.ts"
import {
  changeOverrides,
  namedOperations,
  type PlatformMember,
  parseOverrides,
  platformMembers,
  wantedPlatforms,
} from "./rules.ts"
import { type AppLimitsRow, selectLimits, upsertLimits } from "./store.ts"

export interface LimitRouteParts {
  readonly limiter: RateLimiter
  readonly appLimits: AppLimits
}

export const limitRoutes = ({ limiter }: Pick<LimitRouteParts, "limiter">): Route[] => [
  route(operations.getRateLimits, {
    authorize: ({ principal, appId }) => can(principal, actions.readRateLimits, appResource(appId)),
    handle({ appId, input, now }) {
      const named = namedOperations(input.query.endpoints)
      const shown: Partial<Record<PlatformMember, Record<string, LimitState>>> = {}
      for (const member of wantedPlatforms(input.query)) {
        shown[member] = statesOf(limiter, appId, member, now, (name) => named?.has(name) ?? true)
      }
      return shown
    },
  }),
]

export const limitAdminRoutes = ({ limiter, appLimits }: LimitRouteParts): AdminRoute[] => [
  adminRead(operations.getLimits, async ({ input, read, now }) => {
    const { id: appId } = await requireApp(read, input.path.app)
    return viewOf(limiter, appId, await selectLimits(read, appId), now)
  }),
  adminRoute(operations.updateLimits, async ({ input, tx, now, audit }) => {
    const appId = Number(input.path.app)
    // The app's row stands for its limits too, so that two changes at once come one after the other.
    if ((await lockApp(tx, appId)) === undefined) throw notFoundError("app", input.path.app)
    const before = await selectLimits(tx, appId)
    const known = before === undefined ? {} : parseOverrides(before.overrides)
    const overrides = changeOverrides(known, input.body.overrides, limiter.names())
    const row = { app_id: appId, overrides: JSON.stringify(overrides), updated_at: now }
    await upsertLimits(tx, row)
    tx.afterCommit(() => {
      appLimits.drop(String(appId))
      limiter.changed(appId, overrides)
    })
    audit({ action: "limits.updated", appId, target: { app: appId }, before: { ...known }, after: { ...overrides } })
    return viewOf(limiter, appId, row, now)
  }),
]

/** What is left of an app's limits on a platform; operations without a limit are left out. */
function statesOf(
  limiter: RateLimiter,
  appId: number,
  member: PlatformMember,
  now: number,
  isWanted: (name: string, state: LimitState) => boolean,
): Record<string, LimitState> {
  const states: [string, LimitState][] = []
  for (const name of limiter.names()) {
    const state = limiter.stateOf(appId, name, platformMembers[member], now)
    if (state !== null && isWanted(name, state)) states.push([name, state])
  }
  return Object.fromEntries(states)
}

function viewOf(limiter: RateLimiter, appId: number, row: AppLimitsRow | undefined, now: number) {
  const used = (member: PlatformMember) =>
    statesOf(limiter, appId, member, now, (_, { limit, remaining }) => remaining < limit)
  const overrides: LimitOverrides = row === undefined ? {} : parseOverrides(row.overrides)
  return {
    enforced: limiter.enforced,
    window_seconds: rateLimitWindowSeconds,
    overrides,
    updated_at: row === undefined ? null : new Date(row.updated_at).toISOString(),
    limits: Object.fromEntries(
      limiter.operations().map(({ name, own }): [string, OperationLimits] => {
        const { app, user, address } = rulesOf(name, own, overrides)
        return [name, { app, user, address }]
      }),
    ),
    usage: { server_side: used("server_side"), ios: used("ios"), android: used("android"), web: used("web") },
  }
}
