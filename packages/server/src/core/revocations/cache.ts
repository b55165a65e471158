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
import type { Database, Tx } from "../../store/database.ts"
import { requireSealable } from "../keys/index.ts"
import { limits } from "./limits.ts"
import {
  applyRows,
  type CloseSockets,
  createTruth,
  endError,
  type NodeAnswer,
  type Receipt,
  type Truth,
  unsignedReceipt,
} from "./rules.ts"
import { createShadowCounts } from "./shadows.ts"
import {
  type DeploymentKeyRow,
  endLease,
  insertDeploymentKey,
  type NodeCounts,
  pruneCutoffs,
  pruneNodes,
  pruneNonces,
  pruneOver,
  pruneShadowUsers,
  type RevocationRow,
  renewLease,
  saveReceipt,
  selectClock,
  selectDeploymentKeys,
  selectInForce,
  selectLiveNodes,
  selectNodes,
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
  /**
   * Why a socket with this credential must not be let in at this moment, or null; for a credential that was checked a
   * moment ago, so it counts as no use. Null as credential: nothing that can be revoked, only the lease is asked.
   */
  refusalOf(question: RevocationQuestion | null): ApiError | null
  /** After the commit of a revocation: applies it here, waits for the other nodes, and gives the signed receipt. */
  receipt(row: RevocationRow, committedAt: number): Promise<Receipt>
  /** After the commit of a change that needs no receipt: tells the others, and resolves when it holds here. */
  news(): Promise<void>
  /** Ids of the nodes that answer requests now. */
  liveNodes(): Promise<string[]>
  /** Every node of the last hour, those that fell silent too. */
  seenNodes(): Promise<SeenNodes>
  /** How well this node knows what has been revoked. */
  knowledge(): Knowledge
  close(): Promise<void>
}

/** Where nodes and changes stand by the database. */
export interface SeenNodes {
  /** Place of the latest change. */
  readonly latestSeq: number
  /** `seenMsAgo`: since it last renewed its lease. */
  readonly nodes: readonly { readonly nodeId: string; readonly seenMsAgo: number; readonly isLive: boolean }[]
}

/** Durations in milliseconds. */
export interface Knowledge {
  /** Every change up to here is applied. */
  readonly appliedSeq: number
  /** Since it last asked the database. */
  readonly ageMs: number
  /** For so long it may go on without asking; 0: it lets nobody in. */
  readonly leaseLeftMs: number
}

export interface RevocationsParts {
  readonly db: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Logger
  readonly masterKey: MasterKey
  readonly closeSockets: CloseSockets
  /** Closes every socket: this node cannot know any more whom it serves. */
  readonly fence: (error: ApiError) => void
  /** Longest life of an app's tokens in seconds; null when nothing bounds it. */
  readonly longestLifeSeconds: (appId: number) => Promise<number | null>
}

const receiptPurpose = "receipt"
const receiptKeyContext = (keyId: string): string => sealContext("deployment-key", receiptPurpose, keyId)

