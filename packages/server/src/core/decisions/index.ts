export { createDecisions, type Decisions } from "./cache.ts"
export { migrations as decisionMigrations } from "./migrations.ts"
export {
  type DecisionRouteParts,
  decisionRoutes,
  type ExplainedType,
  type Explainer,
  type ProvedToken,
} from "./routes.ts"
export { remedyOf } from "./rules.ts"
