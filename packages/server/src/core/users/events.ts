import { type Delivery, frameOf, outboxEvent } from "../../events/event.ts"
import { topics } from "../../events/topics.ts"
import type { OutboxEvent } from "../../store/database.ts"
import { userResponse } from "./rules.ts"
import type { User } from "./store.ts"

/**
 * Tells those who watch the user's presence, and the user's own sockets, that the user changed. What a socket hears was
 * decided by the rights that its user had when it asked, so with other rights it has to ask again.
 */
export function userUpdated(user: User, online: boolean, hasOtherRights: boolean, now: number): OutboxEvent {
  const frame = frameOf({
    type: "user.updated",
    created_at: new Date(now).toISOString(),
    custom: {},
    user: userResponse(user, online),
  })
  const deliveries: Delivery[] = [
    { to: "topic", topic: topics.presence(user.appId, user.id), frame },
    { to: "users", userIds: [user.id], unlessTopic: topics.presence(user.appId, user.id), frame },
  ]
  if (hasOtherRights) {
    deliveries.push({ to: "reconnect", userId: user.id, reason: "role or teams of the user have changed" })
  }
  return outboxEvent(user.appId, "user.updated", `user:${user.id}`, deliveries, frame)
}

/** The user came online or went away; fleeting, so it never sees the outbox (contract/chat.md §2.16). */
export function presenceChanged(user: User, online: boolean, now: number): Delivery[] {
  const frame = frameOf({
    type: "user.presence.changed",
    created_at: new Date(now).toISOString(),
    user: userResponse(user, online),
  })
  return [{ to: "topic", topic: topics.presence(user.appId, user.id), frame }]
}

/** The user was shut out or let in again; a shut-out user's sockets end everywhere. */
export const userDeactivated = (user: User, now: number): OutboxEvent =>
  lifecycle("user.deactivated", user, now, {}, `User with id ${user.id} is deactivated`)

export const userReactivated = (user: User, now: number): OutboxEvent => lifecycle("user.reactivated", user, now, {})

/** What is deleted along with a user, as it was asked for; undefined: nothing was said, and it stays. */
export interface DeletedUserFate {
  readonly user: "soft" | "pruning" | "hard"
  readonly messages?: "soft" | "pruning" | "hard"
  readonly conversations?: "soft" | "hard"
}

export const userDeleted = (user: User, fate: DeletedUserFate, now: number): OutboxEvent =>
  lifecycle(
    "user.deleted",
    user,
    now,
    {
      delete_user: fate.user,
      delete_messages: fate.messages ?? "",
      delete_conversation: fate.conversations ?? "",
      hard_delete: fate.user === "hard",
      mark_messages_deleted: fate.messages !== undefined && fate.messages !== "hard",
      delete_conversation_channels: fate.conversations !== undefined,
    },
    `User with id ${user.id} was deleted`,
  )

/** `closes`: why the user's sockets end; absent: they do not. */
function lifecycle(type: string, user: User, now: number, more: object, closes?: string): OutboxEvent {
  const created_at = new Date(now).toISOString()
  const frame = frameOf({ type, created_at, custom: {}, user: userResponse(user, false), ...more })
  const deliveries: Delivery[] = [{ to: "topic", topic: topics.presence(user.appId, user.id), frame }]
  if (closes !== undefined) deliveries.push({ to: "close", userId: user.id, error: "authentication", reason: closes })
  return outboxEvent(user.appId, type, `user:${user.id}`, deliveries, frame)
}

/** The user's tokens were revoked: sockets end everywhere and may come back with a new token. */
export const tokensRevoked = (user: User): OutboxEvent =>
  outboxEvent(user.appId, "user.tokens_revoked", `user:${user.id}`, [
    {
      to: "close",
      userId: user.id,
      error: "tokenExpired",
      reason: "This token has been revoked, please generate a new token",
    },
  ])
