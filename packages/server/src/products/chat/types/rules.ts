// Channel types, and what a permission check knows of a channel. The built-in types are data; every module of chat
// builds on this one.

import { ApiError, type AppCaller, notFoundError } from "@weir/protocol"
import {
  type Action,
  can,
  type Decision,
  hide,
  isAllowed,
  mayKnow,
  noObjection,
  type Resource,
  requireAllowed,
} from "../../../authorize/decide.ts"
import type { CompiledGrants } from "../../../authorize/grants.ts"
import type { Awaitable } from "../../../base/chain.ts"
import { actions, compiledGrants } from "./actions.ts"

/** The switches of a type, as the wire names them (contract/chat.md §3.1). */
export interface ChannelConfig {
  readonly name: string
  readonly typing_events: boolean
  readonly read_events: boolean
  readonly connect_events: boolean
  readonly delivery_events: boolean
  readonly custom_events: boolean
  readonly search: boolean
  readonly reactions: boolean
  readonly replies: boolean
  readonly quotes: boolean
  readonly mutes: boolean
  readonly uploads: boolean
  readonly url_enrichment: boolean
  readonly push_notifications: boolean
  readonly reminders: boolean
  readonly user_message_reminders: boolean
  readonly polls: boolean
  readonly shared_locations: boolean
  readonly count_messages: boolean
  readonly mark_messages_pending: boolean
  readonly skip_last_msg_update_for_system_msgs: boolean
  readonly max_message_length: number
  readonly automod: string
  readonly automod_behavior: string
  readonly commands: unknown[]
  readonly created_at: string
  readonly updated_at: string
}

export interface ChannelType {
  readonly name: string
  readonly config: ChannelConfig
  readonly grants: CompiledGrants
}

/** A channel as permission checks need it. Counters and times that change with every message stand in its row alone. */
export interface Channel {
  readonly appId: number
  /** `type:id`. */
  readonly cid: string
  readonly type: ChannelType
  readonly id: string
  readonly createdById: string | null
  readonly team: string | null
  readonly frozen: boolean
  readonly disabled: boolean
  readonly custom: Readonly<Record<string, unknown>>
  /** Milliseconds. */
  readonly createdAt: number
  readonly updatedAt: number
  readonly deletedAt: number | null
  /** Messages up to this number belong to a channel of the same id that was deleted. */
  readonly clearedSeq: number
}

/** What being a member means for a permission check. */
export interface Membership {
  readonly role: string
  /** Messages up to this number are hidden from the member. */
  readonly historyAfterSeq: number
}

/** A channel, and what the caller is to it. */
export interface ChannelAccess {
  readonly channel: Channel
  /** Of the caller; null when there is none and for server calls. */
  readonly membership: Membership | null
  readonly resource: Resource
}

/** Brings a channel for a caller: null when there is none, deleted ones included. Never asks the database when cached. */
export type OpenChannel = (principal: AppCaller, appId: number, cid: string) => Awaitable<ChannelAccess | null>

// The types exist in every app from the start, so their dates say nothing; a fixed one keeps answers alike.
const madeAt = new Date(Date.UTC(2026, 0, 1)).toISOString()

const baseConfig: Omit<ChannelConfig, "name"> = {
  typing_events: true,
  read_events: true,
  connect_events: true,
  delivery_events: false,
  custom_events: true,
  search: true,
  reactions: true,
  replies: true,
  quotes: true,
  mutes: true,
  uploads: true,
  url_enrichment: true,
  push_notifications: true,
  reminders: false,
  user_message_reminders: false,
  polls: false,
  shared_locations: false,
  count_messages: false,
  mark_messages_pending: false,
  skip_last_msg_update_for_system_msgs: false,
  max_message_length: 5000,
  automod: "disabled",
  automod_behavior: "flag",
  commands: [],
  created_at: madeAt,
  updated_at: madeAt,
}

const typeOf = (name: keyof typeof compiledGrants, differs: Partial<ChannelConfig> = {}): ChannelType => ({
  name,
  config: { name, ...baseConfig, ...differs },
  grants: compiledGrants[name],
})

