export { createRevocations, type Revocations } from "./cache.ts"
export { migrations as revocationMigrations } from "./migrations.ts"
export {
  type NewRevocation,
  type RevocationRouteParts,
  receiptKeys,
  revocationRoutes,
  revoke,
  revokeWithReceipt,
} from "./routes.ts"
export { applyRows, createTruth, endError, type Receipt, revocationResponse, type Truth } from "./rules.ts"
export { type RevocationRow, selectDatabaseNow, takeNonce } from "./store.ts"
