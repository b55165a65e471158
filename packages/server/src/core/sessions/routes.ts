import { inputError, notFoundError, sessions as operations } from "@weir/protocol"
import type { RevocationQuestion } from "../../authenticate/authenticate.ts"
import { type AdminRoute, adminRead, adminRoute } from "../../request/route.ts"
import type { Tx } from "../../store/database.ts"
import { requireApp } from "../apps/index.ts"
import type { Sightings } from "./cache.ts"
import { limits } from "./limits.ts"
import { proofOf, type SessionSocketResponse, sessionResponse } from "./rules.ts"
import { type SessionsPage, selectSession, selectSessions, type TokenSessionRow } from "./store.ts"

/** An open socket of a user, as its node knows it. */
export interface UserSocket extends SessionSocketResponse {
  /** Of the token that it was opened with. */
  readonly sha256: string
}

export interface SessionRouteParts {
  readonly sightings: Pick<Sightings, "flush">
  /** The sockets of these users on all nodes; `missing` names nodes that said nothing. */
  readonly socketsOf: (
    appId: number,
    userIds: readonly string[],
  ) => Promise<{ readonly sockets: readonly UserSocket[]; readonly missing: readonly string[] }>
  /** Whether the gate would refuse this credential as revoked now. */
  readonly isRevoked: (question: RevocationQuestion) => boolean
  /** Revokes one token, in this transaction. Answers what waits for the nodes after the commit and gives the receipt. */
  readonly revokeToken: (
    tx: Tx,
    token: { readonly appId: number; readonly sha256: string },
    actor: string,
    now: number,
  ) => Promise<() => Promise<object>>
}

export const sessionRoutes = (parts: SessionRouteParts): AdminRoute[] => [
  adminRead(operations.listSessions, async ({ input, read, now }) => {
    const { id: appId } = await requireApp(read, input.path.app)
    await parts.sightings.flush()
    const limit = input.query.limit ?? limits.pageSizeDefault
    const found = await selectSessions(read, {
      appId,
      userId: input.query.user_id ?? null,
      sinceMs: now - limits.keptMs,
      after: cursorOf(input.query.next),
      limit: limit + 1,
    })
    const rows = found.slice(0, limit)
    const last = rows.at(-1)
    const userIds = [...new Set(rows.flatMap(({ user_id }) => (user_id === null ? [] : [user_id])))]
    const { sockets, missing } = await parts.socketsOf(appId, userIds)
    return {
      sessions: rows.map((row) => sessionShown(row, sockets, parts.isRevoked, now)),
      next: found.length > limit && last !== undefined ? `${last.last_seen}.${last.sha256}` : null,
      nodes_missing: [...missing],
    }
  }),
  adminRoute(
    operations.endSession,
    async ({ input, tx, principal, now, audit, afterwards }) => {
      const { id: appId } = await requireApp(tx, input.path.app)
      const session = await selectSession(tx, appId, input.path.id)
      if (session === undefined) throw notFoundError("session", input.path.id)
      const wait = await parts.revokeToken(tx, { appId, sha256: session.sha256 }, principal.name, now)
      audit({ action: "session.ended", appId, target: { session: session.sha256, user_id: session.user_id } })
      afterwards(async () => ({ receipt: await wait() }))
      return { receipt: null }
    },
    parts.sightings.flush,
  ),
]

/** A session with those of the sockets that are open under it, as the management API shows it. */
export function sessionShown(
  row: TokenSessionRow,
  sockets: readonly UserSocket[],
  isRevoked: SessionRouteParts["isRevoked"],
  now: number,
) {
  const own = sockets.filter(({ sha256 }) => sha256 === row.sha256).map(({ sha256: _, ...socket }) => socket)
  return sessionResponse(row, own, isRevoked(questionOf(row)), now)
}

const questionOf = (row: TokenSessionRow): RevocationQuestion => ({
  appId: row.app_id,
  apiKey: row.api_key,
  userId: row.user_id,
  isServer: false,
  proof: proofOf(row),
})

/** `<last_seen>.<sha256>` of the last row of a page. Throws inputError. */
function cursorOf(next: string | undefined): SessionsPage["after"] {
  if (next === undefined) return null
  const [, lastSeen, sha256] = /^(\d{1,16})\.([0-9a-f]{64})$/.exec(next) ?? []
  if (lastSeen === undefined || sha256 === undefined) {
    throw inputError("next is not a cursor of this list", { next: "is not a cursor of this list" })
  }
  return { lastSeen: Number(lastSeen), sha256 }
}
