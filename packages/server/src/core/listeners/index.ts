export { createListeners, type ListenerParts, type Listeners } from "./keeper.ts"
export { listenerRoutes } from "./routes.ts"
