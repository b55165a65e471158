import { inputError, notFoundError, webhooks as operations } from "@weir/protocol"
import type { Awaitable } from "../../base/chain.ts"
import { type MasterKey, SealError } from "../../base/crypto.ts"
import type { Engine, LaneStats, LoggedAttempt } from "../../events/webhooks/engine.ts"
import { type AdminRoute, adminRead, adminRoute } from "../../request/route.ts"
import type { Read } from "../../store/database.ts"
import { parseTimestamp } from "../../store/filter.ts"
import { requireApp } from "../apps/index.ts"
import { parseWebhookId } from "../dispatch/index.ts"
import {
  type HookRow,
  type HookSecretRow,
  openSecret,
  requireHook,
  selectHooks,
  selectSecretsOfHook,
} from "../webhooks/index.ts"
import { limits } from "./limits.ts"
import {
  type ApiSecrets,
  apiKeysOf,
  attemptNumbers,
  attemptView,
  checkSignatures,
  cursorText,
  deliveryView,
  type OwnKey,
  parseCursor,
  typeFilterOf,
} from "./rules.ts"
import {
  countDead,
  countDelivered,
  countDue,
  countPending,
  type DeliveryFilter,
  type DeliveryPlace,
  replay,
  selectDeliveries,
  selectDelivery,
  selectEventTimes,
  selectReplayable,
  selectSampleLogs,
} from "./store.ts"

export interface DeliveryRouteParts {
  readonly masterKey: MasterKey
  /** The time that deliveries are dated with; there is something to do for a hook; what this node is doing. */
  readonly engine: Pick<Engine, "now" | "wake" | "stats">
  /** The HMAC secrets of an app's key that are not revoked; null when the app has no such key. */
  readonly apiSecretsOf: (read: Read, appId: number, apiKey: string) => Awaitable<ApiSecrets | null>
}

/** What became of the events that were sent to hooks. */
export const deliveryRoutes = (parts: DeliveryRouteParts): AdminRoute[] => [
  adminRead(operations.listDeliveries, async ({ input, read }) => {
    const { id: appId } = await requireApp(read, input.path.app)
    const { query } = input
    const page = await selectDeliveries(read, filterOf(appId, query), {
      after: parseCursor(query.next),
      limit: query.limit ?? limits.pageSizeDefault,
    })
    const now = parts.engine.now()
    return { deliveries: page.rows.map((row) => deliveryView(row, now)), next: cursorText(page.next) }
  }),

  adminRead(operations.readDelivery, async ({ input, read }) => {
    const { id: appId } = await requireApp(read, input.path.app)
    const id = input.path.delivery
    const place = placeOf(id)
    const row = place === null ? undefined : await selectDelivery(read, appId, place)
    // Another app's delivery is as absent as one that never was.
    if (row === undefined) throw notFoundError("delivery", id)
    const log = JSON.parse(row.log) as LoggedAttempt[]
    const secrets = await selectSecretsOfHook(read, row.hook_id)
    const api = new Map<string, ApiSecrets>()
    for (const apiKey of apiKeysOf(log)) {
      const found = await parts.apiSecretsOf(read, appId, apiKey)
      if (found !== null) api.set(apiKey, found)
    }
    const keys = { own: secrets.map((secret) => ownKey(parts.masterKey, secret)), api }
    return {
      delivery: {
        ...deliveryView(row, parts.engine.now()),
        body: row.body,
        log: log.map((attempt) => attemptView(attempt, checkSignatures(attempt, id, row.body, keys))),
      },
    }
  }),

  adminRoute(operations.replayDeliveries, async ({ input, tx, audit }) => {
    const { id: appId } = await requireApp(tx, input.path.app)
    const { body } = input
    const now = parts.engine.now()
    const page = body.ids === undefined ? await replayable() : { rows: placesOf(body.ids), next: null }
    const replayed = await replay(tx, appId, page.rows, now)
    if (replayed.length > 0) {
      const hookIds = new Set(replayed.map(({ hook_id }) => hook_id))
      tx.afterCommit(() => {
        for (const hookId of hookIds) parts.engine.wake(hookId, appId)
      })
      const { next: _, ...asked } = body
      audit({ action: "delivery.replayed", appId, target: { app: appId, ...asked }, after: { count: replayed.length } })
    }
    return { replayed: replayed.length, has_more: page.next !== null, next: cursorText(page.next) }

    async function replayable() {
      const filter = filterOf(appId, { ...body, state: body.state ?? "dead" })
      if (filter.hookId !== null) await requireHook(tx, { app: String(appId), hook: filter.hookId })
      return selectReplayable(tx, filter, { after: parseCursor(body.next), limit: limits.replayBatchMax }, now)
    }

    function placesOf(ids: readonly string[]): DeliveryPlace[] {
      const others = ["hook_id", "state", "type", "since", "until", "next"] as const
      const beside = others.find((name) => body[name] !== undefined)
      if (beside !== undefined)
        throw inputError(`ids go with no other filter, such as ${beside}`, { [beside]: "goes not with ids" })
      return ids.flatMap((id) => placeOf(id) ?? [])
    }
  }),

  adminRead(operations.getWebhookStats, async ({ input, read, now }) => {
    const { id: appId } = await requireApp(read, input.path.app)
    const stats = parts.engine.stats()
    const hooks = await selectHooks(read, appId)
    return {
      hooks: await hookStats(read, hooks, stats.lanes, { now, dueNow: parts.engine.now() }),
      node: { in_flight: stats.inFlight, queued: stats.queued },
    }
  }),
]

