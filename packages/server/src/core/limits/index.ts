export { type AppLimits, createAppLimits } from "./cache.ts"
export { migrations as limitMigrations } from "./migrations.ts"
export { limitAdminRoutes, limitRoutes } from "./routes.ts"
