// Who may ban whom, and what a ban is (contract/auth.md §3.8).

import {
  ApiError,
  type AppCaller,
  type Ban,
  type Bans,
  type chat,
  cidOf,
  inputError,
  notFoundError,
  type bans as operations,
  parseCid,
  userIdOf,
} from "@weir/protocol"
import type { Static } from "typebox"
import { standingBans } from "../../authenticate/bans.ts"
import { type Action, can, type Decision, hide, noObjection, type Resource } from "../../authorize/decide.ts"
import type { Awaitable } from "../../base/chain.ts"
import { type User, userActions, userResource } from "../users/index.ts"
import { limits } from "./limits.ts"
import type { BanRow } from "./store.ts"

/** Stands for a channel where the whole app is meant. */
export const wholeApp = ""

export type ChannelPicture = Static<typeof chat.ChannelResponse>

/** A channel as far as bans go. */
export interface BanChannel {
  readonly resource: Resource
  readonly picture: ChannelPicture
  readonly creatorId: string | null
}

/** What bans ask of the product that has channels. */
export interface BanChannels {
  /** The action that a ban from a channel is. */
  readonly action: Action
  /** Throws notFoundError for a channel that is absent, or that the caller may not know of. */
  open(principal: AppCaller, appId: number, cid: string): Awaitable<BanChannel>
  /** The member's role in the channel; null when the user is no member. */
  roleOf(appId: number, cid: string, userId: string): Awaitable<string | null>
  /** The channel as events and lists show it; null when there is none. */
  picture(appId: number, cid: string): Awaitable<ChannelPicture | null>
}

interface Where {
  readonly channel_cid?: string
  readonly type?: string
  readonly id?: string
}

/** `type:id` of the channel that is meant, in either spelling; `wholeApp` when none is. Throws inputError. */
export function placeOf({ channel_cid, type, id }: Where): string {
  if ((type === undefined) !== (id === undefined)) {
    throw inputError("type and id of a channel belong together", {
      [type === undefined ? "type" : "id"]: "is required",
    })
  }
  const halves = type === undefined || id === undefined ? undefined : cidOf(type, id)
  if (channel_cid !== undefined && halves !== undefined && channel_cid !== halves) {
    throw inputError("channel_cid and type with id name two channels", { channel_cid: "must be the same channel" })
  }
  const cid = channel_cid ?? halves
  if (cid === undefined) return wholeApp
  const parsed = parseCid(cid)
  if (parsed === null || parsed.type.length > 64 || parsed.id.length > 64) {
    throw inputError("channel_cid is not the cid of a channel", { channel_cid: "must be type:id" })
  }
  return cid
}

/** Refuses what Weir does not offer, rather than to ban in another way than was asked for. Throws inputError. */
export function requireOffered(body: Static<(typeof operations.ban)["body"]>): void {
  const { shadow, ip_ban, ban_from_future_channels, delete_messages } = body
  const refuse = (field: string, instead: string): never => {
    throw inputError(`${field} is not offered: ${instead}`, { [field]: "is not offered" })
  }
  if (shadow) refuse("shadow", "ban without it, and the user is told")
  if (ip_ban) refuse("ip_ban", "a ban is of a user; addresses are for the firewall in front")
  if (ban_from_future_channels) refuse("ban_from_future_channels", "ban from the whole app")
  if (delete_messages) refuse("delete_messages", "delete the user's messages by DeleteUsers or one by one")
}

/** When a ban of so many minutes ends, in milliseconds; null: never. */
export const expiryOf = (timeoutMinutes: number | undefined, now: number): number | null =>
  timeoutMinutes ? now + timeoutMinutes * 60_000 : null

/** What the gate has to know after this ban. Bans that ran out are left behind. Throws inputError for one too many. */
export function withBan(bans: Bans | null, cid: string, ban: Ban, now: number): Bans {
  const { app, channels } = standingBans(bans, now) ?? { app: null, channels: {} }
  if (cid === wholeApp) return { app: ban, channels }
  const more = { ...channels, [cid]: ban }
  if (Object.keys(more).length > limits.channelBansPerUserMax) {
    throw inputError(
      `the user is banned from ${limits.channelBansPerUserMax} channels already; ban the user from the whole app`,
      { channel_cid: "too many bans of one user" },
    )
  }
  return { app, channels: more }
}

/** What the gate has to know after a ban has ended; null: nothing any more. */
export function withoutBan(bans: Bans | null, cid: string, now: number): Bans | null {
  const standing = standingBans(bans, now)
  if (standing === null) return null
  const { [cid]: _, ...channels } = standing.channels
  const app = cid === wholeApp ? null : standing.app
  return app === null && Object.keys(channels).length === 0 ? null : { app, channels }
}

