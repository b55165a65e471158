// What a feed is, what its group says of it, who may know of it, and how it is shown.

import {
  type ApiError,
  type AppCaller,
  inputError,
  notFoundError,
  feeds as protocol,
  limits as wire,
} from "@weir/protocol"
import { can, type Decision, hide, isAllowed, mayKnow, type Resource } from "../../../authorize/decide.ts"
import { jsonWithin } from "../../../base/json.ts"
import type { UserResponse } from "../../../core/users/index.ts"
import { actions, capabilities, grantsOf, type Visibility, visibilities } from "./actions.ts"
import type { Feed, FeedMemberRow, FeedRow } from "./store.ts"

/** What all feeds of a group have in common. */
interface FeedGroup {
  readonly defaultVisibility: Visibility
  /** Whose activities a read shows: the feed's own, or also those of the feeds that it follows. */
  readonly selector: "current_feed" | "following"
}

/** The built-in groups (contract/feeds.md B3). What somebody reads and is told is theirs alone. */
const groups: Readonly<Record<string, FeedGroup>> = {
  user: { defaultVisibility: "visible", selector: "current_feed" },
  timeline: { defaultVisibility: "private", selector: "following" },
  notification: { defaultVisibility: "private", selector: "current_feed" },
}

/** Throws notFoundError when there is no such group. */
export function requireGroup(groupId: string): FeedGroup {
  const group = Object.hasOwn(groups, groupId) ? groups[groupId] : undefined
  if (group === undefined) throw notFoundError("feed group", groupId)
  return group
}

export const feedNameOf = (groupId: string, id: string): string => `${groupId}:${id}`

/** What an absent feed and a hidden one have in common. */
export const absentFeed = (feed: string): ApiError => notFoundError("feed", feed)

/** How a user stands to a feed. */
export interface Relation {
  /** Null: not a member. */
  readonly memberRole: string | null
  /** A feed of the user follows it, and was accepted. */
  readonly follows: boolean
}

export const noRelation: Relation = { memberRole: null, follows: false }

/** Roles that a membership can give. */
const memberRoles = ["feed_member"]

export type FeedCore = Pick<Feed, "feed" | "group_id" | "created_by_id" | "visibility">

/** The feed as a decision sees it. */
export function feedResource(feed: FeedCore, relation: Relation): Resource {
  const relationRoles: string[] = []
  if (relation.memberRole !== null) relationRoles.push(relation.memberRole)
  if (relation.follows) relationRoles.push("feed_follower")
  return {
    kind: "feed",
    id: feed.feed,
    name: `feeds:${feed.feed}`,
    scope: feed.group_id,
    grants: grantsOf(feed.visibility),
    relationRoles,
    ownerId: feed.created_by_id,
    team: null,
  }
}

/**
 * A feed that is still to be made. A client makes feeds under its own id only: whoever could make `user:alice` first
 * would own what everybody takes for Alice's. Servers make any feed, for the user they act for.
 */
export const newFeedResource = (groupId: string, id: string): Resource =>
  feedResource(
    { feed: feedNameOf(groupId, id), group_id: groupId, created_by_id: id, visibility: "private" },
    noRelation,
  )

/** May the caller know that the feed is there: read it, or ask to follow it. If not, it is as if there were none. */
export function knows(principal: AppCaller, resource: Resource): Decision {
  const reading = mayKnow(principal, actions.readFeed, resource)
  if (reading.allowed) return reading
  const following = mayKnow(principal, actions.follow, resource)
  return following.allowed ? following : hide(reading, () => absentFeed(resource.id))
}

/** May the caller know of it as a reader does, whatever it is that is done to it; if not, it is as if there were none. */
export const mayFind = (principal: AppCaller, resource: Resource): Decision =>
  hide(mayKnow(principal, actions.readFeed, resource), () => absentFeed(resource.id))

