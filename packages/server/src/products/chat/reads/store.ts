// What members have read stands in their membership's row (members/store.ts): four columns that only this module
// changes. Unread is a difference of two counters, the channel's and the member's, so no messages are ever counted.

import { count, sum } from "../../../store/columns.ts"
import type { Read, Tx } from "../../../store/database.ts"
import { statement } from "../messages/index.ts"

/** How far somebody has read. */
export interface ReadMark {
  /** Milliseconds. */
  readonly at: number
  readonly messageId: string | null
  readonly seq: number
  readonly counted: number
}

interface MarkValues {
  readonly app_id: number
  readonly cid: string
  readonly user_id: string
  readonly at: number
  readonly message_id: string | null
  readonly seq: number
  readonly counted: number
}

const moveStatement = statement<MarkValues, never>((tx, value) =>
  tx
    .updateTable("channel_members")
    .set({
      last_read: value("at"),
      last_read_message_id: value("message_id"),
      read_seq: value("seq"),
      read_counted: value("counted"),
    })
    .where("app_id", "=", value("app_id"))
    .where("cid", "=", value("cid"))
    .where("user_id", "=", value("user_id"))
    .where("read_seq", "<=", value("seq")),
)

/** Moves a member's mark, never backwards. Whoever is no member has none. */
export const moveMark = (tx: Tx, appId: number, cid: string, userId: string, mark: ReadMark): Promise<unknown> =>
  moveStatement(tx, {
    app_id: appId,
    cid,
    user_id: userId,
    at: mark.at,
    message_id: mark.messageId,
    seq: mark.seq,
    counted: mark.counted,
  })

/** The channel's end; undefined when there is no such channel. */
export const selectChannelEnd = (
  read: Read,
  appId: number,
  cid: string,
): Promise<{ message_seq: number; counted: number } | undefined> =>
  read
    .selectFrom("channels")
    .select(["message_seq", "counted"])
    .where("app_id", "=", appId)
    .where("cid", "=", cid)
    .executeTakeFirst()

/** Unread messages and the channels that have some, over the first `membershipsMax` memberships. */
export async function selectUnread(
  read: Read,
  appId: number,
  userId: string,
  types: readonly string[],
  membershipsMax: number,
): Promise<{ total: number; channels: number }> {
  const row = await read
    .selectFrom((from) =>
      from
        .selectFrom("channel_members")
        .select(["app_id", "cid", "read_counted"])
        .where("app_id", "=", appId)
        .where("user_id", "=", userId)
        .orderBy("cid")
        .limit(membershipsMax)
        .as("mine"),
    )
    .innerJoin("channels", (join) =>
      join.onRef("channels.app_id", "=", "mine.app_id").onRef("channels.cid", "=", "mine.cid"),
    )
    .where("channels.deleted_at", "is", null)
    .where("channels.type", "in", types)
    .whereRef("channels.counted", ">", "mine.read_counted")
    .select((select) => [
      sum(select("channels.counted", "-", select.ref("mine.read_counted"))).as("total"),
      count().as("channels"),
    ])
    .executeTakeFirst()
  return { total: row?.total ?? 0, channels: row?.channels ?? 0 }
}
