// `npm run check`: types, format and lint, layers, unused code. One line for each, the full output of those that fail.

import { dirname, join } from "node:path"

const root = dirname(import.meta.dir)
const bin = (name: string) => join(root, "node_modules", ".bin", name)

const limits = {
  /** A check that takes longer hangs. */
  checkTimeoutMs: 120_000,
} as const

/** A command that says by its exit code whether the tree keeps one promise. */
interface Check {
  readonly name: string
  readonly command: readonly string[]
}

const checks: readonly Check[] = [
  { name: "types", command: [bin("tsc"), "--noEmit", "-p", root] },
  { name: "format and lint", command: [bin("biome"), "ci", "--colors=off", "--max-diagnostics=100", root] },
  { name: "layers", command: [process.execPath, join(import.meta.dir, "check-layers.ts")] },
  { name: "unused code", command: [bin("knip"), "--no-progress", "--no-config-hints"] },
]

/** Runs every check in order and says a line for each. Returns how many passed and how many failed. */
export async function runChecks(
  say: (text: string) => void = console.log,
): Promise<{ passed: number; failed: number }> {
  let failed = 0
  for (const check of checks) {
    const startedAtMs = performance.now()
    const output = await failureOf(check)
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1)
    say(`${output === null ? "ok  " : "FAIL"}  ${check.name} (${seconds} s)`)
    if (output === null) continue
    failed++
    say(output.trimEnd())
  }
  return { passed: checks.length - failed, failed }
}

/** What a failing check printed; null when it passed. */
async function failureOf({ command }: Check): Promise<string | null> {
  try {
    const child = Bun.spawn([...command], {
      cwd: root,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: limits.checkTimeoutMs,
    })
    const [stdout, stderr, code] = await Promise.all([textOf(child.stdout), textOf(child.stderr), child.exited])
    if (code === 0) return null
    const ending = child.signalCode === null ? `exit code ${code}` : `ended by ${child.signalCode}`
    return `${stdout}${stderr}${command[0]}: ${ending}`
  } catch (error) {
    // The program is missing: its package is not installed.
    return `${command[0]}: ${(error as Error).message}`
  }
}

const textOf = (stream: ReadableStream<Uint8Array>): Promise<string> => new Response(stream).text()

if (import.meta.main) {
  const { failed } = await runChecks()
  if (failed > 0) process.exit(1)
}
