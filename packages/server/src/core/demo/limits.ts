export const limits = {
  /** Life of a demo user's token, and of one that is meant to run out while somebody watches. */
  tokenSeconds: 300,
  shortTokenSeconds: 10,
  /** Of everybody together in one minute. Revocations are kept, so fewer of them go. */
  tokensPerMinuteMax: 120,
  revocationsPerMinuteMax: 12,
  /** A request's body: a user and what token. */
  bodyBytesMax: 1_024,
} as const
