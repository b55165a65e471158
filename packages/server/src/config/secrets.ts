// The master keys: from the environment, or from a file in the data folder that is made at the first start. Whoever
// loses them loses every sealed secret, and whoever has them and the database can read them all.
//
// The file holds one key a line, the one that seals first. A running server follows it.

import { randomBytes } from "node:crypto"
import {
  closeSync,
  fchownSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs"
import { dirname, join } from "node:path"
import {
  createReloadingMasterKey,
  generateMasterKeyText,
  type MasterKey,
  masterKeysMax,
  parseMasterKey,
} from "../base/crypto.ts"
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
 * Gives the master keys of a configuration; reads or makes `master.key` in the data folder when the environment has
 * none, and then follows the file. Throws ConfigError when the file is there but holds anything but keys: making a new
 * one would orphan all sealed secrets.
 */
export function loadMasterKey(config: Pick<Config, "dataDir" | "masterKey" | "database">): LoadedMasterKey {
  const path = join(config.dataDir, masterKeyFileName)
  if (config.masterKey !== null) {
    const ignored = statOf(path) !== null ? [`WEIR_MASTER_KEY is set, so the key in ${path} is not used`] : []
    return { key: config.masterKey, source: "env", warnings: ignored }
  }
  if (statOf(path) !== null) return followKeyFile(path)
  prepareDataDir(config.dataDir)
  if (!makeKeyFile(config.dataDir, path)) return followKeyFile(path)
  const warnings = [`made a master key in ${path}; keep a copy elsewhere: without it no secret in the database opens`]
  if (config.database.kind === "postgres") {
    warnings.push(
      "every node of this database needs the same master key; WEIR_MASTER_KEY is the way to give it to them",
    )
  }
  return { ...followKeyFile(path), source: "made", warnings }
}

/** A key of the file: its id, which is public, and its text, which is the secret itself. */
export interface KeyLine {
  readonly id: string
  readonly text: string
}

/** The keys in the data folder's file, in order. Throws ConfigError when there is no such file, or it is no key file. */
export function readKeyLines(dataDir: string): KeyLine[] {
  const path = join(dataDir, masterKeyFileName)
  if (statOf(path) === null) throw new ConfigError("WEIR_MASTER_KEY", `there is no ${path}`)
  return readKeyFile(path).texts.map((text) => ({ id: (parseMasterKey(text) as MasterKey).currentId, text }))
}

/**
 * Puts `next` in place of `expected` in the data folder's file, in one step that a crash or a power cut cannot halve.
 * Throws ConfigError when the file is another one by now, or cannot be written. One process at a time may do this.
 */
export function replaceKeyLines(dataDir: string, expected: readonly KeyLine[], next: readonly KeyLine[]): void {
  if (next.length === 0 || next.length > masterKeysMax) {
    throw new ConfigError("WEIR_MASTER_KEY", `a file of master keys has 1 to ${masterKeysMax} keys, not ${next.length}`)
  }
  const idsOf = (lines: readonly KeyLine[]): string => lines.map(({ id }) => id).join()
  if (idsOf(readKeyLines(dataDir)) !== idsOf(expected)) {
    throw new ConfigError(
      "WEIR_MASTER_KEY",
      `${join(dataDir, masterKeyFileName)} was changed by somebody else; try again`,
    )
  }
  try {
    // Where a link stands, the file that it means is the one to replace.
    const path = realpathSync(join(dataDir, masterKeyFileName))
    const unfinished = `${path}.new`
    const { uid, gid } = statSync(path)
    // Made anew, because one that a crash left behind could have any mode.
    unlinkIfThere(unfinished)
    const file = openSync(unfinished, "wx", 0o600)
    try {
      // Whoever runs this may be another than the server, which must still be able to read its file.
      if (process.getuid !== undefined && process.getuid() !== uid) fchownSync(file, uid, gid)
      writeSync(file, next.map(({ text }) => `${text}\n`).join(""))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(unfinished, path)
    syncDir(dirname(path))
  } catch (error) {
    throw new ConfigError(
      "WEIR_DATA_DIR",
      `the master keys in ${dataDir} cannot be changed: ${(error as Error).message}`,
    )
  }
}

interface KeyFile extends LoadedMasterKey {
  readonly texts: readonly string[]
}

function readKeyFile(path: string): KeyFile {
  const stat = statOf(path)
  const isSmallFile = stat?.isFile() && stat.size <= configLimits.masterKeyFileBytesMax
  const texts = isSmallFile ? readText(path).trim().split(/\r?\n/) : []
  const ring = texts.some((text) => text.includes(",")) ? null : parseMasterKey(texts.join(","))
  if (ring === null) {
    throw new ConfigError(
      "WEIR_MASTER_KEY",
      `${path} is not a master key, or a list of up to ${masterKeysMax}, one a line; restore it from a copy, or set WEIR_MASTER_KEY`,
    )
  }
  // A warning and no refusal: on folders mounted from other systems every file looks readable by all.
  const isOpenToOthers = process.platform !== "win32" && ((stat?.mode ?? 0) & 0o077) !== 0
  return {
    key: ring,
    source: "file",
    warnings: isOpenToOthers ? [`${path} can be read by other users of this machine; chmod 600 it`] : [],
    texts,
  }
}

/** The file's keys, and whatever it holds later. */
function followKeyFile(path: string): LoadedMasterKey {
  const { key, source, warnings } = readKeyFile(path)
  const readAgain = (): MasterKey | null => {
    try {
      return readKeyFile(path).key
    } catch {
      return null
    }
  }
  return { key: createReloadingMasterKey(key, readAgain), source, warnings }
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
