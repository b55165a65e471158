// Events out, as a whole: the hooks of the apps, what is written of every event for them, what sends it, and what asks
// backends before something happens. Builds those parts by hand; server.ts builds the house around them.

import { type Awaitable, chain } from "./base/chain.ts"
import type { Clock } from "./base/clock.ts"
import type { MasterKey } from "./base/crypto.ts"
import type { Logger } from "./base/log.ts"
import { createOutgoing } from "./base/outgoing.ts"
import type { Audit } from "./core/audit/index.ts"
import { type ApiSecrets, deliveryRoutes, selectHookStatus } from "./core/deliveries/index.ts"
import {
  createKeeper,
  createPruner,
  createRecorder,
  dispatchRoutes,
  freeLeases,
  webhookIdOf,
} from "./core/dispatch/index.ts"
import { createListeners, listenerRoutes } from "./core/listeners/index.ts"
import { metricsRoutes } from "./core/metrics/index.ts"
import {
  beforeMessageSendOf,
  createAppHookSettings,
  createHooksCache,
  disableHook,
  hookAdminRoutes,
  hookRoutes,
} from "./core/webhooks/index.ts"
import samples from "./core/webhooks/samples.json"
import type { Bus } from "./events/bus/bus.ts"
import type { Caches } from "./events/caches.ts"
import { createHookAsk, type HookAsk } from "./events/webhooks/ask.ts"
import { createEngine } from "./events/webhooks/engine.ts"
import type { HookKind, HookSender } from "./events/webhooks/hook.ts"
import { createHttpSender } from "./events/webhooks/http-sender.ts"
import { createListenSender } from "./events/webhooks/listen-sender.ts"
import { createNatsSender } from "./events/webhooks/nats-sender.ts"
import { createRedisSender } from "./events/webhooks/redis-sender.ts"
import { createSnsSender } from "./events/webhooks/sns-sender.ts"
import { createSqsSender } from "./events/webhooks/sqs-sender.ts"
import { parseBody } from "./request/input.ts"
import { type RequestInfo, setRequestInfo } from "./request/request-info.ts"
import type { AdminRoute, Route } from "./request/route.ts"
import type { Database, OutboxEvent, Read } from "./store/database.ts"

export interface HooksParts {
  readonly db: Database
  readonly bus: Bus
  readonly caches: Caches
  readonly clock: Clock
  readonly log: Logger
  readonly masterKey: MasterKey
  readonly audit: Audit
  /** Receivers may be at private addresses and without TLS. */
  readonly allowPrivate: boolean
  /** The newest active HMAC secret of a key; null when it has none, or is switched off. */
  readonly signingSecretOf: (apiKey: string) => Awaitable<string | null>
  /** The HMAC secrets of an app's key that are not revoked; null when the app has no such key. */
  readonly apiSecretsOf: (read: Read, appId: number, apiKey: string) => Awaitable<ApiSecrets | null>
  /** Open sockets of this node. */
  readonly socketCount: () => number
  /** Told of every attempt to deliver when it is over. Must not throw. */
  readonly attempted: (appId: number, succeeded: boolean) => void
}

export interface Hooks {
  /** Asks backends before something happens. */
  readonly ask: HookAsk
  /** Whom to ask before a message is sent; null: nobody. */
  readonly beforeMessageSendOf: (appId: number) => Awaitable<ReturnType<typeof beforeMessageSendOf>>
  /**
   * Tells backends of an event that changes nothing here, if a hook of the app wants it; resolves when that is durable.
   */
  readonly announce: (event: OutboxEvent, requestInfo: () => RequestInfo) => Awaitable<void>
  /** What UpdateApp changes of hooks, and GetApp shows. */
  readonly appSettings: ReturnType<typeof createAppHookSettings>
  readonly routes: readonly Route[]
  readonly adminRoutes: readonly AdminRoute[]
  /** Sends those who listen at the management API to other nodes, since their answers would not end by themselves. */
  drain(): void
  close(): Promise<void>
}

/** Builds the hooks. From then on every event of a transaction is written for those who want it. */
export async function createHooks(parts: HooksParts): Promise<Hooks> {
  const { db, bus, caches, clock, log, masterKey } = parts
  const { nodeId } = bus
  const outgoing = createOutgoing({ allowPrivate: parts.allowPrivate })
  const cache = createHooksCache({ caches, read: db.read, masterKey, signingSecretOf: parts.signingSecretOf })
  const listenSender = createListenSender()
  const senders: Record<HookKind, HookSender> = {
    webhook: createHttpSender({ outgoing }),
    sqs: createSqsSender({ outgoing }),
    sns: createSnsSender({ outgoing }),
    redis: createRedisSender({ outgoing }),
    nats: createNatsSender({ outgoing }),
    listen: listenSender,
  }
  if (!db.capabilities.supportsManyNodes) await freeLeases(db, clock.now())
  const engine = createEngine({
    keeper: createKeeper(db, nodeId),
    hookOf: cache.hook,
    signerOf: (hook) => cache.signer(hook, clock.now()),
    senders,
    async disable({ appId, id }) {
      const at = clock.now()
      const isOff = await db.transact(async (tx) => {
        if (!(await disableHook(tx, id, "gone", at))) return false
        tx.afterCommit(() => cache.changed(appId))
        const entry = { action: "hook.disabled", appId, actor: "receiver", address: null, at, target: { hook: id } }
        await parts.audit.append(tx, entry)
        return true
      })
      if (isOff) log.warn("a webhook receiver is gone, its hook is switched off", { app_id: appId, hook_id: id })
    },
    webhookIdOf,
    nodeId,
    attempted: parts.attempted,
    clock,
    log,
  })
  const ask = createHookAsk({
    outgoing,
    // No hook stands behind a question, so it is the app's API secret alone that signs it.
    signerOf: (appId) => cache.signer({ id: "", appId }, clock.now()),
    parse: parseBody,
    clock,
    log,
  })
  db.onEmitting(createRecorder({ hooks: cache, engine, nodeId }))
  const pruner = createPruner(db, clock, log)
  const listeners = createListeners({
    db,
    bus,
    masterKey,
    sender: listenSender,
    hooksChanged: cache.changed,
    audit: parts.audit.append,
    clock,
    log,
  })
  const settingsParts = {
    masterKey,
    objection: outgoing.objection,
    hooksChanged(appId: number) {
      cache.changed(appId)
      engine.changed(appId)
    },
  }
  return {
    ask,
    beforeMessageSendOf: (appId) => chain(cache.of(appId), ({ settings }) => beforeMessageSendOf(settings)),
    announce: (event, requestInfo) =>
      chain(cache.of(event.appId), (known) => {
        if (known.wanting(event.type).length === 0) return
        return db.transact(async (tx) => {
          setRequestInfo(tx, requestInfo)
          tx.emit(event)
        })
      }),
    appSettings: createAppHookSettings(settingsParts),
    routes: hookRoutes({ ...settingsParts, senders, signerOf: cache.signer }),
    adminRoutes: [
      ...hookAdminRoutes({ ...settingsParts, statusOf: selectHookStatus }),
      ...dispatchRoutes({ engine, samples }),
      ...deliveryRoutes({ masterKey, engine, apiSecretsOf: parts.apiSecretsOf }),
      ...listenerRoutes({ listeners, masterKey, nodeId }),
      ...metricsRoutes({ engineStats: engine.stats, asked: ask.counts, sockets: parts.socketCount }),
    ],
    drain: listeners.drain,
    async close() {
      await pruner.close()
      await listeners.close()
      await engine.close()
      await outgoing.close()
    },
  }
}
