export { markWritten, type ReadParts, readRoutes, unreadOf } from "./routes.ts"
export { readStateResponse, showsReads } from "./rules.ts"
