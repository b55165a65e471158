export const limits = {
  feedsCachedMax: 50_000,
} as const
