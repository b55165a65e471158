// Watching: one socket of the caller hears a channel. A membership that ends while the subscription is being made
// must end it too, wherever the two meet; see follow().

import { type AppCaller, userIdOf } from "@weir/protocol"
import { hearsPresence } from "../../../core/users/index.ts"
import type { Delivery } from "../../../events/event.ts"
import type { Sockets } from "../../../events/sockets.ts"
import { topics } from "../../../events/topics.ts"
import type { Read } from "../../../store/database.ts"
import type { People } from "../members/index.ts"
import { type Channel, type ChannelAccess, canRead, channelAccess, requireEnabled } from "../types/index.ts"
import type { Channels } from "./cache.ts"
import { watchingChanged } from "./events.ts"
import { limits } from "./limits.ts"
import { channelOf } from "./rules.ts"
import { selectOwnMemberships, selectStanding } from "./store.ts"

export interface WatchParts {
  readonly sockets: Pick<Sockets, "subscribe" | "unsubscribe" | "subscriberCount">
  readonly people: People
  readonly tell: (appId: number, deliveries: readonly Delivery[]) => void
}

export interface Watch {
  readonly principal: AppCaller
  readonly appId: number
  readonly connectionId: string
  readonly channels: readonly ChannelAccess[]
  /** Whose presence is followed, beside the channels. */
  readonly presenceOf: readonly string[]
  readonly watches: boolean
  readonly now: number
}

/** Subscribes a socket after the change is committed. Throws connectionNotFound. */
export async function follow(parts: WatchParts, read: Read, watch: Watch): Promise<void> {
  const { principal, appId, connectionId, channels, now } = watch
  const userId = userIdOf(principal)
  if (userId === null) return
  const channelTopics = watch.watches ? channels.map(({ channel }) => topics.channel(appId, channel.cid)) : []
  const presenceTopics = [...new Set(watch.presenceOf)]
    .slice(0, limits.presenceMembersMax)
    .filter((id) => hearsPresence(principal, id))
    .map((id) => topics.presence(appId, id))
  await parts.sockets.subscribe({ connectionId, appId, userId, topics: [...channelTopics, ...presenceTopics] })
  if (!watch.watches) return

  // Whoever is sent away loses their subscriptions when that event arrives. If it arrived before this subscription,
  // then its change was committed before, and the database says so now; caches might not.
  const lost = await noLongerReadable(read, watch, userId)
  if (lost.length > 0) {
    const lostTopics = lost.map(({ cid }) => topics.channel(appId, cid))
    await parts.sockets.unsubscribe({ connectionId, appId, userId, topics: lostTopics })
  }
  const user = await parts.people.one(appId, userId)
  const told = channels
    .map(({ channel }) => channel)
    .filter(tellsWatching)
    .filter((channel) => !lost.includes(channel))
  if (told.length === 0) return
  parts.tell(
    appId,
    told.map((channel) => {
      const count = parts.sockets.subscriberCount(topics.channel(appId, channel.cid))
      return watchingChanged("user.watching.start", channel, user, count, now)
    }),
  )
}

/** Ends the watching of one channel. A socket that is gone is fine. */
export async function unfollow(parts: WatchParts, watch: Omit<Watch, "watches" | "presenceOf">): Promise<void> {
  const { principal, appId, connectionId, channels, now } = watch
  const userId = userIdOf(principal)
  if (userId === null) return
  for (const { channel } of channels) {
    const topic = topics.channel(appId, channel.cid)
    await parts.sockets.unsubscribe({ connectionId, appId, userId, topics: [topic] })
    if (!tellsWatching(channel)) continue
    const user = await parts.people.one(appId, userId)
    const count = parts.sockets.subscriberCount(topic)
    parts.tell(appId, [watchingChanged("user.watching.stop", channel, user, count, now)])
  }
}

/** Tells the other watchers of channels that a socket of the user, which watched them, is gone. */
export async function stoppedWatching(
  parts: Pick<WatchParts, "people" | "tell"> & {
    readonly sockets: Pick<Sockets, "subscriberCount">
    readonly channels: Channels
  },
  appId: number,
  userId: string,
  heard: readonly string[],
  now: number,
): Promise<void> {
  const cids = heard.map((topic) => topics.cidOf(appId, topic)).filter((cid) => cid !== null)
  for (const cid of cids) {
    const channel = await parts.channels.get(appId, cid)
    if (channel === null || !tellsWatching(channel)) continue
    const user = await parts.people.one(appId, userId)
    const count = parts.sockets.subscriberCount(topics.channel(appId, cid))
    parts.tell(appId, [watchingChanged("user.watching.stop", channel, user, count, now)])
  }
}

const tellsWatching = (channel: Channel): boolean => channel.type.config.connect_events

async function noLongerReadable(read: Read, { principal, appId, channels }: Watch, userId: string): Promise<Channel[]> {
  const cids = channels.map(({ channel }) => channel.cid)
  const [standing, memberships] = await Promise.all([
    selectStanding(read, appId, cids),
    selectOwnMemberships(read, appId, userId, cids),
  ])
  return channels
    .map(({ channel }) => channel)
    .filter(({ cid }) => {
      const row = standing.get(cid)
      const channel = row === undefined ? null : channelOf(row)
      if (channel === null || channel.deletedAt !== null) return true
      const isReadable = canRead(principal, channelAccess(channel, memberships.get(cid) ?? null)).allowed
      return !isReadable || !requireEnabled(principal, channel).allowed
    })
}
