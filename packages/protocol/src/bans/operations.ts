// Bans: contract/endpoints.json `ban`, `unban`, `query_banned_users`, and the older form of `unban`.

import { Type } from "typebox"
import { ChannelResponse } from "../chat/schemas.ts"
import { UserId } from "../ids.ts"
import { limits } from "../limits.ts"
import { operation } from "../operation.ts"
import { ActingUser, Answer, Empty, Filter, SortParam, Timestamp } from "../schemas.ts"
import { UserResponse } from "../users/operations.ts"

export const banLimits = {
  reasonCharsMax: 1_000,
  /** Minutes: ten years. For ever is without a timeout. */
  timeoutMinutesMax: 10 * 366 * 24 * 60,
  pageDefault: 30,
} as const

/** Type and id together are at most 64 characters each. */
const cid = Type.String({ minLength: 1, maxLength: 129, pattern: "^[\\w-]+:!?[\\w-]+$" })
const part = Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: "^!?[\\w-]+$" }))

/** Older clients name a channel by its two halves. */
const where = { channel_cid: Type.Optional(cid), type: part, id: part }

export const ban = operation({
  name: "Ban",
  method: "POST",
  path: "/api/v2/moderation/ban",
  tag: "common",
  summary: "Lets a user read but no longer write, in the whole app or in one channel.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: Empty,
  body: Type.Object({
    target_user_id: UserId,
    ...where,
    /** Whom a server call acts for; a client is itself. */
    banned_by_id: Type.Optional(UserId),
    banned_by: Type.Optional(Type.Object({ id: UserId })),
    reason: Type.Optional(Type.String({ maxLength: banLimits.reasonCharsMax })),
    /** Minutes; for ever when absent or 0. */
    timeout: Type.Optional(Type.Integer({ minimum: 0, maximum: banLimits.timeoutMinutesMax })),
    /** Not offered: true is refused, as are the next two with any other value than none. */
    shadow: Type.Optional(Type.Boolean()),
    ip_ban: Type.Optional(Type.Boolean()),
    ban_from_future_channels: Type.Optional(Type.Boolean()),
    delete_messages: Type.Optional(Type.String({ maxLength: 16 })),
    ...ActingUser,
  }),
  output: Answer({}),
  status: 201,
  errors: ["notAllowed", "notFound"],
})

const unbanQuery = Type.Object({
  target_user_id: UserId,
  ...where,
  /** Whom a server call acts for. */
  created_by: Type.Optional(UserId),
})

export const unban = operation({
  name: "Unban",
  method: "POST",
  path: "/api/v2/moderation/unban",
  tag: "common",
  summary: "Ends a ban of the whole app or of one channel.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: unbanQuery,
  body: Type.Object({
    unbanned_by_id: Type.Optional(UserId),
    unbanned_by: Type.Optional(Type.Object({ id: UserId })),
  }),
  output: Answer({}),
  status: 201,
  errors: ["notAllowed", "notFound"],
})

/** As older clients ask. */
export const deleteBan = operation({
  name: "DeleteBan",
  method: "DELETE",
  path: "/api/v2/moderation/ban",
  tag: "common",
  summary: "Ends a ban, as older clients ask for it.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: unbanQuery,
  body: null,
  output: Answer({}),
  status: 200,
  errors: ["notAllowed", "notFound"],
})

/** A ban as the wire shows it (contract/models.json, BanResponse). */
export const BanResponse = Type.Object({
  user: Type.Optional(UserResponse),
  banned_by: Type.Optional(UserResponse),
  channel: Type.Optional(ChannelResponse),
  reason: Type.Optional(Type.String()),
  expires: Type.Optional(Timestamp),
  shadow: Type.Boolean(),
  created_at: Timestamp,
})

export const queryBannedUsers = operation({
  name: "QueryBannedUsers",
  method: "GET",
  path: "/api/v2/chat/query_banned_users",
  tag: "chat",
  summary: "Finds bans by filter, sorted and paged: of the app, or of the channel that the filter names.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: Type.Object({
    payload: Type.Optional(
      Type.Object({
        filter_conditions: Type.Optional(Filter),
        sort: Type.Optional(Type.Array(SortParam, { maxItems: limits.sortFieldsMax })),
        limit: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.pageSizeMax })),
        offset: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.pageOffsetMax })),
        exclude_expired_bans: Type.Optional(Type.Boolean()),
        ...ActingUser,
      }),
    ),
  }),
  body: null,
  output: Answer({ bans: Type.Array(BanResponse) }),
  status: 200,
  errors: ["notAllowed", "notFound"],
})
