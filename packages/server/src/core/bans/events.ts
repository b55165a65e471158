import { type Delivery, frameOf, outboxEvent } from "../../events/event.ts"
import { topics } from "../../events/topics.ts"
import type { OutboxEvent } from "../../store/database.ts"
import type { UserResponse } from "../users/index.ts"
import type { ChannelPicture } from "./rules.ts"
import type { BanRow } from "./store.ts"

export interface BanNews {
  readonly row: BanRow
  /** The banned user as they stand now. */
  readonly user: UserResponse
  /** Who did it; absent for time, and for a server call that named nobody. */
  readonly by?: UserResponse
  /** Null: the whole app, or a channel that is gone. */
  readonly channel: ChannelPicture | null
  readonly now: number
}

/** Somebody may not write any more: told to their own sockets, and to who watches the channel or their presence. */
export const userBanned = (news: BanNews): OutboxEvent => {
  const { reason, expires_at } = news.row
  return banEvent("user.banned", news, {
    ...(reason === null ? {} : { reason }),
    ...(expires_at === null ? {} : { expiration: new Date(expires_at).toISOString() }),
  })
}

/** They may again. */
export const userUnbanned = (news: BanNews): OutboxEvent => banEvent("user.unbanned", news, {})

function banEvent(type: string, { row, user, by, channel, now }: BanNews, more: object): OutboxEvent {
  const { app_id: appId, cid } = row
  const frame = frameOf({
    type,
    created_at: new Date(now).toISOString(),
    custom: {},
    user,
    ...(by === undefined ? {} : { created_by: by }),
    shadow: false,
    ...(channel === null ? {} : placeIn(channel)),
    ...more,
  })
  const topic = cid === "" ? topics.presence(appId, user.id) : topics.channel(appId, cid)
  const deliveries: Delivery[] = [
    { to: "topic", topic, frame },
    { to: "users", userIds: [user.id], unlessTopic: topic, frame },
  ]
  return outboxEvent(appId, type, cid === "" ? `user:${user.id}` : `channel:${cid}`, deliveries, frame)
}

const placeIn = ({ cid, id, type, team, custom }: ChannelPicture): object => ({
  cid,
  channel_id: id,
  channel_type: type,
  channel_custom: custom,
  ...(team === undefined ? {} : { team }),
})
