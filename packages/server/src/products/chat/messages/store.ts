import { sql } from "kysely"
import type { Read, Tx } from "../../../store/database.ts"
import { type Places, statement } from "../../../store/statement.ts"

export interface MessageRow {
  app_id: number
  id: string
  cid: string
  /** Number within the channel; grows with every message, gaps are possible. */
  seq: number
  /** How many messages of the channel, this one included, have counted as unread. */
  counted: number
  /** 1 when it appears among the channel's messages, 0 when only in a thread. */
  in_channel: number
  user_id: string
  /** As it was sent: regular, reply or system. Whether it is deleted says `deleted_at`. */
  type: string
  text: string
  /** JSON array. */
  attachments: string
  /** JSON array of user ids. */
  mentioned_user_ids: string
  mentioned_channel: number
  mentioned_here: number
  parent_id: string | null
  show_in_channel: number
  quoted_message_id: string | null
  reply_count: number
  deleted_reply_count: number
  silent: number
  /** JSON object. */
  custom: string
  /** Milliseconds; never goes back within a channel, so that time and number order alike. */
  created_at: number
  updated_at: number
  text_updated_at: number | null
  deleted_at: number | null
  /** By what it was deleted; null when it is not. Only what a deactivation deleted comes back with the user. */
  deletion: Deletion | null
}

export type Deletion = "message" | "user" | "deactivation" | "pruned"

declare module "../../../store/database.ts" {
  interface Tables {
    messages: MessageRow
  }
}

const messageById = statement((read: Read, value: Places<{ appId: number; id: string }>) =>
  read.selectFrom("messages").selectAll().where("app_id", "=", value("appId")).where("id", "=", value("id")),
)

export const selectMessage = (read: Read, appId: number, id: string): Promise<MessageRow | undefined> =>
  messageById.first(read, { appId, id })

/** Where a message that is about to be stored stands in its channel. */
export interface MessagePlace {
  readonly seq: number
  readonly counted: number
  readonly createdAt: number
}

const nextPlace = statement((tx: Tx, value: Places<{ appId: number; cid: string; counts: number; now: number }>) =>
  tx
    .updateTable("channels")
    .set((update) => ({
      message_seq: update("message_seq", "+", 1),
      counted: update("counted", "+", value("counts")),
      last_message_at: sql<number>`case when last_message_at > ${value("now")} then last_message_at
        else ${value("now")} end`,
    }))
    .where("app_id", "=", value("appId"))
    .where("cid", "=", value("cid"))
    .where("deleted_at", "is", null)
    .returning(["message_seq as seq", "counted", sql<number>`last_message_at`.as("createdAt")]),
)

/**
 * Takes the channel's next number. The channel's row is locked until the commit, so numbers and times of a channel
 * grow in the order of the commits. Undefined when the channel is not there.
 */
export const takePlace = (
  tx: Tx,
  appId: number,
  cid: string,
  counts: boolean,
  now: number,
): Promise<MessagePlace | undefined> => nextPlace.first(tx, { appId, cid, counts: counts ? 1 : 0, now })

/** Gives a place back that nothing was stored at. Only in the transaction that took it. */
export const returnPlace = (tx: Tx, appId: number, cid: string, counted: boolean): Promise<unknown> =>
  tx
    .updateTable("channels")
    .set((update) => ({
      message_seq: update("message_seq", "-", 1),
      counted: update("counted", "-", counted ? 1 : 0),
      last_message_at: update
        .selectFrom("messages")
        .select("created_at")
        .where("app_id", "=", appId)
        .where("cid", "=", cid)
        .where("in_channel", "=", 1)
        .orderBy("created_at", "desc")
        .limit(1),
    }))
    .where("app_id", "=", appId)
    .where("cid", "=", cid)
    .execute()

const insertRow = statement((tx: Tx, value: Places<{ rows: readonly MessageRow[] }>) =>
  tx
    .insertInto("messages")
    .values(value("rows"))
    .onConflict((conflict) => conflict.columns(["app_id", "id"]).doNothing()),
)

/** Whether it was stored; false when there is a message with this id already. */
export const insertMessage = async (tx: Tx, row: MessageRow): Promise<boolean> =>
  (await insertRow.run(tx, { rows: [row] })) > 0

