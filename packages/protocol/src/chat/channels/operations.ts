// Channels: contract/endpoints.json `get_or_create_channel`, `get_or_create_distinct_channel`, `query_channels`,
// `update_channel`, and `stop-watching` (contract/chat.md §3.5).

import { Type } from "typebox"
import { ChannelId, TypeName, UserId } from "../../ids.ts"
import { limits } from "../../limits.ts"
import { operation } from "../../operation.ts"
import { ActingUser, Answer, Custom, Empty, Filter, SortParam, Timestamp } from "../../schemas.ts"
import { chatLimits } from "../limits.ts"
import {
  ChannelMemberRequest,
  ChannelMemberResponse,
  ChannelResponse,
  channelRole,
  channelStateFields,
  MessagePage,
  MessageRequest,
  MessageResponse,
  Page,
} from "../schemas.ts"

const members = Type.Array(ChannelMemberRequest, { maxItems: chatLimits.membersPerRequestMax })
const memberIds = Type.Array(UserId, { maxItems: chatLimits.membersPerRequestMax })
const team = Type.String({ maxLength: 255 })
const connection = { connection_id: Type.Optional(Type.String({ maxLength: 255 })) }
const channelParams = Type.Object({ type: TypeName, id: ChannelId })

/** What is said of a channel when it is made. Only server calls set `created_by_id` and `disabled`. */
export const ChannelInput = Type.Object({
  members: Type.Optional(members),
  custom: Type.Optional(Custom),
  team: Type.Optional(team),
  frozen: Type.Optional(Type.Boolean()),
  disabled: Type.Optional(Type.Boolean()),
  created_by_id: Type.Optional(UserId),
  created_by: Type.Optional(Type.Object({ id: UserId })),
})

const getOrCreateBody = Type.Object({
  watch: Type.Optional(Type.Boolean()),
  presence: Type.Optional(Type.Boolean()),
  /** Absent counts as true; false leaves messages, members and reads out. */
  state: Type.Optional(Type.Boolean()),
  data: Type.Optional(ChannelInput),
  messages: Type.Optional(MessagePage),
  members: Type.Optional(Page(chatLimits.membersPageMax)),
  watchers: Type.Optional(Page(chatLimits.watchersPageMax)),
  ...ActingUser,
})

const clients = ["server", "user", "guest", "anonymous"] as const
const writers = ["server", "user", "guest"] as const

export const getOrCreateChannel = operation({
  name: "GetOrCreateChannel",
  method: "POST",
  path: "/api/v2/chat/channels/{type}/{id}/query",
  tag: "chat",
  summary: "Answers a channel with its state, makes it if it is not there, and watches it if asked.",
  access: clients,
  params: channelParams,
  query: Type.Object(connection),
  body: getOrCreateBody,
  output: Answer(channelStateFields),
  status: 201,
  errors: ["notAllowed", "notFound", "connectionNotFound"],
})

export const getOrCreateDistinctChannel = operation({
  name: "GetOrCreateDistinctChannel",
  method: "POST",
  path: "/api/v2/chat/channels/{type}/query",
  tag: "chat",
  summary: "The one channel of exactly these members; its id follows from theirs.",
  access: writers,
  params: Type.Object({ type: TypeName }),
  query: Type.Object(connection),
  body: getOrCreateBody,
  output: Answer(channelStateFields),
  status: 201,
  errors: ["notAllowed", "notFound", "connectionNotFound"],
})

export const queryChannels = operation({
  name: "QueryChannels",
  method: "POST",
  path: "/api/v2/chat/channels",
  tag: "chat",
  summary: "The channels that the caller may read and that match a filter, sorted and paged.",
  access: clients,
  params: Empty,
  query: Type.Object(connection),
  body: Type.Object({
    filter_conditions: Type.Optional(Filter),
    sort: Type.Optional(Type.Array(SortParam, { maxItems: limits.sortFieldsMax })),
    limit: Type.Optional(Type.Integer({ minimum: 0, maximum: chatLimits.channelsPageMax })),
    offset: Type.Optional(Type.Integer({ minimum: 0, maximum: chatLimits.channelsOffsetMax })),
    message_limit: Type.Optional(Type.Integer({ minimum: 0, maximum: chatLimits.messagesPageMax })),
    member_limit: Type.Optional(Type.Integer({ minimum: 0, maximum: chatLimits.membersPageDefault })),
    watch: Type.Optional(Type.Boolean()),
    presence: Type.Optional(Type.Boolean()),
    state: Type.Optional(Type.Boolean()),
    ...ActingUser,
  }),
  output: Answer({ channels: Type.Array(Type.Object(channelStateFields)) }),
  status: 200,
  errors: ["connectionNotFound"],
})

const RoleAssignment = Type.Object({ user_id: UserId, channel_role: channelRole })

export const updateChannel = operation({
  name: "UpdateChannel",
  method: "POST",
  path: "/api/v2/chat/channels/{type}/{id}",
  tag: "chat",
  summary: "Replaces a channel's data, adds, removes and promotes members, with a system message if one is given.",
  access: writers,
  params: channelParams,
  query: Empty,
  body: Type.Object({
    data: Type.Optional(
      Type.Object({
        custom: Type.Optional(Custom),
        frozen: Type.Optional(Type.Boolean()),
        disabled: Type.Optional(Type.Boolean()),
        team: Type.Optional(team),
      }),
    ),
    add_members: Type.Optional(members),
    remove_members: Type.Optional(memberIds),
    add_moderators: Type.Optional(memberIds),
    demote_moderators: Type.Optional(memberIds),
    assign_roles: Type.Optional(Type.Array(RoleAssignment, { maxItems: chatLimits.membersPerRequestMax })),
    /** Those who are added see nothing of what was sent before. */
    hide_history: Type.Optional(Type.Boolean()),
    hide_history_before: Type.Optional(Timestamp),
    message: Type.Optional(MessageRequest),
    ...ActingUser,
  }),
  output: Answer({
    channel: ChannelResponse,
    members: Type.Array(ChannelMemberResponse),
    message: Type.Optional(MessageResponse),
  }),
  status: 201,
  errors: ["notAllowed", "notFound", "messageTooLong"],
})

export const stopWatchingChannel = operation({
  name: "StopWatchingChannel",
  method: "POST",
  path: "/api/v2/chat/channels/{type}/{id}/stop-watching",
  tag: "chat",
  summary: "Ends the watching of a channel on one connection.",
  access: ["user", "guest", "anonymous"],
  params: channelParams,
  query: Type.Object(connection),
  body: Empty,
  output: Answer({}),
  status: 201,
  errors: ["notFound", "connectionNotFound"],
})
