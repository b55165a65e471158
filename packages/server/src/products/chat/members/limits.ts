export const limits = {
  /**
   * Channels with up to this many members are held whole in memory. Larger ones are asked member by member, and
   * their members hear of messages only by watching.
   */
  rosterMembersMax: 10_000,
  rostersCachedMax: 20_000,
  /** Members of large channels. */
  membershipsCachedMax: 100_000,
  /** Memberships that one batch of a user's deletion ends. */
  deletionBatchMax: 200,
} as const
