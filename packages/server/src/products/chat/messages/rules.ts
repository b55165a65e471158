// What may be said in a message, and how a message is shown.

import { ApiError, type chat, type InputOf, inputError, chat as wire, limits as wireLimits } from "@weir/protocol"
import type { Static } from "typebox"
import { isObject } from "../../../base/json.ts"
import type { UserResponse } from "../../../core/users/index.ts"
import { inputReader } from "../../../request/input.ts"
import { parseTimestamp } from "../../../store/filter.ts"
import type { Channel, ChannelConfig } from "../types/index.ts"
import type { MessageContent, MessagePage, MessageRow } from "./store.ts"

const { chatLimits } = wire

export type MessageRequest = Static<typeof chat.MessageRequest>
type AttachmentRequest = Static<typeof chat.Attachment>

/** What a message says, ready for its row. Throws inputError and messageTooLong. */
export function messageContent(
  input: MessageRequest,
  config: ChannelConfig,
  mentionedUserIds: readonly string[],
): MessageContent {
  const text = input.text ?? ""
  if (text.length > config.max_message_length) {
    throw new ApiError("messageTooLong", `message text is longer than ${config.max_message_length} characters`)
  }
  // Postgres has no place for it, and no reader has a use for it.
  if (text.includes("\0"))
    throw inputError("message text holds the character U+0000", { "message.text": "holds U+0000" })
  const custom = JSON.stringify(input.custom ?? {})
  requireBytes(custom, wireLimits.customBytesMax, "custom data of the message", "message.custom")
  const list = input.attachments ?? []
  const attachments = list.length === 0 ? "[]" : JSON.stringify(list.map(normalAttachment))
  requireBytes(attachments, chatLimits.attachmentsBytesMax, "attachments of the message", "message.attachments")
  if (text === "" && list.length === 0 && custom === "{}" && !input.quoted_message_id) {
    throw inputError("message needs a text, attachments or custom data", { "message.text": "is required" })
  }
  return {
    text,
    attachments,
    custom,
    mentioned_user_ids: mentionedUserIds.length === 0 ? "[]" : JSON.stringify(mentionedUserIds),
    mentioned_channel: input.mentioned_channel ? 1 : 0,
    mentioned_here: input.mentioned_here ? 1 : 0,
  }
}

// A text of fewer characters than a third of the bound cannot break it: UTF-8 needs three bytes for one at most.
function requireBytes(json: string, bytesMax: number, what: string, field: string): void {
  if (json.length * 3 > bytesMax && Buffer.byteLength(json) > bytesMax) {
    throw inputError(`${what} are larger than ${bytesMax} bytes`, { [field]: `at most ${bytesMax} bytes` })
  }
}

const attachmentFields = new Set(Object.keys(wire.Attachment.properties))

/** Members that the wire does not name belong to the app: older clients send them flat, beside the named ones. */
function normalAttachment(attachment: AttachmentRequest): AttachmentRequest {
  const normal: Record<string, unknown> = {}
  const custom: Record<string, unknown> = { ...attachment.custom }
  for (const [name, value] of Object.entries(attachment)) {
    if (name === "custom") continue
    if (attachmentFields.has(name)) normal[name] = value
    else custom[name] = value
  }
  return { ...normal, custom }
}

/** Whether a text brings an address that clients make a link of. */
export const hasLink = (text: string | undefined): boolean =>
  text !== undefined && /\b(?:https?:\/\/|www\.)\S/i.test(text)

export interface Draft {
  readonly id: string
  readonly input: MessageRequest
  readonly content: MessageContent
  readonly authorId: string
  /** The message that this one replies to. */
  readonly parent: MessageRow | null
  readonly channel: Channel
  readonly type: "regular" | "system"
}

/** A message before it has its place in the channel. Throws nestingLevel for a reply to a reply. */
export function composeMessage({ id, input, content, authorId, parent, channel, type }: Draft): MessageRow {
  if (parent !== null && parent.parent_id !== null) {
    throw new ApiError("nestingLevel", "a reply cannot be replied to: threads have one level")
  }
  const shown = parent === null || input.show_in_channel === true
  return {
    app_id: channel.appId,
    id,
    cid: channel.cid,
    seq: 0,
    counted: 0,
    in_channel: shown ? 1 : 0,
    user_id: authorId,
    type: parent !== null ? "reply" : type,
    ...content,
    parent_id: parent?.id ?? null,
    show_in_channel: parent !== null && shown ? 1 : 0,
    quoted_message_id: input.quoted_message_id || null,
    reply_count: 0,
    deleted_reply_count: 0,
    silent: input.silent ? 1 : 0,
    created_at: 0,
    updated_at: 0,
    text_updated_at: null,
    deleted_at: null,
    deletion: null,
  }
}

