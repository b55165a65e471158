import { type InputOf, inputError, notFoundError, apps as operations, type webhooks } from "@weir/protocol"
import type { Static } from "typebox"
import { policyResponse } from "../../authenticate/policy.ts"
import { can } from "../../authorize/decide.ts"
import { requireFresh } from "../../authorize/operators.ts"
import type { AppendAudit } from "../../request/http.ts"
import {
  type AdminRoute,
  type AuditEntry,
  actorNameOf,
  adminRead,
  adminRoute,
  type Route,
  route,
} from "../../request/route.ts"
import type { Read, Tx } from "../../store/database.ts"
import { parseTimestamp } from "../../store/filter.ts"
import { actions, appResource } from "./actions.ts"
import { appCredentialsChanged, appSuspended } from "./events.ts"
import { limits } from "./limits.ts"
import { type AppChange, appResponse, changeApp, changePolicy, isWeaker, newApp, policyOf } from "./rules.ts"
import { type AppRow, insertApp, lockApp, selectApp, selectApps, updateApp } from "./store.ts"

/** A rule of the token policy that a token would have broken under a stricter one, as GetTokenPolicy shows it. */
export interface PolicyWarning {
  readonly rule: string
  readonly count: number
  readonly first_seen: string
  readonly last_seen: string
  readonly kid: string | null
  readonly client: string | null
}

export interface AppRouteParts {
  /** A number that no app has yet. */
  readonly newAppId: () => number
  /** Makes the first key of a new app; keys are another module's, which stands above this one. */
  readonly makeKey: (
    tx: Tx,
    appId: number,
    now: number,
    actor: string,
  ) => Promise<{ key: { api_key: string; label: string; kid: string }; secret: string }>
  /** The app's switches changed: whatever was cached of its keys is stale. */
  readonly appChanged: (tx: Tx, appId: number) => Promise<void>
  /** What the app's policy let pass with a warning. */
  readonly policyWarnings: (read: Read, appId: number) => Promise<readonly PolicyWarning[]>
  /** Writes what was seen of tokens, before it is counted. */
  readonly flushSightings: () => Promise<void>
}

/** The hooks among an app's settings; they are another module's, which stands above this one. */
export interface AppHooks {
  /** Members of UpdateApp that it reads. */
  readonly names: ReadonlySet<string>
  /**
   * Applies them to an app that the transaction has locked; what the audit log is to hear. Throws inputError by member.
   * `now` in milliseconds.
   */
  update(tx: Tx, appId: number, body: UpdateAppBody, now: number): Promise<readonly AuditEntry[]>
  /** What GetApp shows of them: no secret. */
  show(read: Read, appId: number): Promise<Static<typeof webhooks.AppHookView>>
}

type UpdateAppBody = InputOf<typeof operations.updateApp>["body"]

/** Members of UpdateApp that are settings of the app itself. */
const settable: ReadonlySet<string> = new Set(["revoke_tokens_issued_before", "disable_auth_checks"])

export interface AppSettingParts extends Pick<AppRouteParts, "appChanged"> {
  readonly hooks: AppHooks
  readonly audit: AppendAudit
}

export const appRoutes = (parts: AppSettingParts): Route[] => [
  route(operations.getApp, {
    authorize: ({ principal, appId }) => can(principal, actions.readApp, appResource(appId)),
    async handle({ appId, read }) {
      const app = await selectApp(read, appId)
      if (app === undefined) throw notFoundError("app", String(appId))
      return { app: { ...appResponse(app), ...(await parts.hooks.show(read, appId)) } }
    },
  }),
  route(operations.updateApp, {
    writes: true,
    load: ({ input }) => ({ change: settingsOf(input.body, parts.hooks.names) }),
    authorize: ({ principal, appId }) => can(principal, actions.updateApp, appResource(appId)),
    async handle({ principal, appId, input, change, tx, now }) {
      const before = await requireLockedApp(tx, String(appId))
      const entries: AuditEntry[] = []
      if (change !== null) {
        const after = await save(tx, parts, before, change, now)
        entries.push({
          action: "app.updated",
          appId,
          target: { app: appId },
          before: appResponse(before),
          after: appResponse(after),
        })
      }
      entries.push(...(await parts.hooks.update(tx, appId, input.body, now)))
      const by = { actor: actorNameOf(principal), address: null, at: now }
      for (const entry of entries) await parts.audit(tx, { ...entry, ...by })
      return {}
    },
  }),
]

