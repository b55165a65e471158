import type { UserResponse } from "../../../core/users/index.ts"
import { type Delivery, outboxEvent } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import { type Channel, channelFrame, streamOf } from "../types/index.ts"
import { limits } from "./limits.ts"
import type { MemberResponse } from "./rules.ts"

/** A channel as events show it. */
export type ChannelPicture = Readonly<Record<string, unknown>>

const toWatchers = (channel: Channel, frame: string): Delivery => ({
  to: "topic",
  topic: topics.channel(channel.appId, channel.cid),
  frame,
})

/**
 * Members came: watchers hear of each, and each of them hears that they belong now. Several events, because each
 * carries the channel twice per member. `isNew`: nobody can watch a channel that was not there.
 */
export function membersAdded(
  channel: Channel,
  picture: ChannelPicture,
  members: readonly MemberResponse[],
  isNew: boolean,
  now: number,
): OutboxEvent[] {
  const events: OutboxEvent[] = []
  for (let from = 0; from < members.length; from += limits.membersPerEventMax) {
    const deliveries = members.slice(from, from + limits.membersPerEventMax).flatMap((member): Delivery[] => {
      const more = { channel: picture, member, user: member.user }
      const frame = channelFrame("notification.added_to_channel", channel, now, more)
      const toMember: Delivery = { to: "users", userIds: [member.user_id], frame }
      return isNew ? [toMember] : [toWatchers(channel, channelFrame("member.added", channel, now, more)), toMember]
    })
    events.push(outboxEvent(channel.appId, "member.added", streamOf(channel), deliveries))
  }
  return events
}

/**
 * Members left or were sent away. They hear it themselves, then their sockets stop hearing the channel, unless it is
 * one that they may read without belonging.
 */
export function membersRemoved(
  channel: Channel,
  picture: ChannelPicture,
  members: readonly MemberResponse[],
  stillReading: ReadonlySet<string>,
  now: number,
): OutboxEvent[] {
  const events: OutboxEvent[] = []
  for (let from = 0; from < members.length; from += limits.membersPerEventMax) {
    const some = members.slice(from, from + limits.membersPerEventMax)
    const deliveries = some.flatMap((member): Delivery[] => {
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
    const shutOut = some.map(({ user_id }) => user_id).filter((userId) => !stillReading.has(userId))
    if (shutOut.length > 0) {
      deliveries.push({ to: "unsubscribe", userIds: shutOut, topic: topics.channel(channel.appId, channel.cid) })
    }
    events.push(outboxEvent(channel.appId, "member.removed", streamOf(channel), deliveries))
  }
  return events
}

/** A member has another role; with one that reads nothing the member's sockets stop hearing the channel. */
export const memberUpdated = (
  channel: Channel,
  picture: ChannelPicture,
  member: MemberResponse,
  user: UserResponse,
  stillReading: boolean,
  now: number,
): OutboxEvent => {
  const topic = topics.channel(channel.appId, channel.cid)
  return outboxEvent(channel.appId, "member.updated", streamOf(channel), [
    toWatchers(channel, channelFrame("member.updated", channel, now, { channel: picture, member, user })),
    ...(stillReading ? [] : [{ to: "unsubscribe", userIds: [member.user_id], topic } as const]),
  ])
}
