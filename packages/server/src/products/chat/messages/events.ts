import type { UserResponse } from "../../../core/users/index.ts"
import { type Delivery, frameOf, outboxEvent, type WireEvent } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import {
  backendText,
  type Channel,
  channelEvent,
  channelFrame,
  channelPicture,
  streamOf,
  type TellBackends,
} from "../types/index.ts"
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
  tellBackends: TellBackends,
  now: number,
): OutboxEvent {
  const topic = watchersOf(channel)
  const event = channelEvent("message.new", channel, now, {
    message_id: message.id,
    message,
    user: message.user,
    watcher_count: watcherCount,
  })
  const deliveries: Delivery[] = [{ to: "topic", topic, frame: frameOf(event) }]
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
  const webhook = tellBackends({ channel, event, user: message.user })
  return outboxEvent(channel.appId, "message.new", streamOf(channel), deliveries, webhook)
}

export const messageUpdated = (
  channel: Channel,
  message: MessageResponse,
  user: UserResponse,
  tellBackends: TellBackends,
  now: number,
): OutboxEvent => {
  const event = channelEvent("message.updated", channel, now, { message_id: message.id, message, user })
  return toWatchers(channel, event, tellBackends({ channel, event, user }))
}

export const messageDeleted = (
  channel: Channel,
  message: MessageResponse,
  user: UserResponse,
  hard: boolean,
  tellBackends: TellBackends,
  now: number,
): OutboxEvent => {
  const more = { message_id: message.id, message, user, hard_delete: hard }
  const event = channelEvent("message.deleted", channel, now, more)
  return toWatchers(channel, event, tellBackends({ channel, event, user }))
}

/** Many messages of one user went at once (contract/chat.md §2.6). */
export const userMessagesDeleted = (channel: Channel, user: UserResponse, hard: boolean, now: number): OutboxEvent => {
  const more = { user, hard_delete: hard, soft_delete: !hard }
  const event = channelEvent("user.messages.deleted", channel, now, more)
  return toWatchers(channel, event, (tx) => backendText(tx, event))
}

const toWatchers = (channel: Channel, event: WireEvent, webhook: OutboxEvent["webhook"]): OutboxEvent => {
  const deliveries: Delivery[] = [{ to: "topic", topic: watchersOf(channel), frame: frameOf(event) }]
  return outboxEvent(channel.appId, event.type, streamOf(channel), deliveries, webhook)
}