export const appAdminRoutes = (parts: AppRouteParts): AdminRoute[] => [
  adminRoute(operations.createApp, async ({ input, tx, now, principal, audit }) => {
    const app = newApp(parts.newAppId(), input.body.name, input.body.environment ?? "development", now)
    await insertApp(tx, app)
    const { key, secret } = await parts.makeKey(tx, app.id, now, principal.name)
    audit({
      action: "app.created",
      appId: app.id,
      target: { app: app.id, api_key: key.api_key },
      after: appResponse(app),
    })
    return { app: appResponse(app), key, secret }
  }),
  adminRead(operations.listApps, async ({ read }) => ({
    apps: (await selectApps(read, limits.appsListedMax)).map(appResponse),
  })),
  adminRead(operations.readApp, async ({ input, read }) => ({
    app: appResponse(await requireApp(read, input.path.app)),
  })),
  adminRoute(operations.updateAppState, async ({ input, tx, now, audit }) => {
    const before = await requireLockedApp(tx, input.path.app)
    const after = await save(tx, parts, before, input.body, now)
    audit({
      action: "app.updated",
      appId: before.id,
      target: { app: before.id },
      before: appResponse(before),
      after: appResponse(after),
    })
    return { app: appResponse(after) }
  }),
  adminRead(operations.getTokenPolicy, async ({ input, read }) => {
    const app = await requireApp(read, input.path.app)
    await parts.flushSightings()
    return { policy: policyResponse(policyOf(app)), warnings: [...(await parts.policyWarnings(read, app.id))] }
  }),
  adminRoute(operations.updateTokenPolicy, async ({ input, tx, now, principal, audit }) => {
    const before = await requireLockedApp(tx, input.path.app)
    const after = changePolicy(before, input.body, now)
    if (isWeaker(policyOf(before), policyOf(after))) requireFresh(principal, now)
    await updateApp(tx, after)
    await parts.appChanged(tx, after.id)
    tx.emit(appCredentialsChanged(after.id))
    const policy = policyResponse(policyOf(after))
    audit({
      action: "token_policy.updated",
      appId: before.id,
      target: { app: before.id },
      before: { ...policyResponse(policyOf(before)) },
      after: { ...policy },
    })
    return { policy }
  }),
]

async function save(
  tx: Tx,
  parts: Pick<AppRouteParts, "appChanged">,
  before: AppRow,
  change: AppChange,
  now: number,
): Promise<AppRow> {
  const after = changeApp(before, change, now)
  await updateApp(tx, after)
  await parts.appChanged(tx, after.id)
  if (after.suspended === 1 && before.suspended === 0) tx.emit(appSuspended(after.id))
  else if (mayEndTokens(before, after)) tx.emit(appCredentialsChanged(after.id))
  return after
}

const mayEndTokens = (before: AppRow, after: AppRow): boolean =>
  before.environment !== after.environment ||
  before.disable_auth_checks !== after.disable_auth_checks ||
  before.revoke_tokens_issued_before !== after.revoke_tokens_issued_before

/**
 * What UpdateApp changes of the app itself; null when it names hooks alone. Throws inputError for a member that nothing
 * here reads: it would be a setting that silently does not hold.
 */
function settingsOf(body: UpdateAppBody, ofHooks: ReadonlySet<string>): AppChange | null {
  const names = Object.keys(body)
  for (const name of names) {
    if (!settable.has(name) && !ofHooks.has(name)) {
      const shown = name.slice(0, 100)
      throw inputError(`${shown} cannot be set through UpdateApp`, { [shown]: "is not a setting of this server" })
    }
  }
  if (names.length > 0 && !names.some((name) => settable.has(name))) return null
  const { revoke_tokens_issued_before: cutoff, disable_auth_checks } = body
  const change: AppChange = disable_auth_checks === undefined ? {} : { disable_auth_checks }
  if (cutoff === undefined) return change
  const ms = cutoff === null ? null : parseTimestamp(cutoff)
  if (cutoff !== null && ms === null) {
    throw inputError("revoke_tokens_issued_before is not an RFC 3339 time", {
      revoke_tokens_issued_before: "must be RFC 3339",
    })
  }
  return { ...change, revokeTokensIssuedBefore: ms }
}

/** An app by its id in a path. Throws notFoundError. */
export async function requireApp(read: Read, id: string | number): Promise<AppRow> {
  const app = await selectApp(read, Number(id))
  if (app === undefined) throw notFoundError("app", String(id))
  return app
}

/** The same, locked: changes of an app and of what belongs to it come one after the other. Throws notFoundError. */
export async function requireLockedApp(tx: Tx, id: string): Promise<AppRow> {
  const app = await lockApp(tx, Number(id))
  if (app === undefined) throw notFoundError("app", id)
  return app
}
