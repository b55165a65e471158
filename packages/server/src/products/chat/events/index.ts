export { type EventParts, eventRoutes } from "./routes.ts"
