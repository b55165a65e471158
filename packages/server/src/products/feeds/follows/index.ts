export { createRelations } from "./cache.ts"
export { migrations } from "./migrations.ts"
export { createReadFollows, createSettleFollows, endFollowsOf, followRoutes } from "./routes.ts"
