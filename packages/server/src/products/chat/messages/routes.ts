import { ApiError, type AppCaller, cidOf, inputError, notFoundError, chat as operations } from "@weir/protocol"
import { can, type Decision, noObjection, type Resource } from "../../../authorize/decide.ts"
import { type Awaitable, chain } from "../../../base/chain.ts"
import type { UserResponse } from "../../../core/users/index.ts"
import type { HookAsk } from "../../../events/webhooks/ask.ts"
import { shared } from "../../../request/respond.ts"
import { type Route, type RouteContext, route } from "../../../request/route.ts"
import type { Tx } from "../../../store/database.ts"
import type { People } from "../members/index.ts"
import {
  absentChannel,
  actions,
  type Channel,
  type ChannelAccess,
  canReadHidden,
  channelPicture,
  mayKnowChannel,
  messageResource,
  type OpenChannel,
  requireEnabled,
  requireKnown,
  seenAfterSeq,
  serverOnly,
  type TellBackends,
} from "../types/index.ts"
import type { Messages } from "./cache.ts"
import { messageDeleted, messageNew, messageUpdated } from "./events.ts"
import {
  backendVerdict,
  composeMessage,
  countsAsUnread,
  draftResponse,
  frozenReason,
  hasLink,
  type MessageRequest,
  type MessageResponse,
  messageContent,
  messageResponse,
  peopleIn,
  refusedMessage,
  rewrittenMessage,
} from "./rules.ts"
import {
  addToReplyCounts,
  deleteMessageRow,
  insertMessage,
  type MessageRow,
  markDeleted,
  returnPlace,
  selectMessage,
  takePlace,
  updateContent,
} from "./store.ts"

export interface MessageParts {
  readonly openChannel: OpenChannel
  readonly people: People
  readonly messages: Messages
  /** Sockets that watch a channel. */
  readonly watcherCount: (appId: number, cid: string) => number
  /** An id for a message that comes without one. */
  readonly newId: () => string
  /** Asks the app's backend about each message before it is sent. */
  readonly beforeSend: BeforeSend
  /** Whoever writes has read what was there (contract/chat.md §4.14). */
  readonly markWritten: (tx: Tx, message: MessageRow) => Promise<unknown>
  readonly tellBackends: TellBackends
}

export interface BeforeSend {
  readonly ask: HookAsk["ask"]
  /** Whom to ask; null: nobody. Asked with every message, so it answers from memory. */
  readonly settingsOf: (appId: number) => Awaitable<BeforeSendSettings | null>
}

export interface BeforeSendSettings {
  readonly url: string
  readonly attemptTimeoutMs: number
  /** What becomes of a message when there is no answer: it is sent as it was, or not sent. */
  readonly onFailure: "allow" | "refuse"
}

/** What a message is shown as when only its author appears in it, as long as message, author and channel stay. */
const answers = new WeakMap<
  MessageRow,
  {
    readonly author: UserResponse
    readonly picture: ReturnType<typeof channelPicture>
    readonly output: { readonly message: MessageResponse & { readonly channel: ReturnType<typeof channelPicture> } }
  }
>()

