export * from "./calls/operations.ts"
export * from "./calls/schemas.ts"
