export const limits = {
  /** Feeds of one statement that merges a timeline. SQLite takes 500 parts in a compound, and shorter text is quicker. */
  feedsPerStatementMax: 50,
} as const
