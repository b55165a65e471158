import type { Read } from "../../store/database.ts"
import type { RevocationRow } from "../revocations/index.ts"

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
