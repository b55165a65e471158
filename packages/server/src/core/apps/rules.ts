import type { AppRow, Environment } from "./store.ts"

/** A new app. `id` is a number of 7 to 9 digits: it appears in URLs of the management API and in logs. */
export const newApp = (id: number, name: string, environment: Environment, now: number): AppRow => ({
  id,
  name,
  environment,
  suspended: 0,
  revoke_tokens_issued_before: null,
  created_at: now,
  updated_at: now,
})

/** The app as the wire shows it (contract/auth.md §1.10). */
export const appResponse = (row: AppRow) => ({
  id: row.id,
  name: row.name,
  environment: row.environment,
  suspended: row.suspended === 1,
  created_at: new Date(row.created_at).toISOString(),
  updated_at: new Date(row.updated_at).toISOString(),
})
