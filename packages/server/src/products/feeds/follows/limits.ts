export const limits = {
  relationsCachedMax: 100_000,
  /** Follows that one step of a clean-up settles; each is told to the watchers of two feeds. */
  settleBatchMax: 100,
} as const
