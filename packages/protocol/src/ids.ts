// Ids as they travel: which characters, how long, how composed. The generators live in the server (base/ids.ts).

import { Type } from "typebox"

/** Users: letters, digits, `@`, `_`, `-`, up to 255 (contract/chat.md §2.1). `!anon` is the server's own. */
export const userIdPattern = "^[@\\w-]+$"
/** Channels: as users without `@`, up to 64; a leading `!members-` marks a derived id (contract/chat.md §3.4). */
export const channelIdPattern = "^!?[\\w-]+$"
/** Types of channels and calls, feed groups: up to 255 of letters, digits, `_`, `-`. */
export const typeNamePattern = "^[\\w-]+$"

/** API keys: 12 of a-z0-9 (contract/auth.md §1.3). */
export const apiKeyPattern = "^[a-z0-9]{12}$"

/** Hooks: a UUID in lower case. */
export const hookIdPattern = "^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
/** Deliveries, what receivers get as `webhook-id`: the number of the event in base 36, and the hook. */
export const deliveryIdPattern = `^msg_[0-9a-z]{1,11}-${hookIdPattern.slice(1)}`

export const UserId = Type.String({ minLength: 1, maxLength: 255, pattern: userIdPattern })
export const ChannelId = Type.String({ minLength: 1, maxLength: 64, pattern: channelIdPattern })
export const TypeName = Type.String({ minLength: 1, maxLength: 64, pattern: typeNamePattern })
export const CallId = Type.String({ minLength: 1, maxLength: 64, pattern: typeNamePattern })
export const FeedGroupId = Type.String({ minLength: 1, maxLength: 64, pattern: typeNamePattern })
export const FeedId = Type.String({ minLength: 1, maxLength: 255, pattern: "^[@\\w-]+$" })
/** Messages and activities may bring an id of the client's own, up to 255. */
export const ObjectId = Type.String({ minLength: 1, maxLength: 255, pattern: "^[\\w@:.-]+$" })

/** `type:id` of a channel or call. */
export const cidOf = (type: string, id: string): string => `${type}:${id}`

/** Splits `type:id` at the first colon; null when a half is missing. */
export function parseCid(cid: string): { type: string; id: string } | null {
  const colon = cid.indexOf(":")
  if (colon <= 0 || colon === cid.length - 1) return null
  return { type: cid.slice(0, colon), id: cid.slice(colon + 1) }
}
