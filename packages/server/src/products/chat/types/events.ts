// What every event of a channel carries, and the names that belong to the server.

import { frameOf } from "../../../events/event.ts"
import type { Channel } from "./rules.ts"

/** The members that place an event in its channel (contract/chat.md §5.2). */
export const placeOf = (channel: Channel) => ({
  cid: channel.cid,
  channel_id: channel.id,
  channel_type: channel.type.name,
  ...(channel.team === null ? {} : { team: channel.team }),
})

/** The frame of a channel event. `now` is in milliseconds; `custom` is always there because the wire requires it. */
export const channelFrame = (type: string, channel: Channel, now: number, more: Record<string, unknown>): string =>
  frameOf({ type, created_at: new Date(now).toISOString(), ...placeOf(channel), custom: {}, ...more })

/** Events of one channel are told in the order of their commits. */
export const streamOf = (channel: Channel): string => `channel:${channel.cid}`

const reserved =
  /^(message|reaction|member|channel|notification|user|typing|thread|poll|draft|reminder|health|connection|call|feeds|moderation|review_queue_item|export|ai_indicator|custom)(\.|$)/

/** Whether only the server may send events of this type. */
export const isReservedEventType = (type: string): boolean => reserved.test(type)
