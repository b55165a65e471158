// What chat's operations share: channels, members, messages and reads as the wire shows them. Names and shapes:
// contract/models.json (ChannelResponse, ChannelMemberResponse, MessageResponse, ReadStateResponse).

import { Type } from "typebox"
import { ObjectId, UserId } from "../ids.ts"
import { Custom, Timestamp } from "../schemas.ts"
import { UserResponse } from "../users/operations.ts"
import { chatLimits } from "./limits.ts"

const url = Type.Optional(Type.String({ maxLength: 2048 }))
const line = Type.Optional(Type.String({ maxLength: 1024 }))
const size = Type.Optional(Type.Integer({ minimum: 0 }))

export const Attachment = Type.Object({
  type: Type.Optional(Type.String({ maxLength: 64 })),
  title: line,
  title_link: url,
  text: Type.Optional(Type.String({ maxLength: 5000 })),
  pretext: line,
  fallback: line,
  image_url: url,
  thumb_url: url,
  asset_url: url,
  og_scrape_url: url,
  author_name: line,
  author_link: url,
  author_icon: url,
  color: Type.Optional(Type.String({ maxLength: 64 })),
  footer: line,
  footer_icon: url,
  original_width: size,
  original_height: size,
  actions: Type.Optional(Type.Array(Custom, { maxItems: 30 })),
  fields: Type.Optional(Type.Array(Custom, { maxItems: 30 })),
  giphy: Type.Optional(Custom),
  custom: Type.Optional(Custom),
})

/** The switches of a channel type, merged for this channel (contract/chat.md §3.1). */
export const ChannelConfig = Type.Object({
  name: Type.String(),
  typing_events: Type.Boolean(),
  read_events: Type.Boolean(),
  connect_events: Type.Boolean(),
  delivery_events: Type.Boolean(),
  custom_events: Type.Boolean(),
  search: Type.Boolean(),
  reactions: Type.Boolean(),
  replies: Type.Boolean(),
  quotes: Type.Boolean(),
  mutes: Type.Boolean(),
  uploads: Type.Boolean(),
  url_enrichment: Type.Boolean(),
  push_notifications: Type.Boolean(),
  reminders: Type.Boolean(),
  user_message_reminders: Type.Boolean(),
  polls: Type.Boolean(),
  shared_locations: Type.Boolean(),
  count_messages: Type.Boolean(),
  mark_messages_pending: Type.Boolean(),
  skip_last_msg_update_for_system_msgs: Type.Boolean(),
  max_message_length: Type.Integer(),
  automod: Type.String(),
  automod_behavior: Type.String(),
  commands: Type.Array(Type.Unknown()),
  created_at: Timestamp,
  updated_at: Timestamp,
})

export const ChannelResponse = Type.Object({
  id: Type.String(),
  type: Type.String(),
  cid: Type.String(),
  created_at: Timestamp,
  updated_at: Timestamp,
  deleted_at: Type.Optional(Timestamp),
  last_message_at: Type.Optional(Timestamp),
  created_by: Type.Optional(UserResponse),
  team: Type.Optional(Type.String()),
  frozen: Type.Boolean(),
  disabled: Type.Boolean(),
  member_count: Type.Optional(Type.Integer()),
  config: Type.Optional(ChannelConfig),
  own_capabilities: Type.Optional(Type.Array(Type.String())),
  custom: Custom,
})

export const ChannelMemberResponse = Type.Object({
  user_id: Type.String(),
  user: UserResponse,
  channel_role: Type.String(),
  /** The older name of the role; kept for clients that still read it. */
  role: Type.String(),
  status: Type.String(),
  is_moderator: Type.Boolean(),
  /** In this channel; `user.banned` is of the whole app. */
  banned: Type.Boolean(),
  ban_expires: Type.Optional(Timestamp),
  shadow_banned: Type.Boolean(),
  notifications_muted: Type.Boolean(),
  created_at: Timestamp,
  updated_at: Timestamp,
  custom: Custom,
})

