// What the world is told of a change. An event is built once, by the module that made the change; its frames are
// encoded once and go out as they are to every socket of every node.

import type { OutboxEvent } from "../store/database.ts"

/** One instruction for the sockets of each node. Carried as JSON through outbox and bus. */
export type Delivery =
  /** To everyone who is subscribed to the topic. */
  | { readonly to: "topic"; readonly topic: string; readonly frame: string }
  /** To the sockets of these users, except those that hear it through `unlessTopic`. */
  | { readonly to: "users"; readonly userIds: readonly string[]; readonly unlessTopic?: string; readonly frame: string }
  /** To the sockets of all members of a channel or call; each node looks up those that are connected to it. */
  | { readonly to: "members"; readonly of: MembersOf; readonly unlessTopic?: string; readonly frame: string }
  /** These users' sockets, or all sockets, lose the topic: they may no longer hear it. */
  | { readonly to: "unsubscribe"; readonly userIds: readonly string[] | "all"; readonly topic: string }
  /** A user's sockets, or those that hear a topic, end with «come back»: what they may hear has to be asked anew. */
  | { readonly to: "reconnect"; readonly userId: string; readonly reason: string }
  | { readonly to: "reconnect"; readonly topic: string; readonly reason: string }
  /** All sockets of a user end with this error. */
  | {
      readonly to: "close"
      readonly userId: string
      readonly error: "authentication" | "tokenExpired"
      readonly reason: string
    }
  /** What the app accepts has changed: each of its sockets asks again whether its credential is let in. */
  | { readonly to: "close-revoked" }
  /** All sockets of the app end with this error. */
  | { readonly to: "close-app"; readonly error: "appSuspended"; readonly reason: string }

/** Whose members. */
export interface MembersOf {
  readonly kind: "channel" | "call"
  readonly cid: string
}

/** The wire event: `type`, `created_at` and whatever belongs to the type (contract/chat.md §1.14). */
export interface WireEvent {
  readonly type: string
  readonly created_at: string
  readonly [member: string]: unknown
}

/** Encodes a wire event for every socket that will get it. */
export const frameOf = (event: WireEvent): string => JSON.stringify(event)

/**
 * An event for the outbox. `stream` orders: events of one stream reach a socket in the order of their commits.
 * `webhook` is what backends are told, the text itself or what makes it in the transaction; absent: nothing.
 */
export const outboxEvent = (
  appId: number,
  type: string,
  stream: string,
  deliveries: readonly Delivery[],
  webhook?: string | OutboxEvent["webhook"],
): OutboxEvent =>
  webhook === undefined
    ? { appId, type, stream, deliveries }
    : { appId, type, stream, deliveries, webhook: typeof webhook === "string" ? () => webhook : webhook }