/** As it travels on the bus. `closed`: sockets by revocation, for those of this answer's that ended any. */
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
  const shadows = createShadowCounts(db)
  /** What this node closed of late, for its row in the database. */
  const closedHere = new Map<string, readonly [appliedAt: number, sockets: number]>()
  let appliedSeq = 0
  let leaseUntilMs = Number.NEGATIVE_INFINITY
  let isFenced = false
  let isClosed = false
  let lastPruneMs = clock.now()
  /** Up to here the others can read in the database that this node has applied them. */
  let toldSeq = 0
  const isShared = db.capabilities.supportsManyNodes
  const signing = await receiptKey()

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

  const apply = (rows: readonly RevocationRow[]): Record<string, number> => {
    const closed = applyRows(truth, rows, parts.closeSockets)
    for (const { id, seq, undone_at } of rows) {
      appliedSeq = Math.max(appliedSeq, seq)
      if (undone_at !== null) shadows.forget(id)
    }
    const at = clock.now()
    for (const [id, sockets] of Object.entries(closed)) closedHere.set(id, [at, sockets])
    return closed
  }
  const closedOfLate = (): NodeCounts => {
    for (const [id, [at]] of closedHere) {
      if (closedHere.size > limits.closedKeptMax || clock.now() - at > limits.closedKeptMs) closedHere.delete(id)
    }
    return Object.fromEntries(closedHere)
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
        const closed = apply(rows)
        const word: Word = { kind: "applied", seq: appliedSeq, at: clock.now(), closed }
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

  const readNewsLater = (): void => {
    readNews().catch((error) => log.warn("news of revocations could not be read", { cause: error }))
  }
  const stopHearing = bus.subscribe("revocation", (payload, fromNode) => {
    if (fromNode === bus.nodeId) return
    const word = JSON.parse(payload) as Word
    if (word.kind === "applied") answered(fromNode, word)
    else readNewsLater()
  })
  bus.onGap(readNewsLater)
  const tellOthers = (): void => {
    if (bus.shared) bus.publish("revocation", JSON.stringify({ kind: "news" } satisfies Word))
  }

  /** Everything that is in force, for a node that starts or has missed more than is kept of what was undone. */
  const load = async (): Promise<void> => {
    const { seq } = await selectClock(db.read)
    truth.clear()
    for (let from = 0; ; ) {
      const rows = await selectInForce(db.read, from, limits.readBatchMax)
      for (const row of rows) truth.add(row)
      from = rows.at(-1)?.seq ?? from
      if (rows.length < limits.readBatchMax) break
    }
    // What changed meanwhile is read after it, once more where it was seen already.
    appliedSeq = seq
  }

  /** The lease counts from before the round trip: what the database says may be as old as that. */
  const renew = async (): Promise<void> => {
    const askedAtMs = clock.monotonic()
    if (askedAtMs - leaseUntilMs > limits.reloadAfterMs) await load()
    // A database that belongs to one process has nobody else who would ask whether this node lives.
    if (isShared) {
      const closed = closedOfLate()
      await db.transact((tx) => renewLease(tx, bus.nodeId, limits.leaseMs, appliedSeq, closed))
      toldSeq = appliedSeq
    }
    await readNews()
    if (isClosed) return
    leaseUntilMs = askedAtMs + limits.leaseMs
    if (isFenced && hasLease()) {
      isFenced = false
      log.info("this node knows again what has been revoked, and lets callers in")
    }
  }
  await renew()

  const fence = (): void => {
    if (isFenced || isClosed) return
    isFenced = true
    log.error("this node cannot know what has been revoked: it closes its sockets and lets nobody in", {
      lease_ms: limits.leaseMs,
    })
    parts.fence(unavailable())
  }
  let looks = 0
  const watch = setInterval(() => {
    if (hasLease() || isClosed) {
      looks = 0
      return
    }
    looks += 1
    if (looks === 1) renewNow()
    if (looks >= limits.looksBeforeFence) fence()
  }, limits.watchEveryMs)
  watch.unref?.()

  const upkeep = async (): Promise<void> => {
    await shadows.flush()
    if (clock.now() - lastPruneMs < limits.pruneEveryMs) return
    lastPruneMs = clock.now()
    await prune()
  }
  const prune = async (): Promise<void> => {
    const nowMs = clock.now() - limits.pruneMarginMs
    await db.transact((tx) => pruneNodes(tx, limits.nodesKeptMs))
    await inBatches((tx, limit) => pruneNonces(tx, clock.now(), limit))
    await inBatches((tx, limit) => pruneOver(tx, "expires_at", nowMs, limit))
    await inBatches((tx, limit) => pruneOver(tx, "undone_at", nowMs - limits.undoneKeptMs, limit))
    const livesMs = new Map<number, number | null>()
    for (const appId of truth.appIds()) {
      const lifeSeconds = await parts.longestLifeSeconds(appId)
      const lifeMs = lifeSeconds === null ? null : lifeSeconds * 1000
      livesMs.set(appId, lifeMs)
      if (lifeMs !== null) await inBatches((tx, limit) => pruneCutoffs(tx, appId, nowMs - lifeMs, limit))
    }
    for (const _ of truth.prune(nowMs, (appId) => livesMs.get(appId) ?? null, limits.pruneStride)) await Bun.sleep(0)
    await db.transact(pruneShadowUsers)
  }
  /** Short transactions, so that nobody waits long for a lock. */
  const inBatches = async (deleteSome: (tx: Tx, limit: number) => Promise<number>): Promise<void> => {
    for (let batch = 0; batch < limits.pruneBatchesMax && !isClosed; batch += 1) {
      const deleted = await db.transact((tx) => deleteSome(tx, limits.pruneBatchMax))
      if (deleted < limits.pruneBatchMax) return
    }
  }
  // Apart from the lease, which must not wait for it.
  let keeping: Promise<void> | null = null
  const keepUp = (): void => {
    keeping ??= upkeep()
      .catch((error) => log.warn("revocations could not be tidied up", { cause: error }))
      .then(() => {
        keeping = null
      })
  }

  let loop: ReturnType<typeof setTimeout>
  let running: Promise<void> = Promise.resolve()
  let isRunning = false
  let isFailing = false
  const schedule = (delayMs: number): void => {
    loop = setTimeout(() => {
      const startedMs = clock.monotonic()
      isRunning = true
      running = renew()
        .then(() => {
          isFailing = false
          keepUp()
        })
        .catch((error) => {
          if (!isFailing) log.warn("the lease could not be renewed", { cause: error })
          isFailing = true
        })
        .then(() => {
          isRunning = false
          if (isClosed) return
          // While the bus is away the database is how the others hear that this node has applied something.
          const everyMs = toldSeq < appliedSeq && !bus.connected ? limits.lookForNodesEveryMs : limits.renewEveryMs
          schedule(Math.max(0, everyMs - (clock.monotonic() - startedMs)))
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
      return truth.check(question, shadows.count)
    },
    refusalOf(question) {
      if (!hasLease()) return unavailable()
      const found = question === null ? null : truth.check(question, null)
      if (found === null) return null
      const { level, revocationId, entry } = found
      return endError(entry.isTerminal, {
        check: "revocation",
        rule: level,
        detail: `its ${level} was revoked while the connection was being opened`,
        remedy: `sign a new token, or undo revocation ${revocationId}`,
        facts: { level, revocation_id: revocationId, issued_at: question?.proof.issuedAt ?? null },
      })
    },
    async news() {
      tellOthers()
      await readNews().catch((error) => log.warn("news of revocations could not be read", { cause: error }))
    },
    async receipt(row, committedAt) {
      const answers = new Map<string, NodeAnswer>()
      let wake: () => void = () => undefined
      const one: Waiting = { row, answers, wake: () => wake() }
      waiting.add(one)
      try {
        tellOthers()
        await readNews()
        // After the commit: a node that takes a lease from here on has read the revocation before it lets anybody in.
        const live = isShared ? await selectLiveNodes(db.read) : []
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
          for (const { node_id, applied_seq, closed } of await selectLiveNodes(db.read)) {
            if (applied_seq < row.seq || !leftMs.has(node_id) || answers.has(node_id)) continue
            const counts = JSON.parse(closed ?? "{}") as NodeCounts
            const [appliedAt, socketsClosed] = counts[row.id] ?? [clock.now(), 0]
            answers.set(node_id, { id: node_id, appliedAt, socketsClosed })
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
      return isShared ? (await selectLiveNodes(db.read)).map(({ node_id }) => node_id) : [bus.nodeId]
    },
    async seenNodes() {
      const [{ seq }, rows] = await Promise.all([
        selectClock(db.read),
        isShared ? selectNodes(db.read, limits.nodesListedMax) : [],
      ])
      const nodes = rows.map(({ node_id, over_ms }) => ({
        nodeId: node_id,
        seenMsAgo: Math.max(0, over_ms + limits.leaseMs),
        isLive: over_ms < 0,
      }))
      return { latestSeq: seq, nodes }
    },
    knowledge() {
      const leftMs = leaseUntilMs - clock.monotonic()
      return { appliedSeq, ageMs: Math.max(0, limits.leaseMs - leftMs), leaseLeftMs: Math.max(0, leftMs) }
    },
    async close() {
      isClosed = true
      leaseUntilMs = Number.NEGATIVE_INFINITY
      clearTimeout(loop)
      clearInterval(watch)
      stopHearing()
      await running
      await keeping
      await shadows.flush().catch((error) => log.warn("shadow hits could not be written", { cause: error }))
      // So that nobody waits for a node that has gone in order.
      if (isShared) await db.transact((tx) => endLease(tx, bus.nodeId)).catch(() => undefined)
    },
  }

  /** The deployment's key for receipts, made at the first start. Two nodes that start at once agree on the older one. */
  async function receiptKey(): Promise<{ keyId: string; privateKey: string }> {
    const [known] = await selectDeploymentKeys(db.read, receiptPurpose)
    if (known !== undefined) return opened(known)
    const { publicKey, privateKey } = generateKeyPairSync("ed25519")
    const keyId = randomId(12)
    const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString()
    await db.transact(async (tx) => {
      const row: DeploymentKeyRow = {
        key_id: keyId,
        purpose: receiptPurpose,
        public_key: publicKey.export({ format: "pem", type: "spki" }).toString(),
        sealed: seal(parts.masterKey, pem, receiptKeyContext(keyId)),
        created_at: clock.now(),
      }
      await requireSealable(tx, row.sealed, row.created_at)
      await insertDeploymentKey(tx, row)
    })
    const [oldest] = await selectDeploymentKeys(db.read, receiptPurpose)
    return opened(oldest as DeploymentKeyRow)
  }

  function opened(row: DeploymentKeyRow): { keyId: string; privateKey: string } {
    return { keyId: row.key_id, privateKey: open(parts.masterKey, row.sealed, receiptKeyContext(row.key_id)) }
  }
}
