export { createHooksCache, type HooksCache } from "./cache.ts"
export { createKeeper, createPruner, type Pruner, prune } from "./keeper.ts"
export { migrations as hookMigrations } from "./migrations.ts"
export { createRecorder, newDelivery } from "./record.ts"
export { type HookAdminParts, type HookRouteParts, hookAdminRoutes, hookRoutes } from "./routes.ts"
export {
  beforeMessageSendOf,
  faultOf,
  type HookSpec,
  hookFacts,
  newHookRow,
  parseWebhookId,
  requireEventTypes,
  secretContext,
  webhookIdOf,
} from "./rules.ts"
export { createAppHookSettings } from "./settings.ts"
export {
  type DeliveryRow,
  type DeliveryState,
  deleteHooks,
  disableHook,
  freeLeases,
  type HookRow,
  type HookSecretRow,
  insertDeliveries,
  insertHook,
  insertHookEvents,
  insertHookSecrets,
  selectHook,
  selectHooks,
} from "./store.ts"
