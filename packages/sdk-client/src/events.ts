// Events by name. The server's carry what contract/chat.md §5.2 lists; the client adds `connection.*` itself.

import type { WeirApiError, WeirConnectionError } from "./errors.ts"
import type { Activity, CallObject, ChannelMember, ChannelObject, Follow, Message, OwnUser, User } from "./wire.ts"

interface ServerEvent {
  created_at?: string
}

interface ChannelEvent extends ServerEvent {
  cid: string
  channel_id?: string
  channel_type?: string
  user?: User
}

interface ChannelMessageEvent<Type extends string> extends ChannelEvent {
  type: Type
  message: Message
}

interface TypingEvent<Type extends string> extends ChannelEvent {
  type: Type
  user: User
  parent_id?: string
}

interface MemberEvent<Type extends string> extends ChannelEvent {
  type: Type
  member: ChannelMember
}

interface FeedEvent<Type extends string> extends ServerEvent {
  type: Type
  /** `group:id`. */
  fid: string
}

interface CallEvent<Type extends string> extends ServerEvent {
  type: Type
  call_cid: string
  call?: CallObject
}

export interface HealthCheckEvent extends ServerEvent {
  type: "health.check"
  connection_id?: string
}

/** The socket's welcome. */
export interface ConnectionOkEvent extends ServerEvent {
  type: "connection.ok"
  connection_id: string
  me: OwnUser
}

/** The connection came up or went away. Made by the client. */
export interface ConnectionChangedEvent {
  type: "connection.changed"
  online: boolean
}

/** After a reconnect, once everything that was watched is watched again. Made by the client. */
export interface ConnectionRecoveredEvent {
  type: "connection.recovered"
}

/** After a reconnect that could not watch everything again; the connection itself is up. Made by the client. */
export interface ConnectionUnrecoveredEvent {
  type: "connection.unrecovered"
  error: unknown
}

/** The connection is gone for good: only a new `connect()` helps. Made by the client. */
export interface ConnectionFailedEvent {
  type: "connection.failed"
  error: WeirApiError | WeirConnectionError | Error
}

export type WeirEvent =
  | ConnectionOkEvent
  | ConnectionChangedEvent
  | ConnectionRecoveredEvent
  | ConnectionUnrecoveredEvent
  | ConnectionFailedEvent
  | HealthCheckEvent
  | ChannelMessageEvent<"message.new">
  | ChannelMessageEvent<"message.updated">
  | ChannelMessageEvent<"message.deleted">
  | (ChannelEvent & { type: "message.read"; user: User })
  | TypingEvent<"typing.start">
  | TypingEvent<"typing.stop">
  | MemberEvent<"member.added">
  | MemberEvent<"member.updated">
  | MemberEvent<"member.removed">
  | (ChannelEvent & { type: "user.watching.start"; user: User; watcher_count?: number })
  | (ChannelEvent & { type: "user.watching.stop"; user: User; watcher_count?: number })
  | (ChannelEvent & { type: "channel.updated"; channel: ChannelObject })
  | (ChannelEvent & { type: "notification.message_new"; message: Message; channel?: ChannelObject })
  | (ChannelEvent & { type: "notification.added_to_channel"; channel: ChannelObject; member?: ChannelMember })
  | (ServerEvent & { type: "user.presence.changed"; user: User })
  | (ServerEvent & { type: "user.updated"; user: User })
  | (FeedEvent<"feeds.activity.added"> & { activity: Activity })
  | (FeedEvent<"feeds.activity.updated"> & { activity: Activity })
  | (FeedEvent<"feeds.activity.deleted"> & { activity: Activity })
  | (FeedEvent<"feeds.follow.created"> & { follow: Follow })
  | (FeedEvent<"feeds.follow.deleted"> & { follow: Follow })
  | CallEvent<"call.created">
  | CallEvent<"call.updated">
  | CallEvent<"call.ended">
