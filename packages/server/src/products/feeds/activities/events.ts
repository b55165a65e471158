import type { OutboxEvent } from "../../../store/database.ts"
import { type Audience, audienceOf, type FeedEventInput, feedEvent } from "../feeds/index.ts"
import type { ActivityResponse } from "./rules.ts"

/** Private activities are told to the feed's owner alone. */
const audience = ({ feed }: FeedEventInput, activity: ActivityResponse): { audience: Audience } => ({
  audience: activity.visibility === "private" ? "private" : audienceOf(feed.visibility),
})

const builder =
  (type: string) =>
  (input: FeedEventInput, activity: ActivityResponse): OutboxEvent =>
    feedEvent(input, type, { activity }, audience(input, activity))

export const activityAdded = builder("feeds.activity.added")
export const activityUpdated = builder("feeds.activity.updated")
export const activityDeleted = builder("feeds.activity.deleted")
/** The activity goes on elsewhere. */
export const activityRemovedFromFeed = builder("feeds.activity.removed_from_feed")
