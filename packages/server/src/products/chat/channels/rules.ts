// What may be said of a channel, and how one is shown.

import { type AppCaller, inputError, type chat as wire, limits as wireLimits } from "@weir/protocol"
import type { Static } from "typebox"
import { can, type Decision, isAllowed, type Resource } from "../../../authorize/decide.ts"
import { isGranted, rolesWith } from "../../../authorize/grants.ts"
import type { UserResponse } from "../../../core/users/index.ts"
import type { MemberInput } from "../members/index.ts"
import {
  actions,
  type Channel,
  type ChannelAccess,
  type ChannelType,
  canRead,
  channelAccess,
  channelPicture,
  channelTypes,
  isDistinctId,
  type Membership,
  ownCapabilities,
  requireEnabled,
  serverOnly,
} from "../types/index.ts"
import type { ChannelRow, Readable } from "./store.ts"

export type ChannelInput = Static<typeof wire.ChannelInput>

/** The channel of a row; null when its type is not known any more. */
export function channelOf(row: ChannelRow): Channel | null {
  const type = channelTypes.get(row.type)
  if (type === undefined) return null
  return {
    appId: row.app_id,
    cid: row.cid,
    type,
    id: row.id,
    createdById: row.created_by_id,
    team: row.team,
    frozen: row.frozen === 1,
    disabled: row.disabled === 1,
    custom: JSON.parse(row.custom) as Record<string, unknown>,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    deletedAt: row.deleted_at,
    clearedSeq: row.cleared_seq,
  }
}

/** JSON of custom data. Throws inputError when it is too large. */
export function customText(custom: Readonly<Record<string, unknown>> | undefined): string {
  const text = JSON.stringify(custom ?? {})
  if (Buffer.byteLength(text) > wireLimits.customBytesMax) {
    throw inputError(`custom data of the channel is larger than ${wireLimits.customBytesMax} bytes`, {
      "data.custom": `at most ${wireLimits.customBytesMax} bytes`,
    })
  }
  return text
}

/** The team of a request: empty means none. */
export function teamOf(team: string | undefined): string | null {
  if (team === undefined || team === "") return null
  if (team.includes("\0")) throw inputError("data.team holds the character U+0000", { "data.team": "holds U+0000" })
  return team
}

/** The row of a new channel. Throws inputError. */
export function newChannelRow(
  appId: number,
  type: ChannelType,
  id: string,
  input: ChannelInput,
  creatorId: string | null,
  now: number,
): ChannelRow {
  return {
    app_id: appId,
    cid: `${type.name}:${id}`,
    type: type.name,
    id,
    created_by_id: creatorId,
    team: teamOf(input.team),
    frozen: input.frozen ? 1 : 0,
    disabled: input.disabled ? 1 : 0,
    custom: customText(input.custom),
    member_count: 0,
    message_seq: 0,
    counted: 0,
    cleared_seq: 0,
    last_message_at: null,
    created_at: now,
    updated_at: now,
    deleted_at: null,
  }
}

/** A channel that is asked for: there, or to be made. */
export interface Request {
  readonly principal: AppCaller
  readonly type: ChannelType
  readonly id: string
  /** Null when there is none, or a deleted one. */
  readonly access: ChannelAccess | null
  /** A channel of this id was deleted. */
  readonly deleted: Channel | null
  readonly input: ChannelInput
  readonly members: readonly MemberInput[]
  readonly creatorId: string | null
}

/** May the caller have this channel: read it, or make it as described? */
export function mayHave(request: Request): Decision[] {
  const { principal, access } = request
  if (access === null) return mayMake(request)
  const readable = canRead(principal, access)
  if (readable.allowed) return [readable, requireEnabled(principal, access.channel)]
  // Whoever could not make it either hears what they would hear if there were none: it would tell who talks to whom.
  return [mayMake(request).find((decision) => !decision.allowed) ?? readable]
}

