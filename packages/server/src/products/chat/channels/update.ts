// Changes to a channel that stands: its data, its members and their roles, with a system message about them.

import { type AppCaller, inputError, type chat as wire } from "@weir/protocol"
import type { Static } from "typebox"
import { can, type Decision } from "../../../authorize/decide.ts"
import { requireUsers } from "../../../core/users/index.ts"
import type { Tx } from "../../../store/database.ts"
import { parseTimestamp } from "../../../store/filter.ts"
import {
  type ChannelMemberRow,
  deleteMembers,
  insertMembers,
  type MemberInput,
  type Members,
  memberAdded,
  memberInputs,
  memberRemoved,
  memberResponse,
  memberRole,
  memberUpdated,
  moderatorRole,
  newMember,
  type People,
  updateMemberRoles,
} from "../members/index.ts"
import { mayContain } from "../messages/index.ts"
import {
  actions,
  type Channel,
  type ChannelAccess,
  canRead,
  channelPicture,
  isDistinctId,
  requireEnabled,
  serverOnly,
} from "../types/index.ts"
import { customText, readsWith, teamOf } from "./rules.ts"
import { type ChannelChange, type ChannelRow, selectSeqBefore } from "./store.ts"

export type UpdateRequest = Static<typeof wire.updateChannel.body>

/** Everything that an update asks for must be allowed, or nothing is done. */
export function mayUpdate(principal: AppCaller, access: ChannelAccess, body: UpdateRequest): Decision[] {
  const { channel, resource } = access
  const decisions = [requireEnabled(principal, channel)]
  const { data, add_members = [], remove_members = [] } = body
  if (data?.custom !== undefined) decisions.push(can(principal, actions.updateChannel, resource))
  if (data?.frozen !== undefined && data.frozen !== channel.frozen) {
    decisions.push(can(principal, actions.updateChannelFrozen, resource))
  }
  if (data?.disabled !== undefined) {
    decisions.push(serverOnly(principal, actions.disableChannel, resource, "disable channels"))
  }
  if (data?.team !== undefined && teamOf(data.team) !== channel.team) {
    decisions.push(serverOnly(principal, actions.updateChannelTeam, resource, "move channels to another team"))
  }
  const added = memberInputs(add_members)
  decisions.push(
    ...mayChangeMembers(
      principal,
      access,
      added.map(({ userId }) => userId),
      actions.addOwnChannelMembership,
    ),
    ...mayChangeMembers(principal, access, remove_members, actions.removeOwnChannelMembership),
  )
  const givesRoles = [body.add_moderators, body.demote_moderators, body.assign_roles].some((list) => list?.length)
  if (givesRoles || added.some(({ role }) => role !== null)) {
    decisions.push(serverOnly(principal, actions.updateChannelRoles, resource, "give channel roles"))
  }
  // Beside another change the message only says what happened; alone it is a system message like any other.
  if (body.message !== undefined) {
    if (decisions.length === 1) decisions.push(can(principal, actions.createSystemMessage, resource))
    decisions.push(...mayContain(principal, access, body.message))
  }
  // What changes nothing still answers with the channel.
  if (decisions.length === 1) decisions.push(canRead(principal, access))
  return decisions
}

function mayChangeMembers(
  principal: AppCaller,
  { membership, resource }: ChannelAccess,
  userIds: readonly string[],
  own: (typeof actions)["addOwnChannelMembership" | "removeOwnChannelMembership"],
): Decision[] {
  if (userIds.length === 0) return []
  const self = principal.kind === "user" || principal.kind === "guest" ? principal.userId : null
  const decisions: Decision[] = []
  if (userIds.some((userId) => userId !== self)) decisions.push(can(principal, actions.updateChannelMembers, resource))
  // To join once more, or to leave without being there, changes nothing and is no reason to say anything.
  const isChange = (own === actions.addOwnChannelMembership) === (membership === null)
  if (self !== null && userIds.includes(self) && isChange) decisions.push(can(principal, own, resource))
  return decisions
}

/** What an update says of the channel itself; null when it says nothing. Throws inputError. */
export function channelChange(data: UpdateRequest["data"]): ChannelChange | null {
  if (data === undefined) return null
  const change: ChannelChange = {
    ...(data.custom === undefined ? {} : { custom: customText(data.custom) }),
    ...(data.frozen === undefined ? {} : { frozen: data.frozen ? 1 : 0 }),
    ...(data.disabled === undefined ? {} : { disabled: data.disabled ? 1 : 0 }),
    ...(data.team === undefined ? {} : { team: teamOf(data.team) }),
  }
  return Object.keys(change).length === 0 ? null : change
}

export interface MembershipParts {
  readonly people: People
  readonly members: Members
}

export interface Joining {
  readonly channel: Channel
  /** The channel's row before anybody joins. */
  readonly row: ChannelRow
  readonly inputs: readonly MemberInput[]
  /** New members see nothing up to this number. */
  readonly historyAfterSeq: number
  /** The channel is being made in this transaction. */
  readonly isNew: boolean
  readonly now: number
}