export type MessageContent = Pick<
  MessageRow,
  "text" | "attachments" | "mentioned_user_ids" | "mentioned_channel" | "mentioned_here" | "custom"
>

/** Replaces what a message says; undefined when it is gone or deleted. */
export const updateContent = (
  tx: Tx,
  appId: number,
  id: string,
  content: MessageContent,
  textChanged: boolean,
  now: number,
): Promise<MessageRow | undefined> =>
  tx
    .updateTable("messages")
    .set({ ...content, updated_at: now, ...(textChanged ? { text_updated_at: now } : {}) })
    .where("app_id", "=", appId)
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .returningAll()
    .executeTakeFirst()

/** Marks a message deleted; undefined when it is gone or was deleted before. */
export const markDeleted = (
  tx: Tx,
  appId: number,
  id: string,
  deletion: Deletion,
  now: number,
): Promise<MessageRow | undefined> =>
  tx
    .updateTable("messages")
    .set({ deleted_at: now, updated_at: now, deletion })
    .where("app_id", "=", appId)
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .returningAll()
    .executeTakeFirst()

export const deleteMessageRow = (tx: Tx, appId: number, id: string): Promise<MessageRow | undefined> =>
  tx.deleteFrom("messages").where("app_id", "=", appId).where("id", "=", id).returningAll().executeTakeFirst()

/** Counts a thread's replies anew and answers the parent; undefined when the parent is gone. */
export const addToReplyCounts = (
  tx: Tx,
  appId: number,
  parentId: string,
  replies: number,
  deletedReplies: number,
): Promise<MessageRow | undefined> =>
  tx
    .updateTable("messages")
    .set((update) => ({
      reply_count: update("reply_count", "+", replies),
      deleted_reply_count: update("deleted_reply_count", "+", deletedReplies),
    }))
    .where("app_id", "=", appId)
    .where("id", "=", parentId)
    .returningAll()
    .executeTakeFirst()

export interface MessagePage {
  readonly limit: number
  readonly direction: "older" | "newer" | "around"
  /** Null: from the newest backwards. */
  readonly anchor:
    | { readonly by: "id"; readonly id: string; readonly inclusive: boolean }
    | { readonly by: "time"; readonly atMs: number; readonly inclusive: boolean }
    | null
}

interface Anchor {
  readonly createdAt: number
  readonly seq: number
  readonly inclusive: boolean
}

/**
 * A page of a channel's messages, oldest first. `afterSeq`: messages up to this number are not shown. An anchor that
 * is no message of the channel gives an empty page.
 */
export async function selectPage(
  read: Read,
  appId: number,
  cid: string,
  afterSeq: number,
  { limit, direction, anchor }: MessagePage,
): Promise<MessageRow[]> {
  if (limit === 0) return []
  if (anchor === null) return (await newestMessages.rows(read, { appId, cid, afterSeq, limit })).reverse()
  const { inclusive } = anchor
  const place =
    anchor.by === "id" ? await selectPlace(read, appId, cid, anchor.id) : { createdAt: anchor.atMs, seq: null }
  if (place === null) return []
  // All messages of the anchor's own millisecond are on its inclusive side.
  const from = (side: "older" | "newer", isInclusive: boolean): Anchor => ({
    createdAt: place.createdAt,
    seq: place.seq ?? ((side === "older") === isInclusive ? Number.MAX_SAFE_INTEGER : -1),
    inclusive: isInclusive,
  })
  if (direction === "newer") return selectMessages(read, appId, cid, afterSeq, "newer", from("newer", inclusive), limit)
  const olderMax = direction === "around" ? Math.ceil(limit / 2) : limit
  const older = await selectMessages(read, appId, cid, afterSeq, "older", from("older", inclusive), olderMax)
  older.reverse()
  if (direction === "older") return older
  const newerMax = limit - olderMax
  if (newerMax === 0) return older
  return [...older, ...(await selectMessages(read, appId, cid, afterSeq, "newer", from("newer", false), newerMax))]
}

async function selectPlace(
  read: Read,
  appId: number,
  cid: string,
  id: string,
): Promise<{ createdAt: number; seq: number } | null> {
  const row = await read
    .selectFrom("messages")
    .select(["created_at", "seq"])
    .where("app_id", "=", appId)
    .where("id", "=", id)
    .where("cid", "=", cid)
    .executeTakeFirst()
  return row === undefined ? null : { createdAt: row.created_at, seq: row.seq }
}