/** May the caller read it; if not, it is as if there were none. */
export const mayRead = (principal: AppCaller, resource: Resource): Decision =>
  hide(can(principal, actions.readFeed, resource), () => absentFeed(resource.id))

export const ownCapabilities = (principal: AppCaller, resource: Resource): string[] =>
  capabilities.filter((action) => isAllowed(principal, action, resource)).map(({ id }) => id)

/**
 * Who hears what happens in a feed. A watcher listens to every audience that it would belong to, and an event goes to
 * the one that the feed's visibility names at that moment. So a feed that closes falls silent at once for everybody
 * who may no longer read it, whatever their number and on whichever node.
 */
export const audiences = ["open", "followers", "members", "private"] as const
export type Audience = (typeof audiences)[number]

export const audienceOf = (visibility: Visibility): Audience =>
  visibility === "public" || visibility === "visible" ? "open" : visibility

const isIn = (principal: AppCaller, audience: Audience, feed: FeedCore, relation: Relation): boolean => {
  const visibility = audience === "open" ? "visible" : audience
  return isAllowed(principal, actions.readFeed, feedResource({ ...feed, visibility }, relation))
}

export const audiencesFor = (principal: AppCaller, feed: FeedCore, relation: Relation): Audience[] =>
  audiences.filter((audience) => isIn(principal, audience, feed, relation))

/** The feed as a decision about its private activities sees it: they are for its owner, and whoever reads any feed. */
export const privateResource = (feed: FeedCore): Resource =>
  feedResource({ ...feed, visibility: "private" }, noRelation)

export const readsPrivate = (principal: AppCaller, feed: FeedCore): boolean =>
  isAllowed(principal, actions.readFeed, privateResource(feed))

/** Whether a change lets fewer people read or follow. */
export const isTightening = (from: Visibility, to: Visibility): boolean =>
  visibilities.indexOf(to) > visibilities.indexOf(from)

interface FeedInput {
  readonly name?: string
  readonly description?: string
  readonly visibility?: Visibility
  readonly filter_tags?: readonly string[]
  readonly custom?: Record<string, unknown>
}

/** A feed that nobody has written to. Throws inputError when its custom data is too big. */
export function newFeed(
  appId: number,
  path: { readonly feed_group_id: string; readonly feed_id: string },
  input: FeedInput,
  ownerId: string,
  now: number,
): FeedRow {
  const group = requireGroup(path.feed_group_id)
  return {
    app_id: appId,
    feed: feedNameOf(path.feed_group_id, path.feed_id),
    group_id: path.feed_group_id,
    id: path.feed_id,
    created_by_id: ownerId,
    visibility: input.visibility ?? group.defaultVisibility,
    name: storable("name", input.name ?? ""),
    description: storable("description", input.description ?? ""),
    filter_tags: JSON.stringify(input.filter_tags ?? []),
    custom: jsonWithin("custom", input.custom ?? {}, wire.customBytesMax),
    activity_count: 0,
    follower_count: 0,
    following_count: 0,
    member_count: 0,
    created_at: now,
    updated_at: now,
  }
}

interface MemberInput {
  readonly user_id: string
  readonly role?: string
  readonly custom?: Record<string, unknown>
  readonly invite?: boolean
  readonly membership_level?: string
}

/** Rows for new or changed members. Throws inputError for what this version does not know. */
export function memberRows(
  feed: Feed,
  inputs: readonly MemberInput[],
  mayNameRole: boolean,
  now: number,
): FeedMemberRow[] {
  const byUser = new Map<string, FeedMemberRow>()
  for (const input of inputs) {
    refuseUnsupported({ invite: input.invite || undefined, membership_level: input.membership_level })
    const role = (mayNameRole ? input.role : undefined) ?? "feed_member"
    if (!memberRoles.includes(role)) {
      throw inputError(`feeds know no member role ${role}`, { members: `role is one of ${memberRoles.join(", ")}` })
    }
    byUser.set(input.user_id, {
      app_id: feed.app_id,
      feed: feed.feed,
      user_id: input.user_id,
      role,
      custom: jsonWithin("custom", input.custom ?? {}, wire.customBytesMax),
      created_at: now,
      updated_at: now,
    })
  }
  return [...byUser.values()]
}

