// One feed, as an app holds it.

import type { HandleParts } from "./channel.ts"
import type { EventOf, Listener } from "./emitter.ts"
import type { WeirEvent } from "./events.ts"
import type {
  Activity,
  AddActivityRequest,
  Answer,
  FeedState,
  Follow,
  FollowRequest,
  GetOrCreateFeedRequest,
  UpdateActivityRequest,
} from "./wire.ts"

export interface Feed {
  readonly group: string
  readonly id: string
  /** `group:id`. */
  readonly fid: string
  /**
   * Creates the feed unless it exists, and reads a page of its activities. `watch` also receives its events, from a
   * moment before the page is read: what comes twice has the same id.
   */
  getOrCreate(request?: GetOrCreateFeedRequest): Promise<Answer<FeedState>>
  /** Adds an activity to this feed, and to those that `feeds` names besides. */
  addActivity(
    activity: Omit<AddActivityRequest, "feeds"> & { feeds?: string[] },
  ): Promise<Answer<{ activity: Activity }>>
  getActivity(activityId: string): Promise<Answer<{ activity: Activity }>>
  updateActivity(activityId: string, activity: UpdateActivityRequest): Promise<Answer<{ activity: Activity }>>
  deleteActivity(activityId: string, options?: { hard_delete?: boolean }): Promise<Answer>
  /** This feed follows another one, given as `group:id`. */
  follow(target: string, options?: Omit<FollowRequest, "source" | "target">): Promise<Answer<{ follow: Follow }>>
  unfollow(target: string): Promise<Answer<{ follow: Follow }>>
  /** Events of this feed only; `*` for all of them. Returns a function that ends it. */
  on<Type extends string>(type: Type, listener: Listener<EventOf<WeirEvent, Type>>): () => void
}

export function createFeed(parts: HandleParts, group: string, id: string): Feed {
  const { operations } = parts
  const fid = `${group}:${id}`
  return {
    group,
    id,
    fid,
    getOrCreate(request = {}) {
      if (!request.watch) return operations.feeds.getOrCreate(group, id, request)
      return parts.watching(
        () => ({ kind: "feed", group, id }),
        (bound) => operations.feeds.getOrCreate(group, id, request, bound),
      )
    },
    addActivity: (activity) =>
      operations.activities.add({ ...activity, feeds: [...new Set([fid, ...(activity.feeds ?? [])])] }),
    getActivity: (activityId) => operations.activities.get(activityId),
    updateActivity: (activityId, activity) => operations.activities.update(activityId, activity),
    deleteActivity: (activityId, options) => operations.activities.delete(activityId, options),
    follow: (target, options) => operations.follows.create({ ...options, source: fid, target }),
    unfollow: (target) => operations.follows.delete(fid, target),
    on: (type, listener) =>
      parts.on(type, (event) => {
        if ((event as { fid?: string }).fid === fid) listener(event)
      }),
  }
}
