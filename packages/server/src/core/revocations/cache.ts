// What this node knows of revocations, and for how long it may believe it. The truth is in the database; every node
// holds a copy, asks for news once a second and whenever the bus says that there are some, and says in the same breath
// that it is alive. Whoever revokes waits until each living node has answered, or its lease has run out: a node that
// cannot ask lets nobody in and closes its sockets, so that silence is an answer too.

import { generateKeyPairSync, sign } from "node:crypto"
import { ApiError, type CanonicalValue, canonicalJson } from "@weir/protocol"
import type { RevocationQuestion, Revoked } from "../../authenticate/authenticate.ts"
import type { Clock } from "../../base/clock.ts"
import { type MasterKey, open, seal, sealContext } from "../../base/crypto.ts"
import { randomId } from "../../base/ids.ts"
import type { Logger } from "../../base/log.ts"
import type { Bus } from "../../events/bus/bus.ts"
import type { Database } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { createTruth, type NodeAnswer, type Receipt, type Truth, unsignedReceipt } from "./rules.ts"
import {
  addShadowHits,
  type DeploymentKeyRow,
  endLease,
  insertDeploymentKey,
  pruneNodes,
  pruneNonces,
  pruneRevocations,
  type RevocationRow,
  renewLease,
  saveReceipt,
  selectAppsWithRevocations,
  selectClock,
  selectDeploymentKeys,
  selectInForce,
  selectLiveNodes,
  selectSince,
} from "./store.ts"

export interface Revocations {
  readonly truth: Truth
  /** Throws ApiError unavailable while the lease is over. */
  requireLease(): void
  /** Whether events may go to sockets now. When not, the sockets are closed: what they miss they have to ask for. */
  mayDeliver(): boolean
  /** What has ended a credential, or null. Throws as requireLease does. */
  check(question: RevocationQuestion): Revoked | null
  /** After the commit of a revocation: applies it here, waits for the other nodes, and gives the signed receipt. */
  receipt(row: RevocationRow, committedAt: number): Promise<Receipt>
  /** After the commit of a change that needs no receipt. */
  news(): void
  /** Ids of the nodes that answer requests now. */
  liveNodes(): Promise<string[]>
  close(): Promise<void>
}

export interface RevocationsParts {
  readonly db: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Logger
  readonly masterKey: MasterKey
  /**
   * Closes the open sockets of an app for which `endedBy` names an error, and answers how many; with `isDry` only
   * counts them. The question is what authenticate asked for that socket's token.
   */
  readonly closeSockets: (
    appId: number,
    endedBy: (question: RevocationQuestion) => ApiError | null,
    isDry: boolean,
  ) => number
  /** Closes every socket: this node cannot know any more whom it serves. */
  readonly fence: (error: ApiError) => void
  /** Longest life of an app's tokens in seconds; null when nothing bounds it. */
  readonly longestLifeSeconds: (appId: number) => Promise<number | null>
}

const receiptPurpose = "receipt"
const receiptKeyContext = (keyId: string): string => sealContext("deployment-key", receiptPurpose, keyId)

/** As it travels on the bus. `closed`: sockets by revocation, of this answer's revocations alone. */
type Word =
  | { readonly kind: "news" }
  | { readonly kind: "applied"; readonly seq: number; readonly at: number; readonly closed: Record<string, number> }

interface Waiting {
  readonly row: RevocationRow
  readonly answers: Map<string, NodeAnswer>
  readonly wake: () => void
}

