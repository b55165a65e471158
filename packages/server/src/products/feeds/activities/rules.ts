// What an activity is, what may be said in it, and how timelines are merged.

import {
  type ApiError,
  type AppCaller,
  inputError,
  notFoundError,
  feeds as protocol,
  limits as wire,
} from "@weir/protocol"
import type { Static } from "typebox"
import { Compile } from "typebox/compile"
import { can, type Decision, granted, hide, mayKnow, type Resource } from "../../../authorize/decide.ts"
import { isObject, jsonWithin } from "../../../base/json.ts"
import type { UserResponse } from "../../../core/users/index.ts"
import {
  actions,
  feedResource,
  type LoadedFeed,
  mayRead,
  noRelation,
  privateResource,
  readsPrivate,
  storable,
  timestamp,
} from "../feeds/index.ts"
import type { ActivityRow, FeedActivityRow, FollowedFeed, Place } from "./store.ts"

/** What an absent activity and a hidden one have in common. */
export const absentActivity = (id: string): ApiError => notFoundError("activity", id)

export const feedsOf = (row: ActivityRow): string[] => JSON.parse(row.feeds) as string[]

/**
 * The activity as a decision sees it, once for each feed that it stands in: its author owns it everywhere, and a
 * token's scopes speak of feeds.
 */
export function activityResources(row: ActivityRow): readonly Resource[] {
  const feeds = feedsOf(row)
  // In no feed: then no scope speaks of it.
  return (feeds.length === 0 ? [""] : feeds).map((feed) => {
    const group_id = feed.slice(0, feed.indexOf(":"))
    const author = { feed: row.id, group_id, created_by_id: row.user_id, visibility: "private" as const }
    return { ...feedResource(author, noRelation), kind: "activity", name: `feeds:${feed}` }
  })
}

/**
 * May the caller know of the activity: as its author, or as a reader of one of its feeds (of a private one: as the
 * feed's owner). If not, it is as if there were none.
 */
export function mayReadActivity(principal: AppCaller, row: ActivityRow, feeds: readonly LoadedFeed[]): Decision {
  const asAuthor = anyOf(activityResources(row).map((resource) => can(principal, actions.readActivity, resource)))
  if (asAuthor.allowed) return asAuthor
  const isReader = feeds.some(({ feed, resource }) =>
    row.visibility === "private" ? readsPrivate(principal, feed) : mayRead(principal, resource).allowed,
  )
  return isReader ? granted : hide(asAuthor, () => absentActivity(row.id))
}

/** May the caller know of the activity, whatever it is that is done to it; if not, it is as if there were none. */
export function mayKnowActivity(principal: AppCaller, row: ActivityRow, feeds: readonly LoadedFeed[]): Decision {
  const asAuthor = anyOf(activityResources(row).map((resource) => mayKnow(principal, actions.readActivity, resource)))
  if (asAuthor.allowed) return asAuthor
  const asReader = feeds
    .map(({ feed, resource }) =>
      mayKnow(principal, actions.readFeed, row.visibility === "private" ? privateResource(feed) : resource),
    )
    .find((decision) => decision.allowed)
  return asReader ?? hide(asAuthor, () => absentActivity(row.id))
}

/** Authors change what they wrote; in every feed that it stands in, because it changes everywhere. */
export const mayUpdateActivity = (principal: AppCaller, row: ActivityRow): Decision =>
  everyOf(activityResources(row).map((resource) => can(principal, actions.updateActivity, resource)))

/** Authors delete what they wrote; the owner of every feed that it stands in may delete it too. */
export function mayDelete(principal: AppCaller, row: ActivityRow, feeds: readonly LoadedFeed[]): Decision {
  const asAuthor = everyOf(activityResources(row).map((resource) => can(principal, actions.deleteActivity, resource)))
  const ownsAll =
    feeds.length > 0 && feeds.every(({ resource }) => can(principal, actions.deleteActivity, resource).allowed)
  return ownsAll ? granted : asAuthor
}

// Both are handed at least one decision (activityResources).
const anyOf = (decisions: readonly Decision[]): Decision =>
  decisions.find((decision) => decision.allowed) ?? (decisions[0] as Decision)
const everyOf = (decisions: readonly Decision[]): Decision =>
  decisions.find((decision) => !decision.allowed) ?? (decisions[0] as Decision)

type Content = Static<typeof protocol.ActivityContent>

/** The members of a row that an author writes. */
type ContentRow = Pick<
  ActivityRow,
  | "text"
  | "attachments"
  | "mentioned_user_ids"
  | "filter_tags"
  | "interest_tags"
  | "restrict_replies"
  | "visibility"
  | "location"
  | "search_data"
  | "custom"
