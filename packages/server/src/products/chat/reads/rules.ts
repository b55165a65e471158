// How far members have read, and who may know.

import type { User, UserResponse } from "../../../core/users/index.ts"
import type { ChannelMemberRow } from "../members/index.ts"
import { channelTypes } from "../types/index.ts"

/** Types whose channels count unread messages. */
export const countingTypes: readonly string[] = Array.from(channelTypes.values())
  .filter(({ config }) => config.read_events)
  .map(({ name }) => name)

/** Messages of others that a member has not read. `counted` is the channel's counter. */
export const unreadOfMember = (member: Pick<ChannelMemberRow, "read_counted">, counted: number): number =>
  Math.max(0, counted - member.read_counted)

/** Whether others may know what this user has read (contract/chat.md §2.9). */
export const showsReads = (user: User | null): boolean => user?.privacySettings?.read_receipts?.enabled !== false

/** A member's read state as the wire shows it (contract/models.json, ReadStateResponse). */
export const readStateResponse = (member: ChannelMemberRow, user: UserResponse, counted: number) => ({
  user,
  last_read: new Date(member.last_read).toISOString(),
  ...(member.last_read_message_id === null ? {} : { last_read_message_id: member.last_read_message_id }),
  unread_messages: unreadOfMember(member, counted),
})
