import type { UserResponse } from "../../../core/users/index.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import { type FeedRow, feedEvent, lostAudiences } from "../feeds/index.ts"
import { followResponse, shownAt } from "./rules.ts"
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
 * Tells the watchers of both feeds. What was not accepted concerns the owners alone. `losesAccess`: the follower may
 * no longer hear what is for followers.
 */
function followEvents(
  { follow, source, target, now, person }: FollowEventInput,
  type: string,
  losesAccess: boolean,
): OutboxEvent[] {
  return [source, target].map((home) => {
    const show = shownAt(home)
    const more = {
      follow: followResponse(
        follow,
        show(source, person(source.created_by_id)),
        show(target, person(target.created_by_id)),
      ),
    }
    const input = { appId: follow.app_id, feed: home, now, user: null }
    const lost = losesAccess && home === target ? lostAudiences(input, follow.source_user_id, ["followers"]) : []
    return feedEvent(
      input,
      type,
      more,
      follow.status === "accepted" ? { extra: lost } : { audience: "private", extra: lost },
    )
  })
}

export const followCreated = (input: FollowEventInput): OutboxEvent[] =>
  followEvents(input, "feeds.follow.created", false)

export const followUpdated = (input: FollowEventInput, losesAccess: boolean): OutboxEvent[] =>
  followEvents(input, "feeds.follow.updated", losesAccess)

export const followDeleted = (input: FollowEventInput, losesAccess: boolean): OutboxEvent[] =>
  followEvents(input, "feeds.follow.deleted", losesAccess)
