// A new master key in place of the old one, while nodes serve. Each step can be the last one that happens: whoever runs
// the rotation again finds out where it stands, and goes on from there.
//
//   add      a new key is made, which the nodes can open with and nobody seals with
//   promote  once every node has it: it seals from now on
//   retire   once every node seals with it: nothing may be sealed with another key any more
//   reseal   what other keys have sealed is sealed anew, value by value, unless somebody changed it meanwhile
//   drop     once nothing is left: the other keys are forgotten
//
// Nothing is sealed with a key that a node may lack, and no key is dropped that anything needs.

import { type MasterKey, open, reloadMasterKey, SealError, seal } from "../../base/crypto.ts"
import type { AuditEntry } from "../../request/route.ts"
import type { Database, Read, Tx } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { secretContext } from "./rules.ts"
import {
  acceptMasterKey,
  countSealed,
  lockMasterKeyCheck,
  type MasterKeyState,
  makeMasterKeyCurrent,
  replaceSealed,
  retireUnknownKeys,
  type SealedPlace,
  type SealedRow,
  selectMasterKeyCheck,
  selectMasterKeys,
  selectNodeReports,
  selectSealedByOthers,
} from "./store.ts"

/** A node that may be serving. `ids` is null for one that does not say what it has: an older version. */
export interface RingOfNode {
  readonly nodeId: string
  readonly currentId: string | null
  readonly ids: readonly string[] | null
}

/** Where a deployment stands between two master keys. Ids only. */
export interface RingState {
  /** The key that everything is sealed with in the end; null before the first start. */
  readonly databaseId: string | null
  /** The ring of whoever asks, the one that seals first. */
  readonly ids: readonly string[]
  /** Keys that the database knows. */
  readonly states: ReadonlyMap<string, MasterKeyState>
  /** How many values each key has sealed; unnamedKeyId for the form without one. */
  readonly sealed: ReadonlyMap<string, number>
  readonly nodes: readonly RingOfNode[]
}

/** What comes next. `behind`: nodes that cannot follow yet. */
export type RingStep =
  | { readonly kind: "foreign" }
  | { readonly kind: "spread"; readonly keyId: string; readonly behind: readonly string[] }
  | { readonly kind: "promote"; readonly keyId: string }
  | { readonly kind: "settle"; readonly keyId: string; readonly behind: readonly string[] }
  | { readonly kind: "retire"; readonly keyId: string }
  | { readonly kind: "reseal"; readonly keyId: string }
  | { readonly kind: "drop"; readonly keyId: string }
  | { readonly kind: "settled" }

/** Decides the next step of a rotation that may have begun. `settled`: none has, or the last one is complete. */
export function nextStep({ databaseId, ids, states, sealed, nodes }: RingState): RingStep {
  const first = ids[0] as string
  if (databaseId === null || !ids.includes(databaseId)) return { kind: "foreign" }
  // A key that nobody knows and that has sealed something is an old one, which somebody put back.
  const isComing = (id: string): boolean =>
    id !== databaseId && (states.get(id) === "accepted" || (!states.has(id) && !sealed.has(id)))
  const coming = ids.find(isComing)
  if (coming === undefined) {
    if (first !== databaseId) return { kind: "promote", keyId: databaseId }
    if ([...sealed.keys()].some((id) => id !== databaseId)) return { kind: "reseal", keyId: databaseId }
    return ids.length > 1 ? { kind: "drop", keyId: databaseId } : { kind: "settled" }
  }
  const namesOf = (those: readonly RingOfNode[]): string[] => those.map(({ nodeId }) => nodeId)
  const without = nodes.filter((node) => node.ids?.includes(coming) !== true)
  if (without.length > 0) return { kind: "spread", keyId: coming, behind: namesOf(without) }
  if (first !== coming) return { kind: "promote", keyId: coming }
  const elsewhere = nodes.filter(({ currentId }) => currentId !== coming)
  if (elsewhere.length > 0) return { kind: "settle", keyId: coming, behind: namesOf(elsewhere) }
  return { kind: "retire", keyId: coming }
}

