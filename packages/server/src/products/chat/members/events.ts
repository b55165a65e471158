import { type Delivery, outboxEvent } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { UserResponse } from "../../../core/users/index.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import { type Channel, channelFrame, streamOf } from "../types/index.ts"
import type { MemberResponse } from "./rules.ts"

/** A channel as events show it. */
export type ChannelPicture = Readonly<Record<string, unknown>>

const toWatchers = (channel: Channel, frame: string): Delivery => ({
  to: "topic",
  topic: topics.channel(channel.appId, channel.cid),
  frame,
})

/** Members came: watchers hear of each, and each of them hears that they belong now. */
export function membersAdded(
  channel: Channel,
  picture: ChannelPicture,
  members: readonly MemberResponse[],
  now: number,
): OutboxEvent {
  const deliveries = members.flatMap((member): Delivery[] => {
    const more = { channel: picture, member, user: member.user }
    return [
      toWatchers(channel, channelFrame("member.added", channel, now, more)),
      {
        to: "users",
        userIds: [member.user_id],
        frame: channelFrame("notification.added_to_channel", channel, now, more),
      },
    ]
  })
  return outboxEvent(channel.appId, "member.added", streamOf(channel), deliveries)
}

/**
 * Members left or were sent away. They hear it themselves, then their sockets stop hearing the channel, unless it is
 * one that they may read without belonging.
 */
export function membersRemoved(
  channel: Channel,
  picture: ChannelPicture,
  members: readonly MemberResponse[],
  stillReading: (userId: string) => boolean,
  now: number,
): OutboxEvent {
  const deliveries = members.flatMap((member): Delivery[] => {
    const more = { channel: picture, member, user: member.user }
    return [
      toWatchers(channel, channelFrame("member.removed", channel, now, more)),
      {
        to: "users",
        userIds: [member.user_id],
        frame: channelFrame("notification.removed_from_channel", channel, now, more),
      },
    ]
  })
  const shutOut = members.map(({ user_id }) => user_id).filter((userId) => !stillReading(userId))
  if (shutOut.length > 0) {
    deliveries.push({ to: "unsubscribe", userIds: shutOut, topic: topics.channel(channel.appId, channel.cid) })
  }
  return outboxEvent(channel.appId, "member.removed", streamOf(channel), deliveries)
}

export const memberUpdated = (
  channel: Channel,
  picture: ChannelPicture,
  member: MemberResponse,
  user: UserResponse,
  now: number,
): OutboxEvent =>
  outboxEvent(channel.appId, "member.updated", streamOf(channel), [
    toWatchers(channel, channelFrame("member.updated", channel, now, { channel: picture, member, user })),
  ])
