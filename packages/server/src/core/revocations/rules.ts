import { ApiError, type Why } from "@weir/protocol"
import type { RevocationQuestion, Revoked } from "../../authenticate/authenticate.ts"
import { isRevoked } from "../../authenticate/token.ts"
import { boundedLevels, type Level, type RevocationRow } from "./store.ts"

/** A revocation as a node holds it. */
export interface Entry {
  readonly id: string
  readonly beforeMs: number | null
  readonly isShadow: boolean
  readonly isTerminal: boolean
  /** When it was made, or its cut-off if that is later; milliseconds. */
  readonly sinceMs: number
  /** When what it ends has run out of itself; milliseconds, null: not known. */
  readonly expiresAtMs: number | null
}

/** Hears that a shadow would have ended a credential. */
export type OnShadow = (entry: Entry, question: RevocationQuestion) => void

/** Every revocation in force, by app and by what it names. Lives in memory, so that asking costs no wait. */
export interface Truth {
  readonly size: number
  add(row: RevocationRow): void
  remove(row: Pick<RevocationRow, "id" | "app_id" | "level" | "target">): void
  /** What has ended the credential; of several levels the first in the order of `levels`. `onShadow` hears of hits. */
  check(question: RevocationQuestion, onShadow: OnShadow | null): (Revoked & { entry: Entry }) | null
  /**
   * Forgets the revocations of an app that end nothing any more: those that ran out before `nowMs`, and with a longest
   * life of users' tokens (milliseconds, null: unbounded) the cut-offs that all living tokens are younger than. Yields
   * after every `stride` entries that it looked at, so that the caller can let others run; answers how many it forgot.
   */
  prune(appId: number, nowMs: number, longestLifeMs: number | null, stride: number): Generator<void, number>
  /** The apps that have any. */
  appIds(): number[]
  clear(): void
}

/** In the order in which they are asked. The ones that end most come first. */
export const levels = ["app", "user", "key", "kid", "device", "jti", "token"] as const satisfies readonly Level[]

// Most targets have one revocation, and there may be millions of targets: lists only where there are more. Those that
// refuse stand with the latest cut-off first, so that however many there are only one has to be asked.
type Entries = Entry | Lists

interface Lists {
  readonly enforced: Entry[]
  readonly shadows: Entry[]
}

type OfApp = Readonly<Record<Level, Map<string, Entries>>> & { size: number }

export function createTruth(): Truth {
  const apps = new Map<number, OfApp>()
  let size = 0

  const remove: Truth["remove"] = (row) => {
    const app = apps.get(row.app_id)
    const known = app?.[row.level].get(row.target)
    if (app === undefined || known === undefined) return
    const before = listed(known)
    const rest = before.filter(({ id }) => id !== row.id)
    if (rest.length === before.length) return
    const [only] = rest
    if (only === undefined) app[row.level].delete(row.target)
    else app[row.level].set(row.target, rest.length === 1 ? only : listsOf(rest))
    app.size -= 1
    size -= 1
  }

  return {
    get size() {
      return size
    },
    add(row) {
      let app = apps.get(row.app_id)
      if (app === undefined) {
        app = newApp()
        apps.set(row.app_id, app)
      }
      const entry: Entry = {
        id: row.id,
        beforeMs: row.before_ms,
        isShadow: row.mode === "shadow",
        isTerminal: row.terminal === 1,
        sinceMs: Math.max(row.created_at, row.before_ms ?? 0),
        expiresAtMs: row.expires_at,
      }
      const targets = app[row.level]
      const known = targets.get(row.target)
      if (known === undefined) targets.set(row.target, entry)
      else {
        if (listed(known).some(({ id }) => id === row.id)) return
        const lists = isSingle(known) ? listsOf([known]) : known
        put(lists, entry)
        targets.set(row.target, lists)
      }
      app.size += 1
      size += 1
    },
    remove,
    check(question, onShadow) {
      const app = apps.get(question.appId)
      if (app === undefined || app.size === 0) return null
      for (const level of levels) {
        const targets = app[level]
        if (targets.size === 0) continue
        let entry = entryOf(targets, targetOf(level, question), question, onShadow)
        // An ES256 token has two texts, and whoever holds it can write the other one.
        if (level === "token") entry ??= entryOf(targets, question.proof.otherSha256 ?? null, question, onShadow)
        if (entry !== null) return { level, revocationId: entry.id, beforeMs: entry.beforeMs, entry }
      }
      return null
    },
    *prune(appId, nowMs, longestLifeMs, stride) {
      const app = apps.get(appId)
      if (app === undefined) return 0
      let looked = 0
      let forgotten = 0
      for (const level of levels) {
        const isBounded = longestLifeMs !== null && (boundedLevels as readonly Level[]).includes(level)
        const isOver = ({ beforeMs, sinceMs, expiresAtMs }: Entry): boolean =>
          (expiresAtMs !== null && expiresAtMs < nowMs) ||
          (isBounded && beforeMs !== null && sinceMs < nowMs - longestLifeMs)
        // A Map may change while it is walked: what is taken out is not met, what is put in comes at the end.
        for (const [target, known] of app[level]) {
          for (const entry of listed(known)) {
            if (isOver(entry)) {
              remove({ id: entry.id, app_id: appId, level, target })
              forgotten += 1
            }
          }
          looked += 1
          if (looked % stride === 0) yield
        }
      }
      return forgotten
    },
    appIds: () => [...apps].flatMap(([appId, { size }]) => (size === 0 ? [] : [appId])),
    clear() {
      apps.clear()
      size = 0
    },
  }
}

