import { type AppCaller, cidOf, inputError, chat as operations, userIdOf } from "@weir/protocol"
import type { Static } from "typebox"
import { allowedPerItem, reachOf, requireAllowed, withinReach } from "../../../authorize/decide.ts"
import { type Awaitable, chain } from "../../../base/chain.ts"
import type { Sockets } from "../../../events/sockets.ts"
import { topics } from "../../../events/topics.ts"
import { type Route, type RouteContext, route } from "../../../request/route.ts"
import type { Tx } from "../../../store/database.ts"
import { parseFilter } from "../../../store/filter.ts"
import { finishPage, type Page, parseSort } from "../../../store/paginate.ts"
import {
  type MemberInput,
  type Members,
  memberInputs,
  memberResponse,
  selectMember,
  selectMembers,
} from "../members/index.ts"
import { composeMessage, type MessageParts, messageContent, messagePage, postMessage } from "../messages/index.ts"
import {
  absentChannel,
  actions,
  type Channel,
  type ChannelAccess,
  type ChannelType,
  canRead,
  channelAccess,
  channelType,
  distinctId,
  requireEnabled,
  requireKnown,
} from "../types/index.ts"
import { accessOf, type Channels } from "./cache.ts"
import { channelCreated, channelUpdated } from "./events.ts"
import { limits } from "./limits.ts"
import {
  channelOf,
  channelResponse,
  mayHave,
  newChannelRow,
  type Request,
  readableBy,
  requireConnection,
} from "./rules.ts"
import { channelState, type StateOptions } from "./state.ts"
import {
  type ChannelRow,
  channelFilters,
  channelSorts,
  insertChannel,
  reviveChannel,
  selectChannel,
  selectChannels,
  updateChannelRow,
} from "./store.ts"
import {
  addMembers,
  changeRoles,
  channelChange,
  hiddenHistory,
  joiningInputs,
  mayUpdate,
  removeMembers,
} from "./update.ts"
import { type Standing, unfollow, type WatchParts, watchIfAsked } from "./watch.ts"

export interface ChannelParts extends WatchParts, MessageParts {
  readonly channels: Channels
  readonly members: Members
  readonly sockets: Pick<Sockets, "subscribe" | "unsubscribe" | "subscriberCount" | "subscribers">
}

const { chatLimits } = operations
type QueryBody = Static<typeof operations.getOrCreateChannel.body>

