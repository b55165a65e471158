// What is done inside every transaction that emits: the deliveries of its events are rows of the same commit. An app
// without hooks pays for one look into a map.

import { type Awaitable, chain, isPromise } from "../../base/chain.ts"
import type { Engine, HeldDelivery } from "../../events/webhooks/engine.ts"
import type { Hook } from "../../events/webhooks/hook.ts"
import { limits as engineLimits } from "../../events/webhooks/limits.ts"
import type { EmittingListener, OutboxEvent, Tx } from "../../store/database.ts"
import type { HooksCache, HooksOfApp } from "../webhooks/index.ts"
import { newDelivery } from "./rules.ts"
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
        const plan = { eventId, hookId: hook.id, source: "event", leasedBy: isHeld ? nodeId : null } as const
        rows.push(newDelivery(event, plan, now, dueAt))
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
    const write = (known: ReadonlyMap<number, HooksOfApp>): Awaitable<void> => {
      const wanted = told.flatMap((event) => {
        const by = known.get(event.appId)?.wanting(event.type) ?? []
        return by.length === 0 ? [] : [{ event, by }]
      })
      if (wanted.length > 0) return record(tx, wanted, now)
    }
    return chain(allOf(apps), write)
  }
}

/** A map of what is there or promised, as one that is there or promised. */
function allOf<K, V>(map: ReadonlyMap<K, Awaitable<V>>): Awaitable<ReadonlyMap<K, V>> {
  if (![...map.values()].some(isPromise)) return map as ReadonlyMap<K, V>
  return Promise.all([...map].map(async ([key, value]): Promise<[K, V]> => [key, await value])).then(
    (pairs) => new Map(pairs),
  )
}

interface Wanted {
  readonly event: OutboxEvent
  readonly by: readonly Hook[]
}