const messageFields = {
  id: Type.String(),
  cid: Type.String(),
  type: Type.String({ description: "regular, reply, system, deleted or error" }),
  text: Type.String(),
  /** Always empty: Weir leaves the rendering to the client, so that no server-made markup can carry a script. */
  html: Type.String(),
  user: UserResponse,
  parent_id: Type.Optional(Type.String()),
  show_in_channel: Type.Optional(Type.Boolean()),
  quoted_message_id: Type.Optional(Type.String()),
  reply_count: Type.Integer(),
  deleted_reply_count: Type.Integer(),
  attachments: Type.Array(Attachment),
  mentioned_users: Type.Array(UserResponse),
  mentioned_channel: Type.Boolean(),
  mentioned_here: Type.Boolean(),
  latest_reactions: Type.Array(Type.Unknown()),
  own_reactions: Type.Array(Type.Unknown()),
  reaction_counts: Type.Record(Type.String(), Type.Integer()),
  reaction_scores: Type.Record(Type.String(), Type.Integer()),
  restricted_visibility: Type.Array(Type.String()),
  pinned: Type.Boolean(),
  shadowed: Type.Boolean(),
  silent: Type.Boolean(),
  created_at: Timestamp,
  updated_at: Timestamp,
  deleted_at: Type.Optional(Timestamp),
  message_text_updated_at: Type.Optional(Timestamp),
  custom: Custom,
}

export const MessageResponse = Type.Object(messageFields)
export const MessageWithChannelResponse = Type.Object({ ...messageFields, channel: ChannelResponse })

export const ReadStateResponse = Type.Object({
  user: UserResponse,
  last_read: Timestamp,
  last_read_message_id: Type.Optional(Type.String()),
  unread_messages: Type.Integer(),
})

/** Clients send an empty id where they mean none. */
const reference = Type.Optional(Type.String({ maxLength: 255, pattern: "^[\\w@:.-]*$" }))

/** What callers say of a message; the other members of the wire's model are ignored. */
export const MessageRequest = Type.Object({
  id: Type.Optional(ObjectId),
  text: Type.Optional(Type.String({ maxLength: chatLimits.textCharsMax })),
  type: Type.Optional(Type.Union([Type.Literal("regular"), Type.Literal("system"), Type.Literal("")])),
  parent_id: reference,
  show_in_channel: Type.Optional(Type.Boolean()),
  quoted_message_id: reference,
  silent: Type.Optional(Type.Boolean()),
  attachments: Type.Optional(Type.Array(Attachment, { maxItems: chatLimits.attachmentsPerMessageMax })),
  mentioned_users: Type.Optional(Type.Array(UserId, { maxItems: chatLimits.mentionsPerMessageMax })),
  mentioned_channel: Type.Optional(Type.Boolean()),
  mentioned_here: Type.Optional(Type.Boolean()),
  custom: Type.Optional(Custom),
  user_id: Type.Optional(UserId),
  user: Type.Optional(Type.Object({ id: UserId })),
})

export const channelRole = Type.String({ minLength: 1, maxLength: 64, pattern: "^[\\w-]+$" })

/** A member to be: an id, or an object that says more. */
export const ChannelMemberRequest = Type.Union([
  UserId,
  Type.Object({
    user_id: UserId,
    channel_role: Type.Optional(channelRole),
    custom: Type.Optional(Custom),
  }),
])

export const Page = (limitMax: number) =>
  Type.Object({
    limit: Type.Optional(Type.Integer({ minimum: 0, maximum: limitMax })),
    offset: Type.Optional(Type.Integer({ minimum: 0, maximum: chatLimits.membersOffsetMax })),
  })

const when = Type.Optional(Timestamp)
const anchor = Type.Optional(ObjectId)

/** One anchor at most; without one the newest messages. Answers are oldest first in every case. */
export const MessagePage = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 0, maximum: chatLimits.messagesPageMax })),
  id_lt: anchor,
  id_lte: anchor,
  id_gt: anchor,
  id_gte: anchor,
  id_around: anchor,
  created_at_before: when,
  created_at_before_or_equal: when,
  created_at_after: when,
  created_at_after_or_equal: when,
  created_at_around: when,
})

/** One channel with what is in it. */
export const channelStateFields = {
  channel: ChannelResponse,
  messages: Type.Array(MessageResponse),
  pinned_messages: Type.Array(MessageResponse),
  threads: Type.Array(Type.Unknown()),
  pending_messages: Type.Array(Type.Unknown()),
  active_live_locations: Type.Array(Type.Unknown()),
  members: Type.Array(ChannelMemberResponse),
  membership: Type.Optional(ChannelMemberResponse),
  read: Type.Array(ReadStateResponse),
  watchers: Type.Optional(Type.Array(UserResponse)),
  watcher_count: Type.Integer(),
  hidden: Type.Boolean(),
}
