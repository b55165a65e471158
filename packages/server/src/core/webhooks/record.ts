// What is done inside every transaction that emits: the deliveries of its events are rows of the same commit. An app
// without hooks pays for one look into a map.

import { type Awaitable, isPromise } from "../../base/chain.ts"
import type { Engine, HeldDelivery } from "../../events/webhooks/engine.ts"
import type { Hook } from "../../events/webhooks/hook.ts"
import { limits as engineLimits } from "../../events/webhooks/limits.ts"
import type { EmittingListener, OutboxEvent, Tx } from "../../store/database.ts"
import type { HooksCache, HooksOfApp } from "./cache.ts"
import { type DeliveryRow, insertDeliveries, insertHookEvents } from "./store.ts"

export interface RecorderParts {
  readonly hooks: HooksCache
  readonly engine: Pick<Engine, "now" | "hasRoom" | "offer" | "wake">
  readonly nodeId: string
}

/** Writes the deliveries that a transaction's events cause, and hands them to the engine after the commit. */
export function createRecorder({ hooks, engine, nodeId }: RecorderParts): EmittingListener {
  const record = async (tx: Tx, wanted: readonly Wanted[], now: number): Promise<void> => {
    const bodies = await Promise.all(wanted.map(({ event }) => event.webhook?.(tx) ?? ""))
    const ids = await insertHookEvents(
      tx,
      wanted.map(({ event }, index) => ({
        app_id: event.appId,
        type: event.type,
        stream: event.stream,
        body: bodies[index] as string,
        created_at: now,
      })),
    )
    const rows: DeliveryRow[] = []
    const held: HeldDelivery[] = []
    const free = new Map<string, number>()
    for (const [index, { event, by }] of wanted.entries()) {
      const body = bodies[index] as string
      const eventId = ids[index] as number
      for (const hook of by) {
        const isHeld = engine.hasRoom(hook, body.length)
        const dueAt = engine.now() + (isHeld ? engineLimits.leaseMs : 0)
        rows.push(newDelivery(event, hook.id, eventId, "event", now, dueAt, isHeld ? nodeId : null))
        if (isHeld) {
          const { appId, type, stream } = event
          held.push({ eventId, hookId: hook.id, appId, type, stream, body, attempts: 0, log: [] })
        } else free.set(hook.id, event.appId)
      }
    }
    await insertDeliveries(tx, rows)
    tx.afterCommit(() => {
      if (held.length > 0) engine.offer(held)
      for (const [hookId, appId] of free) engine.wake(hookId, appId)
    })
  }

  return (tx, events, now) => {
    const told = events.filter(({ webhook }) => webhook !== undefined)
    if (told.length === 0) return
    const apps = new Map<number, Awaitable<HooksOfApp>>()
    for (const { appId } of told) if (!apps.has(appId)) apps.set(appId, hooks.of(appId))
    const wantedOf = (known: ReadonlyMap<number, HooksOfApp>): Wanted[] =>
      told.flatMap((event) => {
        const by = known.get(event.appId)?.wanting(event.type) ?? []
        return by.length === 0 ? [] : [{ event, by }]
      })
    if (![...apps.values()].some(isPromise)) {
      const wanted = wantedOf(apps as Map<number, HooksOfApp>)
      return wanted.length === 0 ? undefined : record(tx, wanted, now)
    }
    const known = [...apps].map(async ([appId, found]): Promise<[number, HooksOfApp]> => [appId, await found])
    return Promise.all(known).then((pairs) => {
      const wanted = wantedOf(new Map(pairs))
      return wanted.length === 0 ? undefined : record(tx, wanted, now)
    })
  }
}

interface Wanted {
  readonly event: OutboxEvent
  readonly by: readonly Hook[]
}

/** A delivery that nobody has tried. Times in milliseconds; `dueAt` is the end of the lease when a node holds it. */
export const newDelivery = (
  { appId, type, stream }: Pick<OutboxEvent, "appId" | "type" | "stream">,
  hookId: string,
  eventId: number,
  source: DeliveryRow["source"],
  now: number,
  dueAt: number,
  leasedBy: string | null,
): DeliveryRow => ({
  event_id: eventId,
  hook_id: hookId,
  app_id: appId,
  type,
  stream,
  state: "pending",
  source,
  attempts: 0,
  due_at: dueAt,
  leased_by: leasedBy,
  status: null,
  fault: null,
  log: "[]",
  created_at: now,
  finished_at: null,
  replayed_at: null,
})
