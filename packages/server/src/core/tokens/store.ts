import { count } from "../../store/columns.ts"
import type { Read, Tx } from "../../store/database.ts"
import type { RevocationRow } from "../revocations/index.ts"

/** A token that an operator made and that has not run out: not the token, only what ends it. */
export interface MintedTokenRow {
  jti: string
  app_id: number
  operator_id: string
  /** Actions that its maker had to hold, with spaces between. */
  needs: string
  /** Milliseconds. */
  expires_at: number
}

declare module "../../store/database.ts" {
  interface Tables {
    minted_tokens: MintedTokenRow
  }
}

/** What a revocation may name. */
export type Named = Pick<RevocationRow, "level" | "target">

/** Revocations in force, shadows among them, of one of these names; newest first. */
export const selectNaming = (
  read: Read,
  appId: number,
  names: readonly Named[],
  limit: number,
): Promise<RevocationRow[]> =>
  read
    .selectFrom("revocations")
    .selectAll()
    .where("app_id", "=", appId)
    .where("undone_at", "is", null)
    .where((where) =>
      where.or(names.map(({ level, target }) => where.and([where("level", "=", level), where("target", "=", target)]))),
    )
    .orderBy("seq", "desc")
    .limit(limit)
    .execute()

export const insertMinted = (tx: Tx, row: MintedTokenRow): Promise<unknown> =>
  tx.insertInto("minted_tokens").values(row).execute()

/** How many tokens that an operator made are still valid. */
export const countMinted = async (read: Read, operatorId: string, now: number): Promise<number> => {
  const { total } = await read
    .selectFrom("minted_tokens")
    .select(count().as("total"))
    .where("operator_id", "=", operatorId)
    .where("expires_at", ">", now)
    .executeTakeFirstOrThrow()
  return total
}

/** Tokens that an operator made and that are still valid. */
export const selectMinted = (read: Read, operatorId: string, now: number, limit: number): Promise<MintedTokenRow[]> =>
  read
    .selectFrom("minted_tokens")
    .selectAll()
    .where("operator_id", "=", operatorId)
    .where("expires_at", ">", now)
    .orderBy("expires_at")
    .orderBy("jti")
    .limit(limit)
    .execute()

/** As many as one statement has room for. */
export const deleteMinted = (tx: Tx, jtis: readonly string[]): Promise<unknown> =>
  tx.deleteFrom("minted_tokens").where("jti", "in", jtis).execute()

/** Forgets tokens that have run out. */
export const pruneMinted = (tx: Tx, now: number): Promise<unknown> =>
  tx.deleteFrom("minted_tokens").where("expires_at", "<=", now).execute()
