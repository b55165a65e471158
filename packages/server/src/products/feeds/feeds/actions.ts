// What can be done with a feed and its activities, and who may by default at each level of visibility (contract/auth.md
// §6.8, contract/feeds.md B4.1, B8). The table there speaks of reading, following and posting; what it leaves open is
// decided as narrowly as it allows: only owners manage a feed, followers read and do not post, members post.

import type { Action } from "../../../authorize/decide.ts"
import { type CompiledGrants, compileGrants, type GrantTable } from "../../../authorize/grants.ts"

export const actions = {
  createFeed: { id: "create-feed", name: "CreateFeed", level: "write" },
  readFeed: { id: "read-feed", name: "ReadFeed", level: "read" },
  updateFeed: { id: "update-feed", name: "UpdateFeed", level: "manage" },
  updateFeedMembers: { id: "update-feed-members", name: "UpdateFeedMembers", level: "manage" },
  /** Accept and reject those who want to follow. */
  updateFeedFollowers: { id: "update-feed-followers", name: "UpdateFeedFollowers", level: "manage" },
  /** Let the feed follow others, and no longer. */
  updateFeedFollowing: { id: "update-feed-following", name: "UpdateFeedFollowing", level: "write" },
  follow: { id: "follow", name: "Follow", level: "write" },
  addActivity: { id: "add-activity", name: "AddActivity", level: "write" },
  readActivity: { id: "read-activity", name: "ReadActivity", level: "read" },
  updateActivity: { id: "update-activity", name: "UpdateActivity", level: "write" },
  deleteActivity: { id: "delete-activity", name: "DeleteActivity", level: "write" },
} as const satisfies Record<string, Action>

/** What `own_capabilities` can list. */
export const capabilities: readonly Action[] = [
  actions.readFeed,
  actions.updateFeed,
  actions.updateFeedMembers,
  actions.updateFeedFollowers,
  actions.updateFeedFollowing,
  actions.follow,
  actions.addActivity,
  actions.deleteActivity,
]

/** From the widest to the narrowest. */
export const visibilities = ["public", "visible", "followers", "members", "private"] as const
export type Visibility = (typeof visibilities)[number]

const ownFeed = [
  "read-feed-owner",
  "update-feed-owner",
  "update-feed-members-owner",
  "update-feed-followers-owner",
  "update-feed-following-owner",
  "follow-owner",
  "add-activity-owner",
]
const ownActivity = ["read-activity-owner", "update-activity-owner", "delete-activity-owner"]
const everything = Object.values(actions).map(({ id }) => id)

/** Roles that count the same at every level. A guest has no feed unless the app's server makes one. */
const everywhere: GrantTable = {
  user: ["create-feed-owner", ...ownFeed, ...ownActivity],
  guest: [...ownFeed, ...ownActivity],
  admin: everything,
}

const post = ["read-feed", "follow", "add-activity"]
const consume = ["read-feed", "follow"]

const byVisibility: Record<Visibility, GrantTable> = {
  public: { anonymous: ["read-feed"], guest: post, user: post, feed_follower: post, feed_member: post },
  visible: { anonymous: ["read-feed"], guest: consume, user: consume, feed_follower: consume, feed_member: post },
  // Anyone may ask to follow; the owner decides.
  followers: { guest: ["follow"], user: ["follow"], feed_follower: consume, feed_member: post },
  members: { feed_member: post },
  private: {},
}

function merged(tables: readonly GrantTable[]): GrantTable {
  const roles = new Set(tables.flatMap(Object.keys))
  return Object.fromEntries([...roles].map((role) => [role, tables.flatMap((table) => table[role] ?? [])]))
}

const compiled = new Map(
  visibilities.map((visibility) => [visibility, compileGrants(merged([everywhere, byVisibility[visibility]]))]),
)

export const grantsOf = (visibility: Visibility): CompiledGrants => compiled.get(visibility) as CompiledGrants
