// Watching is two things, and their order matters: first the socket hears, then the state is read. What others do in
// between is then in both, under one id, instead of in neither.

import type { Awaitable } from "../base/chain.ts"
import type { Sockets, Subscription } from "./sockets.ts"

/** What was read once the socket hears, and which of the topics the caller may not hear. */
export interface ReadWatch<T> {
  readonly state: T
  readonly lost: readonly string[]
}

/**
 * Subscribes a socket, reads, and answers what was read. Whoever loses a right is unsubscribed when the event of that
 * arrives. An event that arrived before this subscription belongs to a change that was committed before it, so `read`
 * asks the database who may hear, not a cache, and names the topics that are lost; they are given up here, and all of
 * them when nobody knows because `read` throws. Throws what `subscribe` and `read` throw.
 */
export async function hearThenRead<T>(
  sockets: Pick<Sockets, "subscribe" | "unsubscribe">,
  subscription: Subscription,
  read: () => Awaitable<ReadWatch<T>>,
): Promise<T> {
  await sockets.subscribe(subscription)
  let lost = subscription.topics
  try {
    const watch = await read()
    lost = watch.lost
    return watch.state
  } finally {
    if (lost.length > 0) await sockets.unsubscribe({ ...subscription, topics: lost })
  }
}
