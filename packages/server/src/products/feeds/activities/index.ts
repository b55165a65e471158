export { migrations } from "./migrations.ts"
export { activityRoutes, createReadActivities } from "./routes.ts"
