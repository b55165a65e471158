// A sealed column that a rotation does not know of would be lost with the key that sealed it.

import { Database as SqliteFile } from "bun:sqlite"
import { afterAll, beforeAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { asAdmin } from "../test/fixtures.ts"
import { addTotp, setUpOwner } from "../test/operator-page.ts"
import { open } from "./base/crypto.ts"
import { loadMasterKey } from "./config/secrets.ts"
import type { SealedRow } from "./core/keys/store.ts"
import { sealedPlaces } from "./sealed.ts"
import { startTestServer, type TestServer } from "./testing.ts"

let folder: string
let server: TestServer
let file: SqliteFile
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weir-sealed-"))
  server = await startTestServer({ dataDir: folder })
  const made = await server.call("POST", "/api/admin/v1/apps", { ...asAdmin, body: { name: "other" } })
  expect(made.status).toBe(201)
  const hook = {
    hook_type: "sqs",
    sqs_queue_url: "https://sqs.eu-west-1.amazonaws.com/123456789012/events",
    sqs_key: "AKID",
    sqs_secret: "sqs-secret",
  }
  const path = `/api/admin/v1/apps/${made.body.app.id}/hooks`
  expect((await server.call("POST", path, { ...asAdmin, body: hook })).status).toBe(201)
  await addTotp(await setUpOwner(server))
  file = new SqliteFile(join(folder, "weir.db"), { readonly: true })
})
afterAll(async () => {
  file.close()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

const tables = (): string[] =>
  (file.query("select name from sqlite_master where type = 'table'").all() as { name: string }[]).map(
    ({ name }) => name,
  )
const columnsOf = (table: string): string[] =>
  (file.query(`select name from pragma_table_info('${table}')`).all() as { name: string }[]).map(({ name }) => name)
const known = sealedPlaces.map(({ table, sealed }) => `${table}.${sealed}`).sort()

test("every column that is named so is in the list", () => {
  const named = tables().flatMap((table) =>
    columnsOf(table)
      .filter((column) => /seal/i.test(column))
      .map((column) => `${table}.${column}`),
  )
  expect(named.sort()).toEqual(known)
})

test("every value of the form is in one of these columns, whatever its column is named", () => {
  const found = new Set<string>()
  for (const table of tables()) {
    for (const row of file.query(`select * from "${table}"`).all() as Record<string, unknown>[]) {
      for (const [column, value] of Object.entries(row)) {
        if (typeof value === "string" && /^v\d+\.([\w-]{22}\.)?[\w-]{16}\.[\w-]{22,}$/.test(value))
          found.add(`${table}.${column}`)
      }
    }
  }
  expect([...found].sort()).toEqual(known)
})

test("the context of every value is the one that it was sealed with", () => {
  const { key } = loadMasterKey(server.config)
  for (const place of sealedPlaces) {
    const rows = file.query(`select * from "${place.table}"`).all() as SealedRow[]
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) {
      const shown = Object.fromEntries(
        [...place.key, place.sealed, ...place.also].map((name) => [name, row[name] ?? ""]),
      )
      expect(open(key, String(row[place.sealed]), place.context(shown))).not.toBe("")
    }
  }
})
