// `weir master-key …` and what `weir doctor` says of master keys, beside a running server.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { generateMasterKeyText, type MasterKey, parseMasterKey } from "@weir/server/base/crypto"
import {
  createPostgresDatabase,
  serverToken,
  startTestServer,
  type TestServer,
  testAdminToken,
} from "@weir/server/testing"
import { run } from "../src/main.ts"
import { whileRotationIsOurs } from "../src/rotation-lock.ts"

const kinds = process.env.WEIR_TEST_POSTGRES_URL ? (["sqlite", "postgres"] as const) : (["sqlite"] as const)
const folders: string[] = []
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "weir-master-key-"))
  folders.push(folder)
  return folder
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
const idOf = (text: string): string => (parseMasterKey(text) as MasterKey).currentId
const linesOf = (folder: string): string[] => readFileSync(join(folder, "master.key"), "utf8").trim().split("\n")

async function weir(words: string[], env: Record<string, string>): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const code = await run(words, {
    env,
    print: (line) => out.push(`${line}\n`),
    complain: (line) => err.push(`${line}\n`),
    readInput: async () => "",
    now: Date.now,
  })
  return { code, out: out.join(""), err: err.join("") }
}

for (const kind of kinds) {
  describe(`weir master-key on ${kind}`, () => {
    let folder: string
    let server: TestServer
    let env: Record<string, string>
    let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null
    beforeAll(async () => {
      folder = newFolder()
      if (kind === "postgres") database = await createPostgresDatabase()
      env = { WEIR_DATA_DIR: folder, WEIR_PORT: "0", ...(database === null ? {} : { WEIR_DATABASE_URL: database.url }) }
      server = await startTestServer({ env, dataDir: folder })
    })
    afterAll(async () => {
      await server.close()
      await database?.drop()
    })

    test("status names keys by their ids, with the values that each has sealed", async () => {
      const [text = ""] = linesOf(folder)
      const { code, out, err } = await weir(["master-key", "status"], env)
      expect({ code, err }).toEqual({ code: 0, err: "" })
      // One secret of the first app, the key of receipts, and what signs the sessions of operators.
      expect(out).toMatch(new RegExp(`^ {2}${idOf(text)} {2}current, seals here, 3 values$`, "m"))
      expect(out).toMatch(new RegExp(`^ {2}\\w+ {2}seals with ${idOf(text)}, has ${idOf(text)}$`, "m"))
      expect(out).toEndWith("next: nothing; everything is sealed with the one key\n")
      const json = JSON.parse((await weir(["master-key", "status", "--json"], env)).out)
      expect(json).toMatchObject({
        current_id: idOf(text),
        key_ids: [idOf(text)],
        sealed: { [idOf(text)]: 3 },
        nodes: [{ current_id: idOf(text), key_ids: [idOf(text)] }],
        next: { kind: "settled" },
      })
      expect(out + JSON.stringify(json)).not.toContain(text)
    })

    test("rotate does it all, the server goes on, and the audit log has it", async () => {
      const [before = ""] = linesOf(folder)
      const { code, out, err } = await weir(["master-key", "rotate"], env)
      expect({ code, err }).toEqual({ code: 0, err: "" })
      const after = linesOf(folder)
      const id = idOf(after[0] ?? "")
      expect(after).toHaveLength(1)
      expect(id).not.toBe(idOf(before))
      expect(out.split("\n").slice(0, -2)).toEqual([
        `added ${id}`,
        `${id} seals from now on`,
        `${id} is the current key; all others are retired`,
        "sealed 3 values anew",
        "dropped the keys that nothing needs any more",
      ])
      for (const text of [before, ...after]) expect(out).not.toContain(text)
      expect((await server.call("GET", "/api/v2/app", { as: serverToken() })).status).toBe(200)
      const admin = { as: `Bearer ${testAdminToken}`, apiKey: null, authType: null }
      expect((await server.call("POST", "/api/admin/v1/apps", { ...admin, body: { name: "later" } })).status).toBe(201)
      const status = await weir(["master-key", "status"], env)
      expect(status.out).toMatch(new RegExp(`^ {2}${id} +current, seals here, 4 values$`, "m"))
      expect(status.out).toMatch(new RegExp(`^ {2}${idOf(before)} +retired, not here, 0 values$`, "m"))
      const { body } = await server.call("GET", "/api/admin/v1/audit", admin)
      expect(body.entries?.find(({ action }: { action: string }) => action === "master_key.rotated")).toMatchObject({
        actor: "command line",
        before: { key_id: idOf(before) },
        after: { key_id: id },
      })
    }, 30_000)

    test("doctor tells the ring, and a key that is not the database's", async () => {
      const finding = async (settings: Record<string, string>) => {
        const { out } = await weir(["doctor", "--json"], settings)
        return JSON.parse(out).findings.filter(({ check }: { check: string }) => check === "master key")
      }
      const [text = ""] = linesOf(folder)
      const other = generateMasterKeyText()
      expect(await finding(env)).toEqual([
        { check: "master key", status: "ok", detail: `from ${join(folder, "master.key")}` },
      ])
      const both = await finding({ ...env, WEIR_MASTER_KEY: `${other},${text}` })
      expect(both.map(({ status }: { status: string }) => status)).toEqual(["warn"])
      renameSync(join(folder, "master.key"), join(folder, "away"))
      try {
        expect(await finding({ ...env, WEIR_MASTER_KEY: `${other},${text}` })).toEqual([
          {
            check: "master key",
            status: "ok",
            detail: `from WEIR_MASTER_KEY; 2 keys, ${idOf(other)} seals: see "weir master-key status"`,
          },
        ])
        expect(await finding({ ...env, WEIR_MASTER_KEY: other })).toEqual([
          {
            check: "master key",
            status: "fail",
            detail: `from WEIR_MASTER_KEY, but the database belongs to the key ${idOf(text)}`,
          },
        ])
        expect(await finding(env)).toMatchObject([{ status: "fail", detail: expect.stringContaining(idOf(text)) }])
        expect(existsSync(join(folder, "master.key"))).toBe(false)
      } finally {
        renameSync(join(folder, "away"), join(folder, "master.key"))
      }
    })

    test("a key that is not the database's changes nothing", async () => {
      const outcome = await weir(["master-key", "rotate"], { ...env, WEIR_MASTER_KEY: generateMasterKeyText() })
      expect(outcome).toMatchObject({ code: 1, out: "", err: expect.stringContaining("belongs to another master key") })
      const status = await weir(["master-key", "status"], { ...env, WEIR_MASTER_KEY: generateMasterKeyText() })
      expect(status.code).toBe(1)
    })
  })
}

