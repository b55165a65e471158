import { notFoundError, people as operations } from "@weir/protocol"
import type { Presence } from "../../events/presence.ts"
import type { AuditRecord } from "../../request/http.ts"
import { type AdminRoute, adminRead, adminStream } from "../../request/route.ts"
import type { Read } from "../../store/database.ts"
import { selectApp } from "../apps/index.ts"
import { revocationResponse } from "../revocations/index.ts"
import { type SessionRouteParts, type Sightings, sessionShown, sessionsOfUser } from "../sessions/index.ts"
import { selectUser, type User } from "../users/index.ts"
import { limits } from "./limits.ts"
import { appUser, cursorText, exportedRow, readCursor } from "./rules.ts"
import {
  type Cursor,
  foldName,
  type PeopleQuery,
  type PlaceKey,
  selectByIdStart,
  selectByNameStart,
  selectKeysOf,
  selectNewest,
  selectRevocationsOf,
  selectRowsOf,
  selectStandingBans,
  type UserPlace,
} from "./store.ts"

export interface PeopleRouteParts {
  readonly presence: Pick<Presence, "isOnline">
  readonly sightings: Pick<Sightings, "flush">
  readonly socketsOf: SessionRouteParts["socketsOf"]
  readonly isRevoked: SessionRouteParts["isRevoked"]
  /** Where something of a user is stored, in the order of an export. */
  readonly places: readonly UserPlace[]
  /** Writes refusals that are not written yet, so that an export has them. */
  readonly flushDecisions: () => Promise<void>
  /** Appends to the audit log; resolves when it is written. */
  readonly record: (record: AuditRecord) => Promise<void>
}

export const peopleRoutes = (parts: PeopleRouteParts): AdminRoute[] => {
  const shown = (user: User, now: number) => appUser(user, parts.presence.isOnline(user.appId, user.id), now)
  return [
    adminRead(operations.listAppUsers, async ({ input, read, now }) => {
      const appId = await requireApp(read, input.path.app)
      const { q = null, role = null, banned = null, limit = limits.pageSizeDefault, next } = input.query
      const after = next === undefined ? null : readCursor(next, q !== null)
      const query = { appId, role, banned, limit: limit + 1 }
      const found = q === null ? await newest(read, query, after) : await search(read, query, q, after)
      const rows = found.slice(0, limit)
      const last = rows.at(-1)
      return {
        users: rows.map(({ user }) => shown(user, now)),
        next: found.length > limit && last !== undefined ? cursorText(last.cursor) : null,
      }
    }),

    adminRead(operations.readAppUser, async ({ input, read, now }) => {
      const appId = await requireApp(read, input.path.app)
      const user = await requireUser(read, appId, input.path.user)
      await parts.sightings.flush()
      const [{ sockets, missing }, bans, tokens, revocations] = await Promise.all([
        parts.socketsOf(appId, [user.id]),
        selectStandingBans(read, appId, user.id, now, limits.bansShownMax),
        sessionsOfUser(read, appId, user.id, limits.tokensShownMax, now),
        selectRevocationsOf(read, appId, user.id, limits.revocationsShownMax),
      ])
      return {
        user: shown(user, now),
        custom: user.custom,
        bans: bans.map((ban) => ({
          channel_cid: ban.cid === "" ? null : ban.cid,
          banned_by_id: ban.banned_by_id,
          reason: ban.reason,
          created_at: new Date(ban.created_at).toISOString(),
          expires: ban.expires_at === null ? null : new Date(ban.expires_at).toISOString(),
        })),
        sockets: sockets.map(({ sha256, ...socket }) => ({ ...socket, session_id: sha256 })),
        nodes_missing: [...missing],
        tokens: tokens.map((row) => sessionShown(row, sockets, parts.isRevoked, now)),
        revocations: revocations.map(revocationResponse),
      }
    }),

    adminStream(operations.exportUser, async ({ input, read, principal, address, now }) => {
      const appId = await requireApp(read, input.path.app)
      const { id } = await requireUser(read, appId, input.path.user)
      await Promise.all([parts.sightings.flush(), parts.flushDecisions()])
      // Before the first line leaves: an export that nobody can see in the log does not happen.
      const target = { user_id: id }
      await parts.record({ action: "user.exported", appId, actor: principal.name, address, at: now, target })
      return exportLines(read, parts.places, appId, id)
    }),
  ]
}

interface Found {
  readonly user: User
  /** Goes on after this user. */
  readonly cursor: Cursor
}

async function newest(read: Read, query: PeopleQuery, after: Cursor | null): Promise<Found[]> {
  const users = await selectNewest(read, query, after?.by === "created" ? after : null)
  return users.map((user) => ({ user, cursor: { by: "created", createdAt: user.createdAt, id: user.id } }))
}

/** Ids that begin with the text, and then names: two ranges of two indexes, one after the other. */
async function search(read: Read, query: PeopleQuery, q: string, after: Cursor | null): Promise<Found[]> {
  const found: Found[] = []
  if (after?.by !== "name") {
    const users = await selectByIdStart(read, query, q, after?.by === "id" ? after.id : null)
    found.push(...users.map((user): Found => ({ user, cursor: { by: "id", id: user.id } })))
  }
  if (found.length >= query.limit) return found
  const rest = { ...query, limit: query.limit - found.length }
  const start = { folded: foldName(q), notId: q }
  const users = await selectByNameStart(read, rest, start, after?.by === "name" ? after : null)
  return [
    ...found,
    ...users.map((user): Found => ({ user, cursor: { by: "name", folded: foldName(user.name ?? ""), id: user.id } })),
  ]
}

/** One line for each row that is the user's, place by place, and a last one that says how many there were. */
async function* exportLines(
  read: Read,
  places: readonly UserPlace[],
  appId: number,
  userId: string,
): AsyncGenerator<string, void, undefined> {
  const counts: Record<string, number> = {}
  for (const place of places) {
    let after: PlaceKey | null = null
    for (;;) {
      const keys: PlaceKey[] = await selectKeysOf(read, place, appId, userId, after, limits.exportKeysMax)
      for (let at = 0; at < keys.length; at += limits.exportBatchMax) {
        const batch = keys.slice(at, at + limits.exportBatchMax)
        for (const row of await selectRowsOf(read, place, appId, userId, batch)) {
          counts[place.kind] = (counts[place.kind] ?? 0) + 1
          yield `${JSON.stringify({ kind: place.kind, data: exportedRow(place, row) })}\n`
        }
      }
      if (keys.length < limits.exportKeysMax) break
      after = keys.at(-1) ?? null
    }
  }
  // Whoever reads the file can tell a whole one from one that broke off.
  yield `${JSON.stringify({ kind: "end", data: { user_id: userId, counts } })}\n`
}

async function requireUser(read: Read, appId: number, id: string): Promise<User> {
  const user = await selectUser(read, appId, id)
  if (user === null) throw notFoundError("user", id)
  return user
}

async function requireApp(read: Read, id: string): Promise<number> {
  const app = await selectApp(read, Number(id))
  if (app === undefined) throw notFoundError("app", id)
  return app.id
}
