// Names of what a socket can be subscribed to. Each begins with the app, so no frame can cross into another one.

export const topics = {
  /** Everything that concerns one user; each of their sockets has it from the start. */
  user: (appId: number, userId: string): string => `${appId}|user|${userId}`,
  /** Presence of one user, for those who asked. */
  presence: (appId: number, userId: string): string => `${appId}|presence|${userId}`,
  /** Watchers of a channel. */
  channel: (appId: number, cid: string): string => `${appId}|channel|${cid}`,
  /** Watchers of a call. */
  call: (appId: number, cid: string): string => `${appId}|call|${cid}`,
  /** Watchers of a feed, `group:id`. */
  feed: (appId: number, feed: string): string => `${appId}|feed|${feed}`,
} as const
