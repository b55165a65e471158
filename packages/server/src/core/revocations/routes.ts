import { inputError, notFoundError, revocations as operations } from "@weir/protocol"
import { uuid } from "../../base/ids.ts"
import { type AdminRoute, adminRead, adminRoute } from "../../request/route.ts"
import type { Read, Tx } from "../../store/database.ts"
import { parseTimestamp } from "../../store/filter.ts"
import { requireApp } from "../apps/index.ts"
import type { Revocations } from "./cache.ts"
import { limits } from "./limits.ts"
import { revocationResponse } from "./rules.ts"
import {
  insertRevocation,
  type Level,
  markUndone,
  nextSeq,
  type RevocationRow,
  selectDeploymentKeys,
  selectRevocation,
  selectRevocations,
} from "./store.ts"

export interface RevocationRouteParts {
  readonly revocations: Pick<Revocations, "receipt" | "news" | "truth">
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  /** When a token runs out of itself, in milliseconds; null: not known. */
  readonly expiryOf: (read: Read, appId: number, sha256: string) => Promise<number | null>
  /** Counts the open sockets on all nodes, and the known tokens and users, that a revocation would end. */
  readonly count: (row: RevocationRow) => Promise<{ sockets: number; tokens: number; users: number }>
}

/** How far `before` may be ahead of the clock, for operators whose clock is: as far as a policy's leeway may go. */
const beforeAheadMs = 60_000

export interface NewRevocation {
  readonly appId: number
  readonly level: Level
  readonly target: string
  /** Milliseconds; null: whenever the token was issued. */
  readonly beforeMs: number | null
  readonly mode?: "enforce" | "shadow"
  readonly terminal?: boolean
  readonly reason?: string
  /** When what it ends runs out of itself, so that it may be forgotten; null or absent: not known. */
  readonly expiresAtMs?: number | null
}

/** Writes a revocation; it holds from the commit on, on each node as soon as it hears. */
export async function revoke(tx: Tx, given: NewRevocation, actor: string, now: number): Promise<RevocationRow> {
  const row: RevocationRow = {
    id: uuid(),
    seq: await nextSeq(tx),
    app_id: given.appId,
    level: given.level,
    target: given.target,
    before_ms: given.beforeMs,
    mode: given.mode ?? "enforce",
    terminal: given.terminal === true ? 1 : 0,
    reason: given.reason ?? "",
    created_by: actor,
    created_at: now,
    undone_at: null,
    shadow_hits: 0,
    shadow_users: 0,
    receipt: null,
    expires_at: given.expiresAtMs ?? null,
  }
  await insertRevocation(tx, row)
  return row
}

/** Writes a revocation and answers what waits for the nodes after the commit and gives the receipt. */
export async function revokeWithReceipt(
  parts: Pick<RevocationRouteParts, "revocations" | "monotonic" | "expiryOf">,
  tx: Tx,
  given: NewRevocation,
  actor: string,
  now: number,
): Promise<() => Promise<object>> {
  const expiresAtMs = given.level === "token" ? await parts.expiryOf(tx, given.appId, given.target) : null
  const row = await revoke(tx, { ...given, expiresAtMs }, actor, now)
  let committedAt = parts.monotonic()
  tx.afterCommit(() => {
    committedAt = parts.monotonic()
  })
  return () => parts.revocations.receipt(row, committedAt)
}

