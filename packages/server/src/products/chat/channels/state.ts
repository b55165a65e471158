// The state of a channel: the answer of three operations, put together from channels, members, messages and reads.

import type { AppCaller } from "@weir/protocol"
import type { Read } from "../../../store/database.ts"
import { type ChannelMemberRow, memberResponse, type People, selectMember, selectMembers } from "../members/index.ts"
import { type MessagePage, messageResponse, peopleIn, selectPage } from "../messages/index.ts"
import { readStateResponse, showsReads } from "../reads/index.ts"
import { type ChannelAccess, seenAfterSeq } from "../types/index.ts"
import { channelResponse } from "./rules.ts"
import type { ChannelRow } from "./store.ts"

export interface StateOptions {
  /** Null: nothing but the channel. */
  readonly contents: {
    readonly messages: MessagePage
    readonly members: { readonly limit: number; readonly offset: number }
  } | null
  /** Ids to show as watchers; null: none are asked for. */
  readonly watcherIds: readonly string[] | null
  readonly watcherCount: number
}

export interface StateParts {
  readonly people: People
}

/** `viewerId`: whose membership and hidden read state are shown. `read` may be an open transaction. */
export async function channelState(
  { people: shown }: StateParts,
  read: Read,
  principal: AppCaller,
  viewerId: string | null,
  access: ChannelAccess,
  row: ChannelRow,
  { contents, watcherIds, watcherCount }: StateOptions,
) {
  const { app_id: appId, cid } = row
  const [members, messages, own] = await Promise.all([
    contents === null ? [] : selectMembers(read, appId, cid, contents.members),
    contents === null ? [] : selectPage(read, appId, cid, seenAfterSeq(access), contents.messages),
    viewerId === null ? undefined : selectMember(read, appId, cid, viewerId),
  ])
  const ids = new Set<string>(watcherIds ?? [])
  if (row.created_by_id !== null) ids.add(row.created_by_id)
  if (own !== undefined) ids.add(own.user_id)
  for (const member of members) ids.add(member.user_id)
  for (const message of messages) for (const id of peopleIn(message)) ids.add(id)
  const people = await shown.many(appId, ids, read)

  const reads = contents !== null && access.channel.type.config.read_events ? await readable(members, own) : []
  async function readable(listed: readonly ChannelMemberRow[], mine: ChannelMemberRow | undefined) {
    const all =
      mine === undefined || listed.some(({ user_id }) => user_id === mine.user_id) ? listed : [mine, ...listed]
    const told = await Promise.all(
      all.map(async ({ user_id }) => user_id === viewerId || showsReads(await shown.stored(appId, user_id))),
    )
    return all.filter((_, index) => told[index])
  }

  return {
    channel: channelResponse(
      principal,
      access,
      row,
      row.created_by_id === null ? undefined : people.get(row.created_by_id),
    ),
    messages: messages.map((message) => messageResponse(message, people)),
    pinned_messages: [],
    threads: [] as unknown[],
    pending_messages: [] as unknown[],
    active_live_locations: [] as unknown[],
    members: members.map((member) => memberResponse(member, people, row.created_by_id)),
    ...(own === undefined ? {} : { membership: memberResponse(own, people, row.created_by_id) }),
    read: reads.flatMap((member) => {
      const user = people.get(member.user_id)
      return user === undefined ? [] : [readStateResponse(member, user, row.counted)]
    }),
    ...(watcherIds === null
      ? {}
      : {
          watchers: watcherIds.flatMap((id) => {
            const user = people.get(id)
            return user === undefined ? [] : [user]
          }),
        }),
    watcher_count: watcherCount,
    hidden: false,
  }
}

export type ChannelState = Awaited<ReturnType<typeof channelState>>