/** Messages on one side of an anchor, nearest first. */
function selectMessages(
  read: Read,
  appId: number,
  cid: string,
  afterSeq: number,
  side: "older" | "newer",
  { createdAt, seq, inclusive }: Anchor,
  limit: number,
): Promise<MessageRow[]> {
  const order = side === "older" ? "desc" : "asc"
  const within = side === "older" ? (inclusive ? "<=" : "<") : inclusive ? ">=" : ">"
  return read
    .selectFrom("messages")
    .selectAll()
    .where("app_id", "=", appId)
    .where("cid", "=", cid)
    .where("in_channel", "=", 1)
    .where("seq", ">", afterSeq)
    .where((test) => test(test.refTuple("created_at", "seq"), within, test.tuple(createdAt, seq)))
    .orderBy("created_at", order)
    .orderBy("seq", order)
    .limit(limit)
    .execute()
}

const newestMessages = statement(
  (read: Read, value: Places<{ appId: number; cid: string; afterSeq: number; limit: number }>) =>
    read
      .selectFrom("messages")
      .selectAll()
      .where("app_id", "=", value("appId"))
      .where("cid", "=", value("cid"))
      .where("in_channel", "=", 1)
      .where("seq", ">", value("afterSeq"))
      .orderBy("created_at", "desc")
      .orderBy("seq", "desc")
      .limit(value("limit")),
)

/** The channel's newest message. */
export const selectLastMessage = (read: Read, appId: number, cid: string): Promise<MessageRow | undefined> =>
  newestMessages.first(read, { appId, cid, afterSeq: -1, limit: 1 })

/** What happens to the messages of somebody who goes: marked, emptied as well, gone, marked for now, or back again. */
export type Sweep = "soft" | "pruning" | "hard" | "deactivation" | "restore"

/** A batch of a user's messages to which a sweep has not come yet. */
export function selectUnswept(
  read: Read,
  appId: number,
  userId: string,
  sweep: Sweep,
  limit: number,
): Promise<Pick<MessageRow, "id" | "cid">[]> {
  const theirs = read
    .selectFrom("messages")
    .select(["id", "cid"])
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .limit(limit)
  switch (sweep) {
    case "hard":
      return theirs.execute()
    case "pruning":
      return theirs.where((test) => test.or([test("deletion", "is", null), test("deletion", "<>", "pruned")])).execute()
    case "restore":
      return theirs.where("deletion", "=", "deactivation").execute()
    default:
      return theirs.where("deletion", "is", null).execute()
  }
}

/** Applies a sweep to messages that selectUnswept found in the same transaction. */
export async function sweepMessages(
  tx: Tx,
  appId: number,
  ids: readonly string[],
  sweep: Sweep,
  now: number,
): Promise<void> {
  if (sweep === "hard") {
    await tx.deleteFrom("messages").where("app_id", "=", appId).where("id", "in", ids).execute()
    return
  }
  const changes: { [Kind in typeof sweep]: Partial<MessageRow> } = {
    soft: { deleted_at: now, deletion: "user" },
    deactivation: { deleted_at: now, deletion: "deactivation" },
    restore: { deleted_at: null, deletion: null },
    pruning: {
      deleted_at: now,
      deletion: "pruned",
      text: "",
      attachments: "[]",
      mentioned_user_ids: "[]",
      custom: "{}",
    },
  }
  await tx
    .updateTable("messages")
    .set({ updated_at: now, ...changes[sweep] })
    .where("app_id", "=", appId)
    .where("id", "in", ids)
    .execute()
}

/** Deletes up to `limit` messages of a channel and answers their ids. */
export async function deleteMessagesIn(tx: Tx, appId: number, cid: string, limit: number): Promise<string[]> {
  const rows = await tx
    .selectFrom("messages")
    .select("id")
    .where("app_id", "=", appId)
    .where("cid", "=", cid)
    .limit(limit)
    .execute()
  const ids = rows.map(({ id }) => id)
  if (ids.length > 0) await tx.deleteFrom("messages").where("app_id", "=", appId).where("id", "in", ids).execute()
  return ids
}
