// Events by name. The server's carry what contract/chat.md §5.2 lists; the client adds `connection.*` itself.

import type { WeirApiError, WeirConnectionError } from "./errors.ts"
import type {
  Activity,
  CallMember,
  CallObject,
  ChannelMember,
  ChannelObject,
  FeedObject,
  Follow,
  Message,
  OwnUser,
  User,
} from "./wire.ts"

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

/** Goes to the user whom it concerns, whether they watch the channel or not. */
interface NotificationEvent<Type extends string> extends ChannelEvent {
  type: Type
  channel: ChannelObject
  member?: ChannelMember
}

/** The reader's totals over all channels. */
interface MarkReadCounts {
  total_unread_count: number
  unread_channels: number
  unread_threads: number
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

/** Goes to the members other than the caller, whether they watch the call or not. */
interface RingEvent<Type extends string> extends CallEvent<Type> {
  members: CallMember[]
  /** Who rings. */
  user: User
  video: boolean
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

/** The device's clock is wrong by more than half a minute. Told once. Made by the client, which goes by the server's. */
export interface ClockSkewedEvent {
  type: "clock.skewed"
  /** Local time minus server time; positive when the device runs ahead. */
  skew_ms: number
}

export type WeirEvent =
  | ConnectionOkEvent
  | ClockSkewedEvent
  | ConnectionChangedEvent
  | ConnectionRecoveredEvent
  | ConnectionUnrecoveredEvent
  | ConnectionFailedEvent
  | HealthCheckEvent
  | ChannelMessageEvent<"message.new">
  | ChannelMessageEvent<"message.updated">
  | ChannelMessageEvent<"message.deleted">
  | (ChannelEvent & { type: "message.read"; user: User; last_read_message_id?: string })
  | TypingEvent<"typing.start">
  | TypingEvent<"typing.stop">
  | MemberEvent<"member.added">
  | MemberEvent<"member.updated">
  | MemberEvent<"member.removed">
  | (ChannelEvent & { type: "user.watching.start"; user: User; watcher_count?: number })
  | (ChannelEvent & { type: "user.watching.stop"; user: User; watcher_count?: number })
  | (ChannelEvent & { type: "channel.updated"; channel: ChannelObject })
  | (ChannelEvent & { type: "channel.deleted"; channel: ChannelObject })
  | (ChannelEvent & { type: "notification.message_new"; message: Message; channel?: ChannelObject })
  | NotificationEvent<"notification.added_to_channel">
  | NotificationEvent<"notification.removed_from_channel">
  | (ChannelEvent & { type: "notification.channel_deleted"; channel: ChannelObject })
  | (ChannelEvent & MarkReadCounts & { type: "notification.mark_read"; last_read_message_id?: string })
  | (ServerEvent & { type: "user.presence.changed"; user: User })
  | (ServerEvent & { type: "user.updated"; user: User })
  | (FeedEvent<"feeds.activity.added"> & { activity: Activity })
  | (FeedEvent<"feeds.activity.updated"> & { activity: Activity })
  | (FeedEvent<"feeds.activity.deleted"> & { activity: Activity })
  | (FeedEvent<"feeds.activity.removed_from_feed"> & { activity: Activity })
  | (FeedEvent<"feeds.feed.updated"> & { feed: FeedObject })
  | (FeedEvent<"feeds.follow.created"> & { follow: Follow })
  | (FeedEvent<"feeds.follow.updated"> & { follow: Follow })
  | (FeedEvent<"feeds.follow.deleted"> & { follow: Follow })
  | (CallEvent<"call.created"> & { members: CallMember[] })
  | (CallEvent<"call.updated"> & { capabilities_by_role: Record<string, string[]> })
  | (CallEvent<"call.ended"> & { user?: User })
  | RingEvent<"call.ring">
  | RingEvent<"call.notification">
  | (CallEvent<"call.member_added"> & { members: CallMember[] })
  | (CallEvent<"call.member_updated"> & { members: CallMember[] })
  /** `members` holds the ids of those who were removed. */
  | (CallEvent<"call.member_removed"> & { members: string[] })