export const channelRoutes = (parts: ChannelParts): Route[] => [
  route(operations.getOrCreateChannel, {
    actorOf: ({ body }) => creatorOf(body),
    load: (context) => loadRequest(parts, context, channelType(context.input.path.type), context.input.path.id),
    authorize: ({ request }) => mayHave(request),
    change: (context) => getOrCreate(parts, context),
    handle: (context) => openState(parts, context),
  }),

  route(operations.getOrCreateDistinctChannel, {
    actorOf: ({ body }) => creatorOf(body),
    load: (context) => {
      const { input, appId } = context
      const type = channelType(input.path.type)
      const members = memberInputs(input.body.data?.members ?? [])
      if (members.length === 0) {
        throw inputError("data.members is required for a distinct channel", { "data.members": "is required" })
      }
      const id = distinctId(
        appId,
        type.name,
        members.map(({ userId }) => userId),
      )
      return loadRequest(parts, context, type, id)
    },
    authorize: ({ request }) => mayHave(request),
    change: (context) => getOrCreate(parts, context),
    handle: (context) => openState(parts, context),
  }),

  route(operations.queryChannels, {
    load: ({ principal, input, connectionId }) => {
      requireConnection(principal, wantsSocket(input.body), connectionId)
      return {}
    },
    // Which channels they are is decided in the query.
    authorize: () => allowedPerItem,
    async handle(context) {
      const { principal, input, appId, actor, read } = context
      const { filter_conditions, sort: order, limit = chatLimits.channelsPageDefault, offset = 0 } = input.body
      const filter = parseFilter(filter_conditions, channelFilters)
      const sort = parseSort(order, channelSorts)
      if (limit === 0) return { channels: [] }
      const page: Page = { limit, offset, cursor: null }
      const reach = reachOf(principal, actions.readChannel, "chat")
      const found = await selectChannels(read, appId, filter, sort, page, readableBy(principal), reach)
      const { message_limit, member_limit = chatLimits.membersPageDefault, state } = input.body
      const contents: StateOptions["contents"] =
        state === false
          ? null
          : { messages: messagePage({ limit: message_limit }), members: { limit: member_limit, offset: 0 } }
      const standing = await Promise.all(
        finishPage(found, page, sort).rows.map(async (row): Promise<Standing[]> => {
          const channel = channelOf(row)
          return channel === null ? [] : [{ row, access: await accessOf(parts.members, principal, channel) }]
        }),
      )
      const listed = standing.flat()
      const watcherCounts = new Map(listed.map(({ row }) => [row.cid, parts.watcherCount(appId, row.cid)]))
      const opened = await watchIfAsked(parts, { ...context, body: input.body }, listed, contents?.members ?? null)
      // What the caller lost while they began to watch is not theirs to see.
      const seen = opened.filter((each) => listed.includes(each) || canRead(principal, each.access).allowed)
      const states = seen.map(({ access, row }) => {
        // A disabled channel is listed and closed (contract/chat.md §3.16).
        const isOpen = requireEnabled(principal, access.channel).allowed
        const watcherCount = watcherCounts.get(row.cid) ?? 0
        const options: StateOptions = { contents: isOpen ? contents : null, watcherIds: null, watcherCount }
        return channelState(parts, read, principal, actor, access, row, options)
      })
      return { channels: await Promise.all(states) }
    },
  }),

  route(operations.updateChannel, {
    writes: true,
    actorOf: ({ body }) => body.user_id ?? body.user?.id ?? body.message?.user_id ?? body.message?.user?.id,
    load: ({ input, appId, principal }) => loadChannel(parts, principal, appId, cidOf(input.path.type, input.path.id)),
    authorize: ({ principal, access, input }) => mayUpdate(principal, access, input.body),
    async handle({ principal, input, appId, actor, access, tx, now }) {
      const { body } = input
      const { cid } = access.channel
      const joining = joiningInputs(access.channel, body)
      const change = channelChange(body.data)
      const row =
        change === null ? await selectChannel(tx, appId, cid) : await updateChannelRow(tx, appId, cid, change, now)
      const channel = row === undefined ? null : channelOf(row)
      if (row === undefined || channel === null || channel.deletedAt !== null) throw absentChannel(cid)
      if (change !== null) parts.channels.dropAfter(tx, appId, cid)

      const historyAfterSeq = joining.length === 0 ? 0 : await hiddenHistory(tx, row, body)
      const added = await addMembers(parts, tx, { channel, row, inputs: joining, historyAfterSeq, isNew: false, now })
      await changeRoles(parts, tx, channel, body, now)
      const memberCount = row.member_count + added
      const removed = await removeMembers(parts, tx, channel, memberCount, body.remove_members ?? [], now)

      const message =
        body.message === undefined ? undefined : await sayWhatHappened(parts, tx, channel, body.message, actor, now)
      const fresh = { ...access, channel, resource: channelAccess(channel, access.membership).resource }
      const members = await selectMembers(tx, appId, cid, { limit: chatLimits.membersPageDefault, offset: 0 })
      const ids = members.map((member) => member.user_id)
      const people = await parts.people.many(appId, [...ids, ...named(row.created_by_id), ...named(actor)], tx)
      const createdBy = row.created_by_id === null ? undefined : people.get(row.created_by_id)
      const counts = {
        member_count: memberCount - removed,
        last_message_at: message === undefined ? row.last_message_at : Date.parse(message.created_at),
      }
      const response = channelResponse(principal, fresh, counts, createdBy)
      if (change !== null) {
        // What the caller may do is nobody else's to know.
        const { own_capabilities: _, ...picture } = response
        const user = actor === null ? undefined : people.get(actor)
        tx.emit(channelUpdated(channel, picture, user, message, access.channel, parts.tellBackends, now))
      }
      return {
        channel: response,
        members: members.map((member) => memberResponse(member, people, row.created_by_id)),
        ...(message === undefined ? {} : { message }),
      }
    },
  }),

  route(operations.stopWatchingChannel, {
    load: ({ principal, input, appId, connectionId }) => {
      requireConnection(principal, true, connectionId)
      return loadChannel(parts, principal, appId, cidOf(input.path.type, input.path.id))
    },
    authorize: ({ principal, access }) => withinReach(principal, actions.readChannel, access.resource),
    async handle({ principal, appId, connectionId, access, now }) {
      const userId = userIdOf(principal)
      if (userId === null || connectionId === null) return {}
      await unfollow(parts, { appId, userId, connectionId, now }, access.channel)
      return {}
    },
  }),
]

