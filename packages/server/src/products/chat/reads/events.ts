import type { UnreadCounts, UserResponse } from "../../../core/users/index.ts"
import { type Delivery, frameOf, outboxEvent } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import {
  type Channel,
  channelEvent,
  channelFrame,
  channelPicture,
  streamOf,
  type TellBackends,
} from "../types/index.ts"

export interface ReadEvent {
  readonly channel: Channel
  readonly user: UserResponse
  readonly lastReadMessageId: string | null
  /** The reader's totals after the change; a client takes zero channels to mean that nothing at all is unread. */
  readonly unread: UnreadCounts
  /** Whether others may know. */
  readonly isShown: boolean
  /** Whether few enough watch. */
  readonly isTold: boolean
  readonly tellBackends: TellBackends
  readonly now: number
}

/** Watchers and backends hear who read how far; the reader's own sockets get the new totals. */
export function messageRead(read: ReadEvent): OutboxEvent {
  const { channel, user, lastReadMessageId, unread, isShown, isTold, tellBackends, now } = read
  const more = { user, ...(lastReadMessageId === null ? {} : { last_read_message_id: lastReadMessageId }) }
  const deliveries: Delivery[] = [
    {
      to: "users",
      userIds: [user.id],
      frame: channelFrame("notification.mark_read", channel, now, {
        ...more,
        channel: channelPicture(channel),
        total_unread_count: unread.total,
        unread_count: unread.total,
        unread_channels: unread.channels,
        unread_threads: 0,
      }),
    },
  ]
  if (!isShown) return outboxEvent(channel.appId, "message.read", streamOf(channel), deliveries)
  const event = channelEvent("message.read", channel, now, more)
  if (isTold) {
    deliveries.unshift({ to: "topic", topic: topics.channel(channel.appId, channel.cid), frame: frameOf(event) })
  }
  const webhook = tellBackends({ channel, event, user, unread })
  return outboxEvent(channel.appId, "message.read", streamOf(channel), deliveries, webhook)
}
