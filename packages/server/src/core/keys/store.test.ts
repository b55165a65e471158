// Keys and secrets in the database itself: what it refuses, what a moved row is worth, and what an upgrade leaves.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { databaseKinds } from "../../../test/fixtures.ts"
import { systemClock } from "../../base/clock.ts"
import { generateMasterKeyText, parseMasterKey } from "../../base/crypto.ts"
import { createLocalBus } from "../../events/bus/local.ts"
import { createCaches } from "../../events/caches.ts"
import type { Read } from "../../store/database.ts"
import { type Migration, migrate } from "../../store/migrate.ts"
import { openDatabase } from "../../store/open.ts"
import { createPostgresDatabase } from "../../testing.ts"
import { insertApp, newApp } from "../apps/index.ts"
import { migrations as appMigrations } from "../apps/migrations.ts"
import { createKeyStates } from "./cache.ts"
import { migrations } from "./migrations.ts"
import { newKey, newSecret } from "./rules.ts"
import { insertKey, insertSecret, selectSecrets, updateSecret } from "./store.ts"

for (const kind of databaseKinds) {
  describe(`stored secrets on ${kind}`, () => {
    const masterKey = parseMasterKey(generateMasterKeyText()) as NonNullable<ReturnType<typeof parseMasterKey>>
    let db: Opened["db"]
    let close: Opened["close"]
    beforeAll(async () => {
      ;({ db, close } = await openWith(kind, migrations))
    })
    afterAll(() => close())

    const keyStates = (read: Read = db.read) =>
      createKeyStates(createCaches(createLocalBus(), systemClock), read, masterKey)
    const insertKeyOf = async (appId: number) => {
      const made = newKey(masterKey, appId, "", Date.now(), "operator")
      await db.transact(async (tx) => {
        await insertApp(tx, newApp(appId, "app", "development", Date.now()))
        await insertKey(tx, made.key)
        await insertSecret(tx, made.secretRow)
      })
      return made
    }

    test("case 50: whoever can write to the database cannot put one app's secret into another app's row", async () => {
      const [mine, theirs] = [await insertKeyOf(1_000_001), await insertKeyOf(1_000_002)]
      const proves = async (apiKey: string) =>
        (await keyStates().get(apiKey))?.verificationKeys[0]?.key.export().toString()
      expect(await proves(theirs.key.api_key)).toBe(theirs.secret)
      await db.transact((tx) =>
        tx
          .updateTable("secrets")
          .set({ sealed: mine.secretRow.sealed })
          .where("api_key", "=", theirs.key.api_key)
          .execute(),
      )
      await expect(proves(theirs.key.api_key)).rejects.toThrow("does not open")
      expect(await proves(mine.key.api_key)).toBe(mine.secret)
    })

    test("case 15: the database itself refuses a second secret of one name in an app", async () => {
      const [mine, other] = [await insertKeyOf(1_000_003), await insertKeyOf(1_000_004)]
      const second = newKey(masterKey, 1_000_003, "", Date.now(), "operator")
      const { kid } = mine.secretRow
      await db.transact((tx) => insertKey(tx, second.key))
      const named = (appId: number, apiKey: string) =>
        newSecret(masterKey, { appId, apiKey }, { kid }, Date.now(), "operator").row
      const insert = (row: ReturnType<typeof named>) => db.transact((tx) => insertSecret(tx, row))
      await expect(insert(named(1_000_003, second.key.api_key))).rejects.toThrow("a row with the same")
      await insert(named(1_000_004, other.key.api_key))
    })

    test("the gate verifies with active ones before retiring ones, the newest first, and with no others", async () => {
      const { key, secretRow } = await insertKeyOf(1_000_005)
      const place = { appId: 1_000_005, apiKey: key.api_key }
      const states = ["retiring", "standby", "active", "revoked", "retiring"] as const
      for (const [index, state] of states.entries()) {
        const { row } = newSecret(masterKey, place, { kid: `${state}${index}` }, Date.now() + index, "operator")
        await db.transact((tx) => insertSecret(tx, { ...row, state }))
      }
      const kids = async () => (await keyStates().get(key.api_key))?.verificationKeys.map(({ kid }) => kid)
      expect(await kids()).toEqual(["active2", secretRow.kid, "retiring4", "retiring0"])
      const now = Date.now() + 10_000
      await db.transact((tx) => updateSecret(tx, secretRow, { state: "retiring", state_since: now }))
      expect(await kids()).toEqual(["active2", secretRow.kid, "retiring4", "retiring0"])
      await db.transact((tx) => updateSecret(tx, { ...secretRow, kid: "active2" }, { state: "revoked" }))
      expect(await kids()).toEqual([secretRow.kid, "retiring4", "retiring0"])
      expect(await selectSecrets(db.read, [key.api_key], 100)).toHaveLength(6)
    })

    test("secrets of the first version stay as they were: active, of no label, with their time", async () => {
      const older = await openWith(kind, migrations.slice(0, 1))
      try {
        const { key, secretRow, secret } = newKey(masterKey, 1_000_006, "old", 1_700_000_000_000, "")
        await older.db.transact(async (tx) => {
          await insertApp(tx, newApp(1_000_006, "app", "development", 1_700_000_000_000))
          const { disabled: _, ...oldKey } = key
          const { label: _l, created_by: _c, imported: _i, state_since: _s, ...oldSecret } = secretRow
          await insertKey(tx, oldKey as typeof key)
          // Not by insertSecret, which knows tables that were not there yet.
          await tx
            .insertInto("secrets")
            .values(oldSecret as typeof secretRow)
            .execute()
        })
        await migrate(older.db, [
          { module: "apps", migrations: appMigrations },
          { module: "keys", migrations },
        ])
        const [row] = await selectSecrets(older.db.read, [key.api_key], 10)
        expect(row).toEqual({ ...secretRow, created_by: "", state_since: 1_700_000_000_000 })
        const state = await keyStates(older.db.read).get(key.api_key)
        expect(state).toMatchObject({ disabled: false, apiKey: key.api_key })
        expect(state?.verificationKeys[0]?.key.export().toString()).toBe(secret)
      } finally {
        await older.close()
      }
    })
  })
}

type Opened = Awaited<ReturnType<typeof openWith>>

/** A fresh database that has had these migrations of the module. */
async function openWith(kind: (typeof databaseKinds)[number], ofKeys: readonly Migration[]) {
  const folder = mkdtempSync(join(tmpdir(), "weir-test-"))
  const postgres = kind === "postgres" ? await createPostgresDatabase() : null
  const db = await openDatabase(
    postgres === null ? { kind: "sqlite", path: join(folder, "weir.db") } : { kind: "postgres", url: postgres.url },
  )
  await migrate(db, [
    { module: "apps", migrations: appMigrations },
    { module: "keys", migrations: ofKeys },
  ])
  return {
    db,
    async close() {
      await db.close()
      await postgres?.drop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
