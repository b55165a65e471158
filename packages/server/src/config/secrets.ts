// The master key: from the environment, or from a file in the data folder that is made at the first start. Whoever
// loses it loses every sealed secret, and whoever has it and the database can read them all.

import { randomBytes } from "node:crypto"
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import { generateMasterKeyText, type MasterKey, parseMasterKey } from "../base/crypto.ts"
import { type Config, ConfigError, masterKeyFileName } from "./config.ts"
import { configLimits } from "./limits.ts"

export interface LoadedMasterKey {
  readonly key: MasterKey
  readonly source: "env" | "file" | "made"
  /** Sentences for the log; they hold paths, never keys. */
  readonly warnings: readonly string[]
}

/** Makes the data folder, for its owner alone, unless it exists. Throws ConfigError when it cannot. */
export function prepareDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    if (!statSync(dataDir).isDirectory()) throw new Error("not a folder")
  } catch (error) {
    throw new ConfigError("WEIR_DATA_DIR", `the data folder ${dataDir} cannot be made: ${(error as Error).message}`)
  }
}

/**
 * Gives the master key of a configuration; reads or makes `master.key` in the data folder when the environment has
 * none. Throws ConfigError when the file is there but is no key: making a new one would orphan all sealed secrets.
 */
export function loadMasterKey(config: Pick<Config, "dataDir" | "masterKey" | "database">): LoadedMasterKey {
  const path = join(config.dataDir, masterKeyFileName)
  if (config.masterKey !== null) {
    const ignored = statOf(path) !== null ? [`WEIR_MASTER_KEY is set, so the key in ${path} is not used`] : []
    return { key: config.masterKey, source: "env", warnings: ignored }
  }
  if (statOf(path) !== null) return readKeyFile(path)
  prepareDataDir(config.dataDir)
  if (!makeKeyFile(config.dataDir, path)) return readKeyFile(path)
  const warnings = [`made a master key in ${path}; keep a copy elsewhere: without it no secret in the database opens`]
  if (config.database.kind === "postgres") {
    warnings.push(
      "every node of this database needs the same master key; WEIR_MASTER_KEY is the way to give it to them",
    )
  }
  return { ...readKeyFile(path), source: "made", warnings }
}

function readKeyFile(path: string): LoadedMasterKey {
  const stat = statOf(path)
  const isSmallFile = stat?.isFile() && stat.size <= configLimits.masterKeyFileBytesMax
  const key = isSmallFile ? parseMasterKey(readText(path).trim()) : null
  if (key === null) {
    throw new ConfigError(
      "WEIR_MASTER_KEY",
      `${path} is not a master key; restore it from a copy, or set WEIR_MASTER_KEY`,
    )
  }
  // A warning and no refusal: on folders mounted from other systems every file looks readable by all.
  const isOpenToOthers = process.platform !== "win32" && ((stat?.mode ?? 0) & 0o077) !== 0
  return {
    key,
    source: "file",
    warnings: isOpenToOthers ? [`${path} can be read by other users of this machine; chmod 600 it`] : [],
  }
}

/**
 * Makes the key file in one step, so that neither a crash nor a second process starting now can leave half a key:
 * a finished, synced file gets its final name only if that name is free. False when another process was first.
 */
function makeKeyFile(dataDir: string, path: string): boolean {
  const unfinished = `${path}.${process.pid}.${randomBytes(6).toString("hex")}`
  try {
    const file = openSync(unfinished, "wx", 0o600)
    try {
      writeSync(file, `${generateMasterKeyText()}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    linkSync(unfinished, path)
    syncDir(dataDir)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw new ConfigError("WEIR_DATA_DIR", `no master key can be made in ${dataDir}: ${(error as Error).message}`)
  } finally {
    unlinkIfThere(unfinished)
  }
}

// A new name survives a power cut only when its folder is synced too. Windows has no such call and needs none.
function syncDir(dir: string): void {
  if (process.platform === "win32") return
  const handle = openSync(dir, "r")
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function statOf(path: string): Stats | null {
  try {
    return statSync(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === "ENOENT" || code === "ENOTDIR") return null
    throw new ConfigError("WEIR_MASTER_KEY", `${path} cannot be read: ${message}`)
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    throw new ConfigError("WEIR_MASTER_KEY", `${path} cannot be read: ${(error as Error).message}`)
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
  }
}