/** Only what people said to the whole channel counts as unread (contract/chat.md §4.14). */
export const countsAsUnread = (message: Pick<MessageRow, "type" | "silent">): boolean =>
  message.type === "regular" && message.silent === 0

/** Ids of everybody whom a message shows. */
export const peopleIn = (message: MessageRow): string[] =>
  message.mentioned_user_ids === "[]"
    ? [message.user_id]
    : [message.user_id, ...(JSON.parse(message.mentioned_user_ids) as string[])]

/**
 * A message as the wire shows it. Of a deleted one the shell stays: who and when, not what; `uncovered` shows the
 * rest too, which is for servers.
 */
export function messageResponse(message: MessageRow, people: ReadonlyMap<string, UserResponse>, uncovered = false) {
  const isDeleted = message.deleted_at !== null
  const covered = isDeleted && !uncovered
  const mentioned =
    covered || message.mentioned_user_ids === "[]" ? [] : (JSON.parse(message.mentioned_user_ids) as string[])
  return {
    id: message.id,
    cid: message.cid,
    type: isDeleted ? "deleted" : message.type,
    text: covered ? "" : message.text,
    html: "",
    user: people.get(message.user_id) as UserResponse,
    ...(message.parent_id === null
      ? {}
      : { parent_id: message.parent_id, show_in_channel: message.show_in_channel === 1 }),
    ...(message.quoted_message_id === null || covered ? {} : { quoted_message_id: message.quoted_message_id }),
    reply_count: message.reply_count,
    deleted_reply_count: message.deleted_reply_count,
    attachments:
      covered || message.attachments === "[]" ? [] : (JSON.parse(message.attachments) as AttachmentRequest[]),
    mentioned_users: mentioned.map((id) => people.get(id) as UserResponse),
    mentioned_channel: message.mentioned_channel === 1,
    mentioned_here: message.mentioned_here === 1,
    latest_reactions: [] as unknown[],
    own_reactions: [] as unknown[],
    reaction_counts: {} as Record<string, number>,
    reaction_scores: {} as Record<string, number>,
    restricted_visibility: [] as string[],
    pinned: false,
    shadowed: false,
    silent: message.silent === 1,
    created_at: new Date(message.created_at).toISOString(),
    updated_at: new Date(message.updated_at).toISOString(),
    ...(message.deleted_at === null ? {} : { deleted_at: new Date(message.deleted_at).toISOString() }),
    ...(message.text_updated_at === null
      ? {}
      : { message_text_updated_at: new Date(message.text_updated_at).toISOString() }),
    custom: covered || message.custom === "{}" ? {} : (JSON.parse(message.custom) as Record<string, unknown>),
  }
}

export type MessageResponse = ReturnType<typeof messageResponse>

/** A message before it has its place, as the wire shows it. `now` is in milliseconds. */
export const draftResponse = (draft: MessageRow, people: ReadonlyMap<string, UserResponse>, now: number) =>
  messageResponse({ ...draft, created_at: now, updated_at: now }, people)

/** What the sender gets back instead of a stored message, with the reason as its text. */
export const refusedMessage = (
  draft: MessageRow,
  people: ReadonlyMap<string, UserResponse>,
  reason: string,
  now: number,
) => ({ ...draftResponse(draft, people, now), type: "error", text: reason })

/** The reason in a frozen channel (contract/chat.md §3.16). */
export const frozenReason = "This channel is frozen: nothing can be sent to it"

/** What a backend says of a message that it was asked about before it is sent (contract/auth.md §7.7). */
export type BackendVerdict =
  | { readonly kind: "unchanged" }
  /** The members that it gave, in the form of a request. */
  | { readonly kind: "rewritten"; readonly changes: Partial<MessageRequest> }
  /** Not to be sent; null: with the text that it has. */
  | { readonly kind: "rejected"; readonly text: string | null }

