export { type TokenRouteParts, tokenRoutes } from "./routes.ts"