export const messageRoutes = (parts: MessageParts): Route[] => [
  route(operations.sendMessage, {
    writes: true,
    actor: "required",
    actorOf: ({ body }) => authorOf(body.message),
    load: ({ input, appId, principal }) => {
      const { message } = input.body
      const cid = cidOf(input.path.type, input.path.id)
      return chain(openKnown(parts, principal, appId, cid), (access) =>
        chain(parentOf(parts, appId, access, message.parent_id), (parent) =>
          chain(mentionsOf(parts, appId, message), (mentions) => ({ access, parent, mentions })),
        ),
      )
    },
    authorize: ({ principal, access, input }) => maySend(principal, access, input.body.message),
    consult(context) {
      const { input, actor, access, parent, mentions } = context
      const { message: request } = input.body
      const { channel } = access
      const draft = composeMessage({
        id: request.id ?? parts.newId(),
        input: request,
        content: messageContent(request, channel.type.config, mentions),
        authorId: actor as string,
        parent,
        channel,
        type: request.type === "system" ? "system" : "regular",
      })
      if (isFrozenFor(context)) return { draft, rejection: null }
      return askBeforeSend(parts, context, draft)
    },
    async handle({ appId, principal, access, draft, rejection, tx, now }) {
      const reason = isFrozenFor({ principal, access }) ? frozenReason : rejection
      if (reason !== null) {
        return { message: refusedMessage(draft, await parts.people.many(appId, peopleIn(draft), tx), reason, now) }
      }
      return { message: await postMessage(parts, tx, access.channel, draft, now) }
    },
  }),

  route(operations.getMessage, {
    load: ({ input, appId, principal }) => loadMessage(parts, appId, principal, input.path.id),
    authorize: ({ principal, access, message }) => mayReadMessage(principal, access, message),
    handle: ({ input, appId, principal, access, message }) => {
      const uncovered = input.query.show_deleted_message === true && principal.kind === "server"
      const picture = channelPicture(access.channel)
      const ids = peopleIn(message)
      if (uncovered || ids.length !== 1) {
        return chain(parts.people.many(appId, ids), (people) => ({
          message: { ...messageResponse(message, people, uncovered), channel: picture },
        }))
      }
      return chain(parts.people.one(appId, message.user_id), (author) => {
        const known = answers.get(message)
        if (known !== undefined && known.author === author && known.picture === picture) return known.output
        const people = new Map([[message.user_id, author]])
        const output = shared({ message: { ...messageResponse(message, people), channel: picture } })
        answers.set(message, { author, picture, output })
        return output
      })
    },
  }),

  route(operations.updateMessage, {
    writes: true,
    actorOf: ({ body }) => authorOf(body.message),
    load: (context) => {
      const { input, appId, principal } = context
      return chain(loadMessage(parts, appId, principal, input.path.id), (loaded) =>
        chain(mentionsOf(parts, appId, input.body.message), (mentions) => ({ ...loaded, mentions })),
      )
    },
    authorize: ({ principal, access, message, input }) => [
      mayKnowMessage(principal, access, message),
      can(principal, actions.updateMessage, messageResource(access, message.id, message.user_id)),
      ...mayContain(principal, access, input.body.message),
    ],
    async handle({ input, appId, actor, access, message, mentions, tx, now }) {
      const content = messageContent(input.body.message, access.channel.type.config, mentions)
      const textChanged = content.text !== message.text
      const row = await updateContent(tx, appId, message.id, content, textChanged, now)
      if (row === undefined) throw inputError(`message ${message.id} is deleted and cannot be changed`)
      parts.messages.dropAfter(tx, appId, [row.id])
      const people = await parts.people.many(appId, [...peopleIn(row), actor ?? row.user_id], tx)
      const response = messageResponse(row, people)
      const user = people.get(actor ?? row.user_id) ?? response.user
      tx.emit(messageUpdated(access.channel, response, user, parts.tellBackends, now))
      return { message: response }
    },
  }),

  route(operations.deleteMessage, {
    writes: true,
    actorOf: ({ query }) => query.deleted_by,
    load: ({ input, appId, principal }) => loadMessage(parts, appId, principal, input.path.id),
    authorize: ({ principal, access, message, input }) => {
      const resource = messageResource(access, message.id, message.user_id)
      return [
        mayKnowMessage(principal, access, message),
        can(principal, actions.deleteMessage, resource),
        mayDeleteForGood(principal, resource, input.query.hard === true),
      ]
    },
    async handle({ input, appId, actor, access, message, tx, now }) {
      const hard = input.query.hard === true
      const row = hard
        ? await deleteMessageRow(tx, appId, message.id)
        : await markDeleted(tx, appId, message.id, "message", now)
      const people = await parts.people.many(appId, [...peopleIn(message), actor ?? message.user_id], tx)
      // Deleted before: the answer is the same, and nobody is told twice.
      if (row === undefined) {
        const stored = await selectMessage(tx, appId, message.id)
        return { message: messageResponse(stored ?? { ...message, deleted_at: now }, people) }
      }
      parts.messages.dropAfter(tx, appId, [row.id])
      const response = messageResponse({ ...row, deleted_at: row.deleted_at ?? now }, people)
      const user = people.get(actor ?? row.user_id) ?? response.user
      tx.emit(messageDeleted(access.channel, response, user, hard, parts.tellBackends, now))
      if (row.parent_id !== null) {
        const wasThere = !hard || message.deleted_at === null
        await recount(parts, tx, access.channel, row.parent_id, wasThere ? -1 : 0, hard ? (wasThere ? 0 : -1) : 1, now)
      }
      return { message: response }
    },
  }),
]

/** A message that is ready for its place, or the reason why it is not sent. */
interface Judged {
  readonly draft: MessageRow
  readonly rejection: string | null
}

/**
 * Asks the app's backend before a message is sent, replies and messages of servers included (contract/auth.md §7.7).
 * One that is stored already is not asked about again: a repeated request is answered with what is there. Throws
 * ApiError unavailable when there is no answer and the app wants nothing sent without one.
 */