export interface MemberChange {
  readonly added: readonly FeedMemberRow[]
  readonly updated: readonly FeedMemberRow[]
  readonly removedIds: readonly string[]
}

/** What an update of members comes to. Throws inputError when the feed would have too many. */
export function changeOfMembers(
  existing: readonly FeedMemberRow[],
  operation: "upsert" | "remove" | "set",
  named: readonly FeedMemberRow[],
): MemberChange {
  const before = new Map(existing.map((row) => [row.user_id, row]))
  const names = new Set(named.map((row) => row.user_id))
  if (operation === "remove") {
    return { added: [], updated: [], removedIds: [...names].filter((userId) => before.has(userId)) }
  }
  const change: MemberChange = {
    added: named.filter((row) => !before.has(row.user_id)),
    updated: named.flatMap((row) => {
      const known = before.get(row.user_id)
      return known === undefined ? [] : [{ ...row, created_at: known.created_at }]
    }),
    removedIds: operation === "set" ? [...before.keys()].filter((userId) => !names.has(userId)) : [],
  }
  const { membersPerFeedMax } = protocol.feedLimits
  if (existing.length + change.added.length - change.removedIds.length > membersPerFeedMax) {
    throw inputError(`a feed has at most ${membersPerFeedMax} members`, { members: "too many" })
  }
  return change
}

/**
 * The feed as the wire shows it. Follows name feeds that the one who looks may not read: those show who they belong
 * to and nothing else.
 */
export function feedResponse(row: FeedRow, createdBy: UserResponse, isShown: boolean) {
  return {
    feed: row.feed,
    group_id: row.group_id,
    id: row.id,
    visibility: row.visibility,
    created_by: createdBy,
    pin_count: 0,
    created_at: timestamp(row.created_at),
    ...(isShown
      ? {
          name: row.name,
          description: row.description,
          filter_tags: JSON.parse(row.filter_tags) as string[],
          custom: JSON.parse(row.custom) as Record<string, unknown>,
          activity_count: row.activity_count,
          follower_count: row.follower_count,
          following_count: row.following_count,
          member_count: row.member_count,
          updated_at: timestamp(row.updated_at),
        }
      : {
          name: "",
          description: "",
          activity_count: 0,
          follower_count: 0,
          following_count: 0,
          member_count: 0,
          updated_at: timestamp(row.created_at),
        }),
  }
}

export type FeedResponse = ReturnType<typeof feedResponse>

export const feedMemberResponse = (member: FeedMemberRow, user: UserResponse) => ({
  user,
  role: member.role,
  status: "member" as const,
  custom: JSON.parse(member.custom) as Record<string, unknown>,
  created_at: timestamp(member.created_at),
  updated_at: timestamp(member.updated_at),
})

export type FeedMemberResponse = ReturnType<typeof feedMemberResponse>

export const timestamp = (ms: number): string => new Date(ms).toISOString()

/** Postgres keeps no U+0000 in a text. Throws inputError. */
export function storable(field: string, text: string): string {
  if (text.includes("\0")) throw inputError(`${field} must not contain U+0000`, { [field]: "contains U+0000" })
  return text
}

/**
 * Refuses members of a request that mean something which this version does not do: to do less than was asked for
 * without a word would be worse. Null and empty values ask for nothing. Throws inputError.
 */
export function refuseUnsupported(members: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(members)) {
    if (!isNothing(value)) throw inputError(`${name} is not supported`, { [name]: "is not supported" })
  }
}

const isNothing = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === "" ||
  (typeof value === "object" && Object.keys(value).length === 0)