test("a rotation keeps a second one away from its folder, and only while it runs", async () => {
  const folder = newFolder()
  const server = await startTestServer({ dataDir: folder })
  try {
    const before = linesOf(folder)
    const env = { WEIR_DATA_DIR: folder }
    const refused = await whileRotationIsOurs(folder, () => weir(["master-key", "rotate"], env))
    expect(refused).toMatchObject({ code: 1, out: "", err: expect.stringContaining("another process changes") })
    expect(linesOf(folder)).toEqual(before)
    expect(statSync(join(folder, "rotation.lock")).mode & 0o777).toBe(0o600)
    expect((await weir(["master-key", "rotate"], env)).code).toBe(0)
  } finally {
    await server.close()
  }
}, 30_000)

test("nothing is made where nothing is: one line says what is missing", async () => {
  const folder = newFolder()
  const env = { WEIR_DATA_DIR: folder }
  for (const word of ["status", "rotate"]) {
    const { code, out, err } = await weir(["master-key", word], env)
    expect({ code, out }).toEqual({ code: 1, out: "" })
    expect(err).toBe(`weir: there is no database at ${join(folder, "weir.db")}\n`)
  }
  writeFileSync(join(folder, "weir.db"), "")
  const withoutKey = await weir(["master-key", "rotate"], env)
  expect(withoutKey).toEqual({
    code: 1,
    out: "",
    err: `weir: there is no master key at ${join(folder, "master.key")}\n`,
  })
  const neverStarted = await weir(["master-key", "rotate"], { ...env, WEIR_MASTER_KEY: generateMasterKeyText() })
  expect(neverStarted).toEqual({ code: 1, out: "", err: "weir: start the server once with this version\n" })
  expect(existsSync(join(folder, "master.key"))).toBe(false)
})
