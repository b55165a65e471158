import {
  ANONYMOUS_USER_ID,
  type ApiError,
  type AppCaller,
  cidOf,
  inputError,
  notFoundError,
  video as operations,
  userIdOf,
  limits as wireLimits,
} from "@weir/protocol"
import {
  can,
  type Decision,
  hide,
  isAllowed,
  mayKnow,
  type Resource,
  requireAllowed,
  withinReach,
} from "../../../authorize/decide.ts"
import { type Awaitable, chain } from "../../../base/chain.ts"
import { jsonWithin } from "../../../base/json.ts"
import {
  newUser,
  requireUsers,
  selectUsers,
  type UserResponse,
  type Users,
  userResponse,
  usersById,
} from "../../../core/users/index.ts"
import { hearThenRead } from "../../../events/hear-then-read.ts"
import type { Presence } from "../../../events/presence.ts"
import type { Sockets } from "../../../events/sockets.ts"
import { topics } from "../../../events/topics.ts"
import { type Route, route } from "../../../request/route.ts"
import type { Read, Tx } from "../../../store/database.ts"
import { actions, leaveCall } from "./actions.ts"
import { type Calls, callKey, dropCall, selectView } from "./cache.ts"
import { callCreated, callEnded, callRing, callUpdated, memberAdded, memberRemoved, memberUpdated } from "./events.ts"
import { limits } from "./limits.ts"
import {
  audienceOf,
  type CallView,
  callResource,
  callResponse,
  callView,
  capabilitiesByRole,
  checkSettings,
  type MemberInput,
  memberResponse,
  memberRows,
  membersPerCallMax,
  ownCapabilities,
  pageMembers,
  requireGrants,
  requireTimestamp,
  startsBackstage,
} from "./rules.ts"
import { type CallMemberRow, type CallRow, deleteMembers, insertCall, updateCallRow, upsertMembers } from "./store.ts"

export interface CallRouteParts {
  readonly calls: Calls
  readonly users: Users
  readonly presence: Pick<Presence, "isOnline">
  readonly sockets: Pick<Sockets, "subscribe" | "unsubscribe">
}

/** What a loaded call brings into a route. */
interface Loaded {
  readonly cid: string
  readonly view: CallView
  readonly resource: Resource
}

