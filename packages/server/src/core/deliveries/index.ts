export { type DeliveryRouteParts, deliveryRoutes } from "./routes.ts"
export type { ApiSecrets, Samples } from "./rules.ts"
