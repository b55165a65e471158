// One process per data folder. The lock is the operating system's, held through SQLite, which knows how to ask every
// system for it; it ends with the process however that ends, so there is no stale lock file to remove.

import { Database as SqliteFile } from "bun:sqlite"
import { join } from "node:path"
import { DataDirLocked } from "./errors.ts"

export interface DataDirLock {
  /** Another process may have the folder from now on. Calling it again does nothing. */
  release(): void
}

// A connection that nobody refers to is closed by the garbage collector, and its lock with it. The lock must not
// depend on what the caller does with the answer.
const held = new Set<SqliteFile>()

/** Locks an existing folder. Throws DataDirLocked when another process, or another part of this one, holds it. */
export function lockDataDir(dir: string): DataDirLock {
  const file = new SqliteFile(join(dir, "weir.lock"), { readwrite: true, create: true })
  try {
    // Exclusive at once, without a write: the file stays empty and no journal appears beside it.
    file.exec("pragma busy_timeout = 0")
    file.exec("begin exclusive")
  } catch (error) {
    file.close()
    if ((error as { code?: string }).code !== "SQLITE_BUSY") throw error
    throw new DataDirLocked(`the data folder ${dir} is in use by another process of Weir; stop it first`, {
      cause: error,
    })
  }
  held.add(file)
  return {
    release() {
      if (!held.delete(file)) return
      file.exec("rollback")
      file.close()
    },
  }
}
