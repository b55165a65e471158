import type { RevocationQuestion, Revoked } from "../../authenticate/authenticate.ts"
import { isRevoked } from "../../authenticate/token.ts"
import type { Level, RevocationRow } from "./store.ts"

/** A revocation as a node holds it. */
export interface Entry {
  readonly id: string
  readonly beforeMs: number | null
  readonly isShadow: boolean
  readonly isTerminal: boolean
}

/** Every revocation in force, by app and by what it names. Lives in memory, so that asking costs no wait. */
export interface Truth {
  readonly size: number
  add(row: RevocationRow): void
  remove(row: Pick<RevocationRow, "id" | "app_id" | "level" | "target">): void
  /** What has ended the credential; of several levels the first in the order of `levels`. `onShadow` hears of hits. */
  check(question: RevocationQuestion, onShadow: ((entry: Entry) => void) | null): (Revoked & { entry: Entry }) | null
}

/** In the order in which they are asked. The ones that end most come first. */
export const levels = ["app", "user", "key", "kid", "device", "jti", "token"] as const satisfies readonly Level[]

// Most targets have one revocation, and there may be millions: a list only where there are more.
type Entries = Entry | readonly Entry[]

type OfApp = Readonly<Record<Level, Map<string, Entries>>> & { size: number }

export function createTruth(): Truth {
  const apps = new Map<number, OfApp>()
  let size = 0

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
      }
      const targets = app[row.level]
      const known = targets.get(row.target)
      if (known === undefined) targets.set(row.target, entry)
      else {
        const list = isList(known) ? known : [known]
        if (list.some(({ id }) => id === row.id)) return
        targets.set(row.target, [...list, entry])
      }
      app.size += 1
      size += 1
    },
    remove(row) {
      const app = apps.get(row.app_id)
      const known = app?.[row.level].get(row.target)
      if (app === undefined || known === undefined) return
      const before = isList(known) ? known : [known]
      const rest = before.filter(({ id }) => id !== row.id)
      if (rest.length === before.length) return
      const [only] = rest
      if (only === undefined) app[row.level].delete(row.target)
      else app[row.level].set(row.target, rest.length === 1 ? only : rest)
      app.size -= 1
      size -= 1
    },
    check(question, onShadow) {
      const app = apps.get(question.appId)
      if (app === undefined || app.size === 0) return null
      for (const level of levels) {
        const targets = app[level]
        if (targets.size === 0) continue
        const target = targetOf(level, question)
        const known = target === null ? undefined : targets.get(target)
        if (known === undefined) continue
        const entry = endedBy(known, question.proof.issuedAt, onShadow)
        if (entry !== null) return { level, revocationId: entry.id, beforeMs: entry.beforeMs, entry }
      }
      return null
    },
  }
}

const isList = (entries: Entries): entries is readonly Entry[] => Array.isArray(entries)

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

// Of several the latest cut-off counts; that any of them ends the token is the same as that the latest does.
function endedBy(entries: Entries, issuedAt: number | null, onShadow: ((entry: Entry) => void) | null): Entry | null {
  if (!isList(entries)) {
    if (!ends(entries, issuedAt)) return null
    if (!entries.isShadow) return entries
    onShadow?.(entries)
    return null
  }
  let latest: Entry | null = null
  for (const entry of entries) {
    if (!ends(entry, issuedAt)) continue
    if (entry.isShadow) onShadow?.(entry)
    else if (latest === null || (entry.beforeMs ?? Number.POSITIVE_INFINITY) > (latest.beforeMs ?? 0)) latest = entry
  }
  return latest
}

const ends = ({ beforeMs }: Entry, issuedAt: number | null): boolean =>
  beforeMs === null || isRevoked(issuedAt, beforeMs / 1000)

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
