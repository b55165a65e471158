// Names of what a socket can be subscribed to. Each begins with the app, so no frame can cross into another one.

export const topics = {
  /** Everything that concerns one user; each of their sockets has it from the start. */
  user: (appId: number, userId: string): string => `${appId}|user|${userId}`,
  /** Presence of one user, for those who asked. */
  presence: (appId: number, userId: string): string => `${appId}|presence|${userId}`,
  /** Watchers of a channel. */
  channel: (appId: number, cid: string): string => `${appId}|channel|${cid}`,
  /** The cid in a channel's topic; null for a topic of another kind. */
  cidOf: (appId: number, topic: string): string | null => {
    const prefix = `${appId}|channel|`
    return topic.startsWith(prefix) ? topic.slice(prefix.length) : null
  },
  isCall: (appId: number, topic: string): boolean => topic.startsWith(`${appId}|call|`),
  /** Watchers of a call. */
  call: (appId: number, cid: string): string => `${appId}|call|${cid}`,
  /** Watchers of a feed, `group:id`. */
  feed: (appId: number, feed: string): string => `${appId}|feed|${feed}`,
} as const
