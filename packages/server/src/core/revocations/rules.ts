import { ApiError, type Proof, type Why } from "@weir/protocol"
import type { RevocationQuestion, Revoked } from "../../authenticate/authenticate.ts"
import { isRevoked } from "../../authenticate/token.ts"
import { createTextRows } from "../../base/text-rows.ts"
import { boundedLevels, type Level, type RevocationRow } from "./store.ts"

/** A revocation as a node holds it. */
export interface Entry {
  readonly id: string
  readonly beforeMs: number | null
  readonly isTerminal: boolean
}

/** Hears that a shadow would have ended a credential. */
export type OnShadow = (entry: Entry, question: RevocationQuestion) => void

/** Every revocation in force, by app and by what it names. Lives in memory, so that asking costs no wait. */
export interface Truth {
  readonly size: number
  add(row: RevocationRow): void
  remove(row: Pick<RevocationRow, "id" | "app_id" | "level" | "target">): void
  /**
   * What has ended the credential; of several levels the first in the order of `levels`. `onShadow` hears of hits. A proof
   * belongs to one question: that nothing has ended it is remembered with it, until something changes for its app.
   */
  check(question: RevocationQuestion, onShadow: OnShadow | null): (Revoked & { entry: Entry }) | null
  /**
   * Forgets what ends nothing any more: what ran out before `nowMs`, and where users' tokens of the app have a longest life
   * (milliseconds, null: unbounded) the cut-offs that all living tokens are younger than. Yields after every `stride`
   * entries that it looked at, so that the caller can let others run; answers how many it forgot.
   */
  prune(nowMs: number, longestLifeMsOf: (appId: number) => number | null, stride: number): Generator<void, number>
  /** The apps that have any. */
  appIds(): number[]
  clear(): void
}

/** In the order in which they are asked. The ones that end most come first. */
export const levels = ["app", "user", "key", "kid", "device", "jti", "token"] as const satisfies readonly Level[]

interface OfApp {
  readonly appId: number
  /** Its levels are spaces of the table from here on. */
  readonly firstSpace: number
  /** Entries by level. */
  readonly counts: number[]
  size: number
  shadows: number
  /** Changes with every change, and is no other app's or set's. */
  version: number
}

let versions = 0
/** On a proof: the version of its app's revocations that had not ended it. */
const clearedBy = Symbol("cleared by")
interface Marked {
  [clearedBy]?: number
}

const flagShadow = 1
const flagTerminal = 2
const columnsMin = 64
/** What belongs to a row of the table. NaN: null. */
const newColumns = (length: number) => ({
  beforeMs: new Float64Array(length),
  /** When it was made, or its cut-off if that is later. */
  sinceMs: new Float64Array(length),
  /** When what it ends has run out of itself. */
  expiresAtMs: new Float64Array(length),
  flags: new Uint8Array(length),
})

