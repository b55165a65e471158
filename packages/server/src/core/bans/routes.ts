import { type AppCaller, bans as operations } from "@weir/protocol"
import { can, canPerItem, reachOf, requireAllowed } from "../../authorize/decide.ts"
import { uuid } from "../../base/ids.ts"
import type { Presence } from "../../events/presence.ts"
import type { AppendAudit } from "../../request/http.ts"
import { actorNameOf, type Route, route } from "../../request/route.ts"
import type { Tx } from "../../store/database.ts"
import { insertTask, newTask, type TaskHandler } from "../tasks/index.ts"
import {
  dropUsers,
  lockUsers,
  newUser,
  selectUsers,
  setBans,
  type User,
  type UserResponse,
  type Users,
  userActions,
  userKey,
  userResource,
  userResponse,
  usersById,
} from "../users/index.ts"
import { userBanned, userUnbanned } from "./events.ts"
import { limits } from "./limits.ts"
import {
  type BanCase,
  type BanChannels,
  banResponse,
  expiryOf,
  mayBan,
  placeOf,
  requireOffered,
  seesAllTeams,
  wholeApp,
  withBan,
  withoutBan,
} from "./rules.ts"
import { type BanRow, channelOf, deleteBan, parseBanFilter, selectBan, selectBans, upsertBan } from "./store.ts"

export interface BanParts {
  readonly users: Users
  readonly presence: Pick<Presence, "isOnline">
  readonly channels: BanChannels
  readonly audit: AppendAudit
}

export const banTaskKind = "end-ban"

interface EndPayload {
  readonly userId: string
  readonly cid: string
}

export function banRoutes(parts: BanParts): Route[] {
  const { users, channels } = parts
  const shown = (user: User): UserResponse => userResponse(user, parts.presence.isOnline(user.appId, user.id))

  /** Everything that the decision needs, in one place for both directions. */
  const load = async (
    principal: AppCaller,
    appId: number,
    actor: string | null,
    targetId: string,
    cid: string,
  ): Promise<{ given: BanCase; cid: string }> => {
    const channel = cid === wholeApp ? null : await channels.open(principal, appId, cid)
    const roleOf = (userId: string | null) =>
      channel === null || userId === null ? null : channels.roleOf(appId, cid, userId)
    const given: BanCase = {
      principal,
      actor,
      targetId,
      target: await users.get(userKey(appId, targetId)),
      channel,
      callerMemberRole: await roleOf(actor),
      targetMemberRole: await roleOf(targetId),
      channelAction: channels.action,
    }
    return { given, cid }
  }

  const audit = (tx: Tx, { principal, targetId }: BanCase, action: string, cid: string, now: number, after?: object) =>
    parts.audit(tx, {
      action,
      appId: principal.appId,
      actor: actorNameOf(principal),
      address: null,
      at: now,
      target: { user_id: targetId, ...(cid === wholeApp ? {} : { channel_cid: cid }) },
      ...(after === undefined ? {} : { after: { ...after } }),
    })

  /** The acting user may have come into being a moment ago, in this transaction. */
  const byline = async (tx: Tx, appId: number, actor: string | null): Promise<{ by?: UserResponse }> => {
    if (actor === null) return {}
    const found = await selectUsers(tx, appId, [actor])
    return { by: shown(found.get(actor) ?? newUser(appId, actor, 0)) }
  }

  const end = async (tx: Tx, given: BanCase, appId: number, cid: string, now: number): Promise<void> => {
    const user = await lockTarget(tx, appId, given.targetId)
    const row = user === null ? undefined : await deleteBan(tx, appId, given.targetId, cid)
    // Nothing to end is no fault: two who unban the same user both get what they wanted.
    if (user === null || row === undefined) return
    const changed = await changeBans(parts, tx, user, withoutBan(user.bans, cid, now))
    const channel = given.channel?.picture ?? null
    tx.emit(userUnbanned({ row, user: shown(changed), ...(await byline(tx, appId, given.actor)), channel, now }))
    await audit(tx, given, "user.unbanned", cid, now)
  }

  return [
    route(operations.ban, {
      writes: true,
      actorOf: ({ body }) => body.banned_by_id ?? body.banned_by?.id,
      load({ principal, appId, actor, input }) {
        requireOffered(input.body)
        return load(principal, appId, actor, input.body.target_user_id, placeOf(input.body))
      },
      authorize: ({ given }) => mayBan(given),
      async handle({ appId, actor, input, given, cid, tx, now }) {
        const { target_user_id: userId, reason, timeout } = input.body
        const user = await lockTarget(tx, appId, userId)
        // As it stands now: a role may have been given since the decision.
        requireAllowed(mayBan({ ...given, target: user }))
        const expires_at = expiryOf(timeout, now)
        const row: BanRow = {
          app_id: appId,
          user_id: userId,
          cid,
          id: uuid(),
          banned_by_id: actor,
          reason: reason || null,
          created_at: now,
          expires_at,
        }
        const standing = user as User
        await upsertBan(tx, row)
        const changed = await changeBans(
          parts,
          tx,
          standing,
          withBan(standing.bans, cid, { expiresAt: expires_at }, now),
        )
        if (expires_at !== null) {
          const payload: EndPayload = { userId, cid }
          await insertTask(tx, { ...newTask(uuid(), appId, banTaskKind, payload, now), due_at: expires_at })
        }
        const channel = given.channel?.picture ?? null
        tx.emit(userBanned({ row, user: shown(changed), ...(await byline(tx, appId, actor)), channel, now }))
        await audit(tx, given, "user.banned", cid, now, {
          expires: expires_at === null ? null : new Date(expires_at).toISOString(),
          reason: row.reason?.slice(0, limits.auditedReasonCharsMax) ?? null,
        })
        return {}
      },
    }),

    route(operations.unban, {
      writes: true,
      actorOf: ({ query, body }) => query.created_by ?? body.unbanned_by_id ?? body.unbanned_by?.id ?? null,
      load: ({ principal, appId, actor, input }) =>
        load(principal, appId, actor, input.query.target_user_id, placeOf(input.query)),
      authorize: ({ given }) => mayBan(given),
      async handle({ appId, given, cid, tx, now }) {
        await end(tx, given, appId, cid, now)
        return {}
      },
    }),

    route(operations.deleteBan, {
      writes: true,
      actorOf: ({ query }) => query.created_by ?? null,
      load: ({ principal, appId, actor, input }) =>
        load(principal, appId, actor, input.query.target_user_id, placeOf(input.query)),
      authorize: ({ given }) => mayBan(given),
      async handle({ appId, given, cid, tx, now }) {
        await end(tx, given, appId, cid, now)
        return {}
      },
    }),

    route(operations.queryBannedUsers, {
      actorOf: ({ query }) => query.payload?.user_id ?? query.payload?.user?.id,
      async load({ principal, appId, input }) {
        const filter = parseBanFilter(input.query.payload?.filter_conditions)
        const cid = channelOf(filter)
        return { filter, cid, channel: cid === null ? null : await channels.open(principal, appId, cid) }
      },
      authorize: ({ principal, channel }) =>
        channel === null
          ? canPerItem(principal, userActions.banUser, userResource(""))
          : can(principal, channels.action, channel.resource),
      async handle({ principal, appId, input, filter, cid, read, now }) {
        const query = input.query.payload ?? {}
        const isFree = principal.kind === "server" && principal.scopes === null
        const ofApp = cid === null
        const rows = await selectBans(read, appId, {
          filter,
          sort: query.sort,
          limit: query.limit ?? operations.banLimits.pageDefault,
          offset: query.offset,
          // Who may ban from the app need not know every channel; a backend does.
          cid: cid ?? (isFree ? null : wholeApp),
          teams: !ofApp || seesAllTeams(principal) || principal.kind === "server" ? null : teamsOf(principal),
          reach: ofApp ? reachOf(principal, userActions.banUser, "app") : [],
          standingAt: query.exclude_expired_bans ? now : null,
        })
        const people = await usersById(
          users,
          appId,
          rows.flatMap(({ user_id, banned_by_id }) => (banned_by_id === null ? [user_id] : [user_id, banned_by_id])),
        )
        const pictures = new Map(
          await Promise.all(
            Array.from(
              new Set(rows.map((row) => row.cid)),
              async (of) => [of, of === wholeApp ? null : await channels.picture(appId, of)] as const,
            ),
          ),
        )
        const showId = (userId: string): UserResponse => shown(people.get(userId) ?? newUser(appId, userId, 0))
        return { bans: rows.map((row) => banResponse(row, showId, pictures.get(row.cid) ?? null)) }
      },
    }),
  ]
}

