export { markWritten, type ReadParts, readRoutes, unreadOf } from "./routes.ts"
export { readStateResponse, showsReads, unreadOfMember } from "./rules.ts"