>

/** What was said, as it is stored; what is left out is empty. Throws inputError when something is too big. */
export function contentRow(content: Content): ContentRow {
  const { attachmentsBytesMax } = protocol.feedLimits
  if (content.visibility === "tag") {
    throw inputError("visibility 'tag' is not supported", { visibility: "is public or private" })
  }
  return {
    text: content.text === undefined ? null : storable("text", content.text),
    attachments: jsonWithin("attachments", content.attachments ?? [], attachmentsBytesMax),
    mentioned_user_ids: JSON.stringify([...new Set(content.mentioned_user_ids)]),
    filter_tags: JSON.stringify(content.filter_tags ?? []),
    interest_tags: JSON.stringify(content.interest_tags ?? []),
    restrict_replies: content.restrict_replies ?? "everyone",
    visibility: content.visibility ?? "public",
    location: content.location === undefined ? null : JSON.stringify(content.location),
    search_data: jsonWithin("search_data", content.search_data ?? {}, wire.customBytesMax),
    custom: jsonWithin("custom", content.custom ?? {}, wire.customBytesMax),
  }
}

/** A new activity. Throws inputError when something is too big. */
export const newActivity = (
  appId: number,
  input: Content & { readonly type: string; readonly feeds: readonly string[] },
  id: string,
  authorId: string,
  now: number,
): ActivityRow => ({
  app_id: appId,
  id,
  type: storable("type", input.type),
  user_id: authorId,
  feeds: JSON.stringify([...new Set(input.feeds)]),
  ...contentRow(input),
  created_at: now,
  updated_at: now,
  edited_at: null,
  deleted_at: null,
})

/**
 * Whether a request for an id that is taken is the one that took it, sent again: same author, same feeds, same words.
 * Then it gets the stored activity, and a client may repeat a request whose answer it lost.
 */
export function isSameRequest(stored: ActivityRow, asked: ActivityRow): boolean {
  const said = ({ created_at: _made, updated_at: _updated, ...rest }: ActivityRow): string =>
    JSON.stringify(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)))
  return said(stored) === said(asked)
}

const contentOf = (row: ActivityRow): Record<string, unknown> => ({
  ...(row.text === null ? {} : { text: row.text }),
  attachments: JSON.parse(row.attachments) as unknown,
  mentioned_user_ids: JSON.parse(row.mentioned_user_ids) as unknown,
  filter_tags: JSON.parse(row.filter_tags) as unknown,
  interest_tags: JSON.parse(row.interest_tags) as unknown,
  restrict_replies: row.restrict_replies,
  visibility: row.visibility,
  ...(row.location === null ? {} : { location: JSON.parse(row.location) as unknown }),
  search_data: JSON.parse(row.search_data) as unknown,
  custom: JSON.parse(row.custom) as unknown,
})

const contentSchema = Compile(protocol.ActivityContent)
const contentFields = new Set(Object.keys(protocol.ActivityContent.properties))

/**
 * The content of a row with fields set and unset; `custom.a.b` reaches into custom data. Throws inputError for a
 * field that an activity has not, and for a value that does not fit.
 */
export function changedContent(
  row: ActivityRow,
  set: Readonly<Record<string, unknown>>,
  unset: readonly string[],
): ContentRow {
  const content = contentOf(row)
  for (const [path, value] of Object.entries(set)) setAt(content, pathOf(path), value)
  for (const path of unset) setAt(content, pathOf(path), undefined)
  if (!contentSchema.Check(content)) {
    const [error] = contentSchema.Errors(content)
    const field = error?.instancePath.slice(1).replaceAll("/", ".") || "set"
    throw inputError(`${field} ${error?.message ?? "is invalid"}`, { [field]: error?.message ?? "is invalid" })
  }
  return contentRow(content)
}

function pathOf(path: string): string[] {
  const [field = "", ...rest] = path.split(".")
  if (!contentFields.has(field) || (rest.length > 0 && field !== "custom") || rest.includes("")) {
    throw inputError(`${path.slice(0, 100)} is not a field of an activity that can be changed`, {
      set: "unknown field",
    })
  }
  // Assigned, it would set a prototype instead of a member.
  if (rest.includes("__proto__")) throw inputError("__proto__ is not a name for custom data", { set: "unknown field" })
  return [field, ...rest]
}

