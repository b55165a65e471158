// Starts a node: settings, master key, server; waits for a signal, drains, ends.

import { createLogger } from "./base/log.ts"
import { ConfigError, loadConfig } from "./config/config.ts"
import { loadMasterKey, prepareDataDir } from "./config/secrets.ts"
import { createServer } from "./server.ts"
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
    if (server.firstApp.apiSecret !== null) printCredentials(url, server.firstApp.apiKey, server.firstApp.apiSecret)
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

/** The only time that the secret is shown: it lies sealed in the database from now on. */
function printCredentials(url: string, apiKey: string, apiSecret: string): void {
  console.log(`\n  Weir    ${url}\n  key     ${apiKey}\n  secret  ${apiSecret}   (shown this once)\n`)
}
