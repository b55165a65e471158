export { type Calls, callKey, createCalls } from "./cache.ts"
export { migrations } from "./migrations.ts"
export { callRoutes } from "./routes.ts"
export { audienceOf } from "./rules.ts"
