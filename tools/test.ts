// `npm test`: the checks and, beside them, every test. Closes with the real totals, each check counted as a test:
// `N passed, N failed`. With arguments (`npm test -- packages/server/src/store`) only the tests whose paths match run.

import { existsSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { runChecks } from "./check.ts"

const root = dirname(import.meta.dir)

const limits = {
  /** One test, when it names no time-out of its own. */
  testTimeoutMs: 30_000,
  /** All tests together; a machine that does other things as well takes much longer than a quiet one. */
  suiteTimeoutMs: 1_200_000,
  /** Test files that run at the same time, each in a process of its own. More than cores, because many wait. */
  workers: 4,
} as const

const folders = ["packages", "tools", "contract", "examples", "bench"]
/**
 * How long files took once, in milliseconds: those that take longest begin first, so that none of them is alone at the end.
 * Made by a run with `--timings=<this> --update-timings`; it need not be right.
 */
const timings = "tools/test-timings.json"
const chromiumNames = ["chromium", "chromium-browser", "google-chrome"]

/** What a run of the tests came to. */
export interface Totals {
  readonly passed: number
  readonly failed: number
}

/**
 * Reads the runner's closing summary out of its output. A run that ended without one, or with a failure that it did
 * not count, counts as one failure.
 */
export function totalsOf(output: string, exitCode: number): Totals {
  // Bun colours its output when FORCE_COLOR is set.
  const lines = Bun.stripANSI(output).split("\n")
  const end = lines.findLastIndex((line) => /^Ran \d+ tests? across \d+ files?\./.test(line))
  // The summary is the block of lines above. A test may print such lines too, but not after the runner.
  const start = lines.lastIndexOf("", end)
  const summary = end < 0 ? [] : lines.slice(start + 1, end)
  const countOf = (word: string): number =>
    Number.parseInt(summary.find((line) => new RegExp(`^ *\\d+ ${word}$`).test(line)) ?? "0", 10)
  const failed = countOf("fail")
  return { passed: countOf("pass"), failed: failed === 0 && (exitCode !== 0 || end < 0) ? 1 : failed }
}

/** Says for each part of the suite that needs something from outside whether it runs, and finds Chromium. */
function announceParts(env: Record<string, string | undefined>): void {
  const vectors = resolve(root, env.WEIR_VECTORS || "../shared/vectors", "wycheproof")
  const chromium = env.WEIR_TEST_CHROMIUM || chromiumNames.map((name) => Bun.which(name)).find((path) => path !== null)
  if (chromium) env.WEIR_TEST_CHROMIUM = chromium
  const parts: readonly [string, boolean, string][] = [
    ["Postgres", Boolean(env.WEIR_TEST_POSTGRES_URL), "set WEIR_TEST_POSTGRES_URL"],
    ["Redis", Boolean(env.WEIR_TEST_REDIS_URL), "set WEIR_TEST_REDIS_URL"],
    ["Chromium", Boolean(chromium), "install chromium or set WEIR_TEST_CHROMIUM"],
    ["Wycheproof vectors", existsSync(vectors), "set WEIR_VECTORS to a folder that holds wycheproof/"],
  ]
  for (const [name, runs, how] of parts) console.log(`${name}: ${runs ? "tested" : `skipped, ${how}`}`)
}

/** Runs the test files whose paths contain one of the filters, showing their output as it comes. */
async function runTests(filters: readonly string[]): Promise<Totals> {
  const command = [process.execPath, "test", `--parallel=${limits.workers}`, "--no-orphans", `--timings=${timings}`]
  const child = Bun.spawn([...command, `--timeout=${limits.testTimeoutMs}`, ...filters], {
    cwd: root,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: limits.suiteTimeoutMs,
    env: process.env,
  })
  const stop = () => child.kill()
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop)
  const [, stderr, exitCode] = await Promise.all([
    show(child.stdout, process.stdout),
    show(child.stderr, process.stderr),
    child.exited,
  ])
  if (child.signalCode !== null) console.log(`The tests were ended by ${child.signalCode}.`)
  return totalsOf(stderr, exitCode)
}

/** Passes a stream on and returns its text. */
async function show(stream: ReadableStream<Uint8Array>, to: NodeJS.WriteStream): Promise<string> {
  const decoder = new TextDecoder()
  let text = ""
  for await (const chunk of stream) {
    to.write(chunk)
    text += decoder.decode(chunk, { stream: true })
  }
  return text
}

if (import.meta.main) {
  const filters = process.argv.slice(2)
  announceParts(process.env)
  // What the checks say comes last, where it is seen.
  const said: string[] = []
  const [checks, tests] = await Promise.all([
    filters.length === 0 ? runChecks((text) => said.push(text)) : { passed: 0, failed: 0 },
    runTests(filters.length === 0 ? folders : filters),
  ])
  for (const text of said) console.log(text)
  const failed = checks.failed + tests.failed
  console.log(`${checks.passed + tests.passed} passed, ${failed} failed`)
  process.exit(failed === 0 ? 0 : 1)
}
