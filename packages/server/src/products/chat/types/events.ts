// What every event of a channel carries, and the names that belong to the server.

import type { UnreadCounts, UserResponse } from "../../../core/users/index.ts"
import { frameOf, type WireEvent } from "../../../events/event.ts"
import { requestInfoIn } from "../../../request/request-info.ts"
import type { OutboxEvent, Tx } from "../../../store/database.ts"
import type { Channel } from "./rules.ts"

/** The members that place an event in its channel (contract/chat.md §5.2). */
export const placeOf = (channel: Channel) => ({
  cid: channel.cid,
  channel_id: channel.id,
  channel_type: channel.type.name,
  ...(channel.team === null ? {} : { team: channel.team }),
})

/** An event of a channel. `now` is in milliseconds; `custom` is always there because the wire requires it. */
export const channelEvent = (
  type: string,
  channel: Channel,
  now: number,
  more: Record<string, unknown>,
): WireEvent => ({
  type,
  created_at: new Date(now).toISOString(),
  ...placeOf(channel),
  custom: {},
  ...more,
})

/** Its frame. */
export const channelFrame = (type: string, channel: Channel, now: number, more: Record<string, unknown>): string =>
  frameOf(channelEvent(type, channel, now, more))

/** The text that backends get of an event: as sockets hear it, and who made the request that caused it. */
export function backendText(tx: Tx, event: WireEvent): string {
  const info = requestInfoIn(tx)
  return frameOf(info === undefined ? event : { ...event, request_info: info })
}

/** What backends are told of an event beside what sockets hear. */
export interface BackendNews {
  readonly channel: Channel
  readonly event: WireEvent
  /** Whose act it was. */
  readonly user?: UserResponse
  /** The user's totals, where they have been asked for already. */
  readonly unread?: UnreadCounts
}

/**
 * Makes the text that backends get of a message's or channel's event: the event, with the channel, its first members and
 * the user with their unread counts (contract/chat.md §5.4). It asks the database when somebody wants the event and not
 * before.
 */
export type TellBackends = (news: BackendNews) => NonNullable<OutboxEvent["webhook"]>

/** Events of one channel are told in the order of their commits. */
export const streamOf = (channel: Channel): string => `channel:${channel.cid}`

const reserved =
  /^(message|reaction|member|channel|notification|user|typing|thread|poll|draft|reminder|health|connection|call|feeds|moderation|review_queue_item|export|ai_indicator|custom)(\.|$)/

/** Whether only the server may send events of this type. */
export const isReservedEventType = (type: string): boolean => reserved.test(type)
