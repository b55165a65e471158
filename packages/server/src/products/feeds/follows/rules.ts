// What a follow is and how it comes about.

import {
  type ApiError,
  type AppCaller,
  inputError,
  notFoundError,
  feeds as protocol,
  limits as wire,
} from "@weir/protocol"
import { isAllowed, isNarrowed, withinReach } from "../../../authorize/decide.ts"
import { jsonWithin } from "../../../base/json.ts"
import type { UserResponse } from "../../../core/users/index.ts"
import type { FilterNode } from "../../../store/filter.ts"
import {
  actions,
  audienceOf,
  type FeedResponse,
  type FeedRow,
  feedResource,
  feedResponse,
  noRelation,
  timestamp,
} from "../feeds/index.ts"
import { followsOf, queryFollows } from "./actions.ts"
import type { FollowRow, FollowStatus } from "./store.ts"

/** What an absent follow and one of a hidden feed have in common. */
export const absentFollow = (source: string, target: string): ApiError => notFoundError("follow", `${source}/${target}`)

/**
 * What becomes of a wish to follow. A feed for approved followers lets the owner decide, but for the owner's own
 * feeds and its members', who may read it anyway.
 */
export const firstStatus = (source: FeedRow, target: FeedRow, isMember: boolean): FollowStatus =>
  target.visibility === "followers" && source.created_by_id !== target.created_by_id && !isMember
    ? "pending"
    : "accepted"

export interface FollowInput {
  readonly custom?: Record<string, unknown>
  readonly push_preference?: "all" | "none"
}

/** Throws inputError when the custom data is too big. */
export const newFollow = (
  id: string,
  source: FeedRow,
  target: FeedRow,
  status: FollowStatus,
  input: FollowInput,
  now: number,
): FollowRow => ({
  app_id: source.app_id,
  id,
  source: source.feed,
  target: target.feed,
  source_user_id: source.created_by_id,
  target_user_id: target.created_by_id,
  status,
  push_preference: input.push_preference ?? "all",
  custom: jsonWithin("custom", input.custom ?? {}, wire.customBytesMax),
  created_at: now,
  updated_at: now,
  request_accepted_at: null,
  request_rejected_at: null,
})

export const accepted = (row: FollowRow, now: number): FollowRow => ({
  ...row,
  status: "accepted",
  updated_at: now,
  request_accepted_at: now,
  request_rejected_at: null,
})

export const rejected = (row: FollowRow, now: number): FollowRow => ({
  ...row,
  status: "rejected",
  updated_at: now,
  request_accepted_at: null,
  request_rejected_at: now,
})

/** A feed that follows as many as it can follows no more. Throws inputError. */
export function requireRoom(following: number): void {
  const { followsPerFeedMax } = protocol.feedLimits
  if (following >= followsPerFeedMax) {
    throw inputError(`a feed follows at most ${followsPerFeedMax} feeds`, { source: "follows too many feeds" })
  }
}

/** A client asks for follows of a feed that it names, so that the query has somewhere to begin. Throws inputError. */
export function requireFeedInFilter(filter: FilterNode): void {
  const conditions = filter.kind === "and" ? filter.children : [filter]
  const names = conditions.some(
    (node) => node.kind === "field" && (node.field === "source_feed" || node.field === "target_feed"),
  )
  if (!names)
    throw inputError("filter needs source_feed or target_feed", { filter: "needs source_feed or target_feed" })
}

/** Whether the caller's token reaches one of the two feeds of a follow. */
export const isWithinReach = (principal: AppCaller, { source, target }: FollowRow): boolean =>
  !isNarrowed(principal) ||
  [source, target].some((feed) => withinReach(principal, queryFollows, followsOf(feed)).allowed)

/** How one of the two feeds is shown to whoever looks at a follow. */
export type ShowFeed = (row: FeedRow, createdBy: UserResponse) => FeedResponse

/** For an answer: what the caller may read by role or as the owner. Others see only whose feed it is. */
export const shownTo =
  (principal: AppCaller): ShowFeed =>
  (row, createdBy) =>
    feedResponse(row, createdBy, isAllowed(principal, actions.readFeed, feedResource(row, noRelation)))

/** For an event, which everybody in the audience of `home` hears: that feed, and the other one if it is open. */
export const shownAt =
  (home: FeedRow): ShowFeed =>
  (row, createdBy) =>
    feedResponse(row, createdBy, row.feed === home.feed || audienceOf(row.visibility) === "open")

/** For backends, which see everything. */
export const wholly: ShowFeed = (row, createdBy) => feedResponse(row, createdBy, true)

export const followResponse = (row: FollowRow, source: FeedResponse, target: FeedResponse) => ({
  source_feed: source,
  target_feed: target,
  status: row.status,
  follower_role: "feed_follower",
  push_preference: row.push_preference,
  custom: JSON.parse(row.custom) as Record<string, unknown>,
  created_at: timestamp(row.created_at),
  updated_at: timestamp(row.updated_at),
  ...(row.request_accepted_at === null ? {} : { request_accepted_at: timestamp(row.request_accepted_at) }),
  ...(row.request_rejected_at === null ? {} : { request_rejected_at: timestamp(row.request_rejected_at) }),
})

export type FollowResponse = ReturnType<typeof followResponse>