type RequestContext = Pick<
  RouteContext<typeof operations.getOrCreateChannel>,
  "principal" | "appId" | "actor" | "connectionId" | "now" | "read"
> & { readonly input: { readonly body: QueryBody } }

interface Loaded {
  readonly request: Request
}

const creatorOf = (body: QueryBody): string | undefined =>
  body.data?.created_by_id ?? body.data?.created_by?.id ?? body.user_id ?? body.user?.id

const wantsSocket = (body: { watch?: boolean; presence?: boolean }): boolean =>
  body.watch === true || body.presence === true

const named = (id: string | null): string[] => (id === null ? [] : [id])

function loadRequest(
  parts: ChannelParts,
  { principal, appId, actor, connectionId, input }: RequestContext,
  type: ChannelType,
  id: string,
): Awaitable<Loaded> {
  requireConnection(principal, wantsSocket(input.body), connectionId)
  const data = input.body.data ?? {}
  const members: MemberInput[] = memberInputs(data.members ?? [])
  const cid = cidOf(type.name, id)
  return chain(parts.channels.get(appId, cid), (channel): Awaitable<Loaded> => {
    const base = { principal, type, id, input: data, members, creatorId: actor }
    if (channel === null || channel.deletedAt !== null) {
      requireOwnId(id, members, appId, type)
      return { request: { ...base, access: null, deleted: channel } }
    }
    return chain(accessOf(parts.members, principal, channel), (access) => {
      if (!canRead(principal, access).allowed) requireOwnId(id, members, appId, type)
      return { request: { ...base, access, deleted: null } }
    })
  })
}

/** Derived ids come only from their members, or anybody could take the place of somebody's conversation. */
function requireOwnId(id: string, members: readonly MemberInput[], appId: number, type: ChannelType): void {
  if (!id.startsWith("!")) return
  const derived = distinctId(
    appId,
    type.name,
    members.map(({ userId }) => userId),
  )
  if (id !== derived) throw inputError("ids that begin with ! are derived from members", { id: "is reserved" })
}

interface Opened {
  /** The channel as the transaction left it. */
  readonly standing: Standing
  readonly contents: StateOptions["contents"]
}

async function getOrCreate(
  parts: ChannelParts,
  { request, appId, input, tx, now }: RequestContext & Loaded & { readonly tx: Tx },
): Promise<Opened> {
  const { state, messages, members } = input.body
  const contents =
    state === false
      ? null
      : {
          messages: messagePage(messages),
          members: { limit: members?.limit ?? chatLimits.membersPageDefault, offset: members?.offset ?? 0 },
        }
  const { access } = request
  return {
    standing: access === null ? await create(parts, tx, request, appId, now) : await stands(tx, access),
    contents,
  }
}

/** The state of one channel, which the caller hears before it is read. Other watchers are those who came earlier. */
async function openState(parts: ChannelParts, context: RequestContext & Loaded & Opened) {
  const { request, standing, contents, principal, appId, actor, input, read } = context
  const { cid } = standing.row
  const { watchers } = input.body
  const watcherIds = watchers === undefined ? null : watchersOf(parts, topics.channel(appId, cid), watchers)
  const watcherCount = parts.watcherCount(appId, cid)
  const asked = { ...context, body: input.body }
  const [opened] = await watchIfAsked(parts, asked, [standing], contents?.members ?? null)
  if (opened === undefined) throw absentChannel(cid)
  const { access, row } = opened
  // Somebody may have closed it to the caller since the decision.
  if (opened !== standing) requireAllowed(mayHave({ ...request, access }))
  return channelState(parts, read, principal, actor, access, row, { contents, watcherIds, watcherCount })
}

