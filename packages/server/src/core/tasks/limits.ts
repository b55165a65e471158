export const limits = {
  attemptsMax: 8,
  /** A node that died in the middle holds its task for this long. */
  leaseMs: 30_000,
  retryMinMs: 1_000,
  retryMaxMs: 5 * 60_000,
  /** How often a node looks for tasks when nothing told it of one. */
  lookEveryMs: 2_000,
  /** Steps of one task before the next one gets its turn. */
  stepsPerTurnMax: 50,
  keptMs: 7 * 24 * 60 * 60_000,
  pruneEveryMs: 60 * 60_000,
  resultBytesMax: 64 * 1024,
} as const