/** Somebody who bans, or is to be banned, as they stand in the app and in the channel. */
export interface Standing {
  readonly appRole: string
  /** In the channel; null for no member, and where the whole app is meant. */
  readonly memberRole: string | null
  readonly isCreator: boolean
}

const adminRoles: ReadonlySet<string> = new Set(["admin", "global_admin"])
const moderatorRoles: ReadonlySet<string> = new Set(["moderator", "global_moderator"])

/** A higher one bans a lower one: admins before moderators, whoever made a channel, its moderators, and the rest. */
export function rankOf({ appRole, memberRole, isCreator }: Standing): number {
  if (adminRoles.has(appRole)) return 4
  if (moderatorRoles.has(appRole)) return 3
  if (isCreator) return 2
  return memberRole === "channel_moderator" ? 1 : 0
}

/** What a decision about a ban is about. */
export interface BanCase {
  readonly principal: AppCaller
  /** Whom it is done as; null for a server call that names nobody. */
  readonly actor: string | null
  readonly targetId: string
  /** Null: there is no such user. */
  readonly target: User | null
  /** Null: the whole app. */
  readonly channel: BanChannel | null
  readonly callerMemberRole: string | null
  readonly targetMemberRole: string | null
  readonly channelAction: Action
}

/** May the caller ban or unban: first whether they may at all, which says nothing of the target; then this target. */
export function mayBan(given: BanCase): Decision[] {
  const { principal, channel, channelAction, targetId } = given
  const [action, resource] =
    channel === null ? [userActions.banUser, userResource(targetId)] : [channelAction, channel.resource]
  return [can(principal, action, resource), isKnown(given), isOther(given), outranks(given)]
}

// Somebody of another team is as absent as in QueryUsers, unless they belong to the channel that it is about.
function isKnown({ principal, target, targetId, targetMemberRole }: BanCase): Decision {
  const absent = () => notFoundError("user", targetId)
  if (target === null || target.deletedAt !== null) {
    return hide(refusal(targetId, "user", "there is no such user", "name a user who exists", absent()), absent)
  }
  if (principal.kind === "server" || targetMemberRole !== null) return noObjection
  const teams = principal.kind === "anonymous" ? [] : principal.teams
  const shares =
    target.teams.length === 0
      ? teams.length === 0 || seesAllTeams(principal)
      : target.teams.some((team) => teams.includes(team))
  if (shares || seesAllTeams(principal)) return noObjection
  return hide(refusal(targetId, "team", "no team in common", "put both into one team", absent()), absent)
}

/** Whether a caller's role bans across teams. */
export const seesAllTeams = (principal: AppCaller): boolean =>
  principal.kind === "server" || can(principal, userActions.banUser, { ...userResource(""), team: "any" }).allowed

function isOther({ actor, targetId }: BanCase): Decision {
  if (actor !== targetId) return noObjection
  const error = new ApiError("notAllowed", "nobody bans or unbans themselves")
  return refusal(targetId, "grant", "the caller is the one who is to be banned", "let somebody else do it", error)
}

function outranks({ principal, target, targetId, channel, callerMemberRole, targetMemberRole }: BanCase): Decision {
  if (principal.kind === "server" || principal.kind === "anonymous") return noObjection
  const isCreator = (userId: string): boolean => channel !== null && channel.creatorId === userId
  const own = { appRole: principal.role, memberRole: callerMemberRole, isCreator: isCreator(principal.userId) }
  const theirs = { appRole: target?.role ?? "user", memberRole: targetMemberRole, isCreator: isCreator(targetId) }
  if (rankOf(own) > rankOf(theirs)) return noObjection
  const error = new ApiError("notAllowed", `User '${userIdOf(principal)}' may not ban user '${targetId}'`)
  return refusal(
    targetId,
    "grant",
    `the caller's rank is ${rankOf(own)}, the other's ${rankOf(theirs)}; only a higher one bans`,
    "let an admin or the app's backend do it",
    error,
  )
}

const refusal = (
  targetId: string,
  check: "grant" | "team" | "user",
  detail: string,
  remedy: string,
  error: ApiError,
): Decision => ({
  allowed: false,
  action: userActions.banUser.id,
  resource: `user:${targetId}`,
  checks: [{ check: check === "user" ? "kind" : check, passed: false, detail }],
  remedy,
  error,
})

/** A ban as the wire shows it. `shown`: how users are shown. */
export const banResponse = <Shown>(row: BanRow, shown: (userId: string) => Shown, channel: ChannelPicture | null) => ({
  user: shown(row.user_id),
  ...(row.banned_by_id === null ? {} : { banned_by: shown(row.banned_by_id) }),
  ...(channel === null ? {} : { channel }),
  ...(row.reason === null ? {} : { reason: row.reason }),
  ...(row.expires_at === null ? {} : { expires: new Date(row.expires_at).toISOString() }),
  shadow: false,
  created_at: new Date(row.created_at).toISOString(),
})