async function stands(tx: Tx, access: ChannelAccess): Promise<Standing> {
  const row = await selectChannel(tx, access.channel.appId, access.channel.cid)
  if (row === undefined || row.deleted_at !== null) throw absentChannel(access.channel.cid)
  return { access, row }
}

async function create(parts: ChannelParts, tx: Tx, request: Request, appId: number, now: number): Promise<Standing> {
  const { principal, type, id, input, members, creatorId } = request
  if (creatorId === null) {
    throw inputError("data.created_by_id is required for server side requests", { "data.created_by_id": "is required" })
  }
  const made = newChannelRow(appId, type, id, input, creatorId, now)
  const isMade = request.deleted === null ? await insertChannel(tx, made) : await reviveChannel(tx, made)
  const row = (await selectChannel(tx, appId, made.cid)) ?? made
  const channel = channelOf(row) as Channel
  if (!isMade) return meet(tx, request, channel, row)

  parts.channels.dropAfter(tx, appId, row.cid)
  // Whoever asked for this channel before it was there may have an empty roster in memory.
  parts.members.dropAfter(tx, appId, row.cid, [])
  const maker = creatorId === null ? undefined : (await parts.people.many(appId, [creatorId], tx)).get(creatorId)
  tx.emit(channelCreated(channel, maker, parts.tellBackends, now))
  const joining = { channel, row, inputs: members, historyAfterSeq: 0, isNew: true, now }
  const added = await addMembers(parts, tx, joining)
  const mine = members.find(({ userId }) => principal.kind !== "server" && userId === creatorId)
  const membership = mine === undefined ? null : { role: "channel_member", historyAfterSeq: 0 }
  return { access: channelAccess(channel, membership), row: { ...row, member_count: row.member_count + added } }
}

/** Somebody else made the channel meanwhile: it is theirs, so the caller must be allowed to read it. */
async function meet(tx: Tx, request: Request, channel: Channel, row: ChannelRow): Promise<Standing> {
  if (row.deleted_at !== null) throw absentChannel(row.cid)
  const member = request.creatorId === null ? undefined : await selectMember(tx, row.app_id, row.cid, request.creatorId)
  const membership =
    member === undefined || request.principal.kind === "server"
      ? null
      : { role: member.channel_role, historyAfterSeq: member.history_after_seq }
  const access = channelAccess(channel, membership)
  requireAllowed(mayHave({ ...request, access }))
  return { access, row }
}

function watchersOf(parts: ChannelParts, topic: string, page: { limit?: number; offset?: number }): string[] {
  const { limit = limits.watchersPageDefault, offset = 0 } = page
  return parts.sockets.subscribers(topic, Math.min(offset + limit, chatLimits.membersOffsetMax)).slice(offset)
}

function loadChannel(
  parts: ChannelParts,
  principal: AppCaller,
  appId: number,
  cid: string,
): Awaitable<{ access: ChannelAccess }> {
  return chain(parts.openChannel(principal, appId, cid), (access) => ({
    access: requireKnown(principal, access, cid),
  }))
}

async function sayWhatHappened(
  parts: ChannelParts,
  tx: Tx,
  channel: Channel,
  input: NonNullable<Static<typeof operations.updateChannel.body>["message"]>,
  actor: string | null,
  now: number,
) {
  if (actor === null)
    throw inputError("message.user_id is required for server side requests", { "message.user_id": "is required" })
  const content = messageContent(input, channel.type.config, [])
  const id = input.id ?? parts.newId()
  return postMessage(
    parts,
    tx,
    channel,
    composeMessage({ id, input, content, authorId: actor, parent: null, channel, type: "system" }),
    now,
  )
}