/** Adds members, tells them and the watchers; answers how many came. Throws inputError for users who do not exist. */
export async function addMembers(parts: MembershipParts, tx: Tx, joining: Joining): Promise<number> {
  const { channel, row, inputs, historyAfterSeq, isNew, now } = joining
  if (inputs.length === 0) return 0
  const { appId, cid } = channel
  const ids = inputs.map(({ userId }) => userId)
  await requireUsers(tx, appId, ids)
  const position = { seq: row.message_seq, counted: row.counted }
  const added = await insertMembers(
    tx,
    inputs.map((input) => newMember(channel, input, position, historyAfterSeq, now)),
  )
  if (added.length === 0) return 0
  parts.members.dropAfter(tx, appId, cid, ids)
  const picture = { ...channelPicture(channel), member_count: row.member_count + added.length }
  for (const member of await shown(parts, tx, channel, added))
    tx.emit(memberAdded(channel, picture, member, isNew, now))
  return added.length
}

/** Ends memberships and the watching that rested on them; answers how many left. */
export async function removeMembers(
  parts: MembershipParts,
  tx: Tx,
  channel: Channel,
  memberCount: number,
  userIds: readonly string[],
  now: number,
): Promise<number> {
  const removed = await deleteMembers(tx, channel.appId, channel.cid, [...new Set(userIds)])
  if (removed.length === 0) return 0
  const ids = removed.map((row) => row.user_id)
  parts.members.dropAfter(tx, channel.appId, channel.cid, ids)
  const users = await Promise.all(ids.map((id) => parts.people.stored(channel.appId, id)))
  const stillReading = new Set(
    users.flatMap((user) => (user !== null && readsWith(channel, user, null) ? [user.id] : [])),
  )
  const picture = { ...channelPicture(channel), member_count: memberCount - removed.length }
  for (const member of await shown(parts, tx, channel, removed)) {
    tx.emit(memberRemoved(channel, picture, member, stillReading.has(member.user_id), now))
  }
  return removed.length
}

/** Gives members the roles that a server names. */
export async function changeRoles(
  parts: MembershipParts,
  tx: Tx,
  channel: Channel,
  body: UpdateRequest,
  now: number,
): Promise<void> {
  const byRole = new Map<string, string[]>()
  const give = (role: string, userIds: readonly string[]) => byRole.set(role, [...(byRole.get(role) ?? []), ...userIds])
  give(moderatorRole, body.add_moderators ?? [])
  give(memberRole, body.demote_moderators ?? [])
  for (const { user_id, channel_role } of body.assign_roles ?? []) give(channel_role, [user_id])
  for (const [role, userIds] of byRole) {
    const changed = await updateMemberRoles(tx, channel.appId, channel.cid, userIds, role, now)
    if (changed.length === 0) continue
    parts.members.dropAfter(
      tx,
      channel.appId,
      channel.cid,
      changed.map((row) => row.user_id),
    )
    const users = await Promise.all(changed.map((row) => parts.people.stored(channel.appId, row.user_id)))
    const reads = changed.map((row, index) => {
      const user = users[index] ?? null
      return user !== null && readsWith(channel, user, { role, historyAfterSeq: row.history_after_seq })
    })
    for (const [index, member] of (await shown(parts, tx, channel, changed)).entries()) {
      tx.emit(memberUpdated(channel, channelPicture(channel), member, member.user, reads[index] === true, now))
    }
  }
}

/** Up to which number new members see nothing. Throws inputError. */
export async function hiddenHistory(tx: Tx, row: ChannelRow, body: UpdateRequest): Promise<number> {
  if (body.hide_history_before !== undefined) {
    const atMs = parseTimestamp(body.hide_history_before)
    if (atMs === null) {
      throw inputError("hide_history_before is not an RFC 3339 time", { hide_history_before: "is no time" })
    }
    return selectSeqBefore(tx, row.app_id, row.cid, atMs)
  }
  return body.hide_history === true ? row.message_seq : 0
}

/** Whoever is added by role is added first: moderators need not have been members. */
export function joiningInputs(channel: Channel, body: UpdateRequest): MemberInput[] {
  const inputs = memberInputs([
    ...(body.add_members ?? []),
    ...(body.add_moderators ?? []).map((user_id) => ({ user_id, channel_role: moderatorRole })),
  ])
  if (inputs.length > 0 && isDistinctId(channel.id)) {
    throw inputError("members cannot be added to a distinct channel: its id stands for exactly its first members")
  }
  return inputs
}

const shown = async (parts: MembershipParts, tx: Tx, channel: Channel, rows: readonly ChannelMemberRow[]) => {
  const people = await parts.people.many(
    channel.appId,
    rows.map((row) => row.user_id),
    tx,
  )
  return rows.map((row) => memberResponse(row, people, channel.createdById))
}
