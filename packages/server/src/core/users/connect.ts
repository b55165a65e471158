// The two ways in which a user comes into being without an operation of their own: a socket that connects, and a
// change that somebody proven makes for the first time.

import { ANONYMOUS_USER_ID, ApiError, type AppCaller, inputError, users as operations } from "@weir/protocol"
import { Compile } from "typebox/compile"
import { isNarrowed, withinReach } from "../../authorize/decide.ts"
import type { Awaitable } from "../../base/chain.ts"
import type { EnsureActor } from "../../request/http.ts"
import type { ConnectUser } from "../../request/socket.ts"
import type { Database, Read } from "../../store/database.ts"
import { actions, userResource } from "./actions.ts"
import { dropUsers, type Users, userKey } from "./cache.ts"
import { isLastActiveStale, mergeUser, newUser, ownUserResponse, type UnreadCounts, type UserInput } from "./rules.ts"
import { insertMissingUsers, lockUsers, selectUser, selectUsers, type User, upsertUsers } from "./store.ts"

const userRequest = Compile(operations.UserRequest)

/** Members of `user_details` that are not the client's to set; they are left out, not refused (contract/auth.md §4.3). */
const serverOwned = new Set([
  "role",
  "teams",
  "teams_role",
  "banned",
  "shadow_banned",
  "ban_expires",
  "online",
  "created_at",
  "updated_at",
  "last_active",
  "deactivated_at",
  "deleted_at",
  "revoke_tokens_issued_before",
  "blocked_user_ids",
])
const own = new Set(["id", "name", "image", "language", "invisible", "privacy_settings", "custom"])

export interface ConnectParts {
  readonly db: Database
  readonly users: Users
  /** Unread counters for the first frame; the product that counts hands them in. */
  readonly unreadOf: (appId: number, userId: string) => Awaitable<UnreadCounts>
}

/** Creates or updates the user of a socket from what its client says, and answers with their own view. */
export function createConnectUser({ db, users, unreadOf }: ConnectParts): ConnectUser {
  return async (caller, details, now) => {
    if (caller.kind === "anonymous")
      return ownUserResponse(newUser(caller.appId, ANONYMOUS_USER_ID, 0, "anonymous"), true)
    const { appId, userId } = caller
    const existing = await users.get(userKey(appId, userId))
    // A token that is limited to calls reaches nothing else, not even the profile of its own user; nor does a narrowed
    // one, unless a scope says so.
    // Whoever is banned from the app comes in to read, and changes nothing on the way.
    const mayTell = (caller.calls === null && !caller.bans?.app) || existing === null
    const input = readDetails(userId, mayTell && withinScopes(caller, userId) ? details : {})
    const user = connected(existing, input, appId, now)
    if (user !== existing) {
      await db.transact(async (tx) => {
        // Read again inside: the cached row may be older than a change that is committed by now.
        const stored = (await lockUsers(tx, appId, [userId], now)).get(userId) ?? null
        requireOpen(stored)
        await upsertUsers(tx, [connected(stored, input, appId, now)])
        dropUsers(users, tx, appId, [userId])
      })
    }
    // The totals speak of every channel.
    return ownUserResponse(user, true, isNarrowed(caller) ? undefined : await unreadOf(appId, userId))
  }
}

const withinScopes = (caller: AppCaller, userId: string): boolean =>
  caller.scopes === null || withinReach(caller, actions.updateUser, userResource(userId)).allowed

/** Nobody writes to an account that was shut meanwhile. Throws ApiError authentication, as the gate does. */
function requireOpen(user: User | null): void {
  if (user?.deletedAt) throw new ApiError("authentication", `User with id ${user.id} was deleted`)
  if (user?.deactivatedAt) throw new ApiError("authentication", `User with id ${user.id} is deactivated`)
}

function connected(existing: User | null, input: UserInput, appId: number, now: number): User {
  const merged = mergeUser(existing, input, appId, now)
  return isLastActiveStale(merged, now) ? { ...merged, lastActive: now } : merged
}

// Older clients send custom data flat, beside the built-in members (contract/chat.md §0.3b), so the rest is custom.
function readDetails(userId: string, details: Record<string, unknown>): UserInput {
  const { custom: given = null } = details
  if (typeof given !== "object" || Array.isArray(given)) throw inputError("user_details.custom must be an object")
  const custom: Record<string, unknown> = { ...given }
  const input: Record<string, unknown> = { id: userId }
  for (const [name, value] of Object.entries(details)) {
    if (value === null || value === undefined || serverOwned.has(name)) continue
    if (!own.has(name)) custom[name] = value
    else if (name !== "id" && name !== "custom") input[name] = value
  }
  if (Object.keys(custom).length > 0) input.custom = custom
  if (!userRequest.Check(input)) {
    const [error] = userRequest.Errors(input)
    throw inputError(`user_details${error?.instancePath.replaceAll("/", ".") ?? ""} ${error?.message ?? "is invalid"}`)
  }
  return input as unknown as UserInput
}

/** See EnsureActor (request/http.ts). A cached user costs nothing here. */
export function createEnsureActor(users: Users): EnsureActor {
  return async (tx, appId, userId, create, now) => {
    if (userId === ANONYMOUS_USER_ID) return
    const user = users.peek(userKey(appId, userId)) ?? (await selectUser(tx, appId, userId))
    if (user?.deletedAt) throw inputError(`User with id ${userId} was deleted`)
    if (user?.deactivatedAt) throw inputError(`User with id ${userId} is deactivated`)
    if (user) return
    if (!create) throw inputError(`User with id ${userId} doesn't exist`)
    await insertMissingUsers(tx, [newUser(appId, userId, now)])
    dropUsers(users, tx, appId, [userId])
  }
}

/** The users of these ids. Throws inputError that names those who do not exist or were deleted. */
export async function requireUsers(read: Read, appId: number, ids: readonly string[]): Promise<Map<string, User>> {
  const found = await selectUsers(read, appId, ids)
  const missing = ids.filter((id) => found.get(id)?.deletedAt !== null)
  if (missing.length > 0) throw inputError(`The following users do not exist: ${missing.slice(0, 10).join(", ")}`)
  return found
}
