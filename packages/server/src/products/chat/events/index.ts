export { type Announce, type EventParts, eventRoutes } from "./routes.ts"
