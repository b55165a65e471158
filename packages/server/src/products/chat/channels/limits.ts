export const limits = {
  channelsCachedMax: 50_000,
  /** Members whose presence one watch follows. */
  presenceMembersMax: 100,
  /** Read states in a channel's answer: those of the listed members. */
  watchersPageDefault: 100,
  /** Members that backends are shown with an event: the first ones (contract/chat.md §5.4). */
  membersToldMax: 50,
  /** Channels that one batch of a user's deletion touches. */
  deletionBatchMax: 100,
} as const
