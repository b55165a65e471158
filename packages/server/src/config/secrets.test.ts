import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { generateMasterKeyText, keyCheckValue, type MasterKey, parseMasterKey } from "../base/crypto.ts"
import { ConfigError } from "./config.ts"
import { loadMasterKey, prepareDataDir } from "./secrets.ts"

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-secrets-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const dataDir = () => join(folder, "data")
const keyFile = () => join(dataDir(), "master.key")
const sqlite = { kind: "sqlite", path: "unused" } as const
const load = () => loadMasterKey({ dataDir: dataDir(), masterKey: null, database: sqlite })

describe("a master key from the file", () => {
  test("is made at the first start and the same ever after", () => {
    const first = load()
    expect(first.source).toBe("made")
    expect(first.warnings).toHaveLength(1)
    expect(first.warnings[0]).toContain(keyFile())
    const second = load()
    expect(second.source).toBe("file")
    expect(second.warnings).toEqual([])
    expect(keyCheckValue(second.key)).toBe(keyCheckValue(first.key))
  })

  test("is for its owner alone, and nothing else is left in the folder", () => {
    load()
    expect(statSync(keyFile()).mode & 0o777).toBe(0o600)
    expect(statSync(dataDir()).mode & 0o777).toBe(0o700)
    expect(readdirSync(dataDir())).toEqual(["master.key"])
  })

  test("does not show in the warnings", () => {
    const { warnings } = load()
    expect(warnings.join()).not.toContain(readFileSync(keyFile(), "utf8").trim())
  })

  // A wrong file must stop the start: a new key beside old ciphertexts would orphan every secret.
  test.each([
    ["empty", ""],
    ["cut short", generateMasterKeyText().slice(1)],
    ["something else", "hello\n"],
    ["too long", `${generateMasterKeyText()}${" ".repeat(200)}`],
  ])("is not replaced when the file is %s", (_, text) => {
    mkdirSync(dataDir())
    writeFileSync(keyFile(), text, { mode: 0o600 })
    expect(load).toThrow(ConfigError)
    expect(load).toThrow(/is not a master key/)
    expect(readFileSync(keyFile(), "utf8")).toBe(text)
  })

  test("warns when others may read it", () => {
    load()
    chmodSync(keyFile(), 0o644)
    expect(load().warnings).toEqual([expect.stringContaining("can be read by other users")])
  })

  test("says on Postgres that every node needs the same", () => {
    const database = { kind: "postgres", url: "postgres://h/d" } as const
    const { warnings } = loadMasterKey({ dataDir: dataDir(), masterKey: null, database })
    expect(warnings).toHaveLength(2)
    expect(warnings[1]).toContain("WEIR_MASTER_KEY")
  })

  // Processes that start in the same instant on a new folder must end with one key.
  test("is one key when eight processes make it at once", async () => {
    const program = `
      const { loadMasterKey } = await import(${JSON.stringify(join(import.meta.dir, "secrets.ts"))})
      const { keyCheckValue } = await import(${JSON.stringify(join(import.meta.dir, "../base/crypto.ts"))})
      const config = { dataDir: ${JSON.stringify(dataDir())}, masterKey: null, database: { kind: "sqlite", path: "" } }
      const { key, source } = loadMasterKey(config)
      console.log(keyCheckValue(key), source)`
    const outputs = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", stderr: "inherit" })
        return (await new Response(child.stdout).text()).trim()
      }),
    )
    expect(outputs.filter((output) => output.endsWith(" made"))).toHaveLength(1)
    expect(new Set(outputs.map((output) => output.split(" ")[0])).size).toBe(1)
    expect(readdirSync(dataDir())).toEqual(["master.key"])
  }, 20_000)
})

test("a master key from the environment wins, and an unused file is named", () => {
  const masterKey = parseMasterKey(generateMasterKeyText()) as MasterKey
  const fromEnv = () => loadMasterKey({ dataDir: dataDir(), masterKey, database: sqlite })
  expect(fromEnv()).toEqual({ key: masterKey, source: "env", warnings: [] })
  load()
  expect(fromEnv().warnings).toEqual([expect.stringContaining("is not used")])
  expect(keyCheckValue(fromEnv().key)).toBe(keyCheckValue(masterKey))
})

test("a data folder that is a file is refused with its name", () => {
  writeFileSync(dataDir(), "")
  expect(() => prepareDataDir(dataDir())).toThrow(new RegExp(dataDir()))
  expect(load).toThrow(ConfigError)
})
