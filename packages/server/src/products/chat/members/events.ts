import type { UserResponse } from "../../../core/users/index.ts"
import { type Delivery, frameOf, outboxEvent, type WireEvent } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import { backendText, type Channel, channelEvent, channelFrame, streamOf } from "../types/index.ts"
import type { MemberResponse } from "./rules.ts"

/** A channel as events show it. */
export type ChannelPicture = Readonly<Record<string, unknown>>

const toWatchers = (channel: Channel, frame: string): Delivery => ({
  to: "topic",
  topic: topics.channel(channel.appId, channel.cid),
  frame,
})

/**
 * A member came: watchers and backends hear of it, and the member hears that they belong now. `isNew`: nobody can watch
 * a channel that was not there.
 */
export function memberAdded(
  channel: Channel,
  picture: ChannelPicture,
  member: MemberResponse,
  isNew: boolean,
  now: number,
): OutboxEvent {
  const more = { channel: picture, member, user: member.user }
  const event = channelEvent("member.added", channel, now, more)
  const toMember: Delivery = {
    to: "users",
    userIds: [member.user_id],
    frame: channelFrame("notification.added_to_channel", channel, now, more),
  }
  return memberEvent(channel, event, isNew ? [toMember] : [toWatchers(channel, frameOf(event)), toMember])
}

/**
 * A member left or was sent away. They hear it themselves, then their sockets stop hearing the channel, unless it is one
 * that they may read without belonging.
 */
export function memberRemoved(
  channel: Channel,
  picture: ChannelPicture,
  member: MemberResponse,
  stillReading: boolean,
  now: number,
): OutboxEvent {
  const more = { channel: picture, member, user: member.user }
  const event = channelEvent("member.removed", channel, now, more)
  const userIds = [member.user_id]
  const deliveries: Delivery[] = [
    toWatchers(channel, frameOf(event)),
    { to: "users", userIds, frame: channelFrame("notification.removed_from_channel", channel, now, more) },
  ]
  if (!stillReading) {
    deliveries.push({ to: "unsubscribe", userIds, topic: topics.channel(channel.appId, channel.cid) })
  }
  return memberEvent(channel, event, deliveries)
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
  const event = channelEvent("member.updated", channel, now, { channel: picture, member, user })
  return memberEvent(channel, event, [
    toWatchers(channel, frameOf(event)),
    ...(stillReading ? [] : [{ to: "unsubscribe", userIds: [member.user_id], topic } as const]),
  ])
}

const memberEvent = (channel: Channel, event: WireEvent, deliveries: Delivery[]): OutboxEvent =>
  outboxEvent(channel.appId, event.type, streamOf(channel), deliveries, (tx) => backendText(tx, event))
