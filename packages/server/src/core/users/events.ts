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
    user: userResponse(user, online),
  })
  return outboxEvent(user.appId, "user.updated", `user:${user.id}`, [
    { to: "topic", topic: topics.presence(user.appId, user.id), frame },
    { to: "users", userIds: [user.id], unlessTopic: topics.presence(user.appId, user.id), frame },
    ...(hasOtherRights
      ? [{ to: "reconnect", userId: user.id, reason: "role or teams of the user have changed" } as const]
      : []),
  ])
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
export function userDeactivated(user: User, now: number): OutboxEvent {
  return outboxEvent(user.appId, "user.deactivated", `user:${user.id}`, [
    ...lifecycle("user.deactivated", user, now),
    { to: "close", userId: user.id, error: "authentication", reason: `User with id ${user.id} is deactivated` },
  ])
}

export const userReactivated = (user: User, now: number): OutboxEvent =>
  outboxEvent(user.appId, "user.reactivated", `user:${user.id}`, lifecycle("user.reactivated", user, now))

export function userDeleted(user: User, options: Record<string, boolean>, now: number): OutboxEvent {
  return outboxEvent(user.appId, "user.deleted", `user:${user.id}`, [
    ...lifecycle("user.deleted", user, now, options),
    { to: "close", userId: user.id, error: "authentication", reason: `User with id ${user.id} was deleted` },
  ])
}

function lifecycle(type: string, user: User, now: number, more: Record<string, unknown> = {}): Delivery[] {
  const created_at = new Date(now).toISOString()
  const frame = frameOf({ type, created_at, user: userResponse(user, false), ...more })
  return [{ to: "topic", topic: topics.presence(user.appId, user.id), frame }]
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
