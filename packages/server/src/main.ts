// Starts a node: settings, master key, server; waits for a signal, drains, ends.

import { createLogger } from "./base/log.ts"
import { type Config, ConfigError, loadConfig } from "./config/config.ts"
import { loadMasterKey, prepareDataDir } from "./config/secrets.ts"
import { createServer, type WeirServer } from "./server.ts"
import { lockDataDir } from "./store/lock.ts"

/** Runs until SIGTERM or SIGINT; answers the exit code. What stops the start is one line on standard error. */
export async function main(env: Record<string, string | undefined>): Promise<number> {
  try {
    const config = loadConfig(env)
    // Whatever is written from now on, by SQLite too, is for its owner alone.
    process.umask(0o077)
    prepareDataDir(config.dataDir)
    const lock = config.database.kind === "sqlite" ? lockDataDir(config.dataDir) : null
    const log = createLogger(config.log)
    const { key, warnings } = loadMasterKey(config)
    for (const warning of [...config.warnings, ...warnings]) log.warn(warning)
    const server = await createServer({ config, masterKey: key, log })
    const url = server.listen()
    log.info("listening", { url, api_key: server.firstApp.apiKey })
    printEntrances(config, url, server)
    await new Promise<void>((resolve) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve())
    })
    log.info("draining")
    await server.drain()
    await server.close()
    lock?.release()
    return 0
  } catch (error) {
    console.error(`weir: ${error instanceof Error ? error.message : String(error)}`)
    return error instanceof ConfigError ? 2 : 1
  }
}

/**
 * Where to go from here. The link to the first account works once and is behind `#`, so that it stands in no log but this
 * terminal; the secret is shown this once: it lies sealed in the database from now on.
 */
function printEntrances({ demo, publicOrigin }: Config, url: string, { firstApp, setupPath }: WeirServer): void {
  // By this name, because passkeys belong to a name and no browser keeps one for an address.
  const local = url.replace(/(?<=:\/\/)(127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?=:)/, "localhost")
  const origin = publicOrigin ?? local
  const lines: [string, string][] = [["dashboard", `${origin}${setupPath ?? "/dashboard"}`]]
  if (demo !== "off") lines.push(["demo", `${demo === "on" ? origin : local}/demo`])
  lines.push(["API key", firstApp.apiKey])
  if (firstApp.apiSecret !== null) lines.push(["secret", `${firstApp.apiSecret}   (shown this once)`])
  console.log(`\n${lines.map(([name, text]) => `  ${name.padEnd(10)} ${text}`).join("\n")}\n`)
}
