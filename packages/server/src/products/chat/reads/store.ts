// What members have read stands in their membership's row (members/store.ts): four columns that only this module
// changes. Unread is a difference of two counters, the channel's and the member's, so no messages are ever counted.

import { count, sum } from "../../../store/columns.ts"
import type { Read, Tx } from "../../../store/database.ts"
import { type Places, statement } from "../../../store/statement.ts"

/** How far somebody has read. */
export interface ReadMark {
  /** Milliseconds. */
  readonly at: number
  readonly messageId: string | null
  readonly seq: number
  readonly counted: number
}

interface MarkOf extends ReadMark {
  readonly appId: number
  readonly cid: string
  readonly userId: string
}

const forwardMark = statement((tx: Tx, value: Places<MarkOf>) =>
  tx
    .updateTable("channel_members")
    .set({
      last_read: value("at"),
      last_read_message_id: value("messageId"),
      read_seq: value("seq"),
      read_counted: value("counted"),
    })
    .where("app_id", "=", value("appId"))
    .where("cid", "=", value("cid"))
    .where("user_id", "=", value("userId"))
    .where("read_seq", "<=", value("seq")),
)

/** Moves a member's mark, never backwards. Whoever is no member has none. */
export const moveMark = (tx: Tx, appId: number, cid: string, userId: string, mark: ReadMark): Promise<unknown> =>
  forwardMark.run(tx, { appId, cid, userId, ...mark })

const channelEnd = statement((read: Read, value: Places<{ appId: number; cid: string }>) =>
  read
    .selectFrom("channels")
    .select(["message_seq", "counted"])
    .where("app_id", "=", value("appId"))
    .where("cid", "=", value("cid")),
)

/** The channel's end; undefined when there is no such channel. */
export const selectChannelEnd = (
  read: Read,
  appId: number,
  cid: string,
): Promise<{ message_seq: number; counted: number } | undefined> => channelEnd.first(read, { appId, cid })

interface UnreadOf {
  readonly appId: number
  readonly userId: string
  readonly types: readonly string[]
  readonly membershipsMax: number
}

const unreadTotals = statement((read: Read, value: Places<UnreadOf>) =>
  read
    .selectFrom((from) =>
      from
        .selectFrom("channel_members")
        .select(["app_id", "cid", "read_counted"])
        .where("app_id", "=", value("appId"))
        .where("user_id", "=", value("userId"))
        .orderBy("cid")
        .limit(value("membershipsMax"))
        .as("mine"),
    )
    .innerJoin("channels", (join) =>
      join.onRef("channels.app_id", "=", "mine.app_id").onRef("channels.cid", "=", "mine.cid"),
    )
    .where("channels.deleted_at", "is", null)
    .where("channels.type", "in", value("types"))
    .whereRef("channels.counted", ">", "mine.read_counted")
    .select((select) => [
      sum(select("channels.counted", "-", select.ref("mine.read_counted"))).as("total"),
      count().as("channels"),
    ]),
)

/**
 * Unread messages and the channels that have some, over the first `membershipsMax` memberships. Asked at every
 * connect: whoever is in no channel costs one look into an index.
 */
export async function selectUnread(
  read: Read,
  appId: number,
  userId: string,
  types: readonly string[],
  membershipsMax: number,
): Promise<{ total: number; channels: number }> {
  const row = await unreadTotals.first(read, { appId, userId, types, membershipsMax })
  return { total: row?.total ?? 0, channels: row?.channels ?? 0 }
}
