// Chat as a whole: everything that the server wires, built from the few parts it needs.

import { chain } from "../../../base/chain.ts"
import { uuid } from "../../../base/ids.ts"
import type { BanChannels } from "../../../core/bans/index.ts"
import type { Explainer } from "../../../core/decisions/index.ts"
import type { DeleteContent, Users } from "../../../core/users/index.ts"
import type { Caches } from "../../../events/caches.ts"
import type { Presence } from "../../../events/presence.ts"
import type { Relay } from "../../../events/relay.ts"
import type { Sockets } from "../../../events/sockets.ts"
import { topics } from "../../../events/topics.ts"
import type { Route } from "../../../request/route.ts"
import type { Read, Tx } from "../../../store/database.ts"
import { type Announce, eventRoutes } from "../events/index.ts"
import { createMembers, createPeople, type Members, memberMigrations, memberRoutes } from "../members/index.ts"
import { type BeforeSend, createMessages, messageMigrations, messageRoutes } from "../messages/index.ts"
import { markWritten, readRoutes, unreadOf } from "../reads/index.ts"
import { actions, channelPicture, channelTypeRoutes, requireKnown } from "../types/index.ts"
import { accessOf, createChannels, createOpenChannel } from "./cache.ts"
import { createDeleteContent, sweepStep } from "./deletion.ts"
import { createTellBackends } from "./events.ts"
import { migrations } from "./migrations.ts"
import { channelRoutes } from "./routes.ts"
import { stoppedWatching } from "./watch.ts"

export { createMembers, type Members, unreadOf }

/** In this order: a module's tables come before those that speak of them. */
export const chatMigrations = [
  { module: "chat/channels", migrations },
  { module: "chat/members", migrations: memberMigrations },
  { module: "chat/messages", migrations: messageMigrations },
]

export interface ChatParts {
  readonly caches: Caches
  readonly read: Read
  readonly users: Users
  /** Made before the sockets, which ask it for the members of a channel (createMembers). */
  readonly members: Members
  readonly presence: Pick<Presence, "isOnline">
  readonly sockets: Pick<Sockets, "subscribe" | "unsubscribe" | "subscriberCount" | "subscribers">
  readonly relay: Pick<Relay, "tell">
  readonly announce: Announce
  /** Asks the app's backend about each message before it is sent. */
  readonly beforeSend: BeforeSend
  /** An id for a message that comes without one; a UUID when absent. */
  readonly newId?: () => string
}

export interface Chat {
  readonly routes: Route[]
  /** A socket that may have watched channels is gone. */
  readonly stoppedWatching: (appId: number, userId: string, heard: readonly string[], now: number) => Promise<void>
  /** For the task that deletes users. */
  readonly deleteContent: DeleteContent
  /** Marks a batch of a deactivated user's messages deleted; answers whether none are left. */
  readonly hideMessages: SweepUser
  /** Brings a batch of them back; answers whether none are left. */
  readonly restoreMessages: SweepUser
  /** Lets operators ask who may do what in a channel, by the resource that the routes decide on. */
  readonly explainer: Explainer
  /** What bans ask of channels. */
  readonly banChannels: BanChannels
}

export type SweepUser = (tx: Tx, appId: number, userId: string, now: number) => Promise<boolean>

export function createChat({
  caches,
  read,
  users,
  members,
  presence,
  sockets,
  relay,
  announce,
  beforeSend,
  newId = uuid,
}: ChatParts): Chat {
  const people = createPeople({ users, isOnline: presence.isOnline })
  const channels = createChannels(caches, read)
  const messages = createMessages(caches, read)
  const parts = {
    channels,
    members,
    messages,
    people,
    sockets,
    tell: relay.tell,
    announce,
    openChannel: createOpenChannel(channels, members),
    watcherCount: (appId: number, cid: string) => sockets.subscriberCount(topics.channel(appId, cid)),
    markWritten,
    tellBackends: createTellBackends(people),
    beforeSend,
    newId,
  }
  return {
    routes: [
      ...channelTypeRoutes(),
      ...channelRoutes(parts),
      ...memberRoutes(parts),
      ...messageRoutes(parts),
      ...readRoutes(parts),
      ...eventRoutes(parts),
    ],
    stoppedWatching: (appId, userId, heard, now) => stoppedWatching(parts, appId, userId, heard, now),
    deleteContent: createDeleteContent(parts),
    hideMessages: (tx, appId, userId, now) => sweepStep(parts, tx, appId, userId, "deactivation", now),
    explainer: {
      actions: Object.values(actions),
      async resource(principal, cid) {
        const channel = await channels.get(principal.appId, cid)
        if (channel === null || channel.deletedAt !== null) return null
        return (await accessOf(members, principal, channel)).resource
      },
    },
    banChannels: {
      action: actions.banChannelMember,
      open: (principal, appId, cid) =>
        chain(parts.openChannel(principal, appId, cid), (found) => {
          const { channel, resource } = requireKnown(principal, found, cid)
          return { resource, picture: channelPicture(channel), creatorId: channel.createdById }
        }),
      roleOf: (appId, cid, userId) => chain(members.of(appId, cid, userId), (found) => found?.role ?? null),
      picture: (appId, cid) =>
        chain(channels.get(appId, cid), (channel) => (channel === null ? null : channelPicture(channel))),
    },
    restoreMessages: (tx, appId, userId, now) => sweepStep(parts, tx, appId, userId, "restore", now),
  }
}
