export { createNodeWatch, type NodeReport, type NodeWatch } from "./cache.ts"
export { limits as nodeLimits } from "./limits.ts"
export { nodeRoutes, type ShownSetting } from "./routes.ts"
