// Users: contract/endpoints.json `update_users`, `update_users_partial`, `query_users`, `deactivate_user`,
// `reactivate_user`, `delete_users`, `create_guest`.

import { Type } from "typebox"
import { UserId } from "../ids.ts"
import { limits } from "../limits.ts"
import { operation } from "../operation.ts"
import { ActingUser, Answer, Custom, Empty, Filter, SortParam, Timestamp } from "../schemas.ts"

const name = Type.String({ maxLength: 255 })
const image = Type.String({ maxLength: 2048 })
const language = Type.String({ maxLength: 16 })
const teams = Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 100 })
const role = Type.String({ minLength: 1, maxLength: 64, pattern: "^[\\w-]+$" })

const PrivacySetting = Type.Object({ enabled: Type.Boolean() })
export const PrivacySettings = Type.Object({
  typing_indicators: Type.Optional(PrivacySetting),
  read_receipts: Type.Optional(PrivacySetting),
  delivery_receipts: Type.Optional(PrivacySetting),
})

/** What callers say of a user. Only server calls set `role` and `teams` (contract/auth.md §1.9). */
export const UserRequest = Type.Object({
  id: UserId,
  name: Type.Optional(name),
  image: Type.Optional(image),
  language: Type.Optional(language),
  invisible: Type.Optional(Type.Boolean()),
  role: Type.Optional(role),
  teams: Type.Optional(teams),
  privacy_settings: Type.Optional(PrivacySettings),
  custom: Type.Optional(Custom),
})

/** A user as everybody in the app sees them. */
export const UserResponse = Type.Object({
  id: Type.String(),
  name: Type.Optional(Type.String()),
  image: Type.Optional(Type.String()),
  role: Type.String(),
  language: Type.String(),
  teams: Type.Array(Type.String()),
  custom: Custom,
  online: Type.Boolean(),
  banned: Type.Boolean(),
  /** When the ban of the whole app ends; absent: never, or there is none. */
  ban_expires: Type.Optional(Timestamp),
  shadow_banned: Type.Boolean(),
  invisible: Type.Boolean(),
  blocked_user_ids: Type.Array(Type.String()),
  created_at: Timestamp,
  updated_at: Timestamp,
  last_active: Type.Optional(Timestamp),
  deactivated_at: Type.Optional(Timestamp),
  deleted_at: Type.Optional(Timestamp),
  revoke_tokens_issued_before: Type.Optional(Timestamp),
})

/** The user's own view: everybody's, and what only they hear (contract/chat.md §1.13). */
export const OwnUser = Type.Object({
  ...UserResponse.properties,
  devices: Type.Array(Type.Unknown()),
  mutes: Type.Array(Type.Unknown()),
  channel_mutes: Type.Array(Type.Unknown()),
  total_unread_count: Type.Integer(),
  unread_channels: Type.Integer(),
  unread_count: Type.Integer(),
  unread_threads: Type.Integer(),
  privacy_settings: Type.Optional(PrivacySettings),
})

const usersById = Type.Record(Type.String(), OwnUser)
const many = { minItems: 1, maxItems: limits.usersPerRequestMax }

export const updateUsers = operation({
  name: "UpdateUsers",
  method: "POST",
  path: "/api/v2/users",
  tag: "common",
  summary: "Creates users or replaces what is stored of them.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: Empty,
  body: Type.Object({
    users: Type.Record(Type.String(), UserRequest, { minProperties: 1, maxProperties: limits.usersPerRequestMax }),
  }),
  output: Answer({ users: usersById, membership_deletion_task_id: Type.String() }),
  status: 201,
  errors: ["notAllowed"],
})

export const updateUsersPartial = operation({
  name: "UpdateUsersPartial",
  method: "PATCH",
  path: "/api/v2/users",
  tag: "common",
  summary: "Changes single fields of users; dotted names reach into custom data.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: Empty,
  body: Type.Object({
    users: Type.Array(
      Type.Object({
        id: UserId,
        set: Type.Optional(Custom),
        unset: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 100 })),
      }),
      many,
    ),
  }),
  output: Answer({ users: usersById, membership_deletion_task_id: Type.String() }),
  status: 200,
  errors: ["notAllowed", "notFound"],
})

export const queryUsers = operation({
  name: "QueryUsers",
  method: "GET",
  path: "/api/v2/users",
  tag: "common",
  summary: "Finds users by filter, sorted and paged.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: Type.Object({
    payload: Type.Optional(
      Type.Object({
        filter_conditions: Type.Optional(Filter),
        sort: Type.Optional(Type.Array(SortParam, { maxItems: limits.sortFieldsMax })),
        limit: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.pageSizeMax })),
        offset: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.pageOffsetMax })),
        presence: Type.Optional(Type.Boolean()),
        include_deactivated_users: Type.Optional(Type.Boolean()),
        ...ActingUser,
      }),
    ),
  }),
  body: null,
  output: Answer({ users: Type.Array(OwnUser) }),
  status: 200,
  errors: ["notAllowed", "connectionNotFound"],
})

export const deactivateUser = operation({
  name: "DeactivateUser",
  method: "POST",
  path: "/api/v2/users/{user_id}/deactivate",
  tag: "common",
  summary: "Shuts a user out without deleting anything; open sockets of the user end.",
  access: ["server"],
  params: Type.Object({ user_id: UserId }),
  query: Empty,
  body: Type.Object({
    mark_messages_deleted: Type.Optional(Type.Boolean()),
    mark_channels_deleted: Type.Optional(Type.Boolean()),
    created_by_id: Type.Optional(UserId),
  }),
  output: Answer({ user: Type.Optional(UserResponse) }),
  status: 201,
  errors: ["notFound"],
})

export const reactivateUser = operation({
  name: "ReactivateUser",
  method: "POST",
  path: "/api/v2/users/{user_id}/reactivate",
  tag: "common",
  summary: "Lets a deactivated user in again.",
  access: ["server"],
  params: Type.Object({ user_id: UserId }),
  query: Empty,
  body: Type.Object({
    restore_messages: Type.Optional(Type.Boolean()),
    name: Type.Optional(name),
    created_by_id: Type.Optional(UserId),
  }),
  output: Answer({ user: Type.Optional(UserResponse) }),
  status: 201,
  errors: ["notFound"],
})

const deletion = Type.Union([Type.Literal("soft"), Type.Literal("pruning"), Type.Literal("hard")])

export const deleteUsers = operation({
  name: "DeleteUsers",
  method: "POST",
  path: "/api/v2/users/delete",
  tag: "common",
  summary: "Marks users deleted at once and does the rest as a task.",
  access: ["server"],
  params: Empty,
  query: Empty,
  body: Type.Object({
    user_ids: Type.Array(UserId, many),
    user: Type.Optional(deletion),
    messages: Type.Optional(deletion),
    conversations: Type.Optional(Type.Union([Type.Literal("soft"), Type.Literal("hard")])),
    new_channel_owner_id: Type.Optional(UserId),
  }),
  output: Answer({ task_id: Type.String() }),
  status: 201,
  errors: ["notFound"],
})

export const createGuest = operation({
  name: "CreateGuest",
  method: "POST",
  path: "/api/v2/guest",
  tag: "common",
  summary: "Makes a temporary user with few rights and gives the caller a token for it.",
  access: ["anonymous"],
  keyOnly: true,
  params: Empty,
  query: Empty,
  body: Type.Object({ user: UserRequest }),
  output: Answer({ user: UserResponse, access_token: Type.String() }),
  status: 201,
  errors: ["notAllowed", "rateLimit"],
})
