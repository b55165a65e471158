import { inputError, notFoundError, webhooks as operations } from "@weir/protocol"
import type { Awaitable } from "../../base/chain.ts"
import { type MasterKey, open, SealError, sealContext } from "../../base/crypto.ts"
import type { Engine, LaneStats, LoggedAttempt } from "../../events/webhooks/engine.ts"
import { type AdminRoute, adminRead, adminRoute } from "../../request/route.ts"
import type { Read } from "../../store/database.ts"
import { parseTimestamp } from "../../store/filter.ts"
import { selectApp } from "../apps/index.ts"
import {
  type HookRow,
  type HookSecretRow,
  insertDeliveries,
  insertHookEvents,
  newDelivery,
  parseWebhookId,
  selectHook,
  selectHooks,
  webhookIdOf,
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
  type Samples,
  testEventOf,
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
  selectSecrets,
} from "./store.ts"

export interface DeliveryRouteParts {
  readonly masterKey: MasterKey
  /** The time that deliveries are dated with; there is something to do for a hook; what this node is doing. */
  readonly engine: Pick<Engine, "now" | "wake" | "stats">
  /** The HMAC secrets of an app's key that are not revoked; null when the app has no such key. */
  readonly apiSecretsOf: (read: Read, appId: number, apiKey: string) => Awaitable<ApiSecrets | null>
  /** Bodies of events, by type. */
  readonly samples: Samples
}

/** What became of the events that were sent to hooks. */
export const deliveryRoutes = (parts: DeliveryRouteParts): AdminRoute[] => [
  adminRead(operations.listDeliveries, async ({ input, read }) => {
    const appId = await requireApp(read, input.path.app)
    const { query } = input
    const page = await selectDeliveries(read, filterOf(appId, query), {
      after: parseCursor(query.next),
      limit: query.limit ?? limits.pageSizeDefault,
    })
    const now = parts.engine.now()
    return { deliveries: page.rows.map((row) => deliveryView(row, now)), next: cursorText(page.next) }
  }),

  adminRead(operations.readDelivery, async ({ input, read }) => {
    const appId = await requireApp(read, input.path.app)
    const id = input.path.delivery
    const place = placeOf(id)
    const row = place === null ? undefined : await selectDelivery(read, appId, place)
    // Another app's delivery is as absent as one that never was.
    if (row === undefined) throw notFoundError("delivery", id)
    const log = JSON.parse(row.log) as LoggedAttempt[]
    const secrets = await selectSecrets(read, appId, row.hook_id, limits.secretsCheckedMax)
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
    const appId = await requireApp(tx, input.path.app)
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
      if (filter.hookId !== null) await requireHook(tx, appId, filter.hookId)
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

  adminRoute(operations.sendTestEvent, async ({ input, tx, now, audit }) => {
    const appId = await requireApp(tx, input.path.app)
    const hook = await requireHook(tx, appId, input.path.hook)
    if (hook.enabled === 0) {
      const why = hook.disabled_reason === "gone" ? "its receiver answered 410" : "an operator did so"
      throw inputError(`the hook is switched off (${why}); enable it first`, { hook: "is switched off" })
    }
    const { type, body } = testEventOf(input.body, parts.samples, now)
    const stream = `test:${hook.id}`
    const [eventId] = await insertHookEvents(tx, [{ app_id: appId, type, stream, body, created_at: now }])
    const event = { appId, type, stream }
    const dueAt = parts.engine.now()
    await insertDeliveries(tx, [newDelivery(event, hook.id, eventId as number, "test", now, dueAt, null)])
    tx.afterCommit(() => parts.engine.wake(hook.id, appId))
    const id = webhookIdOf(eventId as number, hook.id)
    audit({ action: "delivery.tested", appId, target: { app: appId, hook: hook.id }, after: { delivery: id, type } })
    return { delivery: { id } }
  }),

  adminRead(operations.getWebhookStats, async ({ input, read, now }) => {
    const appId = await requireApp(read, input.path.app)
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

/** The delivery with this id; null for another spelling of it, too, since receivers compare ids as texts. */
function placeOf(id: string): DeliveryPlace | null {
  const parsed = parseWebhookId(id)
  if (parsed === null || webhookIdOf(parsed.eventId, parsed.hookId) !== id) return null
  return { event_id: parsed.eventId, hook_id: parsed.hookId }
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
    return open(masterKey, row.sealed, sealContext("webhook-secret", row.app_id, row.hook_id, row.id))
  } catch (error) {
    if (error instanceof SealError) return null
    throw error
  }
}

async function requireApp(read: Read, id: string): Promise<number> {
  const app = await selectApp(read, Number(id))
  if (app === undefined) throw notFoundError("app", id)
  return app.id
}

async function requireHook(read: Read, appId: number, id: string): Promise<HookRow> {
  const hook = await selectHook(read, appId, id)
  if (hook === undefined) throw notFoundError("hook", id)
  return hook
}