const isSingle = (entries: Entries): entries is Entry => !("enforced" in entries)

const listed = (entries: Entries): readonly Entry[] =>
  isSingle(entries) ? [entries] : [...entries.enforced, ...entries.shadows]

function listsOf(entries: readonly Entry[]): Lists {
  const lists: Lists = { enforced: [], shadows: [] }
  for (const entry of entries) put(lists, entry)
  return lists
}

function put({ enforced, shadows }: Lists, entry: Entry): void {
  if (entry.isShadow) shadows.push(entry)
  else {
    // New ones mostly have the latest cut-off.
    const at = enforced.findIndex((other) => cutoffOf(other) <= cutoffOf(entry))
    enforced.splice(at < 0 ? enforced.length : at, 0, entry)
  }
}

/** Without a cut-off it ends every token, whenever that was made. */
const cutoffOf = ({ beforeMs }: Entry): number => beforeMs ?? Number.POSITIVE_INFINITY

const newApp = (): OfApp => ({
  app: new Map(),
  user: new Map(),
  key: new Map(),
  kid: new Map(),
  device: new Map(),
  jti: new Map(),
  token: new Map(),
  size: 0,
})

/** What of a credential a level looks at; null where it has no such thing. */
function targetOf(level: Level, { apiKey, userId, isServer, proof }: RevocationQuestion): string | null {
  switch (level) {
    case "app":
      // Servers' tokens end with their key or secret, so that a cut-off for all users does not stop the backend.
      return isServer ? null : ""
    case "user":
      return userId
    case "key":
      return apiKey
    case "kid":
      return proof.kid
    case "device":
      return proof.deviceId
    case "jti":
      return proof.jti
    case "token":
      return proof.sha256 === "" ? null : proof.sha256
  }
}

function entryOf(
  targets: ReadonlyMap<string, Entries>,
  target: string | null,
  question: RevocationQuestion,
  onShadow: OnShadow | null,
): Entry | null {
  const known = target === null ? undefined : targets.get(target)
  return known === undefined ? null : endedBy(known, question, onShadow)
}

// Of several the latest cut-off counts; that any of them ends the token is the same as that the latest does.
function endedBy(entries: Entries, question: RevocationQuestion, onShadow: OnShadow | null): Entry | null {
  const { issuedAt } = question.proof
  if (isSingle(entries)) {
    if (!ends(entries, issuedAt)) return null
    if (!entries.isShadow) return entries
    onShadow?.(entries, question)
    return null
  }
  if (onShadow !== null) {
    for (const entry of entries.shadows) if (ends(entry, issuedAt)) onShadow(entry, question)
  }
  const [latest] = entries.enforced
  return latest !== undefined && ends(latest, issuedAt) ? latest : null
}

const ends = ({ beforeMs }: Entry, issuedAt: number | null): boolean =>
  beforeMs === null || isRevoked(issuedAt, beforeMs / 1000)

