// Reads a feed without making it. The API has one operation for both, so what could make one asks first.

import { ApiFailure } from "../../api/client.ts"
import { callPublic, explorerToken, type PublicOutput } from "../../api/public.ts"

export type FeedState = PublicOutput<"GetOrCreateFeed">

const activitiesPageSize = 25
const membersPageSize = 100

export interface FeedPlace {
  readonly group: string
  readonly id: string
}

/**
 * The feed with a page of its activities; null when there is none. A token that only reads is told so by the operation
 * itself. One that also writes would make the feed: it first changes no member of it, which fails where there is no
 * feed. Throws ApiFailure.
 */
export async function readFeed(app: string, { group, id }: FeedPlace, next: string | null): Promise<FeedState | null> {
  const path = { feed_group_id: group, feed_id: id }
  try {
    if (next === null && (await explorerToken(app)).writes) {
      await callPublic(app, "UpdateFeedMembers", { path, body: { operation: "upsert", members: [] } })
    }
    const userId = await someUser(app)
    if (userId === null) return null
    return await callPublic(app, "GetOrCreateFeed", {
      path,
      body: {
        user_id: userId,
        limit: activitiesPageSize,
        member_pagination: { limit: next === null ? membersPageSize : 1 },
        followers_pagination: { limit: 1 },
        following_pagination: { limit: 1 },
        ...(next === null ? {} : { next }),
      },
    })
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 404) return null
    throw error
  }
}

// The operation wants to be told for whom it acts. It is answered as the backend's own all the same.
async function someUser(app: string): Promise<string | null> {
  const { users } = await callPublic(app, "QueryUsers", {
    query: { payload: { filter_conditions: {}, limit: 1 } },
  })
  return users[0]?.id ?? null
}
