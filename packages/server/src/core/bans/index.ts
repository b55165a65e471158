export { migrations as banMigrations } from "./migrations.ts"
export { banRoutes, banTaskKind, createBanEnd } from "./routes.ts"
export type { BanChannel, BanChannels } from "./rules.ts"
