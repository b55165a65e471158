// Channels by app and cid, and the door through which every route of chat comes to one.

import { type AppCaller, userIdOf } from "@weir/protocol"
import { type Awaitable, chain } from "../../../base/chain.ts"
import { type Caches, cacheKey } from "../../../events/caches.ts"
import type { Read, Tx } from "../../../store/database.ts"
import type { Members } from "../members/index.ts"
import { type Channel, type ChannelAccess, channelAccess, type OpenChannel } from "../types/index.ts"
import { limits } from "./limits.ts"
import { channelOf } from "./rules.ts"
import { selectChannel } from "./store.ts"

export interface Channels {
  /** The channel, deleted ones included. */
  get(appId: number, cid: string): Awaitable<Channel | null>
  /** Forgets a channel once the change is committed. */
  dropAfter(tx: Tx, appId: number, cid: string): void
}

export function createChannels(caches: Caches, read: Read): Channels {
  const cache = caches.create<Channel>({
    name: "chat-channels",
    entriesMax: limits.channelsCachedMax,
    async load(key) {
      const bar = key.indexOf("|")
      const row = await selectChannel(read, Number(key.slice(0, bar)), key.slice(bar + 1))
      return row === undefined ? null : channelOf(row)
    },
  })
  return {
    get: (appId, cid) => cache.get(cacheKey(appId, cid)),
    dropAfter(tx, appId, cid) {
      tx.afterCommit(() => cache.drop(cacheKey(appId, cid)))
    },
  }
}

/** What a caller is to a channel. */
export const accessOf = (members: Members, principal: AppCaller, channel: Channel): Awaitable<ChannelAccess> => {
  const userId = userIdOf(principal)
  if (userId === null || principal.kind === "anonymous") return channelAccess(channel, null)
  return chain(members.of(channel.appId, channel.cid, userId), (membership) => channelAccess(channel, membership))
}

export const createOpenChannel =
  (channels: Channels, members: Members): OpenChannel =>
  (principal, appId, cid) =>
    chain(channels.get(appId, cid), (channel) =>
      channel === null || channel.deletedAt !== null ? null : accessOf(members, principal, channel),
    )
