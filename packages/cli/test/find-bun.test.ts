import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { findBun } from "../bin/find-bun.js"

describe("findBun", () => {
  let root: string
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), "weir-find-bun-")))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  const system = process.platform === "win32" ? "windows" : process.platform
  const platformPackage = `@oven/bun-${system}-${process.arch === "arm64" ? "aarch64" : process.arch}`
  const find = () => findBun(pathToFileURL(join(root, "program.js")).href)

  /** A package with an executable of this size; as a hole, so that it takes no room on the disk. */
  function install(name: string, executable: string, bytes: number): string {
    const folder = join(root, "node_modules", name)
    mkdirSync(join(folder, "bin"), { recursive: true })
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name, version: "1.0.0" }))
    const path = join(folder, "bin", executable)
    writeFileSync(path, "")
    truncateSync(path, bytes)
    return path
  }

  test("takes the package bun when its install script has run", () => {
    const path = install("bun", "bun.exe", 2_000_000)
    install(platformPackage, "bun", 2_000_000)
    expect(find()).toBe(path)
  })

  // npm install --ignore-scripts leaves a placeholder in the package bun.
  test("takes the platform's package where install scripts are off", () => {
    install("bun", "bun.exe", 450)
    const path = install(platformPackage, "bun", 2_000_000)
    expect(find()).toBe(path)
  })

  test("takes the other C library's package when that is the one installed", () => {
    const path = install(`${platformPackage}-musl`, "bun", 2_000_000)
    expect(find()).toBe(path)
  })

  test("finds nothing where nothing is installed", () => {
    expect(find()).toBeNull()
    install("bun", "bun.exe", 450)
    expect(find()).toBeNull()
  })
})

describe("runBun", () => {
  const runner = join(import.meta.dir, "../../../tools/bun.mjs")
  const start = (program: string) => Bun.spawn(["node", runner, "-e", program], { stdin: "ignore", stdout: "pipe" })

  test.each([
    ["process.exit(7)", 7],
    ["0", 0],
    ["process.kill(process.pid, 'SIGKILL')", 137],
  ])("ends like the program: %s", async (program, code) => {
    expect(await start(program).exited).toBe(code)
  })

  // A container or service manager signals the launcher, and the server behind it must drain.
  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("passes %s on and waits for the end", async (signal) => {
    const program = `process.on("${signal}", () => setTimeout(() => process.exit(9), 100))
      console.log("ready"); setInterval(() => {}, 1000)`
    const child = start(program)
    const { value } = await child.stdout.getReader().read()
    expect(Buffer.from(value as Uint8Array).toString()).toBe("ready\n")
    child.kill(signal)
    expect(await child.exited).toBe(9)
  })
})