export const revocationRoutes = (parts: RevocationRouteParts): AdminRoute[] => [
  adminRoute(operations.createRevocation, async ({ input, tx, now, principal, audit, afterwards }) => {
    const { id: appId } = await requireApp(tx, input.path.app)
    const given = { appId, ...targetOf(input.body), ...optionsOf(input.body, now) }
    if (input.query.dry_run === true) {
      const probe = { ...given, app_id: appId, before_ms: given.beforeMs, created_at: now }
      afterwards(async (output) => ({ ...output, would: await parts.count(probe as unknown as RevocationRow) }))
      return { receipt: null, would: null }
    }
    if (parts.revocations.truth.size >= limits.revocationsMax) {
      throw inputError(`there are ${limits.revocationsMax} revocations in force, which is all that a node holds`)
    }
    const wait = await revokeWithReceipt(parts, tx, given, principal.name, now)
    audit({
      action: given.mode === "shadow" ? "revocation.shadowed" : "revocation.created",
      appId,
      target: { level: given.level, target: given.target },
      after: { before: given.beforeMs === null ? null : new Date(given.beforeMs).toISOString(), reason: given.reason },
    })
    afterwards(async (output) => ({ ...output, receipt: (await wait()) as never }))
    return { receipt: null, would: null }
  }),

  adminRead(operations.listRevocations, async ({ input, read }) => {
    const { id: appId } = await requireApp(read, input.path.app)
    const limit = input.query.limit ?? limits.pageSizeDefault
    const before = input.query.next === undefined ? null : Number(input.query.next)
    const rows = await selectRevocations(read, appId, before, limit + 1)
    const shown = rows.slice(0, limit)
    return {
      revocations: shown.map(revocationResponse),
      next: rows.length > limit ? String(shown.at(-1)?.seq) : null,
    }
  }),

  adminRead(operations.getRevocation, async ({ input, read }) => {
    const { id: appId } = await requireApp(read, input.path.app)
    return { revocation: revocationResponse(await requireRevocation(read, appId, input.path.id)) }
  }),

  adminRoute(operations.undoRevocation, async ({ input, tx, now, audit, afterwards }) => {
    const { id: appId } = await requireApp(tx, input.path.app)
    const row = await requireRevocation(tx, appId, input.path.id)
    if (row.undone_at !== null) return { revocation: revocationResponse(row) }
    const seq = await nextSeq(tx)
    await markUndone(tx, row.id, seq, now)
    afterwards(async (output) => {
      await parts.revocations.news()
      return output
    })
    audit({ action: "revocation.undone", appId, target: { id: row.id, level: row.level, target: row.target } })
    return { revocation: revocationResponse({ ...row, undone_at: now, seq }) }
  }),

  adminRead(operations.listReceiptKeys, async ({ read }) => ({ keys: await receiptKeys(read) })),
]

/** Public keys of receipts, the one that signs first. */
export const receiptKeys = async (read: Read) =>
  (await selectDeploymentKeys(read, "receipt")).map((row) => ({
    key_id: row.key_id,
    alg: "EdDSA" as const,
    public_key: row.public_key,
    created_at: new Date(row.created_at).toISOString(),
  }))

interface Body {
  readonly user_id?: string
  readonly api_key?: string
  readonly kid?: string
  readonly jti?: string
  readonly token_sha256?: string
  readonly device_id?: string
  readonly all?: true
}

const fields = [
  ["user_id", "user"],
  ["api_key", "key"],
  ["kid", "kid"],
  ["jti", "jti"],
  ["token_sha256", "token"],
  ["device_id", "device"],
] as const satisfies readonly (readonly [keyof Body, Level])[]

function targetOf(body: Body): { level: Level; target: string } {
  const named: { level: Level; target: string }[] = fields.flatMap(([field, level]) => {
    const target = body[field]
    return target === undefined ? [] : [{ level, target: level === "token" ? target.toLowerCase() : target }]
  })
  if (body.all === true) named.push({ level: "app", target: "" })
  const [only] = named
  if (only !== undefined && named.length === 1) return only
  const names = [...fields.map(([field]) => field), "all"].join(", ")
  throw inputError(`name exactly one of ${names}`, { body: `exactly one of ${names}` })
}

function optionsOf(
  body: Body & {
    readonly before?: string
    readonly mode?: "enforce" | "shadow"
    readonly terminal?: boolean
    readonly reason?: string
  },
  now: number,
) {
  // Unless it is said otherwise, whoever holds a token at this moment is out, also when it was made in this second.
  const beforeMs = body.before === undefined ? (Math.floor(now / 1000) + 1) * 1000 : parseTimestamp(body.before)
  if (beforeMs === null) throw inputError("before is not an RFC 3339 time", { before: "must be RFC 3339" })
  // A cut-off in the future would end tokens that are not made yet, the very ones that clients come back with.
  if (beforeMs > now + beforeAheadMs)
    throw inputError("before lies in the future", { before: "must not be later than now" })
  const isOneToken = body.jti !== undefined || body.token_sha256 !== undefined
  return {
    beforeMs: isOneToken ? null : beforeMs,
    mode: body.mode ?? ("enforce" as const),
    terminal: body.terminal ?? false,
    reason: body.reason ?? "",
  }
}

async function requireRevocation(read: Read, appId: number, id: string): Promise<RevocationRow> {
  const row = await selectRevocation(read, appId, id)
  if (row === undefined) throw notFoundError("revocation", id)
  return row
}
