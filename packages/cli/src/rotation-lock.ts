// One rotation at a time per data folder: two could each write a file without the other's new key. The lock is the
// operating system's, held through SQLite, and ends with the process however that ends.

import { Database as SqliteFile } from "bun:sqlite"
import { join } from "node:path"
import { CommandError } from "./command.ts"

/** Runs `work` while no other process changes this folder's master keys. Throws CommandError when one does. */
export async function whileRotationIsOurs<T>(dataDir: string, work: () => Promise<T>): Promise<T> {
  const file = new SqliteFile(join(dataDir, "rotation.lock"), { readwrite: true, create: true })
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