function askBeforeSend(
  parts: MessageParts,
  context: RouteContext<typeof operations.sendMessage> & { readonly access: ChannelAccess },
  draft: MessageRow,
): Awaitable<Judged> {
  const { input, appId, access, now } = context
  const { message: request } = input.body
  const { config } = access.channel.type
  const unchanged: Judged = { draft, rejection: null }

  /** The answer, which has to make sense as a message before it counts as one. */
  async function judged(answer: unknown): Promise<Judged & { readonly kind: string }> {
    const verdict = backendVerdict(input.path, answer)
    if (verdict.kind === "rejected") return { ...unchanged, kind: "rejected", rejection: verdict.text ?? draft.text }
    if (verdict.kind === "unchanged") return { ...unchanged, kind: "unchanged" }
    const changed = { ...request, ...verdict.changes }
    const rewritten = rewrittenMessage(draft, changed, config, await mentionsOf(parts, appId, changed))
    return { kind: rewritten === draft ? "unchanged" : "rewritten", draft: rewritten, rejection: null }
  }

  async function asked({ url, attemptTimeoutMs, onFailure }: BeforeSendSettings): Promise<Judged> {
    if (request.id !== undefined && (await parts.messages.get(appId, request.id)) !== null) return unchanged
    const message = draftResponse(draft, await parts.people.many(appId, peopleIn(draft)), now)
    const reply = await parts.beforeSend.ask({
      purpose: "before-message-send",
      appId,
      url,
      timeoutMs: attemptTimeoutMs,
      body: JSON.stringify({
        message,
        user: message.user,
        channel: channelPicture(access.channel),
        request_info: context.requestInfo(),
      }),
      read: judged,
    })
    if (reply.kind === "answer") return { draft: reply.answer.draft, rejection: reply.answer.rejection }
    if (onFailure === "refuse") throw unanswered(reply.fault, reply.detail)
    return unchanged
  }

  return chain(parts.beforeSend.settingsOf(appId), (settings) => (settings === null ? unchanged : asked(settings)))
}

const unanswered = (fault: string, detail: string): ApiError =>
  new ApiError("unavailable", "the app's backend did not answer, so the message was not sent: send it again later", {
    retryAfterSeconds: 1,
    why: {
      check: "hook",
      rule: fault,
      detail: `before_message_send_hook_url gave no answer that counts: ${detail}`,
      remedy: "mend the backend, or set before_message_send_hook_on_failure to allow",
    },
  })

const isFrozenFor = ({ principal, access }: { principal: AppCaller; access: ChannelAccess }): boolean =>
  access.channel.frozen && !can(principal, actions.useFrozenChannel, access.resource).allowed

/**
 * Stores a message and tells the channel. A message with the same id by the same author in the same channel is
 * answered as it is stored, so that a client may send again what it got no answer for. Throws inputError when the id
 * is taken otherwise, notFoundError when the channel went away meanwhile.
 */
export async function postMessage(
  parts: Pick<MessageParts, "people" | "messages" | "watcherCount" | "markWritten" | "tellBackends">,
  tx: Tx,
  channel: Channel,
  draft: MessageRow,
  now: number,
): Promise<MessageResponse> {
  const { appId, cid } = channel
  const counts = countsAsUnread(draft)
  const place = await takePlace(tx, appId, cid, counts, now)
  if (place === undefined) throw absentChannel(cid)
  const row: MessageRow = { ...draft, ...placed(place) }
  if (!(await insertMessage(tx, row))) {
    const stored = await selectMessage(tx, appId, row.id)
    if (stored === undefined || stored.cid !== cid || stored.user_id !== row.user_id) {
      throw inputError(`a message with id ${row.id} already exists`, { "message.id": "already exists" })
    }
    await returnPlace(tx, appId, cid, counts)
    return messageResponse(stored, await parts.people.many(appId, peopleIn(stored), tx))
  }
  if (channel.type.config.read_events) await parts.markWritten(tx, row)
  const response = messageResponse(row, await parts.people.many(appId, peopleIn(row), tx))
  const watcherCount = parts.watcherCount(appId, cid)
  tx.emit(messageNew(channel, response, row.in_channel === 1, watcherCount, parts.tellBackends, place.createdAt))
  if (row.parent_id !== null) await recount(parts, tx, channel, row.parent_id, 1, 0, now)
  // «There is no such message» may have been cached for this id.
  parts.messages.dropAfter(tx, appId, [row.id])
  return response
}

const placed = ({ seq, counted, createdAt }: { seq: number; counted: number; createdAt: number }) => ({
  seq,
  counted,
  created_at: createdAt,
  updated_at: createdAt,
})

/** Counts a thread's replies anew and shows the parent to the watchers (contract/chat.md §5.2, message.updated). */
async function recount(
  parts: Pick<MessageParts, "people" | "messages" | "tellBackends">,
  tx: Tx,
  channel: Channel,
  parentId: string,
  replies: number,
  deletedReplies: number,
  now: number,
): Promise<void> {
  const parent = await addToReplyCounts(tx, channel.appId, parentId, replies, deletedReplies)
  if (parent === undefined) return
  parts.messages.dropAfter(tx, channel.appId, [parentId])
  const response = messageResponse(parent, await parts.people.many(channel.appId, peopleIn(parent), tx))
  tx.emit(messageUpdated(channel, response, response.user, parts.tellBackends, now))
}

