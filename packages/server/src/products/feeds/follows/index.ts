export { createRelations } from "./cache.ts"
export { migrations } from "./migrations.ts"
export { createReadFollows, createSettleFollows, followRoutes } from "./routes.ts"
