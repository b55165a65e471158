export { actions as appActions, appResource } from "./actions.ts"
export { type AppHooks, requireApp, requireLockedApp } from "./routes.ts"
export { type AppSettings, appSettings, newApp, policyOf } from "./rules.ts"
export { type AppRow, type Environment, insertApp, lockApp, selectApp, selectApps, updateApp } from "./store.ts"
