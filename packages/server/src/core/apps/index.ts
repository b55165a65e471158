export { newApp } from "./rules.ts"
export { type AppRow, type Environment, insertApp, selectApp, selectApps } from "./store.ts"
