// Finds Bun in its npm package and starts it. The install script of the package `bun` moves the binary out of the
// platform package into its own folder; where install scripts are off it is still in the former place. Plain
// JavaScript without dependencies, because it runs on Node before anything else does.

import { spawn } from "node:child_process"
import { existsSync, readdirSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

/** Until its install script has run, the package `bun` holds a placeholder of a few hundred bytes. */
const executableBytesMin = 1_000_000

/**
 * Path of the Bun executable as seen from a module, or null when its npm package is not installed.
 * @param {string} from URL of the module, `import.meta.url`
 * @returns {string | null}
 */
export function findBun(from = import.meta.url) {
  const require = createRequire(from)
  for (const name of ["bun", ...platformPackages()]) {
    for (const executable of ["bun.exe", "bun"]) {
      try {
        const path = join(dirname(require.resolve(`${name}/package.json`)), "bin", executable)
        if (existsSync(path) && statSync(path).size > executableBytesMin) return path
      } catch {
        // This package is not installed; the next one may be.
      }
    }
  }
  return null
}

// The musl and glibc builds share one platform name, so both are tried, the likelier first.
function platformPackages() {
  const cpu = process.arch === "arm64" ? "aarch64" : process.arch
  const system = process.platform === "win32" ? "windows" : process.platform
  const base = `@oven/bun-${system}-${cpu}`
  return isMusl() ? [`${base}-musl`, base] : [base, `${base}-musl`]
}

function isMusl() {
  return process.platform === "linux" && readdirSync("/lib").some((name) => name.startsWith("ld-musl"))
}

/**
 * Runs Bun with the given arguments, passes signals on, and ends this process with its exit code. `--if-installed` as
 * the first argument ends with 0 and a line where Bun is not: an install without it must not fail.
 * @param {readonly string[]} given
 */
export function runBun(given) {
  const isOptional = given[0] === "--if-installed"
  const args = isOptional ? given.slice(1) : given
  const bun = findBun()
  if (bun === null && isOptional) {
    console.error(`weir: skipped ${args[0]}, because Bun is not installed`)
    process.exit(0)
  }
  if (bun === null) {
    const platform = `${process.platform}/${process.arch}`
    console.error(`weir: the npm package of Bun for ${platform} is not installed; run "npm install" first`)
    process.exit(1)
  }
  const child = spawn(bun, args, { stdio: "inherit" })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to both processes; passing it on would make it two.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal)
    })
  }
  child.on("error", (error) => {
    console.error(`weir: Bun does not start: ${error.message}`)
    process.exit(1)
  })
  child.on("exit", (code, signal) => process.exit(signal ? 128 + signalNumber(signal) : (code ?? 1)))
}

const signalNumber = (signal) => ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 })[signal] ?? 1