/**
 * Reads a backend's answer: `{"message": {…}}` or the message alone, whole or only what is to change. A null says that
 * there is none (some languages write an empty list so), what is absent stays. Id, author, channel and thread are not a
 * backend's to change, so they are not read. Checked as a client's message is. Throws inputError.
 */
export function backendVerdict(path: InputOf<typeof wire.sendMessage>["path"], answer: unknown): BackendVerdict {
  if (answer === null) return { kind: "unchanged" }
  if (!isObject(answer)) throw inputError("the answer is not an object")
  const message = answer.message === undefined ? answer : (answer.message ?? {})
  if (!isObject(message)) throw inputError("message is not an object", { message: "must be an object" })
  // First of all: whatever else is wrong with a message that is to be discarded, it is not sent.
  if (message.type === "error") return { kind: "rejected", text: rejectionText(message.text) }
  const given = Object.entries(nothings)
    .filter(([name]) => Object.hasOwn(message, name))
    .map(([name, nothing]) => [name, message[name] ?? nothing])
  if (given.length === 0) return { kind: "unchanged" }
  const changes: Record<string, unknown> = Object.fromEntries(given)
  // Events show whom a message mentions, requests name them.
  if (Array.isArray(changes.mentioned_users)) changes.mentioned_users = changes.mentioned_users.map(idOf)
  const { body } = readSend.read(path, noQuery, { message: changes })
  return { kind: "rewritten", changes: body.message }
}

/** What a backend may rewrite, and what stands for none of it. */
const nothings: Readonly<Record<string, unknown>> = {
  text: "",
  attachments: [],
  mentioned_users: [],
  mentioned_channel: false,
  mentioned_here: false,
  silent: false,
  custom: {},
}

const readSend = inputReader(wire.sendMessage)
const noQuery = new Map<string, readonly string[]>()
const idOf = (mentioned: unknown): unknown => (isObject(mentioned) ? mentioned.id : mentioned)
const rejectionText = (text: unknown): string | null =>
  typeof text === "string" && text !== "" ? text.slice(0, chatLimits.textCharsMax).toWellFormed() : null

/** The message with what a backend changed in it; the very same when that is nothing. Throws as messageContent does. */
export function rewrittenMessage(
  draft: MessageRow,
  request: MessageRequest,
  config: ChannelConfig,
  mentionedUserIds: readonly string[],
): MessageRow {
  const rewritten = {
    ...draft,
    ...messageContent(request, config, mentionedUserIds),
    silent: request.silent ? 1 : 0,
  }
  const isSame = (Object.keys(rewritten) as (keyof MessageRow)[]).every((name) => rewritten[name] === draft[name])
  return isSame ? draft : rewritten
}

const anchorNames = {
  id_lt: { direction: "older", inclusive: false },
  id_lte: { direction: "older", inclusive: true },
  id_gt: { direction: "newer", inclusive: false },
  id_gte: { direction: "newer", inclusive: true },
  id_around: { direction: "around", inclusive: true },
  created_at_before: { direction: "older", inclusive: false },
  created_at_before_or_equal: { direction: "older", inclusive: true },
  created_at_after: { direction: "newer", inclusive: false },
  created_at_after_or_equal: { direction: "newer", inclusive: true },
  created_at_around: { direction: "around", inclusive: true },
} as const

/** Reads what a request says of a page. Throws inputError for a time that is none and for more than one anchor. */
export function messagePage(request: Static<typeof chat.MessagePage> | undefined): MessagePage {
  const limit = request?.limit ?? chatLimits.messagesPageDefault
  const named = Object.entries(anchorNames).filter(
    ([name]) => request?.[name as keyof typeof anchorNames] !== undefined,
  )
  const [first] = named
  if (request === undefined || first === undefined) return { limit, direction: "older", anchor: null }
  if (named.length > 1)
    throw inputError(`messages can begin at one place only, not at ${named.map(([name]) => name).join(" and ")}`)
  const [name, { direction, inclusive }] = first
  const value = request[name as keyof typeof anchorNames] as string
  if (name.startsWith("id_")) return { limit, direction, anchor: { by: "id", id: value, inclusive } }
  const atMs = parseTimestamp(value)
  if (atMs === null)
    throw inputError(`messages.${name} is not an RFC 3339 time`, { [`messages.${name}`]: "is no time" })
  return { limit, direction, anchor: { by: "time", atMs, inclusive } }
}
