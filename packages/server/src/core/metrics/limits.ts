export const limits = {
  /** Hooks with a series of their own, those with the most waiting; the rest is added up. */
  hooksMax: 1_000,
  /** Events that wait for the relay are counted no further. */
  outboxCountedMax: 100_000,
} as const
