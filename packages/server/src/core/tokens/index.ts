import type { OperatorRole } from "@weir/protocol"
import type { Tx } from "../../store/database.ts"
import { type Revocations, revoke } from "../revocations/index.ts"
import { limits } from "./limits.ts"
import { mayStillMint } from "./rules.ts"
import { deleteMinted, selectMinted } from "./store.ts"

export { migrations as tokenMigrations } from "./migrations.ts"
export { type TokenRouteParts, tokenRoutes } from "./routes.ts"
export { pruneMinted } from "./store.ts"

export interface MintedEnd {
  readonly operatorId: string
  /** What the operator is from now on; null: nobody who makes tokens. */
  readonly role: OperatorRole | null
  readonly reason: string
  readonly actor: string
  readonly now: number
}

/**
 * Revokes the tokens that an operator made, is not allowed to make any more, and that are still valid. The operator's row
 * must be locked, so that none is made meanwhile. Answers how many, and what waits, after the commit, until all nodes
 * refuse them and each revocation has its receipt.
 */
export async function revokeMinted(
  { receipt }: Pick<Revocations, "receipt">,
  monotonic: () => number,
  tx: Tx,
  { operatorId, role, reason, actor, now }: MintedEnd,
): Promise<{ readonly count: number; readonly wait: () => Promise<void> }> {
  const made = await selectMinted(tx, operatorId, now, limits.madeByOperatorMax)
  const ended = made.filter((token) => role === null || !mayStillMint(role, token))
  if (ended.length === 0) return { count: 0, wait: async () => undefined }
  const rows: Awaited<ReturnType<typeof revoke>>[] = []
  for (const { app_id: appId, jti: target, expires_at: expiresAtMs } of ended) {
    rows.push(await revoke(tx, { appId, level: "jti", target, beforeMs: null, reason, expiresAtMs }, actor, now))
  }
  await deleteMinted(
    tx,
    ended.map(({ jti }) => jti),
  )
  let committedAt = monotonic()
  tx.afterCommit(() => {
    committedAt = monotonic()
  })
  return {
    count: ended.length,
    async wait() {
      await Promise.all(rows.map((row) => receipt(row, committedAt)))
    },
  }
}
