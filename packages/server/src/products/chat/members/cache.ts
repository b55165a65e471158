// Who is in a channel, and how people are shown. Both are asked with every message, so both answer from memory.

import { ANONYMOUS_USER_ID } from "@weir/protocol"
import { isGranted } from "../../../authorize/grants.ts"
import { type Awaitable, chain, isPromise } from "../../../base/chain.ts"
import {
  newUser,
  selectUsers,
  type User,
  type UserResponse,
  type Users,
  userKey,
  userResponse,
} from "../../../core/users/index.ts"
import { type Cache, type Caches, cacheKey } from "../../../events/caches.ts"
import type { Read, Tx } from "../../../store/database.ts"
import { actions, channelTypes, type Membership } from "../types/index.ts"
import { limits } from "./limits.ts"
import { selectMember, selectRoster } from "./store.ts"

export interface Members {
  /** What a user is to a channel; null when not a member. */
  of(appId: number, cid: string, userId: string): Awaitable<Membership | null>
  /** All members whose role reads the channel, or nobody when there are more than limits.rosterMembersMax. */
  ids(appId: number, cid: string): Awaitable<readonly string[]>
  /** Forgets a channel's members once the change is committed. */
  dropAfter(tx: Tx, appId: number, cid: string, userIds: readonly string[]): void
}

interface Roster {
  /** Null: too many to hold. */
  readonly byUser: ReadonlyMap<string, Membership> | null
  readonly ids: readonly string[]
}

/** Most members are alike, so they share one object. */
const plainMember: Membership = { role: "channel_member", historyAfterSeq: 0 }

const membershipOf = (row: { channel_role: string; history_after_seq: number }): Membership =>
  row.channel_role === plainMember.role && row.history_after_seq === 0
    ? plainMember
    : { role: row.channel_role, historyAfterSeq: row.history_after_seq }

export function createMembers(caches: Caches, read: Read): Members {
  const rosters: Cache<Roster> = caches.create<Roster>({
    name: "chat-rosters",
    entriesMax: limits.rostersCachedMax,
    async load(key) {
      const { appId, rest: cid } = splitKey(key)
      const rows = await selectRoster(read, appId, cid, limits.rosterMembersMax + 1)
      if (rows.length > limits.rosterMembersMax) return { byUser: null, ids: [] }
      const byUser = new Map(rows.map((row) => [row.user_id, membershipOf(row)]))
      const grants = channelTypes.get(cid.slice(0, cid.indexOf(":")))?.grants
      const reads = (role: string): boolean => grants !== undefined && isGranted(grants, role, actions.readChannel.id)
      return { byUser, ids: rows.filter((row) => reads(row.channel_role)).map((row) => row.user_id) }
    },
  })
  const memberships: Cache<Membership> = caches.create<Membership>({
    name: "chat-memberships",
    entriesMax: limits.membershipsCachedMax,
    async load(key) {
      const { appId, rest } = splitKey(key)
      const bar = rest.indexOf("|")
      const row = await selectMember(read, appId, rest.slice(0, bar), rest.slice(bar + 1))
      return row === undefined ? null : membershipOf(row)
    },
  })
  // A roster is loaded for every channel, even an empty one, so null never comes.
  const rosterOf = (appId: number, cid: string) => rosters.get(cacheKey(appId, cid)) as Awaitable<Roster>

  return {
    of: (appId, cid, userId) =>
      chain(rosterOf(appId, cid), ({ byUser }) =>
        byUser === null ? memberships.get(cacheKey(appId, `${cid}|${userId}`)) : (byUser.get(userId) ?? null),
      ),
    ids: (appId, cid) => chain(rosterOf(appId, cid), ({ ids }) => ids),
    dropAfter(tx, appId, cid, userIds) {
      tx.afterCommit(() => {
        rosters.drop(cacheKey(appId, cid))
        for (const userId of userIds) memberships.drop(cacheKey(appId, `${cid}|${userId}`))
      })
    },
  }
}

function splitKey(key: string): { appId: number; rest: string } {
  const bar = key.indexOf("|")
  return { appId: Number(key.slice(0, bar)), rest: key.slice(bar + 1) }
}

/** Users as they are shown inside messages, members and events. */
export interface People {
  one(appId: number, userId: string): Awaitable<UserResponse>
  /** `read`: where those are looked for whom the cache does not know yet, such as one whom the transaction made. */
  many(appId: number, userIds: Iterable<string>, read?: Read): Awaitable<ReadonlyMap<string, UserResponse>>
  /** The user as stored; null when there is none. */
  stored(appId: number, userId: string): Awaitable<User | null>
}

export interface PeopleParts {
  readonly users: Users
  readonly isOnline: (appId: number, userId: string) => boolean
}

export function createPeople({ users, isOnline }: PeopleParts): People {
  // The same few people are shown again and again; a changed user is a new object and gets a new picture.
  const pictures = new WeakMap<User, { online: boolean; shown: UserResponse }>()

  const show = (user: User): UserResponse => {
    const online = isOnline(user.appId, user.id)
    const known = pictures.get(user)
    if (known !== undefined && known.online === online) return known.shown
    const shown = userResponse(user, online)
    pictures.set(user, { online, shown })
    return shown
  }
  const stored = (appId: number, userId: string) => users.get(userKey(appId, userId))
  // Somebody who was deleted for good, or has not been stored yet, is still the author of what is there.
  const shown = (appId: number, userId: string, user: User | null): UserResponse =>
    user === null
      ? userResponse(newUser(appId, userId, 0, userId === ANONYMOUS_USER_ID ? "anonymous" : "user"), false)
      : show(user)

  return {
    stored,
    one: (appId, userId) => chain(stored(appId, userId), (user) => shown(appId, userId, user)),
    many(appId, userIds, read) {
      const people = new Map<string, UserResponse>()
      const missing: string[] = []
      const waiting: Promise<void>[] = []
      const put = (userId: string, user: User | null): void => {
        if (user === null) missing.push(userId)
        people.set(userId, shown(appId, userId, user))
      }
      for (const userId of new Set(userIds)) {
        const user = stored(appId, userId)
        if (isPromise(user)) waiting.push(user.then((found) => put(userId, found)))
        else put(userId, user)
      }
      const findNew = (): Awaitable<ReadonlyMap<string, UserResponse>> => {
        if (read === undefined || missing.length === 0) return people
        return selectUsers(read, appId, missing).then((made) => {
          for (const [userId, user] of made) people.set(userId, show(user))
          return people
        })
      }
      return waiting.length === 0 ? findNew() : Promise.all(waiting).then(findNew)
    },
  }
}
