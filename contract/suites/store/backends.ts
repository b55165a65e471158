// Real databases for tests, made for one suite and thrown away after it.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SQL } from "bun"
import type { DatabaseLocation } from "../../../packages/server/src/store/open.ts"

export interface Backend {
  readonly name: "sqlite" | "postgres"
  /** A new, empty database. */
  create(): Promise<TestDatabase>
}

export interface TestDatabase {
  readonly location: DatabaseLocation
  drop(): Promise<void>
}

export const sqliteBackend: Backend = {
  name: "sqlite",
  async create() {
    const dir = mkdtempSync(join(tmpdir(), "weir-store-"))
    return {
      location: { kind: "sqlite", path: join(dir, "weir.db") },
      async drop() {
        rmSync(dir, { recursive: true, force: true })
      },
    }
  },
}

/**
 * Databases on the server at WEIR_TEST_POSTGRES_URL, whose role may create them. They sort texts by the rules of a
 * language, so that a query which relies on the database's own order fails here and not at a user's.
 */
export function postgresBackend(serverUrl: string): Backend {
  const onServer = async (statement: string): Promise<void> => {
    const sql = new SQL(serverUrl, { max: 1 })
    try {
      await sql.unsafe(statement)
    } finally {
      await sql.close()
    }
  }
  return {
    name: "postgres",
    async create() {
      const name = `weir_test_${crypto.randomUUID().replaceAll("-", "")}`
      await onServer(
        `create database ${name} template template0 encoding 'UTF8' locale_provider icu icu_locale 'en-US'`,
      )
      const url = new URL(serverUrl)
      url.pathname = `/${name}`
      return {
        location: { kind: "postgres", url: url.href },
        drop: () => onServer(`drop database if exists ${name} with (force)`),
      }
    },
  }
}

/** SQLite always; Postgres where WEIR_TEST_POSTGRES_URL names a server. */
export function testBackends(): Backend[] {
  const url = process.env.WEIR_TEST_POSTGRES_URL
  if (url) return [sqliteBackend, postgresBackend(url)]
  console.log("WEIR_TEST_POSTGRES_URL is not set: tests on Postgres are skipped")
  return [sqliteBackend]
}
