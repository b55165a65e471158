// One rotation at a time per data folder: two could each write a file without the other's new key. The lock is the
// operating system's, held through SQLite, and ends with the process however that ends.

import { Database as SqliteFile } from "bun:sqlite"
import { closeSync, fchownSync, openSync, statSync } from "node:fs"
import { join } from "node:path"
import { CommandError } from "./command.ts"

/** Runs `work` while no other process changes this folder's master keys. Throws CommandError when one does. */
export async function whileRotationIsOurs<T>(dataDir: string, work: () => Promise<T>): Promise<T> {
  const path = join(dataDir, "rotation.lock")
  makeForOwner(path, dataDir)
  const file = new SqliteFile(path, { readwrite: true })
  try {
    file.exec("pragma busy_timeout = 0")
    file.exec("begin exclusive")
  } catch (error) {
    file.close()
    if ((error as { code?: string }).code !== "SQLITE_BUSY") throw error
    throw new CommandError(`another process changes the master keys in ${dataDir}; let it finish, or stop it`)
  }
  try {
    return await work()
  } finally {
    file.close()
  }
}

// Whoever owns the folder must be able to lock it, also when somebody with all rights was first.
function makeForOwner(path: string, dataDir: string): void {
  try {
    const handle = openSync(path, "a", 0o600)
    try {
      const { uid, gid } = statSync(dataDir)
      if (process.getuid?.() === 0) fchownSync(handle, uid, gid)
    } finally {
      closeSync(handle)
    }
  } catch (error) {
    throw new CommandError(`the master keys in ${dataDir} cannot be locked: ${(error as Error).message}`)
  }
}
