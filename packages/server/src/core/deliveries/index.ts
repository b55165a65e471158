export { type DeliveryRouteParts, deliveryRoutes } from "./routes.ts"
export type { ApiSecrets } from "./rules.ts"
export { selectHookStatus } from "./store.ts"
