import { inputError, webhooks as operations } from "@weir/protocol"
import type { Engine } from "../../events/webhooks/engine.ts"
import { type AdminRoute, adminRoute } from "../../request/route.ts"
import { requireHook } from "../webhooks/index.ts"
import { newDelivery, type Samples, testEventOf, webhookIdOf } from "./rules.ts"
import { insertDeliveries, insertHookEvents } from "./store.ts"

export interface DispatchRouteParts {
  /** The time that deliveries are dated with; there is something to do for a hook. */
  readonly engine: Pick<Engine, "now" | "wake">
  /** Bodies of events, by type. */
  readonly samples: Samples
}

/** What an operator sends to a hook by hand. */
export const dispatchRoutes = ({ engine, samples }: DispatchRouteParts): AdminRoute[] => [
  adminRoute(operations.sendTestEvent, async ({ input, tx, now, audit }) => {
    const { appId, hook } = await requireHook(tx, input.path)
    if (hook.enabled === 0) {
      const why = hook.disabled_reason === "gone" ? "its receiver answered 410" : "an operator did so"
      throw inputError(`the hook is switched off (${why}); enable it first`, { hook: "is switched off" })
    }
    const { type, body } = testEventOf(input.body, samples, now)
    const stream = `test:${hook.id}`
    const [eventId] = (await insertHookEvents(tx, [{ app_id: appId, type, stream, body, created_at: now }])) as [number]
    const place = { eventId, hookId: hook.id, source: "test" as const }
    await insertDeliveries(tx, [newDelivery({ appId, type, stream }, place, now, engine.now())])
    tx.afterCommit(() => engine.wake(hook.id, appId))
    const id = webhookIdOf(eventId, hook.id)
    audit({ action: "delivery.tested", appId, target: { app: appId, hook: hook.id }, after: { delivery: id, type } })
    return { delivery: { id } }
  }),
]