function mayMake(request: Request): Decision[] {
  const { principal, deleted, input, members, creatorId, type, id } = request
  const cid = `${type.name}:${id}`
  const resource: Resource = {
    kind: "channel",
    id: cid,
    name: `chat:${cid}`,
    scope: type.name,
    grants: type.grants,
    relationRoles: [],
    ownerId: creatorId,
    team: teamOf(input.team),
  }
  const decisions = [can(principal, actions.createChannel, resource)]
  if (isDistinctId(id) && !members.some(({ userId }) => userId === creatorId)) {
    decisions.push(can(principal, actions.createDistinctChannelForOthers, resource))
  }
  if (input.frozen) decisions.push(can(principal, actions.updateChannelFrozen, resource))
  if (input.disabled !== undefined) {
    decisions.push(serverOnly(principal, actions.disableChannel, resource, "disable channels"))
  }
  if (members.some(({ role }) => role !== null)) {
    decisions.push(serverOnly(principal, actions.updateChannelRoles, resource, "give channel roles"))
  }
  // Last, because this refusal says that there was one.
  if (deleted !== null) decisions.push(can(principal, actions.recreateChannel, channelAccess(deleted, null).resource))
  return decisions
}

/** Watching needs a socket to tell (contract/chat.md §3.4, the wire's own wording). */
export function requireConnection(principal: AppCaller, asked: boolean, connectionId: string | null): void {
  if (!asked) return
  if (principal.kind === "server" || connectionId === null || connectionId === "") {
    throw inputError(
      "Watch or Presence requires an active websocket connection, please make sure to include your websocket connection_id",
      { connection_id: "is required" },
    )
  }
}

const ownedRead = `${actions.readChannel.id}-owner`
const anyTeamRead = `${actions.readChannel.id}-any-team`

/** The channels that a caller may read, as a condition for a query; null: all. Says the same as canRead. */
export function readableBy(principal: AppCaller): Readable | null {
  if (principal.kind === "server") return null
  const nobody: Readable = { userId: "", openTypes: [], ownedTypes: [], memberRoles: [], teams: [] }
  const role = principal.kind === "anonymous" ? "anonymous" : principal.role
  const types = [...channelTypes.values()]
  const granting = (grant: string) =>
    types.filter(({ grants }) => isGranted(grants, role, grant)).map(({ name }) => name)
  if (principal.kind === "anonymous") return { ...nobody, openTypes: granting(actions.readChannel.id) }
  return {
    userId: principal.userId,
    openTypes: granting(actions.readChannel.id),
    ownedTypes: granting(ownedRead),
    memberRoles: types.map(({ name, grants }) => ({ type: name, roles: rolesWith(grants, actions.readChannel.id) })),
    teams: granting(anyTeamRead).length > 0 ? null : principal.teams,
  }
}

/** A user as such, whatever token they might come with. */
const unlimited = { issuedAt: null, expiresAt: null, calls: null, bans: null, scopes: null, proof: null } as const

/** Whether somebody with this membership, or none, may read: by it, by their app's role or as the channel's creator. */
export function readsWith(
  channel: Channel,
  user: { readonly id: string; readonly role: string; readonly teams: readonly string[] },
  membership: Membership | null,
): boolean {
  const { resource } = channelAccess(channel, membership)
  const { id: userId, role, teams } = user
  const principal = { kind: "user", appId: channel.appId, apiKey: "", userId, role, teams, ...unlimited } as const
  return isAllowed(principal, actions.readChannel, resource)
}

/** A channel as its readers see it (contract/models.json, ChannelResponse). */
export const channelResponse = (
  principal: AppCaller,
  access: ChannelAccess,
  row: Pick<ChannelRow, "last_message_at" | "member_count">,
  createdBy: UserResponse | undefined,
) => ({
  ...channelPicture(access.channel),
  ...(row.last_message_at === null ? {} : { last_message_at: new Date(row.last_message_at).toISOString() }),
  ...(createdBy === undefined ? {} : { created_by: createdBy }),
  member_count: row.member_count,
  config: { ...access.channel.type.config },
  own_capabilities: ownCapabilities(principal, access),
})

export type ChannelResponse = ReturnType<typeof channelResponse>
