export const limits = {
  usersCachedMax: 100_000,
  /** A connected user's `last_active` is written at most this often (contract/chat.md §2.1). */
  lastActiveEveryMs: 15 * 60_000,
  /** Guests per app and minute (contract/auth.md §8). */
  guestsPerAppPerMinuteMax: 1000,
  guestsPerAddressPerMinuteMax: 60,
} as const