/**
 * Closes the open sockets of an app for which `endedBy` names an error, and answers how many; with `isDry` only counts
 * them. The question is what authenticate asked for that socket's token.
 */
export type CloseSockets = (
  appId: number,
  endedBy: (question: RevocationQuestion) => ApiError | null,
  isDry: boolean,
) => number

/**
 * Takes rows in, in one tick: first the truth, so that nobody new comes in, then the sockets that it ends. Answers how
 * many each revocation ended, or would have ended if it is a shadow; those that ended none are left out.
 */
export function applyRows(
  truth: Truth,
  rows: readonly RevocationRow[],
  closeSockets: CloseSockets,
): Record<string, number> {
  for (const row of rows) {
    if (row.undone_at === null) truth.add(row)
    else truth.remove(row)
  }
  const closed: Record<string, number> = {}
  const ending = rows.filter(({ undone_at }) => undone_at === null)
  // One look at the sockets of an app, however many revocations came at once.
  for (const [appId, ofApp] of Map.groupBy(
    ending.filter(({ mode }) => mode === "enforce"),
    (row) => row.app_id,
  )) {
    const news = createTruth()
    for (const row of ofApp) news.add(row)
    const endedBy = (question: RevocationQuestion): ApiError | null => {
      const found = news.check(question, null)
      if (found === null) return null
      closed[found.entry.id] = (closed[found.entry.id] ?? 0) + 1
      return endError(found.entry.isTerminal)
    }
    closeSockets(appId, endedBy, false)
  }
  for (const row of ending.filter(({ mode }) => mode === "shadow")) {
    const alone = createTruth()
    alone.add({ ...row, mode: "enforce" })
    const sockets = closeSockets(
      row.app_id,
      (question) => (alone.check(question, null) === null ? null : endError(false)),
      true,
    )
    if (sockets > 0) closed[row.id] = sockets
  }
  return closed
}

/** What a socket is told that a revocation ends: come back with a new token, or stay away. */
export const endError = (isTerminal: boolean, why?: Why): ApiError =>
  isTerminal
    ? new ApiError("authentication", "This token has been revoked for good", { why })
    : new ApiError("tokenExpired", "This token has been revoked, please generate a new token", { why })

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

/** A revocation as the management API shows it. */
export const revocationResponse = (row: RevocationRow) => ({
  id: row.id,
  mode: row.mode,
  level: row.level,
  target: row.target,
  before: iso(row.before_ms),
  terminal: row.terminal === 1,
  reason: row.reason,
  created_by: row.created_by,
  created_at: new Date(row.created_at).toISOString(),
  undone_at: iso(row.undone_at),
  expires_at: iso(row.expires_at),
  shadow: row.mode === "shadow" ? { hits: row.shadow_hits, users: row.shadow_users } : null,
  receipt: row.receipt === null ? null : (JSON.parse(row.receipt) as Receipt),
})

/** What a receipt says, before it is signed (protocol, Receipt). */
export interface Receipt {
  id: string
  app_id: number
  mode: "enforce" | "shadow"
  level: Level
  target: string
  before: string | null
  effective_at: string
  sockets_closed: number
  nodes: { id: string; applied_at: string | null; sockets_closed: number; fenced: boolean }[]
  max_lag_ms: number
  key_id: string
  signature: string
}

/** What one node did about a revocation; null where its lease ended without a word from it. */
export interface NodeAnswer {
  readonly id: string
  readonly appliedAt: number | null
  readonly socketsClosed: number
}

export const unsignedReceipt = (
  row: RevocationRow,
  nodes: readonly NodeAnswer[],
  effectiveAt: number,
  maxLagMs: number,
  keyId: string,
): Omit<Receipt, "signature"> => ({
  id: row.id,
  app_id: row.app_id,
  mode: row.mode,
  level: row.level,
  target: row.target,
  before: iso(row.before_ms),
  effective_at: new Date(effectiveAt).toISOString(),
  sockets_closed: nodes.reduce((total, node) => total + node.socketsClosed, 0),
  nodes: nodes.map(({ id, appliedAt, socketsClosed }) => ({
    id,
    applied_at: iso(appliedAt),
    sockets_closed: socketsClosed,
    fenced: appliedAt === null,
  })),
  max_lag_ms: Math.ceil(maxLagMs),
  key_id: keyId,
})