export function callRoutes(parts: CallRouteParts): Route[] {
  const { calls, users } = parts

  const shown = (user: Parameters<typeof userResponse>[0]): UserResponse =>
    userResponse(user, parts.presence.isOnline(user.appId, user.id))

  /**
   * Users of a call by id. Whoever is not in the cache is read through `read`, because a transaction may have made them
   * just now; whoever is nowhere is shown by id alone.
   */
  const people = async (read: Read, appId: number, ids: Iterable<string>): Promise<(id: string) => UserResponse> => {
    const found = await usersById(users, appId, ids)
    const missing = [...new Set(ids)].filter((id) => !found.has(id))
    const stored = await selectUsers(read, appId, missing)
    return (id) => shown(found.get(id) ?? stored.get(id) ?? newUser(appId, id, 0))
  }

  const state = async (read: Read, principal: AppCaller, view: CallView, membersLimit: number | undefined) => {
    const { call } = view
    const members = view.members.slice(0, membersLimit ?? operations.callLimits.membersPageDefault)
    const person = await people(read, call.app_id, [call.created_by_id, ...members.map((member) => member.user_id)])
    return {
      call: callResponse(call, person(call.created_by_id)),
      members: members.map((member) => memberResponse(member, person(member.user_id))),
      own_capabilities: ownCapabilities(principal, callResource(principal, call.type, call.cid, view)),
    }
  }

  const load = (appId: number, principal: AppCaller, type: string, id: string): Awaitable<Loaded> => {
    const cid = cidOf(type, id)
    return chain(calls.get(callKey(appId, cid)), (view) => {
      if (view === null) throw absent(cid)
      return { cid, view, resource: callResource(principal, type, cid, view) }
    })
  }

  /** Whether the caller may see the call; if not, it is as if there were none. */
  const visible = (principal: AppCaller, { cid, resource }: Loaded): Decision =>
    hide(can(principal, actions.readCall, resource), () => absent(cid))

  /** Whether the caller may know of the call, for those who change it: a token may do that without reading. */
  const known = (principal: AppCaller, { cid, resource }: Loaded): Decision =>
    hide(mayKnow(principal, actions.readCall, resource), () => absent(cid))

  /**
   * Binds the caller's socket to the call's events, where one was named; answers the call as it is from then on. Throws
   * notFoundError when it is gone or closed to the caller by then.
   */
  const watch = async (
    read: Read,
    principal: AppCaller,
    connectionId: string | null,
    view: CallView,
  ): Promise<CallView> => {
    const { app_id: appId, type, cid } = view.call
    const mayHear = (seen: CallView): boolean =>
      isAllowed(principal, actions.readCall, callResource(principal, type, cid, seen))
    // Whoever made a call does not hear it with a token that only writes.
    if (connectionId === null || principal.kind === "server" || !mayHear(view)) return view
    const userId = userIdOf(principal) ?? ANONYMOUS_USER_ID
    const subscription = { connectionId, appId, userId, topics: [topics.call(appId, cid)] }
    const now = await hearThenRead(parts.sockets, subscription, async () => {
      const stored = await selectView(read, appId, cid)
      const state = stored !== null && mayHear(stored) ? stored : null
      return { state, lost: state === null ? subscription.topics : [] }
    })
    if (now === null) throw absent(cid)
    return now
  }

  return [
    route(operations.getOrCreateCall, {
      actor: "required",
      actorOf: ({ body }) => body.data?.created_by_id ?? body.data?.created_by?.id,
      load: ({ appId, principal, input }) => {
        const { type, id } = input.path
        requireGrants(type)
        const cid = cidOf(type, id)
        return chain(calls.get(callKey(appId, cid)), (view) => ({
          cid,
          existing: view,
          resource: callResource(principal, type, cid, view),
        }))
      },
      authorize({ principal, input, cid, existing, resource }) {
        const { type } = input.path
        // A call begins in the team that its maker says, so it must be one of theirs.
        const absentCall = { ...callResource(principal, type, cid, null), team: input.body.data?.team ?? null }
        if (existing === null) return can(principal, actions.createCall, absentCall)
        const readable = can(principal, actions.readCall, resource)
        if (readable.allowed && rings(input.body)) return can(principal, actions.ringCall, resource)
        // Whoever may not make a call hears the same whether there is one or not.
        const creatable = can(principal, actions.createCall, absentCall)
        return readable.allowed || creatable.allowed ? readable : creatable
      },
      async change({ appId, principal, actor, input, cid, existing, tx, now }) {
        const creator = actor as string
        const { view, created } =
          existing === null
            ? await create(tx, newCall(appId, cid, input, creator, now), input.body.data?.members ?? [], now)
            : { view: existing, created: false }
        if (!created) requireReadable(principal, view, rings(input.body))
        if (!created && !rings(input.body)) return { view, created }
        const first = view.members.slice(0, limits.membersPerEventMax)
        const { call } = await state(tx, principal, view, 0)
        const person = await people(tx, appId, [creator, ...first.map((member) => member.user_id)])
        const members = first.map((member) => memberResponse(member, person(member.user_id)))
        const event = { appId, call, now }
        if (created) {
          tx.emit(callCreated(event, members))
          dropCall(calls, tx, appId, cid)
        }
        const ring = {
          userIds: audienceOf(view).filter((userId) => view.roles.has(userId)),
          members,
          caller: person(creator),
          video: input.body.video ?? true,
        }
        if (input.body.ring) tx.emit(callRing("call.ring", event, ring))
        if (input.body.notify) tx.emit(callRing("call.notification", event, ring))
        return { view, created }
      },
      async handle({ principal, connectionId, input, view, created, read }) {
        const seen = await watch(read, principal, connectionId, view)
        return { created, ...(await state(read, principal, seen, input.body.members_limit)) }
      },
    }),

    route(operations.getCall, {
      load: ({ appId, principal, input }) => load(appId, principal, input.path.type, input.path.id),
      authorize: ({ principal, ...loaded }) => visible(principal, loaded),
      async handle({ principal, connectionId, view, input, read }) {
        const seen = await watch(read, principal, connectionId, view)
        return state(read, principal, seen, input.query.members_limit)
      },
    }),

    route(operations.updateCall, {
      writes: true,
      load: ({ appId, principal, input }) => load(appId, principal, input.path.type, input.path.id),
      authorize: ({ principal, ...loaded }) => [
        known(principal, loaded),
        can(principal, actions.updateCall, loaded.resource),
      ],
      async handle({ appId, principal, input, cid, tx, now }) {
        const { custom, starts_at, settings_override } = input.body
        await updateCallRow(tx, appId, cid, {
          ...(custom === undefined ? {} : { custom: jsonWithin("custom", custom, wireLimits.customBytesMax) }),
          ...(starts_at === undefined ? {} : { starts_at: requireTimestamp("starts_at", starts_at) }),
          ...(settings_override === undefined ? {} : { settings_override: checkSettings(settings_override) }),
          updated_at: now,
        })
        const answer = await state(tx, principal, await requireView(tx, appId, cid), undefined)
        tx.emit(callUpdated({ appId, call: answer.call, now }, capabilitiesByRole(input.path.type)))
        dropCall(calls, tx, appId, cid)
        return answer
      },
    }),

    route(operations.endCall, {
      writes: true,
      load: ({ appId, principal, input }) => load(appId, principal, input.path.type, input.path.id),
      authorize: ({ principal, ...loaded }) => [
        known(principal, loaded),
        can(principal, actions.endCall, loaded.resource),
      ],
      async handle({ appId, principal, actor, cid, tx, now }) {
        const stored = await requireView(tx, appId, cid)
        if (stored.call.ended_at !== null) return {}
        await updateCallRow(tx, appId, cid, { ended_at: now, updated_at: now })
        const { call } = await state(tx, principal, await requireView(tx, appId, cid), 0)
        const user = actor === null ? null : (await people(tx, appId, [actor]))(actor)
        tx.emit(callEnded({ appId, call, now }, user))
        dropCall(calls, tx, appId, cid)
        return {}
      },
    }),

    route(operations.queryCallMembers, {
      load: ({ appId, principal, input }) => load(appId, principal, input.body.type, input.body.id),
      authorize: ({ principal, ...loaded }) => visible(principal, loaded),
      async handle({ appId, input, view, read }) {
        const page = pageMembers(view.members, input.body)
        const person = await people(
          read,
          appId,
          page.members.map((member) => member.user_id),
        )
        return { ...page, members: page.members.map((member) => memberResponse(member, person(member.user_id))) }
      },
    }),

    route(operations.updateCallMembers, {
      writes: true,
      load: ({ appId, principal, input }) => load(appId, principal, input.path.type, input.path.id),
      authorize: ({ principal, input, ...loaded }) => {
        const { update_members = [], remove_members = [] } = input.body
        const leaves = remove_members.every((userId) => userId === userIdOf(principal))
        const decisions = [known(principal, loaded)]
        if (update_members.length > 0) decisions.push(can(principal, actions.updateCallMember, loaded.resource))
        if (remove_members.length > 0) {
          // Whoever is a member may always leave, if their token reaches as far.
          decisions.push(
            leaves
              ? withinReach(principal, leaveCall, loaded.resource)
              : can(principal, actions.removeCallMember, loaded.resource),
          )
        }
        return decisions.length === 1 ? [visible(principal, loaded)] : decisions
      },
      async handle({ appId, principal, input, cid, tx, now }) {
        const before = await requireView(tx, appId, cid)
        const changed = memberRows(before.call, input.body.update_members ?? [], now)
        const removed = (input.body.remove_members ?? []).filter((userId) => before.roles.has(userId))
        await changeMembers(tx, before, changed, removed)
        const after = await requireView(tx, appId, cid)
        const { call } = await state(tx, principal, after, 0)
        const person = await people(
          tx,
          appId,
          changed.map((row) => row.user_id),
        )
        const shownMembers = after.members.filter((member) => changed.some((row) => row.user_id === member.user_id))
        const members = shownMembers.map((member) => memberResponse(member, person(member.user_id)))
        const isNew = (member: { user_id: string }): boolean => !before.roles.has(member.user_id)
        const event = { appId, call, now }
        for (const part of partsOf(members.filter(isNew))) tx.emit(memberAdded(event, part))
        for (const part of partsOf(members.filter((member) => !isNew(member)))) {
          const ids = part.map((member) => member.user_id)
          tx.emit(memberUpdated(event, part, await shutOut(appId, after, ids)))
        }
        if (removed.length > 0) tx.emit(memberRemoved(event, removed, await shutOut(appId, after, removed)))
        dropCall(calls, tx, appId, cid)
        return { members }
      },
    }),
  ]

  async function create(
    tx: Tx,
    call: CallRow,
    inputs: readonly MemberInput[],
    now: number,
  ): Promise<{ view: CallView; created: boolean }> {
    const members = memberRows(call, inputs, now)
    await requireUsers(
      tx,
      call.app_id,
      members.map((member) => member.user_id),
    )
    if (!(await insertCall(tx, call))) return { view: await requireView(tx, call.app_id, call.cid), created: false }
    await upsertMembers(tx, members)
    return { view: callView(call, members), created: true }
  }

  /** Those of the users who may not read the call as it is now, by a membership or by their own role. */
  async function shutOut(appId: number, view: CallView, userIds: readonly string[]): Promise<string[]> {
    const found = await usersById(users, appId, userIds)
    return userIds.filter((userId) => {
      const user = found.get(userId)
      const caller: AppCaller = {
        kind: "user",
        appId,
        apiKey: "",
        userId,
        role: user?.role ?? "user",
        teams: user?.teams ?? [],
        issuedAt: null,
        expiresAt: null,
        calls: null,
        bans: null,
        scopes: null,
        proof: null,
      }
      return !can(caller, actions.readCall, callResource(caller, view.call.type, view.call.cid, view)).allowed
    })
  }
}