export interface RingStateParts {
  readonly masterKey: MasterKey
  readonly places: readonly SealedPlace[]
  /** Ids of the nodes that may be answering requests. */
  readonly liveNodes: (read: Read) => Promise<readonly string[]>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Looks where the deployment stands. */
export async function readRingState(read: Read, parts: RingStateParts): Promise<RingState> {
  const { masterKey, places, now } = parts
  const sealed = new Map<string, number>()
  for (const place of places) {
    for (const [keyId, total] of await countSealed(read, place)) sealed.set(keyId, (sealed.get(keyId) ?? 0) + total)
  }
  return {
    databaseId: (await selectMasterKeyCheck(read))?.check_value ?? null,
    ids: masterKey.ids,
    states: new Map((await selectMasterKeys(read)).map(({ key_id, state }) => [key_id, state])),
    sealed,
    nodes: await ringsOfNodes(read, await parts.liveNodes(read), now()),
  }
}

async function ringsOfNodes(read: Read, live: readonly string[], now: number): Promise<RingOfNode[]> {
  const reports = await selectNodeReports(read, limits.nodeReportsMax)
  const isNew = (reportedAt: number): boolean => Math.abs(now - reportedAt) < limits.nodeStartMs
  const reported = reports
    .filter(({ node_id, reported_at }) => live.includes(node_id) || isNew(reported_at))
    .map(({ node_id, current_id, key_ids }) => ({
      nodeId: node_id,
      currentId: current_id,
      ids: JSON.parse(key_ids) as string[],
    }))
  const silent = live.filter((id) => !reported.some(({ nodeId }) => nodeId === id))
  return [...reported, ...silent.map((nodeId) => ({ nodeId, currentId: null, ids: null }))]
}

/** The file that rings come from, for whoever changes it. Each change is one step that a crash cannot halve. */
export interface RingFile {
  /** Makes a key and puts it behind the others, once `accept` is done with its id. Gives the id. */
  add(accept: (keyId: string) => Promise<void>): Promise<string>
  /** Puts a key before the others. */
  promote(keyId: string): void
  /** Takes all others away. */
  keepOnly(keyId: string): void
}

export interface RotationParts extends RingStateParts {
  readonly db: Database
  /** Null where the keys come from the environment, which only the operator can change. */
  readonly file: RingFile | null
  /** Writes to the audit log, in the transaction of the change. */
  readonly audit: (tx: Tx, entry: AuditEntry, now: number) => Promise<void>
  /** One line for the operator. */
  readonly say: (line: string) => void
  readonly sleep: (ms: number) => Promise<unknown>
}

/** The rotation cannot go on. The message is one line for the operator; running it again goes on from there. */
export class RotationError extends Error {
  override readonly name = "RotationError"
}

/**
 * Puts a new master key in place of the current one, or finishes a rotation that was begun. With a file it does all of
 * it; without one it does what is the database's part, and gives the step that the operator has to take. Null: done.
 * Throws RotationError. One process at a time may do this with one file.
 */
export async function rotateMasterKey(parts: RotationParts): Promise<RingStep | null> {
  const { db, masterKey, file, say } = parts
  let isUnderWay = false
  let added: string | null = null
  let waitedMs = 0
  let waitsFor = ""
  for (;;) {
    const state = await readRingState(db.read, parts)
    const step = nextStep(state)
    if (step.kind === "foreign") {
      throw new RotationError("this database belongs to another master key, or the server was never started on it")
    }
    if (step.kind === "settled") {
      if (isUnderWay) {
        if (added === null) say("that ends a rotation which was begun before; run this again for a new key")
        return null
      }
      if (file === null) return step
      added = await file.add((id) => db.transact((tx) => acceptMasterKey(tx, id, parts.now())).then(() => undefined))
      say(`added ${added}`)
      await freshRing(masterKey, parts.sleep)
    } else if (step.kind === "spread" || step.kind === "settle") {
      if (file === null) return step
      const waiting = `${step.kind} ${step.behind.join(", ")}`
      if (waiting !== waitsFor) [waitsFor, waitedMs] = [waiting, 0]
      if (waitedMs === limits.followLookEveryMs * 8) say(`waiting for ${step.behind.join(", ")}`)
      if (waitedMs >= limits.followMs) throw new RotationError(notFollowing(step))
      await parts.sleep(limits.followLookEveryMs)
      waitedMs += limits.followLookEveryMs
    } else if (step.kind === "promote") {
      if (file === null) return step
      file.promote(step.keyId)
      say(`${step.keyId} seals from now on`)
      await freshRing(masterKey, parts.sleep)
    } else if (step.kind === "retire") {
      if (await retireOthers(parts, step.keyId)) say(`${step.keyId} is the current key; all others are retired`)
    } else if (step.kind === "reseal") {
      // An old key that was put back to open what it had sealed: once that is done, it must not be taken for a new one.
      const old = state.ids.filter((id) => id !== step.keyId && !state.states.has(id))
      await db.transact((tx) => retireUnknownKeys(tx, old, parts.now()))
      const { resealed, changed } = await resealAll(parts)
      say(
        `sealed ${resealed} ${resealed === 1 ? "value" : "values"} anew${changed > 0 ? `, ${changed} had changed` : ""}`,
      )
    } else {
      if (file === null) return step
      file.keepOnly(step.keyId)
      say("dropped the keys that nothing needs any more")
      await freshRing(masterKey, parts.sleep)
    }
    // Values that name no key are left from before there were several, and say nothing of a rotation.
    if (step.kind !== "reseal") isUnderWay = true
  }
}

const notFollowing = ({ kind, behind }: { kind: "spread" | "settle"; behind: readonly string[] }): string =>
  `${behind.join(", ")} ${kind === "spread" ? "cannot open with" : "do not seal with"} the new key after ` +
  `${limits.followMs / 1000} s: do they read the same file? Give them the new one, or stop them, and run this again`

// What the file holds now is what decides the next step, and a ring is read at most once a second.
async function freshRing(masterKey: MasterKey, sleep: RotationParts["sleep"]): Promise<void> {
  while (reloadMasterKey(masterKey) === "early") await sleep(limits.followLookEveryMs)
}

/** From the commit on nothing is written that another key has sealed. False when something has come in between. */
function retireOthers(parts: RotationParts, keyId: string): Promise<boolean> {
  return parts.db.transact(async (tx) => {
    // From here on no node starts, and none says anything new, until the commit.
    const before = await lockMasterKeyCheck(tx, "update")
    const step = nextStep(await readRingState(tx, parts))
    if (step.kind !== "retire" || step.keyId !== keyId || before === undefined) return false
    const now = parts.now()
    await makeMasterKeyCurrent(tx, keyId, now)
    await parts.audit(
      tx,
      {
        action: "master_key.rotated",
        appId: null,
        target: {},
        before: { key_id: before.check_value },
        after: { key_id: keyId },
      },
      now,
    )
    return true
  })
}

export interface Resealed {
  readonly resealed: number
  /** Values that were changed or deleted between the look and the write; they were looked at again. */
  readonly changed: number
}

/**
 * Seals everything anew that another key than the ring's first has sealed, in bounded batches, until nothing is left.
 * Whatever else changes a row meanwhile wins. Throws RotationError naming rows that no key of the ring opens.
 */
export async function resealAll(parts: Pick<RotationParts, "db" | "masterKey" | "places">): Promise<Resealed> {
  let [resealed, changed] = [0, 0]
  for (let pass = 0; pass < limits.resealPassesMax; pass++) {
    const unreadable: string[] = []
    let left = 0
    for (const place of parts.places) {
      for (let after: SealedRow | null = null; ; ) {
        const batch: SealedRow[] = await selectSealedByOthers(
          parts.db.read,
          place,
          parts.masterKey.currentId,
          after,
          limits.resealBatchMax,
        )
        const outcome = await resealBatch(parts, place, batch)
        resealed += outcome.resealed
        changed += outcome.changed
        left += outcome.changed
        unreadable.push(...outcome.unreadable)
        if (batch.length < limits.resealBatchMax) break
        after = batch.at(-1) ?? null
      }
    }
    if (left > 0) continue
    if (unreadable.length > 0) throw new RotationError(unreadableText(unreadable))
    return { resealed, changed }
  }
  throw new RotationError("values change faster than they are sealed anew; run this again")
}

async function resealBatch(
  { db, masterKey }: Pick<RotationParts, "db" | "masterKey">,
  place: SealedPlace,
  batch: readonly SealedRow[],
): Promise<{ resealed: number; changed: number; unreadable: string[] }> {
  const unreadable: string[] = []
  const anew: { row: SealedRow; sealed: string }[] = []
  for (const row of batch) {
    try {
      const context = place.context(row)
      anew.push({ row, sealed: seal(masterKey, open(masterKey, String(row[place.sealed]), context), context) })
    } catch (error) {
      if (!(error instanceof SealError)) throw error
      unreadable.push(`${place.table} ${place.key.map((name) => row[name]).join("/")}`)
    }
  }
  if (anew.length === 0) return { resealed: 0, changed: 0, unreadable }
  const resealed = await db.transact(async (tx) => {
    let done = 0
    for (const { row, sealed } of anew) if (await replaceSealed(tx, place, row, sealed)) done++
    return done
  })
  return { resealed, changed: anew.length - resealed, unreadable }
}

const unreadableText = (names: readonly string[]): string => {
  const { unreadableNamedMax } = limits
  const more = names.length > unreadableNamedMax ? ` and ${names.length - unreadableNamedMax} more` : ""
  return (
    `no key here opens ${names.slice(0, unreadableNamedMax).join(", ")}${more}: they were changed, or sealed with a key ` +
    "that is missing. Nothing was dropped; add that key, or delete these rows, and run this again"
  )
}

/** The secrets of API keys. */
export const sealedSecrets: SealedPlace = {
  table: "secrets",
  key: ["api_key", "kid"],
  sealed: "sealed",
  also: ["app_id"],
  context: ({ app_id, api_key, kid }) => secretContext(Number(app_id), String(api_key), String(kid)),
}
