// The events that backends can hear of, as data: what a hook may ask for, and what the reference page lists. An event is
// added here in one line, beside its cause; tools/events-doc.ts fails when one side is missing.

/** Whose event it is. `common`: of no single product, so every hook may want it. */
export type EventProduct = "common" | "chat" | "video" | "feeds" | "moderation"

export interface EventType {
  /** Wire type, such as `message.new`. */
  readonly type: string
  readonly product: EventProduct
  /** One sentence: when it is sent. */
  readonly doc: string
}

const of =
  (product: EventProduct) =>
  ([type, doc]: readonly [string, string]): EventType => ({ type, product, doc })

/** Every event that this server tells backends, in the order of the reference page (contract/events.json). */
export const events: readonly EventType[] = [
  ...(
    [
      ["user.updated", "A user was made or changed by a backend or by themselves."],
      ["user.deactivated", "A user was shut out; nothing of theirs is deleted."],
      ["user.reactivated", "A deactivated user was let in again."],
      ["user.deleted", "A user was deleted; what becomes of their content follows in the background."],
      ["user.banned", "A user may no longer write, in a channel or in the whole app."],
      ["user.unbanned", "A ban was ended or ran out."],
      ["user.messages.deleted", "Many messages of one user in a channel were deleted together."],
    ] as const
  ).map(of("common")),
  ...(
    [
      ["channel.created", "A channel was made."],
      ["channel.updated", "What is said of a channel changed."],
      ["channel.deleted", "A channel was deleted."],
      ["member.added", "A user became a member of a channel."],
      ["member.updated", "A member of a channel has another role."],
      ["member.removed", "A member left a channel or was sent away."],
      ["message.new", "A message was stored."],
      ["message.updated", "A message, or the number of its replies, changed."],
      ["message.deleted", "A message was deleted."],
      ["message.read", "A member read a channel up to some message."],
    ] as const
  ).map(of("chat")),
  ...(
    [
      ["call.created", "A call was made."],
      ["call.updated", "What is said of a call changed."],
      ["call.ended", "A call was ended for everybody."],
      ["call.member_added", "Users became members of a call."],
      ["call.member_updated", "Members of a call have other roles or data."],
      ["call.member_removed", "Members of a call left or were sent away."],
      ["call.ring", "A call rings its members."],
      ["call.notification", "Members of a call are told of it without ringing."],
    ] as const
  ).map(of("video")),
  ...(
    [
      ["feeds.feed.created", "A feed was made."],
      ["feeds.feed.updated", "The visibility of a feed changed."],
      ["feeds.feed_member.added", "A user became a member of a feed."],
      ["feeds.feed_member.updated", "A member of a feed has other data."],
      ["feeds.feed_member.removed", "A user is no longer a member of a feed."],
      ["feeds.activity.added", "An activity was added to a feed; one event for each of its feeds."],
      ["feeds.activity.updated", "An activity changed; one event for each of its feeds."],
      ["feeds.activity.deleted", "An activity was deleted; one event for each of its feeds."],
      ["feeds.activity.removed_from_feed", "An activity left a feed and goes on in others."],
      ["feeds.follow.created", "A feed follows another, or asks to."],
      ["feeds.follow.updated", "A wish to follow was accepted or rejected."],
      ["feeds.follow.deleted", "A feed no longer follows another."],
    ] as const
  ).map(of("feeds")),
]

/** Their wire types. */
export const types: readonly string[] = events.map(({ type }) => type)

const products: ReadonlyMap<string, EventProduct> = new Map(events.map(({ type, product }) => [type, product]))

/** What a hook is set to hear of. */
export interface EventWish {
  /** An EventProduct, or `all`. */
  readonly product: string
  /** As `matches` takes them. */
  readonly eventTypes: readonly string[]
  readonly sendsCustomEvents: boolean
}

/** Whether a hook that is enabled gets events of this type. What belongs to no single product is everybody's. */
export function wants({ product, eventTypes, sendsCustomEvents }: EventWish, type: string): boolean {
  const typeProduct = productOf(type)
  if (isCustom(type) && !sendsCustomEvents) return false
  return (product === "all" || typeProduct === "common" || typeProduct === product) && matches(eventTypes, type)
}

/** Whether an event of this type is of an app's own making. */
export const isCustom = (type: string): boolean => !products.has(type)

/** Whose event it is; events of an app's own making are `common`. */
export const productOf = (type: string): EventProduct => products.get(type) ?? "common"

/**
 * Whether a list of wanted types holds this one: exactly, or as a beginning with `*` behind it (`message.*`); a `*`
 * anywhere else stands for itself. An empty list wants everything, also what is invented later (contract/auth.md §7.1).
 */
export const matches = (wanted: readonly string[], type: string): boolean =>
  wanted.length === 0 || wanted.some((one) => (one.endsWith("*") ? type.startsWith(one.slice(0, -1)) : one === type))