/**
 * The task that clears a ban away when its time is over. Decisions do not wait for it: a ban that ran out counts for
 * nothing (authenticate/bans.ts); what users are shown and told does.
 */
export const createBanEnd =
  (parts: Omit<BanParts, "audit">): TaskHandler =>
  async (tx, { appId, payload, now }) => {
    const { userId, cid } = payload as EndPayload
    const user = await lockTarget(tx, appId, userId)
    const row = user === null ? undefined : await selectBan(tx, appId, userId, cid)
    // Somebody may have ended it, or begun another one, which has a task of its own.
    if (user === null || row === undefined || row.expires_at === null || row.expires_at > now) return { result: {} }
    await deleteBan(tx, appId, userId, cid)
    const changed = await changeBans(parts, tx, user, withoutBan(user.bans, cid, now))
    const channel = cid === wholeApp ? null : await parts.channels.picture(appId, cid)
    const shown = userResponse(changed, parts.presence.isOnline(appId, userId))
    tx.emit(userUnbanned({ row, user: shown, channel, now }))
    return { result: {} }
  }

/** The user, theirs to change until the commit; null when there is none. */
const lockTarget = async (tx: Tx, appId: number, userId: string): Promise<User | null> =>
  (await lockUsers(tx, appId, [userId])).get(userId) ?? null

async function changeBans({ users }: Pick<BanParts, "users">, tx: Tx, user: User, bans: User["bans"]): Promise<User> {
  await setBans(tx, user.appId, user.id, bans)
  dropUsers(users, tx, user.appId, [user.id])
  return { ...user, bans }
}

const teamsOf = (principal: AppCaller): readonly string[] =>
  principal.kind === "user" || principal.kind === "guest" ? principal.teams : []
