export const limits = {
  /** Above this many watchers typing and read events are not told any more (contract/chat.md §3.18). */
  fleetingWatchersMax: 100,
} as const
