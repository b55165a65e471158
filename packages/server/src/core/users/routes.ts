import { ApiError, type AppCaller, inputError, notFoundError, users as operations, userIdOf } from "@weir/protocol"
import { Compile } from "typebox/compile"
import { allowed, can, canPerItem, type Decision, noObjection, reachOf } from "../../authorize/decide.ts"
import type { Awaitable } from "../../base/chain.ts"
import { uuid } from "../../base/ids.ts"
import { hearThenRead } from "../../events/hear-then-read.ts"
import type { Presence } from "../../events/presence.ts"
import type { Sockets } from "../../events/sockets.ts"
import { topics } from "../../events/topics.ts"
import type { AppendAudit } from "../../request/http.ts"
import { actorNameOf, type Route, route } from "../../request/route.ts"
import type { Tx } from "../../store/database.ts"
import { parseTimestamp } from "../../store/filter.ts"
import { insertTask, newTask } from "../tasks/index.ts"
import { actions, userResource } from "./actions.ts"
import { dropUsers, type Users } from "./cache.ts"
import { tokensRevoked, userDeactivated, userDeleted, userReactivated, userUpdated } from "./events.ts"
import { limits } from "./limits.ts"
import {
  applyChange,
  deletedUser,
  hasOtherRights,
  newGuest,
  type OwnUserResponse,
  ownUserResponse,
  type ParsedChange,
  parseChange,
  replaceUser,
  userResponse,
} from "./rules.ts"
import { lockUsers, queryUsers, selectUsers, type User, upsertUsers } from "./store.ts"

export interface UserRouteParts {
  readonly users: Users
  readonly presence: Pick<Presence, "isOnline">
  readonly sockets: Pick<Sockets, "subscribe" | "unsubscribe">
  /** A user token for a new guest, signed with a secret of the key that the request named. */
  readonly signGuestToken: (apiKey: string, userId: string, now: number) => Awaitable<string>
  /** There is a new task. */
  readonly wakeTasks: () => void
  readonly audit: AppendAudit
}

export const deletionTaskKind = "delete-users"
export const sweepTaskKind = "sweep-messages"

