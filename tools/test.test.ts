// Guarantee: the closing line of `npm test` never says less than what went wrong, and a green line means that the
// runner itself said so. The first texts are what Bun prints; the failing runs are real.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { totalsOf } from "./test.ts"

const ran = (...lines: string[]) => `\n(pass) a\n\n${lines.join("\n")}\nRan 8 tests across 5 files. [322.00ms]\n`

test("counts passes and failures, not skips, errors and expectations", () => {
  const output = ran(" 20 pass", " 1 skip", " 1 todo", " 4 fail", " 1 error", " 33 expect() calls")
  expect(totalsOf(output, 1)).toEqual({ passed: 20, failed: 4 })
  expect(totalsOf(ran(" 2 pass", " 0 fail"), 0)).toEqual({ passed: 2, failed: 0 })
})

test("reads a summary in colours", () => {
  expect(totalsOf(ran(" \x1b[32m20 pass\x1b[0m", "\x1b[31m 4 fail\x1b[0m"), 1)).toEqual({ passed: 20, failed: 4 })
})

test("reads the runner's summary, not what a test printed before it", () => {
  const output = `\n 99 pass\n 0 fail\nRan 99 tests across 1 file. [1.00ms]\n${ran(" 1 pass", " 2 fail")}`
  expect(totalsOf(output, 1)).toEqual({ passed: 1, failed: 2 })
})

test("a failure that nobody counted is one failure", () => {
  expect(totalsOf(ran(" 2 pass", " 0 fail"), 1)).toEqual({ passed: 2, failed: 1 })
  expect(totalsOf("The following filters did not match any test files", 1)).toEqual({ passed: 0, failed: 1 })
  // A process that a test ended itself leaves no summary, and may say that all is well.
  expect(totalsOf("(pass) a\n", 0)).toEqual({ passed: 0, failed: 1 })
})

describe("npm test with a filter, for real", () => {
  let folder = ""
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "weir-test-"))
    const write = (name: string, body: string) =>
      writeFileSync(join(folder, name), `import { expect, test } from "bun:test"\n${body}\n`)
    write("good.test.ts", `test("a", () => {})\ntest("b", () => expect(1).toBe(1))`)
    write("bad.test.ts", `test("c", () => {})\ntest("d", () => expect(1).toBe(2))`)
    write("exits.test.ts", `test("e", () => process.exit(0))`)
    write("throws.test.ts", `throw new Error("at load")`)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const run = (...names: string[]) => {
    const files = names.map((name) => join(folder, `${name}.test.ts`))
    const { exitCode, stdout } = Bun.spawnSync([process.execPath, join(import.meta.dir, "test.ts"), ...files])
    return { exitCode, last: stdout.toString().trimEnd().split("\n").at(-1) }
  }

  test("all well", () => expect(run("good")).toEqual({ exitCode: 0, last: "2 passed, 0 failed" }))
  test("a failed test", () => expect(run("good", "bad")).toEqual({ exitCode: 1, last: "3 passed, 1 failed" }))
  test("a test that ends its process", () =>
    expect(run("good", "exits")).toEqual({ exitCode: 1, last: "2 passed, 1 failed" }))
  test("a file that does not load", () =>
    expect(run("good", "throws")).toEqual({ exitCode: 1, last: "2 passed, 1 failed" }))
  test("a single file that ends its process", () =>
    expect(run("exits")).toEqual({ exitCode: 1, last: "0 passed, 1 failed" }))
})
