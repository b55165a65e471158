import type { UserResponse } from "../../../core/users/index.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import { type FeedRow, feedEvent, lostAudiences } from "../feeds/index.ts"
import { followResponse, type ShowFeed, shownAt, wholly } from "./rules.ts"
import type { FollowRow } from "./store.ts"

export interface FollowEventInput {
  readonly follow: FollowRow
  readonly source: FeedRow
  readonly target: FeedRow
  readonly now: number
  /** Shows a user by id. */
  readonly person: (userId: string) => UserResponse
}

/**
 * Tells the watchers of both feeds, each what they may see of the other. What was not accepted concerns the owners alone.
 * Backends hear of a follow once, at its source, and see both feeds. `losesAccess`: the follower may no longer hear what
 * is for followers.
 */
function followEvents(
  { follow, source, target, now, person }: FollowEventInput,
  type: string,
  losesAccess: boolean,
): OutboxEvent[] {
  const shownBy = (show: ShowFeed) => ({
    follow: followResponse(
      follow,
      show(source, person(source.created_by_id)),
      show(target, person(target.created_by_id)),
    ),
  })
  return [source, target].map((home) => {
    const input = { appId: follow.app_id, feed: home, now, user: null }
    const extra = losesAccess && home === target ? lostAudiences(input, follow.source_user_id, ["followers"]) : []
    const toBackends = home === source ? shownBy(wholly) : null
    const audience = follow.status === "accepted" ? {} : { audience: "private" as const }
    return feedEvent(input, type, shownBy(shownAt(home)), { ...audience, extra, toBackends })
  })
}

export const followCreated = (input: FollowEventInput): OutboxEvent[] =>
  followEvents(input, "feeds.follow.created", false)

export const followUpdated = (input: FollowEventInput, losesAccess: boolean): OutboxEvent[] =>
  followEvents(input, "feeds.follow.updated", losesAccess)

export const followDeleted = (input: FollowEventInput, losesAccess: boolean): OutboxEvent[] =>
  followEvents(input, "feeds.follow.deleted", losesAccess)
