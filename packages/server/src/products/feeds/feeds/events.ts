import type { UserResponse } from "../../../core/users/index.ts"
import { type Delivery, frameOf, outboxEvent } from "../../../events/event.ts"
import { topics } from "../../../events/topics.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import {
  type Audience,
  audienceOf,
  type FeedCore,
  type FeedMemberResponse,
  type FeedResponse,
  timestamp,
} from "./rules.ts"

/** What the watchers of a feed who belong to an audience listen to. */
export const audienceTopic = (appId: number, feed: string, audience: Audience): string =>
  `${topics.feed(appId, feed)}|${audience}`

export interface FeedEventInput {
  readonly appId: number
  readonly feed: FeedCore
  readonly now: number
  /** Who did it; null for a server call that names nobody. */
  readonly user: UserResponse | null
}

export interface FeedEventOptions {
  /** Fewer than may read the feed. */
  readonly audience?: Audience
  readonly extra?: readonly Delivery[]
  /** What backends are told instead of what the watchers hear; null: nothing, because another event says it. */
  readonly toBackends?: object | null
}

/** An event for those who watch a feed, and for backends. */
export function feedEvent(
  { appId, feed, now, user }: FeedEventInput,
  type: string,
  more: object,
  options: FeedEventOptions = {},
): OutboxEvent {
  const eventOf = (told: object): string =>
    frameOf({
      type,
      created_at: timestamp(now),
      fid: feed.feed,
      feed_visibility: feed.visibility,
      custom: {},
      ...told,
      ...(user === null ? {} : { user }),
    })
  const frame = eventOf(more)
  const topic = audienceTopic(appId, feed.feed, options.audience ?? audienceOf(feed.visibility))
  const deliveries: Delivery[] = [{ to: "topic", topic, frame }, ...(options.extra ?? [])]
  const { toBackends = more } = options
  if (toBackends === null) return outboxEvent(appId, type, `feed:${feed.feed}`, deliveries)
  const webhook = toBackends === more ? frame : () => eventOf(toBackends)
  return outboxEvent(appId, type, `feed:${feed.feed}`, deliveries, webhook)
}

export const feedCreated = (
  input: FeedEventInput,
  feed: FeedResponse,
  members: readonly FeedMemberResponse[],
): OutboxEvent => feedEvent(input, "feeds.feed.created", { feed: toAll(feed), members })

/** Told to those who may read the feed from now on. */
export const feedUpdated = (input: FeedEventInput, feed: FeedResponse): OutboxEvent =>
  feedEvent(input, "feeds.feed.updated", { feed: toAll(feed) })

/** What the caller may do is nobody else's to know. */
const toAll = ({ own_capabilities: _, ...feed }: FeedResponse & { readonly own_capabilities?: unknown }) => feed

export const feedMemberAdded = (input: FeedEventInput, member: FeedMemberResponse): OutboxEvent =>
  feedEvent(input, "feeds.feed_member.added", { member })

export const feedMemberUpdated = (input: FeedEventInput, member: FeedMemberResponse): OutboxEvent =>
  feedEvent(input, "feeds.feed_member.updated", { member })

/** Whoever was removed hears it, and then what only members hear no more; nor followers', unless they follow. */
export const feedMemberRemoved = (input: FeedEventInput, userId: string, follows: boolean): OutboxEvent =>
  feedEvent(
    input,
    "feeds.feed_member.removed",
    { member_id: userId },
    { extra: lostAudiences(input, userId, follows ? ["members"] : ["members", "followers"]) },
  )

/** Takes audiences of a feed away from a user's sockets; the owner belongs to all of them for ever. */
export const lostAudiences = (
  { appId, feed }: Pick<FeedEventInput, "appId" | "feed">,
  userId: string,
  lost: readonly Audience[],
): Delivery[] =>
  userId === feed.created_by_id
    ? []
    : lost.map((audience) => ({
        to: "unsubscribe",
        userIds: [userId],
        topic: audienceTopic(appId, feed.feed, audience),
      }))
