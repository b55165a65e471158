// Shapes that the operations of feeds share (contract/models.json `FeedResponse`, `ActivityResponse`,
// `FollowResponse`, `FeedMemberResponse`).

import { Type } from "typebox"
import { UserId } from "../ids.ts"
import { Custom, Timestamp } from "../schemas.ts"
import { UserResponse } from "../users/operations.ts"
import { feedLimits } from "./limits.ts"

/** `group:id` of a feed. */
export const FeedName = Type.String({ minLength: 3, maxLength: 320, pattern: "^[\\w-]+:[@\\w-]+$" })

/** Who may read, follow and post: contract/auth.md §6.8. */
export const FeedVisibility = Type.Union([
  Type.Literal("public"),
  Type.Literal("visible"),
  Type.Literal("followers"),
  Type.Literal("members"),
  Type.Literal("private"),
])

export const FollowStatus = Type.Union([Type.Literal("accepted"), Type.Literal("pending"), Type.Literal("rejected")])

const Tag = Type.String({ minLength: 1, maxLength: feedLimits.tagCharsMax })
export const Tags = Type.Array(Tag, { maxItems: feedLimits.tagsMax })
const Location = Type.Object({
  lat: Type.Number({ minimum: -90, maximum: 90 }),
  lng: Type.Number({ minimum: -180, maximum: 180 }),
})

export const FeedMemberRequest = Type.Object({
  user_id: UserId,
  /** Server calls only; whoever a client adds becomes a `feed_member`. */
  role: Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: "^[\\w-]+$" })),
  custom: Type.Optional(Custom),
  // Not part of this version: refused when set, see the server's rules.
  invite: Type.Optional(Type.Boolean()),
  membership_level: Type.Optional(Type.String({ maxLength: 255 })),
})

export const FeedMemberResponse = Type.Object({
  user: UserResponse,
  role: Type.String(),
  status: Type.Literal("member"),
  custom: Custom,
  created_at: Timestamp,
  updated_at: Timestamp,
})

export const FeedResponse = Type.Object({
  feed: Type.String(),
  group_id: Type.String(),
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  visibility: Type.Optional(Type.String()),
  filter_tags: Type.Optional(Type.Array(Type.String())),
  custom: Type.Optional(Custom),
  activity_count: Type.Integer(),
  follower_count: Type.Integer(),
  following_count: Type.Integer(),
  member_count: Type.Integer(),
  pin_count: Type.Integer(),
  created_by: UserResponse,
  own_capabilities: Type.Optional(Type.Array(Type.String())),
  created_at: Timestamp,
  updated_at: Timestamp,
})

export const FollowResponse = Type.Object({
  source_feed: FeedResponse,
  target_feed: FeedResponse,
  status: FollowStatus,
  follower_role: Type.String(),
  push_preference: Type.Union([Type.Literal("all"), Type.Literal("none")]),
  custom: Custom,
  created_at: Timestamp,
  updated_at: Timestamp,
  request_accepted_at: Type.Optional(Timestamp),
  request_rejected_at: Type.Optional(Timestamp),
})

export const RestrictReplies = Type.Union([
  Type.Literal("everyone"),
  Type.Literal("people_i_follow"),
  Type.Literal("nobody"),
])

/** What an author says in an activity. `tag` visibility needs membership levels, which this version has not. */
export const ActivityContent = Type.Object({
  text: Type.Optional(Type.String({ maxLength: feedLimits.textCharsMax })),
  attachments: Type.Optional(Type.Array(Custom, { maxItems: feedLimits.attachmentsPerActivityMax })),
  mentioned_user_ids: Type.Optional(Type.Array(UserId, { maxItems: feedLimits.mentionsPerActivityMax })),
  filter_tags: Type.Optional(Tags),
  interest_tags: Type.Optional(Tags),
  restrict_replies: Type.Optional(RestrictReplies),
  visibility: Type.Optional(Type.Union([Type.Literal("public"), Type.Literal("private"), Type.Literal("tag")])),
  location: Type.Optional(Location),
  search_data: Type.Optional(Custom),
  custom: Type.Optional(Custom),
})

/** Members of requests that mean something which this version does not do. A caller who sets one is told so. */
export const UnsupportedContent = {
  visibility_tag: Type.Optional(Type.Unknown()),
  expires_at: Type.Optional(Type.Unknown()),
  poll_id: Type.Optional(Type.Unknown()),
  collection_refs: Type.Optional(Type.Unknown()),
  collections: Type.Optional(Type.Unknown()),
  parent_id: Type.Optional(Type.Unknown()),
}

const Nothing = Type.Array(Type.Unknown(), { maxItems: 0 })

/** Comments, reactions, bookmarks, shares and collections are not part of this version: they are empty. */
export const ActivityResponse = Type.Object({
  id: Type.String(),
  type: Type.String(),
  user: UserResponse,
  feeds: Type.Array(Type.String()),
  text: Type.Optional(Type.String()),
  attachments: Type.Array(Custom),
  mentioned_users: Type.Array(UserResponse),
  filter_tags: Type.Array(Type.String()),
  interest_tags: Type.Array(Type.String()),
  restrict_replies: RestrictReplies,
  visibility: Type.Union([Type.Literal("public"), Type.Literal("private")]),
  location: Type.Optional(Location),
  search_data: Custom,
  custom: Custom,
  comments: Nothing,
  latest_reactions: Nothing,
  own_reactions: Nothing,
  own_bookmarks: Nothing,
  reaction_groups: Custom,
  collections: Custom,
  bookmark_count: Type.Integer(),
  comment_count: Type.Integer(),
  reaction_count: Type.Integer(),
  share_count: Type.Integer(),
  popularity: Type.Integer(),
  score: Type.Number(),
  hidden: Type.Boolean(),
  preview: Type.Boolean(),
  created_at: Timestamp,
  updated_at: Timestamp,
  edited_at: Type.Optional(Timestamp),
  deleted_at: Type.Optional(Timestamp),
})
