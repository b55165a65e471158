import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  generateMasterKeyText,
  keyCheckValue,
  type MasterKey,
  parseMasterKey,
  reloadMasterKey,
  seal,
} from "../base/crypto.ts"
import { ConfigError } from "./config.ts"
import { type KeyLine, loadMasterKey, prepareDataDir, readKeyLines, replaceKeyLines } from "./secrets.ts"

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
    ["too long", `${generateMasterKeyText()}${" ".repeat(2000)}`],
    ["a key and something else", `${generateMasterKeyText()}\nhello\n`],
    ["a key and an empty line", `${generateMasterKeyText()}\n\n${generateMasterKeyText()}\n`],
    ["one line of two keys", `${generateMasterKeyText()},${generateMasterKeyText()}\n`],
    ["the same key twice", `${"5".repeat(64)}\n${"5".repeat(64)}\n`],
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

describe("a file of several keys", () => {
  const [a, b, c] = [generateMasterKeyText(), generateMasterKeyText(), generateMasterKeyText()]
  const idOf = (text: string): string => (parseMasterKey(text) as MasterKey).currentId
  const line = (text: string): KeyLine => ({ id: idOf(text), text })
  const write = (text: string): void => {
    mkdirSync(dataDir(), { recursive: true })
    writeFileSync(keyFile(), text, { mode: 0o600 })
  }

  test.each(["\n", "\r\n"])("is a ring, the first line seals (line end %j)", (end) => {
    write(`${b}${end}${a}${end}`)
    expect(load().key.ids).toEqual([idOf(b), idOf(a)])
    expect(readKeyLines(dataDir())).toEqual([line(b), line(a)])
  })

  test("is followed by whoever loaded it", () => {
    write(`${a}\n`)
    const { key } = load()
    const first = seal(key, "secret", "row")
    write(`${b}\n${a}\n`)
    expect(reloadMasterKey(key)).toBe("changed")
    expect(key.ids).toEqual([idOf(b), idOf(a)])
    expect(seal(key, "secret", "row").split(".")[1]).not.toBe(first.split(".")[1])
  })

  test("keeps its keys while the file is damaged", () => {
    write(`${a}\n`)
    const { key } = load()
    write("half of a k")
    expect(reloadMasterKey(key)).toBe("unreadable")
    expect(key.ids).toEqual([idOf(a)])
  })

  test("is replaced whole, for its owner alone, and nothing else is left", () => {
    write(`${a}\n`)
    replaceKeyLines(dataDir(), [line(a)], [line(b), line(a)])
    expect(readFileSync(keyFile(), "utf8")).toBe(`${b}\n${a}\n`)
    expect(statSync(keyFile()).mode & 0o777).toBe(0o600)
    expect(readdirSync(dataDir())).toEqual(["master.key"])
  })

  test("is replaced after a crash that left half of a file behind, which others could read", () => {
    write(`${a}\n`)
    writeFileSync(`${keyFile()}.new`, "half", { mode: 0o644 })
    replaceKeyLines(dataDir(), [line(a)], [line(a), line(b)])
    expect(statSync(keyFile()).mode & 0o777).toBe(0o600)
    expect(readdirSync(dataDir())).toEqual(["master.key"])
  })

  test("stays where a link to it stands", () => {
    write(`${a}\n`)
    const elsewhere = join(folder, "secret")
    renameSync(keyFile(), elsewhere)
    symlinkSync(elsewhere, keyFile())
    replaceKeyLines(dataDir(), [line(a)], [line(b)])
    expect(lstatSync(keyFile()).isSymbolicLink()).toBe(true)
    expect(readFileSync(elsewhere, "utf8")).toBe(`${b}\n`)
  })

  // Whoever changes a file that somebody else changed meanwhile would take that key away.
  test("is not replaced when it is another one by now, or with no keys, or with too many", () => {
    write(`${a}\n${c}\n`)
    expect(() => replaceKeyLines(dataDir(), [line(a)], [line(b), line(a)])).toThrow(/changed by somebody else/)
    expect(() => replaceKeyLines(dataDir(), [line(a), line(c)], [])).toThrow(ConfigError)
    const many = Array.from({ length: 9 }, () => line(generateMasterKeyText()))
    expect(() => replaceKeyLines(dataDir(), [line(a), line(c)], many)).toThrow(ConfigError)
    expect(readFileSync(keyFile(), "utf8")).toBe(`${a}\n${c}\n`)
  })

  test("that is not there is named, and none is made", () => {
    expect(() => readKeyLines(dataDir())).toThrow(new RegExp(keyFile()))
    expect(existsSync(keyFile())).toBe(false)
  })
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
