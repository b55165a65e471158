import { afterEach, beforeEach, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DataDirLocked } from "./errors.ts"
import { lockDataDir } from "./lock.ts"

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "weir-lock-"))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** A process that holds the folder until it is killed. */
async function holder(): Promise<Bun.Subprocess<"ignore", "pipe", "inherit">> {
  const script = `import { lockDataDir } from ${JSON.stringify(join(import.meta.dir, "lock.ts"))}
    lockDataDir(${JSON.stringify(dir)})
    // Nobody keeps the answer, so a lock that lived in it would end here.
    for (let count = 0; count < 5; count++) Bun.gc(true)
    console.log("held")
    setInterval(() => {}, 1000)`
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit", stdin: "ignore" })
  const { value } = await child.stdout.getReader().read()
  expect(new TextDecoder().decode(value)).toBe("held\n")
  return child
}

test("a second holder is refused by name of the folder, until the first lets go", () => {
  const lock = lockDataDir(dir)
  expect(() => lockDataDir(dir)).toThrow(DataDirLocked)
  expect(() => lockDataDir(dir)).toThrow(dir)
  lock.release()
  lock.release()
  const again = lockDataDir(dir)
  expect(() => lockDataDir(dir)).toThrow(DataDirLocked)
  again.release()
})

// A crash must not need an operator who deletes a lock file.
test("another process is refused, and the lock is free right after kill -9", async () => {
  const child = await holder()
  try {
    expect(() => lockDataDir(dir)).toThrow(DataDirLocked)
  } finally {
    child.kill("SIGKILL")
    await child.exited
  }
  lockDataDir(dir).release()
  expect(readdirSync(dir)).toEqual(["weir.lock"])
})

test("a folder that is not there is an error of its own", () => {
  expect(() => lockDataDir(join(dir, "nowhere"))).toThrow()
  expect(() => lockDataDir(join(dir, "nowhere"))).not.toThrow(DataDirLocked)
})
