export const limits = {
  feedsCachedMax: 50_000,
  /** Memberships or feeds of a deleted user that one step takes away. */
  deletionBatchMax: 100,
} as const
