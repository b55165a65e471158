export { migrations as peopleMigrations } from "./migrations.ts"
export { type PeopleRouteParts, peopleRoutes } from "./routes.ts"
export type { UserPlace } from "./store.ts"
