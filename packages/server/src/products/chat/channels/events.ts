import type { UserResponse } from "../../../core/users/index.ts"
import { type Delivery, frameOf, outboxEvent } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import { type Channel, channelFrame, placeOf, streamOf } from "../types/index.ts"

type Picture = Readonly<Record<string, unknown>>

/** Nobody can watch a channel before it is there, so this one is for those who read the stream of events. */
export const channelCreated = (channel: Channel): OutboxEvent =>
  outboxEvent(channel.appId, "channel.created", streamOf(channel), [])

export const channelUpdated = (
  channel: Channel,
  picture: Picture,
  user: UserResponse | undefined,
  message: Picture | undefined,
  before: Channel,
  now: number,
): OutboxEvent => {
  const topic = topics.channel(channel.appId, channel.cid)
  const frame = channelFrame("channel.updated", channel, now, {
    channel: picture,
    ...(user === undefined ? {} : { user }),
    ...(message === undefined ? {} : { message, message_id: message.id }),
  })
  return outboxEvent(channel.appId, "channel.updated", streamOf(channel), [
    { to: "topic", topic, frame },
    ...shutOut(topic, before, channel),
  ])
}

/** A channel that is closed is closed to its watchers too; one that goes to another team is asked for anew. */
function shutOut(topic: string, before: Channel, after: Channel): Delivery[] {
  if (after.disabled) return [{ to: "unsubscribe", userIds: "all", topic }]
  return before.team === after.team ? [] : [{ to: "reconnect", topic, reason: "the channel belongs to another team" }]
}

/** Watchers and the other members hear it, then nobody hears the channel any more. */
export function channelDeleted(
  channel: Channel,
  picture: Picture,
  memberIds: readonly string[],
  now: number,
): OutboxEvent {
  const topic = topics.channel(channel.appId, channel.cid)
  const more = { channel: picture }
  return outboxEvent(channel.appId, "channel.deleted", streamOf(channel), [
    { to: "topic", topic, frame: channelFrame("channel.deleted", channel, now, more) },
    {
      to: "users",
      userIds: memberIds,
      unlessTopic: topic,
      frame: channelFrame("notification.channel_deleted", channel, now, more),
    },
    { to: "unsubscribe", userIds: "all", topic },
  ])
}

/** Somebody began or ceased to watch; fleeting. */
export function watchingChanged(
  type: "user.watching.start" | "user.watching.stop",
  channel: Channel,
  user: UserResponse,
  watcherCount: number,
  now: number,
): Delivery {
  const created_at = new Date(now).toISOString()
  return {
    to: "topic",
    topic: topics.channel(channel.appId, channel.cid),
    frame: frameOf({ type, created_at, ...placeOf(channel), user, watcher_count: watcherCount }),
  }
}