/** Built-in types by name. A crowd's typing and reading would drown it, so a livestream has neither. */
export const channelTypes: ReadonlyMap<string, ChannelType> = new Map(
  [
    typeOf("messaging"),
    typeOf("team"),
    typeOf("commerce"),
    typeOf("gaming"),
    typeOf("livestream", { typing_events: false, read_events: false, url_enrichment: false }),
  ].map((type) => [type.name, type]),
)

/** Throws notFoundError when the app has no such type. */
export function channelType(name: string): ChannelType {
  const type = channelTypes.get(name)
  if (type === undefined) throw notFoundError("channel type", name)
  return type
}

/**
 * Id of the one channel that exactly these users share: 32 bytes of SHA-256 over the sorted ids, as base64url without
 * padding after `!members-` (contract/chat.md §3.4). App and type are in it, so ids say nothing across them.
 */
export function distinctId(appId: number, type: string, userIds: readonly string[]): string {
  const sorted = [...new Set(userIds)].sort()
  const digest = new Bun.CryptoHasher("sha256").update(JSON.stringify([appId, type, sorted])).digest("base64url")
  return `${distinctPrefix}${digest}`
}

const distinctPrefix = "!members-"

export const isDistinctId = (id: string): boolean => id.startsWith(distinctPrefix)

const noRoles: readonly string[] = []
// One array per role for all channels: an access is made for every request.
const roleLists = new Map<string, readonly string[]>()

function relationRoles(membership: Membership | null): readonly string[] {
  if (membership === null) return noRoles
  let list = roleLists.get(membership.role)
  if (list === undefined) {
    list = [membership.role]
    if (roleLists.size < 1000) roleLists.set(membership.role, list)
  }
  return list
}

export const channelAccess = (channel: Channel, membership: Membership | null): ChannelAccess => ({
  channel,
  membership,
  resource: {
    kind: "channel",
    id: channel.cid,
    name: `chat:${channel.cid}`,
    scope: channel.type.name,
    grants: channel.type.grants,
    relationRoles: relationRoles(membership),
    ownerId: channel.createdById,
    team: channel.team,
  },
})

/** The same relation seen from one message: grants that end in `-owner` count for its author. */
export const messageResource = (access: ChannelAccess, messageId: string, authorId: string): Resource => ({
  ...access.resource,
  kind: "message",
  id: messageId,
  ownerId: authorId,
})

/** The error of an absent channel, and of one that the caller may not know of. */
export const absentChannel = (cid: string) => notFoundError("channel", cid)

/** Reading, where a caller who may not read must not learn that the channel exists. */
export const canReadHidden = (principal: AppCaller, access: ChannelAccess, absent?: () => ApiError): Decision =>
  hide(canRead(principal, access), absent ?? (() => absentChannel(access.channel.cid)))

/**
 * The channel that was asked for, if the caller may know of it. For `load`, before anything else of the request is
 * looked at: what else is wrong with a request must not tell a hidden channel from an absent one. Throws notFound.
 */
export function requireKnown(principal: AppCaller, access: ChannelAccess | null, cid: string): ChannelAccess {
  if (access === null) throw absentChannel(cid)
  requireAllowed(mayKnowChannel(principal, access, () => absentChannel(cid)))
  return access
}

/** Whether the caller may know of the channel; what is done to it is another decision. */
export const mayKnowChannel = (principal: AppCaller, access: ChannelAccess, absent: () => ApiError): Decision =>
  hide(mayKnow(principal, actions.readChannel, access.resource), absent)

export const canRead = (principal: AppCaller, access: ChannelAccess): Decision =>
  can(principal, actions.readChannel, access.resource)

/** A disabled channel is closed to everybody but servers (contract/chat.md §3.16). */
export function requireEnabled(principal: AppCaller, channel: Channel): Decision {
  if (!channel.disabled || principal.kind === "server") return noObjection
  return {
    allowed: false,
    action: "use-channel",
    resource: `channel:${channel.cid}`,
    checks: [{ check: "grant", passed: false, detail: "the channel is disabled" }],
    remedy: "update the channel with data.disabled: false by a server call",
    error: new ApiError("notAllowed", `channel ${channel.cid} is disabled`),
  }
}