const absent = (cid: string): ApiError => notFoundError("call", cid)

async function requireView(read: Read, appId: number, cid: string): Promise<CallView> {
  const view = await selectView(read, appId, cid)
  if (view === null) throw absent(cid)
  return view
}

// Somebody else may have made the call between the decision and the change.
function requireReadable(principal: AppCaller, view: CallView, rings: boolean): void {
  const resource = callResource(principal, view.call.type, view.call.cid, view)
  requireAllowed(can(principal, actions.readCall, resource))
  if (rings) requireAllowed(can(principal, actions.ringCall, resource))
}

const rings = ({ ring, notify }: { readonly ring?: boolean; readonly notify?: boolean }): boolean =>
  ring === true || notify === true

async function changeMembers(
  tx: Tx,
  before: CallView,
  changed: readonly CallMemberRow[],
  removed: readonly string[],
): Promise<void> {
  const { app_id, cid } = before.call
  await requireUsers(
    tx,
    app_id,
    changed.map((row) => row.user_id),
  )
  const added = changed.filter((row) => !before.roles.has(row.user_id))
  if (before.members.length + added.length - removed.length > membersPerCallMax) {
    throw inputError(`a call has at most ${membersPerCallMax} members`, { update_members: "too many" })
  }
  await deleteMembers(tx, app_id, cid, removed)
  await upsertMembers(tx, changed)
}

