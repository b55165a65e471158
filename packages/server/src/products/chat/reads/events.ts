import type { UnreadCounts, UserResponse } from "../../../core/users/index.ts"
import { type Delivery, outboxEvent } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import { type Channel, channelFrame, channelPicture, streamOf } from "../types/index.ts"

export interface ReadEvent {
  readonly channel: Channel
  readonly user: UserResponse
  readonly lastReadMessageId: string | null
  /** The reader's totals after the change; a client takes zero channels to mean that nothing at all is unread. */
  readonly unread: UnreadCounts
  /** Whether others may know, and few enough watch. */
  readonly isTold: boolean
  readonly now: number
}

/** Watchers hear who read how far; the reader's own sockets get the new totals. */
export function messageRead({ channel, user, lastReadMessageId, unread, isTold, now }: ReadEvent): OutboxEvent {
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
  if (isTold) {
    deliveries.unshift({
      to: "topic",
      topic: topics.channel(channel.appId, channel.cid),
      frame: channelFrame("message.read", channel, now, more),
    })
  }
  return outboxEvent(channel.appId, "message.read", streamOf(channel), deliveries)
}
