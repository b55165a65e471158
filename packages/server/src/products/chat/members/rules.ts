// Who may become a member, and how members are shown.

import { type chat, inputError, limits as wireLimits } from "@weir/protocol"
import type { Static } from "typebox"
import { banFields, channelBanOf, type UserResponse } from "../../../core/users/index.ts"
import type { Channel } from "../types/index.ts"
import type { ChannelMemberRow } from "./store.ts"

export const memberRole = "channel_member"
export const moderatorRole = "channel_moderator"

/** A member to be. */
export interface MemberInput {
  readonly userId: string
  /** Null: the default role, or the one that the member has. */
  readonly role: string | null
  readonly custom: Readonly<Record<string, unknown>>
}

type MemberRequest = Static<typeof chat.ChannelMemberRequest>

/** Reads both spellings of members and takes each user once. Throws inputError. */
export function memberInputs(requests: readonly MemberRequest[]): MemberInput[] {
  const byId = new Map<string, MemberInput>()
  for (const request of requests) {
    const input: MemberInput =
      typeof request === "string"
        ? { userId: request, role: null, custom: {} }
        : { userId: request.user_id, role: request.channel_role ?? null, custom: request.custom ?? {} }
    requireSmallCustom(input)
    byId.set(input.userId, input)
  }
  return [...byId.values()]
}

function requireSmallCustom({ userId, custom }: MemberInput): void {
  if (Buffer.byteLength(JSON.stringify(custom)) > wireLimits.customBytesMax) {
    throw inputError(`custom data of member ${userId} is larger than ${wireLimits.customBytesMax} bytes`)
  }
}

/** How far a channel's messages have been counted; where a new member begins to read. */
export interface ReadPosition {
  readonly seq: number
  readonly counted: number
}

/** The row of a new member. What was sent before counts as read. */
export const newMember = (
  channel: Pick<Channel, "appId" | "cid">,
  input: MemberInput,
  position: ReadPosition,
  historyAfterSeq: number,
  now: number,
): ChannelMemberRow => ({
  app_id: channel.appId,
  cid: channel.cid,
  user_id: input.userId,
  channel_role: input.role ?? memberRole,
  custom: JSON.stringify(input.custom),
  created_at: now,
  updated_at: now,
  history_after_seq: historyAfterSeq,
  last_read: now,
  last_read_message_id: null,
  read_seq: position.seq,
  read_counted: position.counted,
})

/** A member as the wire shows it (contract/models.json, ChannelMemberResponse). */
export const memberResponse = (
  row: ChannelMemberRow,
  people: ReadonlyMap<string, UserResponse>,
  creatorId: string | null,
) => ({
  user_id: row.user_id,
  user: people.get(row.user_id) as UserResponse,
  channel_role: row.channel_role,
  role: row.user_id === creatorId ? "owner" : row.channel_role === moderatorRole ? "moderator" : "member",
  status: "member",
  is_moderator: row.channel_role === moderatorRole,
  ...banFields(channelBanOf(people.get(row.user_id), row.cid)),
  notifications_muted: false,
  created_at: new Date(row.created_at).toISOString(),
  updated_at: new Date(row.updated_at).toISOString(),
  custom: JSON.parse(row.custom) as Record<string, unknown>,
})

export type MemberResponse = ReturnType<typeof memberResponse>
