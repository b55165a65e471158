import { ApiError, cidOf, inputError, notFoundError, chat as operations } from "@weir/protocol"
import { type Decision, noObjection, withinReach } from "../../../authorize/decide.ts"
import { type Awaitable, chain } from "../../../base/chain.ts"
import type { UnreadCounts } from "../../../core/users/index.ts"
import { type Route, route } from "../../../request/route.ts"
import type { Read, Tx } from "../../../store/database.ts"
import { type People, selectMember } from "../members/index.ts"
import { type MessageRow, type Messages, selectLastMessage } from "../messages/index.ts"
import {
  absentChannel,
  type ChannelAccess,
  chatTypeLimits,
  type OpenChannel,
  placeOf,
  requireEnabled,
  requireKnown,
  seenAfterSeq,
  type TellBackends,
} from "../types/index.ts"
import { markRead } from "./actions.ts"
import { messageRead } from "./events.ts"
import { limits } from "./limits.ts"
import { countingTypes, showsReads } from "./rules.ts"
import { moveMark, type ReadMark, selectChannelEnd, selectUnread } from "./store.ts"

export interface ReadParts {
  readonly openChannel: OpenChannel
  readonly people: People
  readonly messages: Messages
  readonly watcherCount: (appId: number, cid: string) => number
  readonly tellBackends: TellBackends
}

export const readRoutes = (parts: ReadParts): Route[] => [
  route(operations.markRead, {
    writes: true,
    actor: "required",
    load: ({ input, appId, principal }) => {
      const cid = cidOf(input.path.type, input.path.id)
      return chain(parts.openChannel(principal, appId, cid), (found) => {
        const access = requireKnown(principal, found, cid)
        return chain(upTo(parts, access, input.body.message_id), (message) => ({ access, message }))
      })
    },
    authorize: ({ principal, access }) => [
      requireEnabled(principal, access.channel),
      requireReadEvents(access),
      withinReach(principal, markRead, access.resource),
    ],
    async handle({ appId, actor, access, message, tx, now }) {
      const { channel } = access
      const userId = actor as string
      const member = await selectMember(tx, appId, channel.cid, userId)
      if (member === undefined) throw inputError(`user ${userId} is not a member of channel ${channel.cid}`)
      const mark = await markOf(tx, access, message, now)
      if (mark.seq >= member.read_seq) await moveMark(tx, appId, channel.cid, userId, mark)
      const people = await parts.people.many(appId, [userId], tx)
      const user = people.get(userId) as NonNullable<ReturnType<typeof people.get>>
      const isShown = showsReads(await parts.people.stored(appId, userId))
      const isTold = parts.watcherCount(appId, channel.cid) <= chatTypeLimits.fleetingWatchersMax
      const unread = await unreadOf(tx, appId, userId)
      const { tellBackends } = parts
      tx.emit(
        messageRead({ channel, user, lastReadMessageId: mark.messageId, unread, isShown, isTold, tellBackends, now }),
      )
      return {
        event: {
          type: "message.read",
          created_at: new Date(now).toISOString(),
          ...placeOf(channel),
          ...(mark.messageId === null ? {} : { last_read_message_id: mark.messageId }),
          user,
        },
      }
    },
  }),
]

/** A user's unread totals over all channels, for the first frame of a socket. The work is bounded. */
export const unreadOf = (read: Read, appId: number, userId: string): Promise<UnreadCounts> =>
  selectUnread(read, appId, userId, countingTypes, limits.unreadMembershipsMax)

/** Whoever writes has read what was there. */
export const markWritten = (tx: Tx, message: MessageRow): Promise<unknown> =>
  moveMark(tx, message.app_id, message.cid, message.user_id, {
    at: message.created_at,
    messageId: message.id,
    seq: message.seq,
    counted: message.counted,
  })

/** The message that is named as the last one read. */
function upTo(parts: ReadParts, access: ChannelAccess, messageId: string | undefined): Awaitable<MessageRow | null> {
  if (messageId === undefined) return null
  return chain(parts.messages.get(access.channel.appId, messageId), (message) => {
    if (message === null || message.cid !== access.channel.cid || message.seq <= seenAfterSeq(access)) {
      throw notFoundError("message", messageId)
    }
    return message
  })
}

async function markOf(tx: Tx, { channel }: ChannelAccess, message: MessageRow | null, now: number): Promise<ReadMark> {
  if (message !== null) return { at: now, messageId: message.id, seq: message.seq, counted: message.counted }
  const end = await selectChannelEnd(tx, channel.appId, channel.cid)
  if (end === undefined) throw absentChannel(channel.cid)
  const last = await selectLastMessage(tx, channel.appId, channel.cid)
  return { at: now, messageId: last?.id ?? null, seq: end.message_seq, counted: end.counted }
}

function requireReadEvents({ channel }: ChannelAccess): Decision {
  const { config } = channel.type
  if (config.read_events) return noObjection
  throw new ApiError("eventNotSupported", `read events are turned off in channels of type ${config.name}`)
}
