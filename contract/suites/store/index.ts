// What the house expects of a database. Every dialect runs all of it, in one line.

import { describe } from "bun:test"
import type { Backend } from "./backends.ts"
import { filterSuite } from "./filters.ts"
import { migrationSuite } from "./migrations.ts"
import { outboxSuite } from "./outbox.ts"
import { pageSuite } from "./pages.ts"
import { transactionSuite } from "./transactions.ts"
import { valueSuite } from "./values.ts"

export { type Backend, postgresBackend, sqliteBackend, type TestDatabase, testBackends } from "./backends.ts"

/** Declares the tests of the store for one database. */
export function storeSuite(backend: Backend): void {
  describe(`store on ${backend.name}`, () => {
    transactionSuite(backend)
    outboxSuite(backend)
    migrationSuite(backend)
    valueSuite(backend)
    filterSuite(backend)
    pageSuite(backend)
  })
}