const authorOf = (message: MessageRequest): string | undefined => message.user_id ?? message.user?.id

function openKnown(parts: MessageParts, principal: AppCaller, appId: number, cid: string): Awaitable<ChannelAccess> {
  return chain(parts.openChannel(principal, appId, cid), (access) => requireKnown(principal, access, cid))
}

/** The message that a reply names; it must be one that the caller sees in the same channel. */
function parentOf(
  parts: MessageParts,
  appId: number,
  access: ChannelAccess,
  parentId: string | undefined,
): Awaitable<MessageRow | null> {
  if (parentId === undefined || parentId === "") return null
  return chain(parts.messages.get(appId, parentId), (parent) => {
    if (parent === null || parent.cid !== access.channel.cid || parent.seq <= seenAfterSeq(access)) {
      throw inputError(`parent_id ${parentId} is not a message of this channel`, { "message.parent_id": "is unknown" })
    }
    return parent
  })
}

/** Mentioned users that exist, each once; the others are left out, as a mention only ever notifies. */
function mentionsOf(parts: MessageParts, appId: number, message: MessageRequest): Awaitable<readonly string[]> {
  const named = message.mentioned_users
  if (named === undefined || named.length === 0) return none
  const ids = [...new Set(named)]
  return Promise.all(ids.map((id) => parts.people.stored(appId, id))).then((users) =>
    ids.filter((_, index) => users[index] !== null),
  )
}

const none: readonly string[] = []

function maySend(principal: AppCaller, access: ChannelAccess, message: MessageRequest): Decision[] {
  const { config } = access.channel.type
  const isReply = message.parent_id !== undefined && message.parent_id !== ""
  const decisions = [
    requireEnabled(principal, access.channel),
    can(principal, isReply ? actions.createReply : actions.createMessage, access.resource),
  ]
  if (message.type === "system") decisions.push(can(principal, actions.createSystemMessage, access.resource))
  decisions.push(...mayContain(principal, access, message))
  if (isReply && !config.replies) throw inputError(`replies are turned off in channels of type ${config.name}`)
  return decisions
}

/** May the caller say this: links, attachments and mentions have grants of their own. */
export function mayContain(principal: AppCaller, access: ChannelAccess, message: MessageRequest): Decision[] {
  const decisions: Decision[] = []
  const { attachments, mentioned_users, mentioned_channel, mentioned_here } = message
  if (attachments !== undefined && attachments.length > 0) {
    decisions.push(can(principal, actions.createAttachment, access.resource))
  }
  if ((mentioned_users !== undefined && mentioned_users.length > 0) || mentioned_channel || mentioned_here) {
    decisions.push(can(principal, actions.createMention, access.resource))
  }
  // Servers need no grant, so only their scopes are a reason to look.
  if ((principal.kind !== "server" || principal.scopes !== null) && hasLink(message.text)) {
    decisions.push(can(principal, actions.addLinks, access.resource))
  }
  return decisions
}

interface LoadedMessage {
  readonly message: MessageRow
  readonly access: ChannelAccess
}

function loadMessage(parts: MessageParts, appId: number, principal: AppCaller, id: string): Awaitable<LoadedMessage> {
  return chain(parts.messages.get(appId, id), (message) => {
    if (message === null) throw absentMessage(id)
    return chain(parts.openChannel(principal, appId, message.cid), (access) => {
      if (access === null) throw absentMessage(id)
      return { message, access }
    })
  })
}

const absentMessage = (id: string): ApiError => notFoundError("message", id)

function mayReadMessage(principal: AppCaller, access: ChannelAccess, message: MessageRow): Decision {
  if (message.seq <= seenAfterSeq(access)) throw absentMessage(message.id)
  const readable = canReadHidden(principal, access, () => absentMessage(message.id))
  if (!readable.allowed) return readable
  const enabled = requireEnabled(principal, access.channel)
  return enabled.allowed ? readable : enabled
}

/** For those who change it: a token may do that without reading. */
function mayKnowMessage(principal: AppCaller, access: ChannelAccess, message: MessageRow): Decision {
  if (message.seq <= seenAfterSeq(access)) throw absentMessage(message.id)
  const known = mayKnowChannel(principal, access, () => absentMessage(message.id))
  return known.allowed ? requireEnabled(principal, access.channel) : known
}

function mayDeleteForGood(principal: AppCaller, message: Resource, hard: boolean): Decision {
  return hard ? serverOnly(principal, actions.deleteMessageForGood, message, "delete messages for good") : noObjection
}
