// What chat does when a user is deleted or deactivated: bounded steps for the task that core/users runs.

import type { DeleteContent } from "../../../core/users/index.ts"
import type { Tx } from "../../../store/database.ts"
import {
  deleteMembers,
  type Members,
  memberLimits,
  type People,
  selectChannelsOf,
  selectRosterIds,
} from "../members/index.ts"
import {
  deleteMessagesIn,
  type Messages,
  messageLimits,
  type Sweep,
  selectUnswept,
  sweepMessages,
  userMessagesDeleted,
} from "../messages/index.ts"
import { channelPicture, type TellBackends } from "../types/index.ts"
import type { Channels } from "./cache.ts"
import { channelDeleted } from "./events.ts"
import { limits } from "./limits.ts"
import { channelOf } from "./rules.ts"
import {
  type ChannelRow,
  deleteChannelRow,
  giveChannels,
  markChannelDeleted,
  selectConversations,
  selectStanding,
} from "./store.ts"

export interface DeletionParts {
  readonly channels: Channels
  readonly members: Members
  readonly messages: Messages
  readonly people: People
  readonly tellBackends: TellBackends
}

/** One step of one user's deletion: messages, conversations of two, then memberships and owned channels. */
export const createDeleteContent =
  (parts: DeletionParts): DeleteContent =>
  async (tx, appId, userId, { mode, messages, conversations, newChannelOwnerId, now }) => {
    const isHard = mode === "hard"
    const sweep = isHard ? "hard" : messages
    if (sweep !== undefined && !(await sweepStep(parts, tx, appId, userId, sweep, now))) return false
    const conversationsGo = isHard ? "hard" : conversations
    if (conversationsGo !== undefined) {
      if (!(await conversationStep(parts, tx, appId, userId, conversationsGo === "hard", now))) return false
    }
    if (!isHard) return true
    if (!(await membershipStep(parts, tx, appId, userId))) return false
    // A channel must not stay with an id that somebody else may take later.
    const given = await giveChannels(tx, appId, userId, newChannelOwnerId ?? null, limits.deletionBatchMax, now)
    for (const cid of given) parts.channels.dropAfter(tx, appId, cid)
    return given.length < limits.deletionBatchMax
  }

/** Sweeps a batch of a user's messages; answers whether none are left. */
export async function sweepStep(
  parts: DeletionParts,
  tx: Tx,
  appId: number,
  userId: string,
  sweep: Sweep,
  now: number,
): Promise<boolean> {
  const found = await selectUnswept(tx, appId, userId, sweep, messageLimits.deletionBatchMax)
  if (found.length === 0) return true
  const ids = found.map(({ id }) => id)
  await sweepMessages(tx, appId, ids, sweep, now)
  parts.messages.dropAfter(tx, appId, ids)
  if (sweep !== "restore") {
    const rows = await selectStanding(tx, appId, [...new Set(found.map(({ cid }) => cid))])
    const user = await parts.people.one(appId, userId)
    for (const row of rows.values()) {
      const channel = channelOf(row)
      if (channel !== null) tx.emit(userMessagesDeleted(channel, user, sweep === "hard", now))
    }
  }
  return found.length < messageLimits.deletionBatchMax
}

/** Deletes one conversation of two, or a batch of the messages of one that goes for good. */
async function conversationStep(
  parts: DeletionParts,
  tx: Tx,
  appId: number,
  userId: string,
  isHard: boolean,
  now: number,
): Promise<boolean> {
  const [row] = await selectConversations(tx, appId, userId, 1, isHard)
  if (row === undefined) return true
  if (row.deleted_at === null) {
    await tellDeleted(parts, tx, row, now)
    await markChannelDeleted(tx, appId, row.cid, now)
    parts.channels.dropAfter(tx, appId, row.cid)
    // Its rows go in later steps: what backends are told is read at the end of this one.
    return false
  }
  if (!isHard) return false
  const gone = await deleteMessagesIn(tx, appId, row.cid, messageLimits.deletionBatchMax)
  parts.messages.dropAfter(tx, appId, gone)
  if (gone.length === messageLimits.deletionBatchMax) return false
  const members = await selectRosterIds(tx, appId, row.cid, 2)
  await deleteChannelRow(tx, appId, row.cid)
  parts.channels.dropAfter(tx, appId, row.cid)
  parts.members.dropAfter(tx, appId, row.cid, members)
  return false
}

async function tellDeleted({ tellBackends }: DeletionParts, tx: Tx, row: ChannelRow, now: number): Promise<void> {
  const channel = channelOf(row)
  if (channel === null) return
  const members = await selectRosterIds(tx, row.app_id, row.cid, 2)
  tx.emit(channelDeleted(channel, { ...channelPicture({ ...channel, deletedAt: now }) }, members, tellBackends, now))
}

async function membershipStep({ members }: DeletionParts, tx: Tx, appId: number, userId: string): Promise<boolean> {
  const found = await selectChannelsOf(tx, appId, userId, memberLimits.deletionBatchMax)
  for (const { cid } of found) {
    await deleteMembers(tx, appId, cid, [userId])
    members.dropAfter(tx, appId, cid, [userId])
  }
  return found.length < memberLimits.deletionBatchMax
}