/** Members in portions that an event has room for. */
function* partsOf<T>(members: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < members.length; start += limits.membersPerEventMax) {
    yield members.slice(start, start + limits.membersPerEventMax)
  }
}

interface NewCallInput {
  readonly path: { readonly type: string; readonly id: string }
  readonly body: {
    readonly data?: {
      readonly custom?: Record<string, unknown>
      readonly settings_override?: Record<string, Record<string, unknown>>
      readonly starts_at?: string
      readonly team?: string
      readonly channel_cid?: string
    }
  }
}

function newCall(appId: number, cid: string, { path, body }: NewCallInput, creator: string, now: number): CallRow {
  const data = body.data ?? {}
  const call: CallRow = {
    app_id: appId,
    cid,
    type: path.type,
    id: path.id,
    created_by_id: creator,
    team: data.team ?? null,
    channel_cid: data.channel_cid ?? null,
    custom: jsonWithin("custom", data.custom ?? {}, wireLimits.customBytesMax),
    settings_override: checkSettings(data.settings_override ?? {}),
    starts_at: data.starts_at === undefined ? null : requireTimestamp("starts_at", data.starts_at),
    ended_at: null,
    backstage: 0,
    created_at: now,
    updated_at: now,
  }
  return { ...call, backstage: startsBackstage(call) ? 1 : 0 }
}
