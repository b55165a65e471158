// What was seen of tokens since the last write, held in memory so that a request pays for two number writes and no
// more (authenticate keeps `uses` and `lastSeenMs` on the token's own object). Everything here can be lost with the
// node: at most the last seconds of a counter.

import type { AppCaller } from "@weir/protocol"
import type { Credentials, KeyState, VerifiedToken } from "../../authenticate/authenticate.ts"
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { Database } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { bounded, sessionRow } from "./rules.ts"
import {
  addSessions,
  addUsage,
  addWarnings,
  type PolicyWarningRow,
  pruneSessions,
  type SecretUsageRow,
  type TokenSessionRow,
} from "./store.ts"

export interface Sightings {
  /** A token was let in for the first time since this node has known it, or after a long pause. Never throws. */
  sighted(key: KeyState, token: VerifiedToken, credentials: Credentials, principal: AppCaller): void
  /** A compatible policy let a token pass that a strict one refuses. Never throws. */
  warned(key: KeyState, rule: string, token: VerifiedToken, credentials: Credentials): void
  /** Writes what is not written yet; before an answer that shows it. */
  flush(): Promise<void>
  /** Writes the rest and stops. */
  close(): Promise<void>
}

interface Watched {
  readonly principal: AppCaller
  readonly address: string
  readonly client: string | null
  writtenUses: number
}

export function createSightings(parts: { db: Database; clock: Clock; log: Logger }): Sightings {
  const { db, clock, log } = parts
  const watched = new Map<VerifiedToken, Watched>()
  const evicted: TokenSessionRow[] = []
  const usage = new Map<string, SecretUsageRow>()
  const warnings = new Map<string, PolicyWarningRow>()
  /** Clients per secret that this node has written, so that their number stays small. */
  const clientsOf = new Map<string, Set<string>>()
  let lastPruneMs = clock.now()
  let writing: Promise<void> = Promise.resolve()

  const watch = (token: VerifiedToken, principal: AppCaller, credentials: Credentials): void => {
    const known = watched.get(token)
    if (known !== undefined) return
    if (watched.size >= limits.tokensWatchedMax) {
      const [oldest] = watched
      if (oldest !== undefined) {
        const row = rowOf(oldest[0], oldest[1])
        if (row !== null && evicted.length < limits.tokensWatchedMax) evicted.push(row)
        watched.delete(oldest[0])
      }
    }
    watched.set(token, { principal, address: credentials.address(), client: credentials.client, writtenUses: 0 })
  }

  const rowOf = (token: VerifiedToken, seen: Watched): TokenSessionRow | null => {
    const uses = token.uses - seen.writtenUses
    if (uses <= 0) return null
    seen.writtenUses = token.uses
    return sessionRow(seen.principal, token, { uses, address: seen.address, client: seen.client })
  }

  const countBackend = (key: KeyState, kid: string, credentials: Credentials): void => {
    const client = clientName(`${key.appId}|${kid}`, bounded(credentials.client) ?? "")
    const id = `${key.appId}|${kid}|${client}`
    const known = usage.get(id)
    const now = clock.now()
    if (known !== undefined) {
      known.tokens += 1
      known.last_seen = now
      return
    }
    if (usage.size >= limits.secretsPendingMax) return
    const last_address = credentials.address().slice(0, limits.addressCharsMax)
    usage.set(id, { app_id: key.appId, kid, client, tokens: 1, last_seen: now, last_address })
  }

  const clientName = (secret: string, client: string): string => {
    const known = clientsOf.get(secret)
    if (known === undefined) {
      if (clientsOf.size >= limits.secretsPendingMax) clientsOf.clear()
      clientsOf.set(secret, new Set([client]))
      return client
    }
    if (known.has(client)) return client
    if (known.size >= limits.clientsPerSecretMax) return "other"
    known.add(client)
    return client
  }

  /** Rows by their key, because one statement cannot meet the same row twice. */
  const takeSessions = (): TokenSessionRow[] => {
    const rows = new Map<string, TokenSessionRow>()
    const add = (row: TokenSessionRow): void => {
      const id = `${row.app_id}|${row.sha256}`
      const other = rows.get(id)
      if (other === undefined) {
        rows.set(id, row)
        return
      }
      other.uses += row.uses
      other.first_seen = Math.min(other.first_seen, row.first_seen)
      other.last_seen = Math.max(other.last_seen, row.last_seen)
    }
    for (const row of evicted.splice(0)) add(row)
    const idleBefore = clock.now() - limits.idleMs
    for (const [token, seen] of watched) {
      const row = rowOf(token, seen)
      if (row !== null) add(row)
      else if (token.lastSeenMs < idleBefore) watched.delete(token)
    }
    return [...rows.values()]
  }

  const write = async (): Promise<void> => {
    const sessions = takeSessions()
    const used = [...usage.values()]
    const warned = [...warnings.values()]
    usage.clear()
    warnings.clear()
    if (sessions.length + used.length + warned.length === 0) return
    await inBatches(sessions, (batch) => db.transact((tx) => addSessions(tx, batch)))
    await inBatches(used, (batch) => db.transact((tx) => addUsage(tx, batch)))
    await inBatches(warned, (batch) => db.transact((tx) => addWarnings(tx, batch)))
  }

  const prune = async (): Promise<void> => {
    if (clock.now() - lastPruneMs < limits.pruneEveryMs) return
    lastPruneMs = clock.now()
    await db.transact((tx) => pruneSessions(tx, clock.now() - limits.keptMs, limits.pruneBatchMax))
  }

  // One write at a time, so that an answer that waits for a flush sees everything from before it.
  const flush = (): Promise<void> => {
    writing = writing.then(write, write)
    return writing
  }

  let timer: ReturnType<typeof setTimeout> | null = null
  const schedule = (): void => {
    timer = setTimeout(() => {
      void flush()
        .then(prune)
        .catch((error) => log.warn("what was seen of tokens could not be written", { cause: error }))
        .finally(() => {
          if (timer !== null) schedule()
        })
    }, limits.flushEveryMs)
    timer.unref?.()
  }
  schedule()

  return {
    sighted(key, token, credentials, principal) {
      const { kid } = token.proof
      const { method } = token.proof
      if (principal.kind !== "server" && (method === "jwt" || method === "devtoken")) {
        watch(token, principal, credentials)
        return
      }
      if (kid !== null) countBackend(key, kid, credentials)
    },
    warned(key, rule, token, credentials) {
      const id = `${key.appId}|${rule}`
      const known = warnings.get(id)
      const now = clock.now()
      if (known === undefined && warnings.size >= limits.warningsPendingMax) return
      warnings.set(id, {
        app_id: key.appId,
        rule,
        seen: (known?.seen ?? 0) + 1,
        first_seen: known?.first_seen ?? now,
        last_seen: now,
        kid: token.proof.kid,
        client: bounded(credentials.client),
      })
    },
    flush,
    async close() {
      if (timer !== null) clearTimeout(timer)
      timer = null
      await flush().catch((error) => log.warn("what was seen of tokens could not be written", { cause: error }))
    },
  }
}

async function inBatches<Row>(rows: readonly Row[], write: (batch: readonly Row[]) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < rows.length; at += limits.flushBatchMax) {
    await write(rows.slice(at, at + limits.flushBatchMax))
  }
}
