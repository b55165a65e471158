export const limits = {
  /** Apps whose own numbers are held in memory. */
  appsCachedMax: 10_000,
  /** A mistyped operation that is further than this from every name gets no suggestion. */
  suggestionEditsMax: 4,
  /** Of a name that somebody sent, in a message. */
  namedCharsMax: 80,
} as const
