// Follows: contract/endpoints.json `follow`, `unfollow`, `accept_follow`, `reject_follow`, `query_follows`.

import { Type } from "typebox"
import { limits } from "../../limits.ts"
import { operation } from "../../operation.ts"
import { Answer, Custom, Empty, Filter, SortParam } from "../../schemas.ts"
import { feedLimits } from "../limits.ts"
import { FeedName, FollowResponse, FollowStatus } from "../schemas.ts"

const Pair = Type.Object({ source: FeedName, target: FeedName })
const Follow = Answer({ follow: FollowResponse })

export const follow = operation({
  name: "Follow",
  method: "POST",
  path: "/api/v2/feeds/follows",
  tag: "feeds",
  summary: "One feed follows another, or asks to when the other one approves its followers.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: Empty,
  body: Type.Object({
    ...Pair.properties,
    custom: Type.Optional(Custom),
    push_preference: Type.Optional(Type.Union([Type.Literal("all"), Type.Literal("none")])),
    /** Server calls only. */
    status: Type.Optional(FollowStatus),
  }),
  output: Follow,
  status: 201,
  errors: ["notFound", "notAllowed"],
})

export const unfollow = operation({
  name: "Unfollow",
  method: "DELETE",
  path: "/api/v2/feeds/follows/{source}/{target}",
  tag: "feeds",
  summary: "Ends a follow or takes a request back; the timeline no longer shows the other feed.",
  access: ["server", "user", "guest"],
  params: Pair,
  query: Empty,
  body: null,
  output: Follow,
  status: 200,
  errors: ["notFound", "notAllowed"],
})

export const acceptFollow = operation({
  name: "AcceptFollow",
  method: "POST",
  path: "/api/v2/feeds/follows/accept",
  tag: "feeds",
  summary: "Lets somebody who asked follow the feed.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: Empty,
  body: Pair,
  output: Follow,
  status: 201,
  errors: ["notFound", "notAllowed"],
})

export const rejectFollow = operation({
  name: "RejectFollow",
  method: "POST",
  path: "/api/v2/feeds/follows/reject",
  tag: "feeds",
  summary: "Refuses a request to follow the feed, or ends a follow that was accepted.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: Empty,
  body: Pair,
  output: Follow,
  status: 201,
  errors: ["notFound", "notAllowed"],
})

export const queryFollows = operation({
  name: "QueryFollows",
  method: "POST",
  path: "/api/v2/feeds/follows/query",
  tag: "feeds",
  summary: "Finds follows and requests by filter; a client finds those of its own feeds.",
  access: ["server", "user", "guest"],
  params: Empty,
  query: Empty,
  body: Type.Object({
    filter: Type.Optional(Filter),
    sort: Type.Optional(Type.Array(SortParam, { maxItems: limits.sortFieldsMax })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: feedLimits.followsPageMax })),
    next: Type.Optional(Type.String({ maxLength: feedLimits.cursorCharsMax })),
    prev: Type.Optional(Type.String({ maxLength: feedLimits.cursorCharsMax })),
  }),
  output: Answer({
    follows: Type.Array(FollowResponse),
    next: Type.Optional(Type.String()),
    prev: Type.Optional(Type.String()),
  }),
  status: 201,
  errors: [],
})
