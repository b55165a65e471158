export const limits = {
  /** Feeds of one statement that merges a timeline. SQLite takes 500 parts in a compound, and shorter text is quicker. */
  feedsPerStatementMax: 50,
  /** Activities of a deleted user that one step takes away; each is told to the watchers of all its feeds. */
  deletionBatchMax: 20,
} as const
