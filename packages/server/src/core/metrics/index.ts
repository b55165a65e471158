export { type MetricsRouteParts, metricsRoutes } from "./routes.ts"
