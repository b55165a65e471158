// Something of a user that an export does not know of would be kept from whoever asks for all of it.

import { Database as SqliteFile } from "bun:sqlite"
import { afterAll, beforeAll, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startTestServer, type TestServer } from "./testing.ts"
import { userPlaces } from "./user-data.ts"

let folder: string
let server: TestServer
let file: SqliteFile
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weir-user-data-"))
  server = await startTestServer({ dataDir: folder })
  file = new SqliteFile(join(folder, "weir.db"), { readonly: true })
})
afterAll(async () => {
  file.close()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

const columnsOf = (table: string): { name: string; type: string }[] =>
  file.query(`select name, type from pragma_table_info('${table}')`).all() as { name: string; type: string }[]

test("every column of an app's table that names a user is in the list", () => {
  const tables = (file.query("select name from sqlite_master where type = 'table'").all() as { name: string }[])
    .map(({ name }) => name)
    .filter((table) => columnsOf(table).some(({ name }) => name === "app_id"))
  const found = tables.flatMap((table) =>
    columnsOf(table)
      .filter(({ name }) => /(^|_)user_id$|_by_id$/.test(name))
      .map(({ name }) => `${table}.${name}`),
  )
  const known = userPlaces.map(({ table, user }) => `${table}.${user}`)
  expect(found.length).toBeGreaterThan(10)
  expect(found.filter((column) => !known.includes(column))).toEqual([])
})

test("every place is as the list says: its columns are there, and its times are all named", () => {
  for (const place of userPlaces) {
    const columns = columnsOf(place.table).map(({ name }) => name)
    const { json = [], times = [], seconds = [], flags = [], without = [] } = place
    const named = [place.user, ...place.key, ...json, ...times, ...seconds, ...flags, ...without]
    expect([place.kind, named.filter((name) => !columns.includes(name))]).toEqual([place.kind, []])
    const unnamed = columns
      .filter((name) => /_at$|^last_|^first_|_before$|_ms$/.test(name))
      .filter((name) => !named.includes(name))
    expect([place.kind, unnamed.filter((name) => name !== "last_read_message_id")]).toEqual([place.kind, []])
  }
})

test("the rows of a place are found by an index, not by a look at every row", () => {
  for (const { kind, table, user, where } of userPlaces) {
    const more = where === undefined ? "" : ` and ${where[0]} = 'x'`
    const plan = file.query(`explain query plan select * from ${table} where app_id = 1 and ${user} = 'x'${more}`).all()
    const text = (plan as { detail: string }[]).map(({ detail }) => detail).join()
    expect([kind, text]).toEqual([kind, expect.stringMatching(new RegExp(`${user}=\\?`))])
  }
})
