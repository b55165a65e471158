export { createHooksCache, type HooksCache, type HooksOfApp } from "./cache.ts"
export { limits as hookLimits } from "./limits.ts"
export { migrations as hookMigrations } from "./migrations.ts"
export { type HookAdminParts, type HookRouteParts, hookAdminRoutes, hookRoutes, requireHook } from "./routes.ts"
export {
  beforeMessageSendOf,
  faultOf,
  type HookSpec,
  type HookStatus,
  hookFacts,
  newHookRow,
  requireEventTypes,
} from "./rules.ts"
export {
  newSecrets,
  newSecretView,
  openSecret,
  type PlainSecret,
  type SealedSecret,
  sealSecret,
} from "./secrets.ts"
export { createAppHookSettings } from "./settings.ts"
export {
  deleteHooks,
  disableHook,
  type HookRow,
  type HookSecretRow,
  insertHook,
  insertHookSecrets,
  selectHooks,
  selectSecretsOfHook,
} from "./store.ts"
