import type { UserResponse } from "../../../core/users/index.ts"
import { type Delivery, outboxEvent } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import { type Channel, channelFrame, channelPicture, streamOf } from "../types/index.ts"
import type { MessageResponse } from "./rules.ts"

const watchersOf = (channel: Channel): string => topics.channel(channel.appId, channel.cid)

/**
 * Watchers get `message.new`, the other members' sockets `notification.message_new`: one of the two, never both
 * (contract/chat.md §5.1). A reply that only its thread shows notifies nobody.
 */
export function messageNew(
  channel: Channel,
  message: MessageResponse,
  inChannel: boolean,
  watcherCount: number,
  now: number,
): OutboxEvent {
  const topic = watchersOf(channel)
  const deliveries: Delivery[] = [
    {
      to: "topic",
      topic,
      frame: channelFrame("message.new", channel, now, {
        message_id: message.id,
        message,
        user: message.user,
        watcher_count: watcherCount,
      }),
    },
  ]
  // A disabled channel is closed to its members too (contract/chat.md §3.16).
  if (inChannel && !channel.disabled) {
    deliveries.push({
      to: "members",
      of: { kind: "channel", cid: channel.cid },
      unlessTopic: topic,
      frame: channelFrame("notification.message_new", channel, now, {
        message_id: message.id,
        message,
        user: message.user,
        channel: { ...channelPicture(channel), last_message_at: message.created_at },
      }),
    })
  }
  return outboxEvent(channel.appId, "message.new", streamOf(channel), deliveries)
}

export const messageUpdated = (
  channel: Channel,
  message: MessageResponse,
  user: UserResponse,
  now: number,
): OutboxEvent => toWatchers("message.updated", channel, now, { message_id: message.id, message, user })

export const messageDeleted = (
  channel: Channel,
  message: MessageResponse,
  user: UserResponse,
  hard: boolean,
  now: number,
): OutboxEvent =>
  toWatchers("message.deleted", channel, now, { message_id: message.id, message, user, hard_delete: hard })

/** Many messages of one user went at once (contract/chat.md §2.6). */
export const userMessagesDeleted = (channel: Channel, user: UserResponse, hard: boolean, now: number): OutboxEvent =>
  toWatchers("user.messages.deleted", channel, now, { user, hard_delete: hard, soft_delete: !hard })

const toWatchers = (type: string, channel: Channel, now: number, more: Record<string, unknown>): OutboxEvent =>
  outboxEvent(channel.appId, type, streamOf(channel), [
    { to: "topic", topic: watchersOf(channel), frame: channelFrame(type, channel, now, more) },
  ])
