// A node's ring of master keys, beside those of the other nodes: what it needs to start, and what it tells them. Whoever
// changes the deployment's key waits until every node has said that it can follow.

import type { Clock } from "../../base/clock.ts"
import { type MasterKey, reloadMasterKey, unnamedKeyId } from "../../base/crypto.ts"
import type { Logger } from "../../base/log.ts"
import type { Database, Tx } from "../../store/database.ts"
import { limits } from "./limits.ts"
import {
  acceptMasterKey,
  countSealed,
  deleteNodeReport,
  insertDeployment,
  insertMasterKeyCheck,
  lockMasterKeyCheck,
  type MasterKeyCheckRow,
  pruneNodeReports,
  type SealedPlace,
  saveNodeReport,
  selectDeployment,
  selectMasterKeys,
} from "./store.ts"

/**
 * Makes sure that this node's ring fits the database, whose first start it may be, and gives the deployment's id, which
 * stays the same whatever becomes of its keys. Throws an Error with one line for the operator when the ring lacks the
 * current key, or begins with a retired one.
 */
export async function joinDeployment(db: Database, masterKey: MasterKey, now: number): Promise<string> {
  await requireRing(db, masterKey, now, async (tx, check) => {
    // The first name of a deployment is the id of its first key, which was its name before it had one of its own.
    await insertDeployment(tx, check.check_value)
  })
  const deployment = await selectDeployment(db.read)
  if (deployment === undefined) throw new Error("the deployment has no id although it was just written")
  return deployment.deployment_id
}

/**
 * What of the database this ring cannot open: for each missing key, by its id, the number of its values. None of them
 * keeps a node from starting; those who need such a value get an error.
 */
export async function missingKeys(
  db: Database,
  masterKey: MasterKey,
  places: readonly SealedPlace[],
): Promise<Map<string, number>> {
  const missing = new Map<string, number>()
  for (const place of places) {
    for (const [keyId, total] of await countSealed(db.read, place)) {
      if (keyId === unnamedKeyId || masterKey.ids.includes(keyId)) continue
      missing.set(keyId, (missing.get(keyId) ?? 0) + total)
    }
  }
  return missing
}

export interface KeptRing {
  /** Reads the ring's source again and says what changed; happens by itself every two seconds. Does not throw. */
  look(): Promise<void>
  /** Takes back what the node has said of itself. */
  close(): Promise<void>
}

export interface RingParts {
  readonly db: Database
  readonly masterKey: MasterKey
  readonly nodeId: string
  readonly clock: Clock
  readonly log: Logger
}

/** Tells the other nodes of this node's ring, and keeps the ring up to date. Throws as joinDeployment does. */
export async function keepRing({ db, masterKey, nodeId, clock, log }: RingParts): Promise<KeptRing> {
  // What the other nodes know of this one. A value that was opened may have changed the ring since.
  let told = ""
  const tell = async (): Promise<void> => {
    let ids: readonly string[] = []
    await requireRing(db, masterKey, clock.now(), async (tx) => {
      ids = masterKey.ids
      await saveNodeReport(tx, {
        node_id: nodeId,
        current_id: ids[0] as string,
        key_ids: JSON.stringify(ids),
        reported_at: clock.now(),
      })
      await pruneNodeReports(tx, clock.now() - limits.nodeReportsKeptMs)
    })
    told = ids.join()
  }
  await tell()

  let nextReportMs = clock.monotonic() + limits.nodeReportEveryMs
  let isUnreadable = false
  let isBehind = false
  let running: Promise<void> = Promise.resolve()
  const look = async (): Promise<void> => {
    const found = reloadMasterKey(masterKey)
    if (found === "unreadable" && !isUnreadable) {
      log.warn("the file of master keys cannot be read; this node goes on with the keys that it has")
    }
    if (found !== "early") isUnreadable = found === "unreadable"
    if (masterKey.ids.join() === told && clock.monotonic() < nextReportMs) return
    try {
      const before = told
      await tell()
      if (told !== before) log.info("the master keys have changed", { key_ids: told.split(",") })
      nextReportMs = clock.monotonic() + limits.nodeReportEveryMs
      isBehind = false
    } catch (error) {
      // Next time it may be there. Said once, not every two seconds.
      if (!isBehind) log.error("this node's master keys do not fit the database", { cause: error })
      isBehind = true
    }
  }
  let isLooking = false
  const timer = setInterval(() => {
    if (isLooking) return
    isLooking = true
    running = look().finally(() => {
      isLooking = false
    })
  }, limits.ringLookEveryMs)
  timer.unref?.()
  return {
    look,
    async close() {
      clearInterval(timer)
      await running
      await db.transact((tx) => deleteNodeReport(tx, nodeId)).catch(() => undefined)
    },
  }
}

/**
 * Runs `work` while the current key can be no other, when this ring holds it. A ring that follows a file is read once
 * more before it counts as wrong.
 */
async function requireRing(
  db: Database,
  masterKey: MasterKey,
  now: number,
  work: (tx: Tx, check: MasterKeyCheckRow) => Promise<void>,
): Promise<void> {
  const attempt = (): Promise<string | null> =>
    db.transact(async (tx) => {
      await insertMasterKeyCheck(tx, masterKey.currentId)
      const check = await lockMasterKeyCheck(tx, "share")
      if (check === undefined) return "the database has lost its master key's name"
      if (!masterKey.ids.includes(check.check_value)) {
        return (
          `this database belongs to another master key: its current one is ${check.check_value}, and this node has ` +
          `${masterKey.ids.join(", ")}`
        )
      }
      const known = await selectMasterKeys(tx)
      if (known.some(({ key_id, state }) => key_id === masterKey.currentId && state === "retired")) {
        return (
          `the first master key of this node, ${masterKey.currentId}, is retired: put the current one, ` +
          `${check.check_value}, first`
        )
      }
      await acceptMasterKey(tx, check.check_value, now)
      await acceptMasterKey(tx, masterKey.currentId, now)
      await work(tx, check)
      return null
    })
  const fault = await attempt()
  if (fault === null) return
  const again = reloadMasterKey(masterKey) === "changed" ? await attempt() : fault
  if (again !== null) throw new Error(again)
}