export function createTruth(): Truth {
  const apps = new Map<number, OfApp>()
  const bySpace: OfApp[] = []
  // There may be millions, and as objects they would be walked whenever garbage is collected.
  let table = createTextRows()
  let columns = newColumns(columnsMin)

  const appOf = (appId: number): OfApp => {
    let app = apps.get(appId)
    if (app === undefined) {
      const firstSpace = bySpace.length * levels.length
      app = { appId, firstSpace, counts: levels.map(() => 0), size: 0, shadows: 0, version: 0 }
      apps.set(appId, app)
      bySpace.push(app)
    }
    return app
  }
  const changed = (app: OfApp, level: number, row: number, by: 1 | -1): void => {
    app.counts[level] = (app.counts[level] as number) + by
    app.size += by
    if (isShadow(row)) app.shadows += by
    versions += 1
    app.version = versions
  }
  const isShadow = (row: number): boolean => ((columns.flags[row] as number) & flagShadow) !== 0
  /** Without a cut-off it ends every token, whenever that was made. */
  const cutoffOf = (row: number): number => {
    const beforeMs = columns.beforeMs[row] as number
    return Number.isNaN(beforeMs) ? Number.POSITIVE_INFINITY : beforeMs
  }
  const ends = (row: number, issuedAt: number | null): boolean => {
    const beforeMs = columns.beforeMs[row] as number
    return Number.isNaN(beforeMs) || isRevoked(issuedAt, beforeMs / 1000)
  }
  const entryOf = (row: number): Entry => {
    const beforeMs = columns.beforeMs[row] as number
    return {
      id: table.labelOf(row),
      beforeMs: Number.isNaN(beforeMs) ? null : beforeMs,
      isTerminal: ((columns.flags[row] as number) & flagTerminal) !== 0,
    }
  }
  // Under one target those that refuse stand first, the latest cut-off before the others, so that however many there are
  // only one has to be asked; behind them stand the shadows, which all want to hear.
  const endedBy = (first: number, question: RevocationQuestion, onShadow: OnShadow | null, shadows: number): number => {
    const { issuedAt } = question.proof
    if (shadows > 0 && onShadow !== null) {
      for (let row = first; row >= 0; row = table.next(row)) {
        if (isShadow(row) && ends(row, issuedAt)) onShadow(entryOf(row), question)
      }
    }
    return first >= 0 && !isShadow(first) && ends(first, issuedAt) ? first : -1
  }
  const removeRow = (row: number): void => {
    const space = table.spaceOf(row)
    const app = bySpace[Math.floor(space / levels.length)] as OfApp
    changed(app, space - app.firstSpace, row, -1)
    table.remove(row)
  }

  return {
    get size() {
      return table.count
    },
    add(given) {
      const app = appOf(given.app_id)
      const level = levels.indexOf(given.level)
      const space = app.firstSpace + level
      const shadow = given.mode === "shadow"
      const cutoff = given.before_ms ?? Number.POSITIVE_INFINITY
      let after = -1
      for (let row = table.first(space, given.target); row >= 0; row = table.next(row)) {
        if (table.hasLabel(row, given.id)) return
        if (shadow || (!isShadow(row) && cutoffOf(row) > cutoff)) after = row
      }
      const row = table.add(space, given.target, given.id, after)
      if (row >= columns.flags.length) columns = grownColumns(columns)
      columns.beforeMs[row] = given.before_ms ?? Number.NaN
      columns.sinceMs[row] = Math.max(given.created_at, given.before_ms ?? 0)
      columns.expiresAtMs[row] = given.expires_at ?? Number.NaN
      columns.flags[row] = (shadow ? flagShadow : 0) | (given.terminal === 1 ? flagTerminal : 0)
      changed(app, level, row, 1)
    },
    remove(given) {
      const app = apps.get(given.app_id)
      if (app === undefined) return
      const space = app.firstSpace + levels.indexOf(given.level)
      let row = table.first(space, given.target)
      while (row >= 0 && !table.hasLabel(row, given.id)) row = table.next(row)
      if (row >= 0) removeRow(row)
    },
    check(question, onShadow) {
      const app = apps.get(question.appId)
      if (app === undefined || app.size === 0) return null
      const { shadows, firstSpace, counts } = app
      const proof = question.proof as Proof & Marked
      if (shadows === 0 && proof[clearedBy] === app.version) return null
      for (let at = 0; at < levels.length; at++) {
        if (counts[at] === 0) continue
        const level = levels[at] as Level
        const target = targetOf(level, question)
        if (target === null) continue
        let row = endedBy(table.first(firstSpace + at, target), question, onShadow, shadows)
        // An ES256 token has two texts, and whoever holds it can write the other one.
        const other = level === "token" ? (proof.otherSha256 ?? null) : null
        if (row < 0 && other !== null) row = endedBy(table.first(firstSpace + at, other), question, onShadow, shadows)
        if (row < 0) continue
        const entry = entryOf(row)
        return { level, revocationId: entry.id, beforeMs: entry.beforeMs, entry }
      }
      proof[clearedBy] = app.version
      return null
    },
    *prune(nowMs, longestLifeMsOf, stride) {
      let forgotten = 0
      for (let row = 0; row < table.end; row++) {
        if (row % stride === stride - 1) yield
        if (!table.isLive(row)) continue
        const space = table.spaceOf(row)
        const { appId, firstSpace } = bySpace[Math.floor(space / levels.length)] as OfApp
        const isBounded = (boundedLevels as readonly Level[]).includes(levels[space - firstSpace] as Level)
        const lifeMs = isBounded ? longestLifeMsOf(appId) : null
        const isOver =
          (columns.expiresAtMs[row] as number) < nowMs ||
          (lifeMs !== null &&
            !Number.isNaN(columns.beforeMs[row] as number) &&
            (columns.sinceMs[row] as number) < nowMs - lifeMs)
        if (!isOver) continue
        removeRow(row)
        forgotten += 1
      }
      return forgotten
    },
    appIds: () => bySpace.flatMap(({ appId, size }) => (size === 0 ? [] : [appId])),
    clear() {
      apps.clear()
      bySpace.length = 0
      table = createTextRows()
      columns = newColumns(columnsMin)
    },
  }
}

function grownColumns(columns: ReturnType<typeof newColumns>): ReturnType<typeof newColumns> {
  const grown = newColumns(columns.flags.length * 2)
  grown.beforeMs.set(columns.beforeMs)
  grown.sinceMs.set(columns.sinceMs)
  grown.expiresAtMs.set(columns.expiresAtMs)
  grown.flags.set(columns.flags)
  return grown
}

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