/** What only servers do, whatever a caller's grants (contract/auth.md §6.2). `what` completes «only servers can …». */
export function serverOnly(principal: AppCaller, action: Action, resource: Resource, what: string): Decision {
  if (principal.kind === "server") return can(principal, action, resource)
  return {
    allowed: false,
    action: action.id,
    resource: `${resource.kind}:${resource.id}`,
    checks: [{ check: "kind", passed: false, detail: `only server calls may ${what}` }],
    remedy: "make the call from a backend, with a server token",
    error: new ApiError("notAllowed", `only server side requests can ${what}`),
  }
}

/** Lowest number that the caller does not see; messages above it are shown. */
export const seenAfterSeq = ({ channel, membership }: ChannelAccess): number =>
  Math.max(channel.clearedSeq, membership?.historyAfterSeq ?? 0)

const pictures = new WeakMap<Channel, ReturnType<typeof drawChannel>>()

/** A channel as events and messages show it: everything but what changes with every message or differs by caller. */
export function channelPicture(channel: Channel): ReturnType<typeof drawChannel> {
  let picture = pictures.get(channel)
  if (picture === undefined) {
    picture = drawChannel(channel)
    pictures.set(channel, picture)
  }
  return picture
}

const drawChannel = (channel: Channel) => ({
  id: channel.id,
  type: channel.type.name,
  cid: channel.cid,
  created_at: new Date(channel.createdAt).toISOString(),
  updated_at: new Date(channel.updatedAt).toISOString(),
  ...(channel.deletedAt === null ? {} : { deleted_at: new Date(channel.deletedAt).toISOString() }),
  ...(channel.team === null ? {} : { team: channel.team }),
  frozen: channel.frozen,
  disabled: channel.disabled,
  custom: { ...channel.custom },
})

/** What the caller may do here, for clients that draw buttons (contract/chat.md §3.20). */
export function ownCapabilities(principal: AppCaller, access: ChannelAccess): string[] {
  const { channel, resource, membership } = access
  const { config } = channel.type
  if (channel.disabled && principal.kind !== "server") return []
  const may = (action: (typeof actions)[keyof typeof actions]) => isAllowed(principal, action, resource)
  // The caller's own messages: the owner is whoever asks, which for a server is nobody.
  const mine = {
    ...resource,
    ownerId: principal.kind === "user" || principal.kind === "guest" ? principal.userId : null,
  }
  const mayOwn = (action: (typeof actions)[keyof typeof actions]) => isAllowed(principal, action, mine)
  const anybody = { ...resource, ownerId: null }
  const mayAny = (action: (typeof actions)[keyof typeof actions]) => isAllowed(principal, action, anybody)
  const open = !channel.frozen || may(actions.useFrozenChannel)
  const list: [string, boolean][] = [
    ["send-message", open && may(actions.createMessage)],
    ["send-reply", open && config.replies && may(actions.createReply)],
    ["send-links", may(actions.addLinks)],
    ["create-attachment", may(actions.createAttachment)],
    ["create-mention", may(actions.createMention)],
    ["update-own-message", mayOwn(actions.updateMessage)],
    ["update-any-message", mayAny(actions.updateMessage)],
    ["delete-own-message", mayOwn(actions.deleteMessage)],
    ["delete-any-message", mayAny(actions.deleteMessage)],
    ["update-channel", may(actions.updateChannel)],
    ["freeze-channel", may(actions.updateChannelFrozen)],
    ["update-channel-members", may(actions.updateChannelMembers)],
    ["ban-channel-members", may(actions.banChannelMember)],
    ["join-channel", may(actions.addOwnChannelMembership)],
    ["leave-channel", membership !== null && may(actions.removeOwnChannelMembership)],
    ["send-custom-events", config.custom_events && may(actions.sendCustomEvent)],
    ["send-typing-events", config.typing_events && may(actions.createMessage)],
    ["typing-events", config.typing_events],
    ["read-events", config.read_events],
    ["connect-events", config.connect_events],
  ]
  return list.filter(([, has]) => has).map(([name]) => name)
}
