// Feeds: contract/endpoints.json `get_or_create_feed`, `change_feed_visibility`, `update_feed_members`.

import { Type } from "typebox"
import { FeedGroupId, FeedId } from "../../ids.ts"
import { operation } from "../../operation.ts"
import { ActingUser, Answer, Custom, Empty } from "../../schemas.ts"
import { feedLimits } from "../limits.ts"
import {
  ActivityResponse,
  FeedMemberRequest,
  FeedMemberResponse,
  FeedResponse,
  FeedVisibility,
  FollowResponse,
  Tags,
} from "../schemas.ts"

const FeedPath = Type.Object({ feed_group_id: FeedGroupId, feed_id: FeedId })
const Cursor = Type.String({ maxLength: feedLimits.cursorCharsMax })
const Pager = (limitMax: number) =>
  Type.Object({
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limitMax })),
    next: Type.Optional(Cursor),
    prev: Type.Optional(Cursor),
  })
const PagerResponse = Type.Object({ next: Type.Optional(Type.String()), prev: Type.Optional(Type.String()) })
const Members = Type.Array(FeedMemberRequest, { maxItems: feedLimits.membersPerRequestMax })

export const getOrCreateFeed = operation({
  name: "GetOrCreateFeed",
  method: "POST",
  path: "/api/v2/feeds/feed_groups/{feed_group_id}/feeds/{feed_id}",
  tag: "feeds",
  summary: "Answers the feed with a page of its activities, and makes it when there is none; can watch it.",
  access: ["server", "user", "guest", "anonymous"],
  params: FeedPath,
  query: Empty,
  body: Type.Object({
    data: Type.Optional(
      Type.Object({
        name: Type.Optional(Type.String({ maxLength: feedLimits.nameCharsMax })),
        description: Type.Optional(Type.String({ maxLength: feedLimits.descriptionCharsMax })),
        visibility: Type.Optional(FeedVisibility),
        filter_tags: Type.Optional(Tags),
        members: Type.Optional(Members),
        custom: Type.Optional(Custom),
        location: Type.Optional(Type.Unknown()),
      }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 0, maximum: feedLimits.activitiesPageMax })),
    next: Type.Optional(Cursor),
    watch: Type.Optional(Type.Boolean()),
    followers_pagination: Type.Optional(Pager(feedLimits.followsPageMax)),
    following_pagination: Type.Optional(Pager(feedLimits.followsPageMax)),
    member_pagination: Type.Optional(Pager(feedLimits.membersPageMax)),
    // Not part of this version: refused when set, see the server's rules.
    prev: Type.Optional(Type.Unknown()),
    id_around: Type.Optional(Type.Unknown()),
    view: Type.Optional(Type.Unknown()),
    filter: Type.Optional(Type.Unknown()),
    external_ranking: Type.Optional(Type.Unknown()),
    interest_weights: Type.Optional(Type.Unknown()),
    ...ActingUser,
  }),
  output: Answer({
    created: Type.Boolean(),
    feed: FeedResponse,
    activities: Type.Array(ActivityResponse),
    aggregated_activities: Type.Array(Type.Unknown(), { maxItems: 0 }),
    pinned_activities: Type.Array(Type.Unknown(), { maxItems: 0 }),
    followers: Type.Array(FollowResponse),
    following: Type.Array(FollowResponse),
    members: Type.Array(FeedMemberResponse),
    next: Type.Optional(Type.String()),
    followers_pagination: Type.Optional(PagerResponse),
    following_pagination: Type.Optional(PagerResponse),
    member_pagination: Type.Optional(PagerResponse),
  }),
  status: 201,
  errors: ["notFound", "connectionNotFound"],
})

export const changeFeedVisibility = operation({
  name: "ChangeFeedVisibility",
  method: "POST",
  path: "/api/v2/feeds/feed_groups/{feed_group_id}/feeds/{feed_id}/change_visibility",
  tag: "feeds",
  summary: "Opens or closes a feed at once; follows that no longer fit are settled afterwards.",
  access: ["server", "user", "guest"],
  params: FeedPath,
  query: Empty,
  body: Type.Object({
    visibility: FeedVisibility,
    /** What becomes of open requests when the feed leaves `followers`. */
    pending_follows_action: Type.Optional(Type.Union([Type.Literal("auto_approve"), Type.Literal("reject")])),
  }),
  output: Answer({ feed: FeedResponse }),
  status: 201,
  errors: ["notFound", "notAllowed"],
})

export const updateFeedMembers = operation({
  name: "UpdateFeedMembers",
  method: "PATCH",
  path: "/api/v2/feeds/feed_groups/{feed_group_id}/feeds/{feed_id}/members",
  tag: "feeds",
  summary: "Adds, changes, removes or replaces the members of a feed.",
  access: ["server", "user", "guest"],
  params: FeedPath,
  query: Empty,
  body: Type.Object({
    operation: Type.Union([Type.Literal("upsert"), Type.Literal("remove"), Type.Literal("set")]),
    members: Type.Optional(Members),
  }),
  output: Answer({
    added: Type.Array(FeedMemberResponse),
    updated: Type.Array(FeedMemberResponse),
    removed_ids: Type.Array(Type.String()),
  }),
  status: 200,
  errors: ["notFound", "notAllowed"],
})
