// What the app watches. A watch belongs to one socket, so after a reconnect everything is watched again.

import { WeirApiError } from "./errors.ts"
import { limits } from "./limits.ts"
import type { Operations } from "./operations.ts"

export type Watched =
  | { kind: "channel"; type: string; id: string; presence: boolean }
  | { kind: "feed"; group: string; id: string }
  | { kind: "call"; type: string; id: string }
  /** The presence of one user. */
  | { kind: "user"; id: string }

export interface Watches {
  add(watched: Watched): void
  /** Watches everything again through the new socket. What is gone or forbidden now is let go. */
  recover(operations: Operations, connectionId: string): Promise<void>
}

export function createWatches(): Watches {
  const watchesByKey = new Map<string, Watched>()

  return {
    add(watched) {
      const key = keyOf(watched)
      watchesByKey.delete(key)
      watchesByKey.set(key, watched)
      const [oldest] = watchesByKey.keys()
      if (watchesByKey.size > limits.watchesMax && oldest !== undefined) watchesByKey.delete(oldest)
    },

    async recover(operations, connectionId) {
      const all = [...watchesByKey.values()]
      for (const presence of [false, true]) {
        const channels = all.filter((watched) => watched.kind === "channel" && watched.presence === presence)
        for (const batch of batchesOf(channels, limits.watchBatchSize)) {
          await watchChannels(batch, presence, operations, connectionId)
        }
      }
      const users = all.filter((watched) => watched.kind === "user")
      for (const batch of batchesOf(users, limits.presenceBatchSize)) {
        await watchUsers(batch, operations, connectionId)
      }
      for (const watched of all) await watchOne(watched, operations, connectionId)
    },
  }

  async function watchChannels(
    batch: Watched[],
    presence: boolean,
    operations: Operations,
    connectionId: string,
  ): Promise<void> {
    const cids = batch.map((channel) => `${"type" in channel ? channel.type : ""}:${channel.id}`)
    const { channels } = await operations.channels.query(
      { filter_conditions: { cid: { $in: cids } }, watch: true, presence, state: false, limit: batch.length },
      { connection_id: connectionId },
    )
    const found = new Set(channels.map(({ channel }) => channel.cid))
    batch.forEach((channel, index) => {
      if (!found.has(cids[index] as string)) watchesByKey.delete(keyOf(channel))
    })
  }

  async function watchUsers(batch: Watched[], operations: Operations, connectionId: string): Promise<void> {
    const ids = batch.map(({ id }) => id)
    const { users } = await operations.users.query(
      { filter_conditions: { id: { $in: ids } }, presence: true, limit: ids.length },
      { connection_id: connectionId },
    )
    const found = new Set(users.map(({ id }) => id))
    for (const user of batch) if (!found.has(user.id)) watchesByKey.delete(keyOf(user))
  }

  async function watchOne(watched: Watched, operations: Operations, connectionId: string): Promise<void> {
    const bound = { connection_id: connectionId }
    try {
      if (watched.kind === "feed") {
        await operations.feeds.getOrCreate(watched.group, watched.id, { watch: true, limit: 1 }, bound)
      } else if (watched.kind === "call") {
        await operations.calls.get(watched.type, watched.id, bound)
      }
    } catch (error) {
      if (!(error instanceof WeirApiError) || (error.status !== 403 && error.status !== 404)) throw error
      watchesByKey.delete(keyOf(watched))
    }
  }
}

function keyOf(watched: Watched): string {
  if (watched.kind === "user") return `user ${watched.id}`
  return `${watched.kind} ${watched.kind === "feed" ? watched.group : watched.type}:${watched.id}`
}

const batchesOf = <T>(all: T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size))