export function userRoutes(parts: UserRouteParts): Route[] {
  const { users, presence } = parts
  const isOnline = (user: User): boolean => presence.isOnline(user.appId, user.id)
  const shown = (user: User) => userResponse(user, isOnline(user))

  /** Answers with the caller's own view for the caller and the public one, with empty own members, for others. */
  const byId = (changed: readonly User[]) =>
    Object.fromEntries(changed.map((user) => [user.id, ownUserResponse(user, isOnline(user))]))

  const save = async (
    tx: Tx,
    appId: number,
    before: ReadonlyMap<string, User>,
    changed: readonly User[],
    now: number,
  ): Promise<void> => {
    await upsertUsers(tx, changed)
    for (const user of changed) {
      tx.emit(userUpdated(user, isOnline(user), hasOtherRights(before.get(user.id), user), now))
    }
    dropUsers(
      users,
      tx,
      appId,
      changed.map((user) => user.id),
    )
  }

  const audit = (
    tx: Tx,
    principal: AppCaller,
    action: string,
    target: Readonly<Record<string, unknown>>,
    now: number,
    after?: Readonly<Record<string, unknown>>,
  ): Promise<void> =>
    parts.audit(tx, {
      action,
      appId: principal.appId,
      actor: actorNameOf(principal),
      address: null,
      at: now,
      target,
      ...(after === undefined ? {} : { after }),
    })

  const sweep = async (tx: Tx, appId: number, userId: string, kind: "hide" | "restore", now: number): Promise<void> => {
    await insertTask(tx, newTask(uuid(), appId, sweepTaskKind, { userId, sweep: kind }, now))
    tx.afterCommit(parts.wakeTasks)
  }

  return [
    route(operations.updateUsers, {
      writes: true,
      actorOf: () => null,
      load({ input }) {
        for (const [id, user] of Object.entries(input.body.users)) {
          if (user.id !== id)
            throw inputError(`users.${id}.id is '${user.id}'`, { [`users.${id}.id`]: "must equal its key" })
        }
        return { given: Object.values(input.body.users) }
      },
      authorize: ({ principal, given }) => [
        ...given.map((user) => mayUpdate(principal, user.id)),
        ...given.map((user) => mayBePrivileged(principal, user)),
      ],
      async handle({ appId, given, tx, now }) {
        const ids = given.map((user) => user.id)
        const existing = await lockUsers(tx, appId, ids, now)
        const changed = given.map((user) => replaceUser(requireAlive(existing.get(user.id) ?? null), user, appId, now))
        await save(tx, appId, existing, changed, now)
        return { users: byId(changed), membership_deletion_task_id: "" }
      },
    }),

    route(operations.updateUsersPartial, {
      writes: true,
      actorOf: () => null,
      load: ({ input }) => ({
        changes: input.body.users.map((change) => ({
          id: change.id,
          ...checkedChange(parseChange(change, parseTimestamp)),
        })),
      }),
      authorize: ({ principal, changes }) => [
        ...changes.map((change) => mayUpdate(principal, change.id)),
        ...changes.map((change) =>
          mayBePrivileged(principal, {
            ...change.columns,
            id: change.id,
            ...(change.revokeTokensIssuedBefore === undefined ? {} : { revoke: true }),
          }),
        ),
      ],
      async handle({ principal, appId, changes, tx, now }) {
        const ids = changes.map((change) => change.id)
        const existing = await lockUsers(tx, appId, ids)
        const changed = changes.map((change) => {
          const user = existing.get(change.id)
          if (user === undefined || user.deletedAt !== null) throw notFoundError("user", change.id)
          return applyChange(user, change, now)
        })
        await save(tx, appId, existing, changed, now)
        for (const [index, change] of changes.entries()) {
          const { revokeTokensIssuedBefore: before } = change
          if (before === undefined) continue
          if (before !== null) tx.emit(tokensRevoked(changed[index] as User))
          const after = { revoke_tokens_issued_before: before === null ? null : new Date(before).toISOString() }
          await audit(tx, principal, "user.tokens_revoked", { user_id: change.id }, now, after)
        }
        return { users: byId(changed), membership_deletion_task_id: "" }
      },
    }),

    route(operations.queryUsers, {
      authorize: ({ principal }) => canPerItem(principal, actions.searchUser, userResource("")),
      async handle({ appId, principal, actor, input, read, connectionId }) {
        const query = input.query.payload ?? {}
        if (query.presence && connectionId === null && principal.kind !== "server") throw needsConnection()
        const found = await queryUsers(read, appId, {
          filter: query.filter_conditions,
          sort: query.sort,
          limit: query.limit,
          offset: query.offset,
          includeDeactivated: query.include_deactivated_users ?? false,
          teams: principal.kind === "server" || principal.kind === "anonymous" ? null : principal.teams,
          reach: reachOf(principal, actions.searchUser, "app"),
        })
        const shownNow = (each: readonly User[]) => ({
          users: each.map((user) => visibleTo(principal, ownUserResponse(user, isOnline(user)))),
        })
        if (!query.presence || connectionId === null || actor === null || principal.kind === "server") {
          return shownNow(found)
        }
        const ids = found.map((user) => user.id)
        const topicOf = (id: string): string => topics.presence(appId, id)
        const subscription = { connectionId, appId, userId: actor, topics: ids.map(topicOf) }
        return hearThenRead(parts.sockets, subscription, async () => {
          const users = await selectUsers(read, appId, ids)
          const isThere = (user: User): boolean =>
            user.deletedAt === null && (user.deactivatedAt === null || query.include_deactivated_users === true)
          const there = ids.flatMap((id) => users.get(id) ?? []).filter(isThere)
          const lost = ids.filter((id) => !there.some((user) => user.id === id))
          return { state: shownNow(there), lost: lost.map(topicOf) }
        })
      },
    }),

    route(operations.deactivateUser, {
      writes: true,
      actorOf: () => null,
      authorize: ({ principal, input }) => can(principal, actions.deactivateUser, userResource(input.path.user_id)),
      async handle({ principal, appId, input, tx, now }) {
        const user = await lockUser(tx, appId, input.path.user_id)
        const changed = { ...user, deactivatedAt: user.deactivatedAt ?? now, updatedAt: now }
        await upsertUsers(tx, [changed])
        if (input.body.mark_messages_deleted) await sweep(tx, appId, user.id, "hide", now)
        tx.emit(userDeactivated(changed, now))
        await audit(tx, principal, "user.deactivated", { user_id: user.id }, now)
        dropUsers(users, tx, appId, [user.id])
        return { user: shown(changed) }
      },
    }),

    route(operations.reactivateUser, {
      writes: true,
      actorOf: () => null,
      authorize: ({ principal, input }) => can(principal, actions.deactivateUser, userResource(input.path.user_id)),
      async handle({ principal, appId, input, tx, now }) {
        const user = await lockUser(tx, appId, input.path.user_id)
        const changed = { ...user, deactivatedAt: null, name: input.body.name ?? user.name, updatedAt: now }
        await upsertUsers(tx, [changed])
        if (input.body.restore_messages) await sweep(tx, appId, user.id, "restore", now)
        tx.emit(userReactivated(changed, now))
        await audit(tx, principal, "user.reactivated", { user_id: user.id }, now)
        dropUsers(users, tx, appId, [user.id])
        return { user: shown(changed) }
      },
    }),

    route(operations.deleteUsers, {
      writes: true,
      actorOf: () => null,
      authorize: ({ principal, input }) =>
        input.body.user_ids.map((id) => can(principal, actions.deleteUser, userResource(id))),
      async handle({ principal, appId, input, tx, now }) {
        const { user: mode = "soft", messages, conversations, new_channel_owner_id } = input.body
        if (mode === "hard" && (messages !== "hard" || conversations !== "hard")) {
          throw inputError("a hard delete of users needs messages and conversations to be hard as well", {
            user: "hard",
          })
        }
        const user_ids = [...new Set(input.body.user_ids)]
        const found = await lockUsers(tx, appId, user_ids)
        const missing = user_ids.find((id) => !found.has(id))
        if (missing !== undefined) throw notFoundError("user", missing)
        const changed = [...found.values()].map((user) => deletedUser(user, mode, now))
        await upsertUsers(tx, changed)
        for (const user of changed) tx.emit(userDeleted(user, { user: mode, messages, conversations }, now))
        dropUsers(users, tx, appId, user_ids)
        const task = newTask(
          uuid(),
          appId,
          deletionTaskKind,
          { userIds: user_ids, mode, messages, conversations, new_channel_owner_id },
          now,
        )
        await insertTask(tx, task)
        await audit(tx, principal, "users.deleted", { user_ids }, now, { mode })
        tx.afterCommit(parts.wakeTasks)
        return { task_id: task.id }
      },
    }),

    route(operations.createGuest, {
      writes: true,
      actorOf: () => null,
      limit: {
        name: "create-guest",
        perAppMax: limits.guestsPerAppPerMinuteMax,
        perAddressMax: limits.guestsPerAddressPerMinuteMax,
        windowSeconds: 60,
      },
      authorize: () => allowed,
      async handle({ appId, principal, input, tx, now }) {
        const guest = newGuest(appId, input.body.user, now)
        await upsertUsers(tx, [guest])
        dropUsers(users, tx, appId, [guest.id])
        return { user: shown(guest), access_token: await parts.signGuestToken(principal.apiKey, guest.id, now) }
      },
    }),
  ]
}

