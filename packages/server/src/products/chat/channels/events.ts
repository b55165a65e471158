import type { UserResponse } from "../../../core/users/index.ts"
import { type Delivery, frameOf, outboxEvent } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import { type ChannelMemberRow, memberResponse, type People, selectMember } from "../members/index.ts"
import { showsReads, unreadOf, unreadOfMember } from "../reads/index.ts"
import {
  backendText,
  type Channel,
  channelEvent,
  channelFrame,
  channelPicture,
  placeOf,
  streamOf,
  type TellBackends,
} from "../types/index.ts"
import { limits } from "./limits.ts"
import { selectWithMembers } from "./store.ts"

type Picture = Readonly<Record<string, unknown>>

/** Nobody can watch a channel before it is there, so this one is for backends alone. */
export const channelCreated = (
  channel: Channel,
  user: UserResponse | undefined,
  tellBackends: TellBackends,
  now: number,
): OutboxEvent => {
  const event = channelEvent("channel.created", channel, now, user === undefined ? {} : { user })
  return outboxEvent(channel.appId, "channel.created", streamOf(channel), [], tellBackends({ channel, event, user }))
}

export const channelUpdated = (
  channel: Channel,
  picture: Picture,
  user: UserResponse | undefined,
  message: Picture | undefined,
  before: Channel,
  tellBackends: TellBackends,
  now: number,
): OutboxEvent => {
  const topic = topics.channel(channel.appId, channel.cid)
  const event = channelEvent("channel.updated", channel, now, {
    channel: picture,
    ...(user === undefined ? {} : { user }),
    ...(message === undefined ? {} : { message, message_id: message.id }),
  })
  const deliveries: Delivery[] = [{ to: "topic", topic, frame: frameOf(event) }, ...shutOut(topic, before, channel)]
  const webhook = tellBackends({ channel, event, user })
  return outboxEvent(channel.appId, "channel.updated", streamOf(channel), deliveries, webhook)
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
  tellBackends: TellBackends,
  now: number,
): OutboxEvent {
  const topic = topics.channel(channel.appId, channel.cid)
  const more = { channel: picture }
  const event = channelEvent("channel.deleted", channel, now, more)
  const deliveries: Delivery[] = [
    { to: "topic", topic, frame: frameOf(event) },
    {
      to: "users",
      userIds: memberIds,
      unlessTopic: topic,
      frame: channelFrame("notification.channel_deleted", channel, now, more),
    },
    { to: "unsubscribe", userIds: "all", topic },
  ]
  return outboxEvent(channel.appId, "channel.deleted", streamOf(channel), deliveries, tellBackends({ channel, event }))
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

/**
 * See TellBackends. The totals over all channels are told of the user alone: they cost a look into each channel of
 * theirs. Whoever hides what they have read hides it from backends as from everybody else (contract/chat.md §2.9).
 */
export const createTellBackends =
  (people: People): TellBackends =>
  ({ channel, event, user, unread }) =>
  async (tx) => {
    const { appId, cid } = channel
    const found = await selectWithMembers(tx, appId, cid, limits.membersToldMax)
    const members = found?.members ?? []
    const createdById = found?.channel.created_by_id ?? null
    const ids = members.map(({ user_id }) => user_id)
    const shown = await people.many(appId, createdById === null ? ids : [...ids, createdById], tx)

    const readStatus = async (member: ChannelMemberRow): Promise<object> => {
      if (found === undefined || !channel.type.config.read_events) return {}
      if (!showsReads(await people.stored(appId, member.user_id))) return {}
      return {
        channel_last_read_at: new Date(member.last_read).toISOString(),
        channel_unread_count: unreadOfMember(member, found.channel.counted),
      }
    }
    const own =
      user === undefined || members.length < limits.membersToldMax || ids.includes(user.id)
        ? members.find(({ user_id }) => user_id === user?.id)
        : await selectMember(tx, appId, cid, user.id)

    const told =
      user === undefined ? undefined : { ...user, ...(own && (await readStatus(own))), ...(await totals(user)) }
    async function totals({ id }: UserResponse): Promise<object> {
      if (!showsReads(await people.stored(appId, id))) return {}
      const { total, channels } = unread ?? (await unreadOf(tx, appId, id))
      return { total_unread_count: total, unread_count: total, unread_channels: channels }
    }

    return backendText(tx, {
      ...event,
      channel: {
        ...channelPicture(channel),
        ...(found === undefined ? {} : countsOf(found.channel)),
        ...(createdById === null ? {} : { created_by: shown.get(createdById) }),
        ...(event.channel as Picture | undefined),
      },
      members: await Promise.all(
        members.map(async (member) => ({
          ...memberResponse(member, shown, createdById),
          ...(await readStatus(member)),
        })),
      ),
      ...(told === undefined ? {} : { user: told }),
    })
  }

const countsOf = ({ member_count, last_message_at }: { member_count: number; last_message_at: number | null }) => ({
  member_count,
  ...(last_message_at === null ? {} : { last_message_at: new Date(last_message_at).toISOString() }),
})
