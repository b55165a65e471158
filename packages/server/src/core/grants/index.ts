export { type GrantScopeSource, grantRoutes } from "./routes.ts"
