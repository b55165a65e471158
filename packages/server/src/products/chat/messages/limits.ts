export const limits = {
  /** A message has up to about 30 KB, most have less than one. */
  messagesCachedMax: 10_000,
  /** Messages that one batch of a deletion touches. */
  deletionBatchMax: 500,
} as const
