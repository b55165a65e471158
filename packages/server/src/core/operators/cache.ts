// Sessions as every request of an operator needs them, with the operator's role. Held in memory and dropped over the
// bus: whoever is shut out or given another role is so on every node at once.

import type { OperatorRole } from "@weir/protocol"
import type { Cache, Caches } from "../../events/caches.ts"
import type { Read } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { sessionEndMs } from "./rules.ts"
import { selectSessionByToken } from "./store.ts"

export interface OperatorSession {
  readonly id: string
  readonly operatorId: string
  readonly email: string
  readonly role: OperatorRole
  /** When the operator last proved who they are, milliseconds since 1970. */
  readonly verifiedAtMs: number | null
  readonly expiresAtMs: number
}

/** Sessions by the token of their cookie; null: there is none, or its operator is shut out. */
export type OperatorSessions = Cache<OperatorSession>

export const createOperatorSessions = (caches: Caches, read: Read): OperatorSessions =>
  caches.create<OperatorSession>({
    name: "operator_sessions",
    entriesMax: limits.sessionsCachedMax,
    async load(token) {
      const row = await selectSessionByToken(read, token)
      if (row === undefined || row.disabled === 1) return null
      return {
        id: row.id,
        operatorId: row.operator_id,
        email: row.email,
        role: row.role,
        verifiedAtMs: row.verified_at,
        expiresAtMs: sessionEndMs(row),
      }
    },
  })