/** Sets what is at a path, or takes it away when the value is undefined or null. */
function setAt(object: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name = "", ...rest] = path
  if (rest.length > 0) {
    const inner = Object.hasOwn(object, name) ? object[name] : undefined
    if (!isObject(inner) && value === undefined) return
    const next = isObject(inner) ? inner : {}
    setAt(next, rest, value)
    object[name] = next
  } else if (value === undefined || value === null) delete object[name]
  else object[name] = value
}

/** The activity as the wire shows it. Comments, reactions, bookmarks and collections are not part of this version. */
export function activityResponse(row: ActivityRow, person: (userId: string) => UserResponse) {
  return {
    id: row.id,
    type: row.type,
    user: person(row.user_id),
    feeds: feedsOf(row),
    ...(row.text === null ? {} : { text: row.text }),
    attachments: JSON.parse(row.attachments) as Record<string, unknown>[],
    mentioned_users: mentionedIn(row).map(person),
    filter_tags: JSON.parse(row.filter_tags) as string[],
    interest_tags: JSON.parse(row.interest_tags) as string[],
    restrict_replies: row.restrict_replies,
    visibility: row.visibility,
    ...(row.location === null ? {} : { location: JSON.parse(row.location) as { lat: number; lng: number } }),
    search_data: JSON.parse(row.search_data) as Record<string, unknown>,
    custom: JSON.parse(row.custom) as Record<string, unknown>,
    comments: [],
    latest_reactions: [],
    own_reactions: [],
    own_bookmarks: [],
    reaction_groups: {},
    collections: {},
    bookmark_count: 0,
    comment_count: 0,
    reaction_count: 0,
    share_count: 0,
    popularity: 0,
    score: 0,
    hidden: false,
    preview: false,
    created_at: timestamp(row.created_at),
    updated_at: timestamp(row.updated_at),
    ...(row.edited_at === null ? {} : { edited_at: timestamp(row.edited_at) }),
    ...(row.deleted_at === null ? {} : { deleted_at: timestamp(row.deleted_at) }),
  }
}

export type ActivityResponse = ReturnType<typeof activityResponse>

export const mentionedIn = (row: ActivityRow): string[] => JSON.parse(row.mentioned_user_ids) as string[]

const timeDigits = 15

/** Where an activity stands in every feed: by time, then by id, so that texts in their order are activities in theirs. */
export const positionOf = (row: Pick<ActivityRow, "created_at" | "id">): string =>
  `${String(row.created_at).padStart(timeDigits, "0")}:${row.id}`

/** Beyond every position, because a colon comes after the digits. */
export const beyondAll = ":"

/** A row for each feed that the activity stands in. */
export const placesOf = (row: ActivityRow): FeedActivityRow[] =>
  feedsOf(row).map((feed) => ({
    app_id: row.app_id,
    feed,
    is_private: row.visibility === "private" ? 1 : 0,
    position: positionOf(row),
    activity_id: row.id,
  }))

// A cursor holds a position that its bearer has just seen, and is checked like any other input; so it is not signed.
export const cursorOf = (position: string): string => Buffer.from(position).toString("base64url")

/** The position of a cursor, beyond everything when there is none. Throws inputError for one that is not ours. */
export function positionFrom(cursor: string | undefined): string {
  if (cursor === undefined || cursor === "") return beyondAll
  const position = /^[\w-]+$/.test(cursor) ? Buffer.from(cursor, "base64url").toString("utf8") : ""
  if (!/^\d{15}:[\w@:.-]{1,255}$/.test(position))
    throw inputError("next is not a cursor of this feed", { next: "invalid" })
  return position
}

export interface MergePlan {
  /** Feeds that can have a share in the page. */
  readonly feeds: readonly string[]
  /** Nothing below this position can; null when that is not known. */
  readonly from: string | null
}

/**
 * Which of many feeds to read for the `count` newest activities. The newest activity of each feed is known; the
 * count-th different one of these is a position that the page does not go below, so feeds whose newest is older are
 * left alone. An activity that stands in several feeds counts once.
 */
export function planMerge(followed: readonly FollowedFeed[], count: number): MergePlan {
  const newest = new Set(followed.flatMap((feed) => (feed.newest === null ? [] : [feed.newest])))
  const from = [...newest].sort().reverse()[count - 1] ?? null
  const feeds = followed.filter((feed) => feed.newest !== null && (from === null || feed.newest >= from))
  return { feeds: feeds.map(({ feed }) => feed), from }
}

/** The newest places, each activity once. */
export function newestPlaces(places: readonly Place[], count: number): Place[] {
  const byPosition = new Map(places.map((place) => [place.position, place]))
  return [...byPosition.values()].sort((a, b) => (a.position < b.position ? 1 : -1)).slice(0, count)
}