/** Reads what is in force, takes the first lease, and keeps both fresh. */
export async function createRevocations(parts: RevocationsParts): Promise<Revocations> {
  const { db, bus, clock, log } = parts
  const truth = createTruth()
  const waiting = new Set<Waiting>()
  const shadowHits = new Map<string, { hits: number; users: Set<string> }>()
  let appliedSeq = 0
  let leaseUntilMs = Number.NEGATIVE_INFINITY
  let isFenced = false
  let closed = false
  let lastPruneMs = clock.now()
  const signing = await receiptKey()

  // Those that are in force now are read whole before the first caller comes; what changes meanwhile is read after.
  const { seq: startSeq } = await selectClock(db.read)
  for (let from = 0; ; ) {
    const rows = await selectInForce(db.read, from, limits.readBatchMax)
    for (const row of rows) truth.add(row)
    from = rows.at(-1)?.seq ?? from
    if (rows.length < limits.readBatchMax) break
  }
  appliedSeq = startSeq

  const unavailable = (): ApiError =>
    new ApiError("unavailable", "this node cannot reach its database, try again", {
      retryAfterSeconds: 1,
      why: {
        check: "lease",
        rule: "lease",
        detail: `what has been revoked was last asked for more than ${limits.leaseMs} ms ago`,
        remedy: "bring this node's database back; it lets callers in again by itself",
      },
    })

  const hasLease = (): boolean => clock.monotonic() < leaseUntilMs
  const requireLease = (): void => {
    if (!hasLease()) throw unavailable()
  }

  const onShadow = (entry: { readonly id: string }, question: RevocationQuestion): void => {
    let hits = shadowHits.get(entry.id)
    if (hits === undefined) {
      if (shadowHits.size >= limits.shadowUsersMax) return
      hits = { hits: 0, users: new Set() }
      shadowHits.set(entry.id, hits)
    }
    hits.hits += 1
    if (question.userId !== null && hits.users.size < limits.shadowUsersMax) hits.users.add(question.userId)
  }

  /** Takes rows in: first the truth, so that nobody new comes in, then the sockets that it ends. */
  const apply = (rows: readonly RevocationRow[]): Record<string, number> => {
    const closedBy: Record<string, number> = {}
    for (const row of rows) {
      if (row.undone_at === null) truth.add(row)
      else truth.remove(row)
      appliedSeq = Math.max(appliedSeq, row.seq)
    }
    for (const row of rows) {
      if (row.undone_at === null) closedBy[row.id] = endSockets(row)
    }
    return closedBy
  }

  const endSockets = (row: RevocationRow): number => {
    const own = createTruth()
    own.add({ ...row, mode: "enforce" })
    const error = endError(row)
    return parts.closeSockets(
      row.app_id,
      (question) => (own.check(question, null) === null ? null : error),
      row.mode === "shadow",
    )
  }

  let reading: Promise<void> = Promise.resolve()
  let isReadingAgain = false
  /** Reads what is new. Calls that come while one runs share the next. */
  const readNews = (): Promise<void> => {
    if (isReadingAgain) return reading
    isReadingAgain = true
    reading = reading
      .catch(() => undefined)
      .then(async () => {
        isReadingAgain = false
        await readOnce()
      })
    return reading
  }
  const readOnce = async (): Promise<void> => {
    for (;;) {
      const rows = await selectSince(db.read, appliedSeq, limits.readBatchMax)
      if (rows.length > 0) {
        const closedBy = apply(rows)
        const word: Word = { kind: "applied", seq: appliedSeq, at: clock.now(), closed: closedBy }
        answered(bus.nodeId, word)
        if (bus.shared) bus.publish("revocation", JSON.stringify(word))
      }
      if (rows.length < limits.readBatchMax) return
    }
  }

  const answered = (nodeId: string, word: Extract<Word, { kind: "applied" }>): void => {
    for (const one of waiting) {
      if (word.seq < one.row.seq || one.answers.has(nodeId)) continue
      one.answers.set(nodeId, { id: nodeId, appliedAt: word.at, socketsClosed: word.closed[one.row.id] ?? 0 })
      one.wake()
    }
  }

  const stopHearing = bus.subscribe("revocation", (payload, fromNode) => {
    if (fromNode === bus.nodeId) return
    const word = JSON.parse(payload) as Word
    if (word.kind === "applied") answered(fromNode, word)
    else readNews().catch((error) => log.warn("news of revocations could not be read", { cause: error }))
  })

  /** The lease counts from before the round trip: what the database says may be as old as that. */
  const renew = async (): Promise<void> => {
    const askedAtMs = clock.monotonic()
    await db.transact((tx) => renewLease(tx, bus.nodeId, limits.leaseMs, appliedSeq))
    await readNews()
    if (closed) return
    leaseUntilMs = askedAtMs + limits.leaseMs
    if (isFenced && hasLease()) {
      isFenced = false
      log.info("this node knows again what has been revoked, and lets callers in")
    }
  }
  await renew()

  const fence = (): void => {
    if (isFenced || closed) return
    isFenced = true
    log.error("this node cannot know what has been revoked: it closes its sockets and lets nobody in", {
      lease_ms: limits.leaseMs,
    })
    parts.fence(unavailable())
  }
  let looks = 0
  const watch = setInterval(() => {
    if (hasLease() || closed) {
      looks = 0
      return
    }
    looks += 1
    if (looks === 1) renewNow()
    if (looks >= limits.looksBeforeFence) fence()
  }, limits.watchEveryMs)
  watch.unref?.()

  const upkeep = async (): Promise<void> => {
    await flushShadow()
    if (clock.now() - lastPruneMs < limits.pruneEveryMs) return
    lastPruneMs = clock.now()
    await db.transact(async (tx) => {
      await pruneNodes(tx, limits.nodesKeptMs)
      await pruneNonces(tx, clock.now())
    })
    for (const { app_id } of await selectAppsWithRevocations(db.read)) {
      const lifeSeconds = await parts.longestLifeSeconds(app_id)
      if (lifeSeconds === null) continue
      const madeBefore = clock.now() - lifeSeconds * 1000 - limits.leaseMs
      await db.transact((tx) => pruneRevocations(tx, app_id, madeBefore, limits.pruneBatchMax))
    }
  }
  const flushShadow = async (): Promise<void> => {
    if (shadowHits.size === 0) return
    const hits = [...shadowHits]
    shadowHits.clear()
    await db.transact(async (tx) => {
      for (const [id, { hits: count, users }] of hits.sort(([a], [b]) => (a < b ? -1 : 1))) {
        await addShadowHits(tx, id, count, users.size)
      }
    })
  }

  let loop: ReturnType<typeof setTimeout>
  let running: Promise<void> = Promise.resolve()
  let isRunning = false
  const schedule = (delayMs: number): void => {
    loop = setTimeout(() => {
      const startedMs = clock.monotonic()
      isRunning = true
      running = renew()
        .then(upkeep)
        .catch((error) => log.warn("the lease could not be renewed", { cause: error }))
        .then(() => {
          isRunning = false
          if (!closed) schedule(Math.max(0, limits.renewEveryMs - (clock.monotonic() - startedMs)))
        })
    }, delayMs)
    loop.unref?.()
  }
  const renewNow = (): void => {
    if (isRunning) return
    clearTimeout(loop)
    schedule(0)
  }
  schedule(limits.renewEveryMs)

  return {
    truth,
    requireLease,
    mayDeliver() {
      if (hasLease()) return true
      // What is left out here would be missing without a trace, so the sockets go and ask for it.
      fence()
      return false
    },
    check(question) {
      requireLease()
      return truth.check(question, (entry) => onShadow(entry, question))
    },
    news() {
      if (bus.shared) bus.publish("revocation", JSON.stringify({ kind: "news" } satisfies Word))
      readNews().catch((error) => log.warn("news of revocations could not be read", { cause: error }))
    },
    async receipt(row, committedAt) {
      const answers = new Map<string, NodeAnswer>()
      let wake: () => void = () => undefined
      const one: Waiting = { row, answers, wake: () => wake() }
      waiting.add(one)
      try {
        if (bus.shared) bus.publish("revocation", JSON.stringify({ kind: "news" } satisfies Word))
        await readNews()
        // After the commit: a node that takes a lease from here on has read the revocation before it lets anybody in.
        const live = await selectLiveNodes(db.read)
        const startedMs = clock.monotonic()
        const leftMs = new Map(live.map(({ node_id, left_ms }) => [node_id, left_ms + limits.fenceMarginMs]))
        leftMs.set(bus.nodeId, Number.POSITIVE_INFINITY)
        for (;;) {
          const silent = [...leftMs].filter(([node]) => !answers.has(node))
          const waited = clock.monotonic() - startedMs
          if (silent.every(([, left]) => left <= waited)) break
          const untilMs = Math.min(...silent.map(([, left]) => left).filter((left) => left > waited)) - waited
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, Math.max(1, Math.min(untilMs, limits.lookForNodesEveryMs)))
            wake = () => {
              clearTimeout(timer)
              resolve()
            }
          })
          if ([...leftMs.keys()].every((node) => answers.has(node))) break
          // Where the bus is away, a node says in the database how far it has come.
          for (const { node_id, applied_seq } of await selectLiveNodes(db.read)) {
            if (applied_seq >= row.seq && leftMs.has(node_id) && !answers.has(node_id)) {
              answers.set(node_id, { id: node_id, appliedAt: clock.now(), socketsClosed: 0 })
            }
          }
        }
        const nodes = [...leftMs.keys()].map(
          (node) => answers.get(node) ?? { id: node, appliedAt: null, socketsClosed: 0 },
        )
        const lagMs = clock.monotonic() - committedAt
        const unsigned = unsignedReceipt(row, nodes, clock.now(), lagMs, signing.keyId)
        const text = canonicalJson(unsigned as unknown as CanonicalValue)
        const signature = sign(null, Buffer.from(text), signing.privateKey).toString("base64url")
        const receipt: Receipt = { ...unsigned, signature }
        await db.transact((tx) => saveReceipt(tx, row.id, JSON.stringify(receipt)))
        return receipt
      } finally {
        waiting.delete(one)
      }
    },
    async liveNodes() {
      return (await selectLiveNodes(db.read)).map(({ node_id }) => node_id)
    },
    async close() {
      closed = true
      leaseUntilMs = Number.NEGATIVE_INFINITY
      clearTimeout(loop)
      clearInterval(watch)
      stopHearing()
      await running
      await flushShadow().catch((error) => log.warn("shadow hits could not be written", { cause: error }))
      // So that nobody waits for a node that has gone in order.
      await db.transact((tx) => endLease(tx, bus.nodeId)).catch(() => undefined)
    },
  }

  /** The deployment's key for receipts, made at the first start. Two nodes that start at once agree on the older one. */
  async function receiptKey(): Promise<{ keyId: string; privateKey: string }> {
    const [known] = await selectDeploymentKeys(db.read, receiptPurpose)
    if (known !== undefined) return opened(known)
    const { publicKey, privateKey } = generateKeyPairSync("ed25519")
    const keyId = randomId(12)
    const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString()
    await db.transact((tx) =>
      insertDeploymentKey(tx, {
        key_id: keyId,
        purpose: receiptPurpose,
        public_key: publicKey.export({ format: "pem", type: "spki" }).toString(),
        sealed: seal(parts.masterKey, pem, receiptKeyContext(keyId)),
        created_at: clock.now(),
      }),
    )
    const [oldest] = await selectDeploymentKeys(db.read, receiptPurpose)
    return opened(oldest as DeploymentKeyRow)
  }

  function opened(row: DeploymentKeyRow): { keyId: string; privateKey: string } {
    return { keyId: row.key_id, privateKey: open(parts.masterKey, row.sealed, receiptKeyContext(row.key_id)) }
  }
}

/** What a socket is told that a revocation ends: come back with a new token, or stay away. */
export const endError = (row: Pick<RevocationRow, "terminal">): ApiError =>
  row.terminal === 1
    ? new ApiError("authentication", "This token has been revoked for good")
    : new ApiError("tokenExpired", "This token has been revoked, please generate a new token")