/** The numbers of an app's hooks. `now` dates events and attempts, `dueNow` leases; both in milliseconds. */
async function hookStats(
  read: Read,
  hooks: readonly HookRow[],
  lanes: readonly LaneStats[],
  { now, dueNow }: { readonly now: number; readonly dueNow: number },
) {
  if (hooks.length === 0) return []
  const ids = hooks.map(({ id }) => id)
  const pending = new Map((await countPending(read, ids)).map((row) => [row.hook_id, row]))
  const due = new Map((await countDue(read, ids, dueNow)).map(({ hook_id, total }) => [hook_id, total]))
  const dead = new Map((await countDead(read, ids)).map(({ hook_id, total }) => [hook_id, total]))
  const times = await selectEventTimes(
    read,
    [...pending.values()].map(({ oldest }) => oldest),
  )
  const laneOf = new Map(lanes.map((lane) => [lane.hookId, lane]))
  const sinceMs = now - limits.statsSpanMs
  const rowsMax = Math.min(limits.countedRowsPerHookMax, Math.floor(limits.countedRowsMax / hooks.length))
  const shown = []
  for (const { id, enabled } of hooks) {
    const oldestMs = times.get(pending.get(id)?.oldest ?? 0)
    const lane = laneOf.get(id)
    shown.push({
      hook_id: id,
      enabled: enabled === 1,
      pending: pending.get(id)?.total ?? 0,
      due: due.get(id) ?? 0,
      oldest_pending_at: oldestMs === undefined ? null : new Date(oldestMs).toISOString(),
      dead: dead.get(id) ?? 0,
      delivered_last_hour: await countDelivered(read, id, sinceMs, rowsMax),
      attempts_last_hour: attemptNumbers(await selectSampleLogs(read, id), sinceMs),
      node:
        lane === undefined
          ? null
          : {
              in_flight: lane.inFlight,
              queued: lane.queued,
              circuit: lane.circuit,
              failing_since: lane.failingSince,
            },
    })
  }
  return shown
}

function filterOf(
  appId: number,
  given: {
    readonly hook_id?: string
    readonly state?: DeliveryFilter["state"] & string
    readonly type?: string
    readonly stream?: string
    readonly since?: string
    readonly until?: string
  },
): DeliveryFilter {
  return {
    appId,
    hookId: given.hook_id ?? null,
    state: given.state ?? null,
    type: given.type === undefined ? null : typeFilterOf(given.type),
    stream: given.stream ?? null,
    sinceMs: timeOf("since", given.since),
    untilMs: timeOf("until", given.until),
  }
}

function timeOf(name: "since" | "until", text: string | undefined): number | null {
  if (text === undefined) return null
  const ms = parseTimestamp(text)
  if (ms === null)
    throw inputError(`${name} is not an RFC 3339 date and time`, { [name]: "is not an RFC 3339 date and time" })
  return ms
}

function placeOf(id: string): DeliveryPlace | null {
  const parsed = parseWebhookId(id)
  return parsed === null ? null : { event_id: parsed.eventId, hook_id: parsed.hookId }
}

// What is public of a pair is enough to check with, so its private key stays sealed.
const ownKey = (masterKey: MasterKey, row: HookSecretRow): OwnKey => ({
  alg: row.alg,
  key: row.public_key ?? opened(masterKey, row),
  createdAt: row.created_at,
  expiresAt: row.expires_at,
})

/** The text of a secret; null when this node cannot open it, which keeps nobody from looking at the delivery. */
function opened(masterKey: MasterKey, row: HookSecretRow): string | null {
  try {
    return openSecret(masterKey, row)
  } catch (error) {
    if (error instanceof SealError) return null
    throw error
  }
}