const mayUpdate = (principal: AppCaller, userId: string): Decision =>
  can(principal, actions.updateUser, userResource(userId))

/** Only server calls set what decides about rights (contract/auth.md §1.9). */
function mayBePrivileged(
  principal: AppCaller,
  said: { readonly id: string; readonly role?: unknown; readonly teams?: unknown; readonly revoke?: unknown },
): Decision {
  // Named at all: to unset a role is to set one.
  const names = (["role", "teams", "revoke"] as const).filter((name) => Object.hasOwn(said, name))
  if (names.length === 0) return noObjection
  if (principal.kind === "server") return can(principal, actions.updateUserRole, userResource(said.id))
  const field = names[0] === "revoke" ? "revoke_tokens_issued_before" : names[0]
  return {
    allowed: false,
    action: actions.updateUserRole.id,
    resource: `user:${userIdOf(principal)}`,
    checks: [{ check: "kind", passed: false, detail: `${field} is set by server calls only` }],
    remedy: "make the call from a backend, with a server token",
    error: new ApiError("notAllowed", `${field} can only be set by a server side call`),
  }
}

const userRequest = Compile(operations.UserRequest)

/** The columns of a partial change have the types that a whole user has. */
function checkedChange(change: ParsedChange): ParsedChange {
  const given = Object.fromEntries(Object.entries(change.columns).filter(([, value]) => value !== undefined))
  const candidate = { id: "x", ...given }
  if (!userRequest.Check(candidate)) {
    const [error] = userRequest.Errors(candidate)
    const field = error?.instancePath.slice(1).replaceAll("/", ".") ?? "set"
    throw inputError(`${field} ${error?.message ?? "is invalid"}`, { [field]: error?.message ?? "is invalid" })
  }
  return change
}

// A deleted user's id is never given to somebody else: tokens of the old one would open the new one's account.
function requireAlive(user: User | null): User | null {
  if (user !== null && user.deletedAt !== null) throw inputError(`User with id ${user.id} was deleted`)
  return user
}

async function lockUser(tx: Tx, appId: number, id: string): Promise<User> {
  const user = (await lockUsers(tx, appId, [id])).get(id)
  if (user === undefined || user.deletedAt !== null) throw notFoundError("user", id)
  return user
}

/** Others do not see somebody's settings, when their tokens were revoked, or that they hide. */
function visibleTo(principal: AppCaller, user: OwnUserResponse): OwnUserResponse {
  if (principal.kind === "server" || user.id === userIdOf(principal)) return user
  const { revoke_tokens_issued_before: _, privacy_settings: __, ...rest } = user
  return { ...rest, invisible: false }
}

const needsConnection = (): ApiError =>
  inputError(
    "Watch or Presence requires an active websocket connection, please make sure to include your websocket connection_id",
  )
