// Watching: one socket of the caller hears a channel, and then its state is read. A membership that ends while the
// subscription is being made must end it too, wherever the two meet; see events/hear-then-read.ts.

import { type AppCaller, userIdOf } from "@weir/protocol"
import { hearsPresence } from "../../../core/users/index.ts"
import type { Delivery } from "../../../events/event.ts"
import { hearThenRead } from "../../../events/hear-then-read.ts"
import type { Sockets } from "../../../events/sockets.ts"
import { topics } from "../../../events/topics.ts"
import type { Read } from "../../../store/database.ts"
import { type People, selectMembers } from "../members/index.ts"
import { type Channel, type ChannelAccess, canRead, channelAccess, requireEnabled } from "../types/index.ts"
import type { Channels } from "./cache.ts"
import { watchingChanged } from "./events.ts"
import { limits } from "./limits.ts"
import { channelOf } from "./rules.ts"
import { type ChannelRow, selectOwnMemberships, selectStanding } from "./store.ts"

export interface WatchParts {
  readonly sockets: Pick<Sockets, "subscribe" | "unsubscribe" | "subscriberCount">
  readonly people: People
  readonly tell: (appId: number, deliveries: readonly Delivery[]) => void
}

/** A channel and what the caller is to it. */
export interface Standing {
  readonly access: ChannelAccess
  readonly row: ChannelRow
}

interface Asked {
  readonly principal: AppCaller
  readonly appId: number
  readonly connectionId: string | null
  readonly body: { readonly watch?: boolean; readonly presence?: boolean }
  readonly read: Read
  readonly now: number
}

/** One of the caller's own sockets. */
interface Watcher {
  readonly principal: AppCaller
  readonly appId: number
  readonly userId: string
  readonly connectionId: string
  readonly now: number
}

/**
 * Binds the caller's socket where that was asked for. Answers the channels to read the state of: those that are watched
 * as they are once they are heard, without those that are gone, the others as they were. One that the caller may not
 * have any more is among them and not heard. `members`: whose presence is followed, a page of each channel's; null:
 * nobody's. Throws connectionNotFound, and rateLimit where the socket has no room for all.
 */
export async function watchIfAsked(
  parts: WatchParts,
  { principal, appId, connectionId, body, read, now }: Asked,
  found: readonly Standing[],
  members: { readonly limit: number; readonly offset: number } | null,
): Promise<readonly Standing[]> {
  const { watch = false, presence = false } = body
  const userId = userIdOf(principal)
  if (userId === null || connectionId === null || !(watch || presence)) return found
  const open = found.filter(({ access }) => requireEnabled(principal, access.channel).allowed)
  // Whoever made a channel does not hear it with a token that only writes.
  const watched = watch ? open.filter(({ access }) => canRead(principal, access).allowed) : []
  const pages =
    presence && members !== null
      ? await Promise.all(open.map(({ row }) => selectMembers(read, appId, row.cid, members)))
      : []
  const standing = await follow(
    parts,
    read,
    { principal, appId, userId, connectionId, now },
    watched.map(({ access }) => access.channel),
    pages.flat().map((member) => member.user_id),
  )
  return found.flatMap((each) => (watched.includes(each) ? (standing.get(each.row.cid) ?? []) : each))
}

/** Subscribes a socket and answers the channels as they are from then on, by cid; those that are gone are missing. */
function follow(
  parts: WatchParts,
  read: Read,
  watcher: Watcher,
  channels: readonly Channel[],
  presenceOf: readonly string[],
): Promise<ReadonlyMap<string, Standing>> {
  const { principal, appId, userId, connectionId } = watcher
  const topicOf = ({ cid }: Channel): string => topics.channel(appId, cid)
  const presenceTopics = [...new Set(presenceOf)]
    .slice(0, limits.presenceMembersMax)
    .filter((id) => hearsPresence(principal, id))
    .map((id) => topics.presence(appId, id))
  const subscription = { connectionId, appId, userId, topics: [...channels.map(topicOf), ...presenceTopics] }
  return hearThenRead(parts.sockets, subscription, async () => {
    const state = await standingNow(read, watcher, channels)
    const mayHear = ({ cid }: Channel): boolean => {
      const access = state.get(cid)?.access
      return (
        access !== undefined && canRead(principal, access).allowed && requireEnabled(principal, access.channel).allowed
      )
    }
    await tellWatching(parts, watcher, channels.filter(mayHear).filter(tellsWatching))
    return { state, lost: channels.filter((channel) => !mayHear(channel)).map(topicOf) }
  })
}

async function tellWatching(
  parts: WatchParts,
  { appId, userId, now }: Watcher,
  channels: readonly Channel[],
): Promise<void> {
  if (channels.length === 0) return
  const user = await parts.people.one(appId, userId)
  parts.tell(
    appId,
    channels.map((channel) => {
      const count = parts.sockets.subscriberCount(topics.channel(appId, channel.cid))
      return watchingChanged("user.watching.start", channel, user, count, now)
    }),
  )
}

/** Ends the watching of one channel. A socket that is gone is fine. */
export async function unfollow(
  parts: WatchParts,
  { appId, userId, connectionId, now }: Omit<Watcher, "principal">,
  channel: Channel,
): Promise<void> {
  const topic = topics.channel(appId, channel.cid)
  await parts.sockets.unsubscribe({ connectionId, appId, userId, topics: [topic] })
  if (!tellsWatching(channel)) return
  const user = await parts.people.one(appId, userId)
  const count = parts.sockets.subscriberCount(topic)
  parts.tell(appId, [watchingChanged("user.watching.stop", channel, user, count, now)])
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

async function standingNow(
  read: Read,
  { appId, userId }: Watcher,
  channels: readonly Channel[],
): Promise<ReadonlyMap<string, Standing>> {
  const cids = channels.map(({ cid }) => cid)
  const [rows, memberships] = await Promise.all([
    selectStanding(read, appId, cids),
    selectOwnMemberships(read, appId, userId, cids),
  ])
  const standing = new Map<string, Standing>()
  for (const [cid, row] of rows) {
    const channel = channelOf(row)
    if (channel === null || channel.deletedAt !== null) continue
    standing.set(cid, { access: channelAccess(channel, memberships.get(cid) ?? null), row })
  }
  return standing
}
