// Bounds of the queue of deliveries. Units are at the end of each name; «Ms» is milliseconds. How much of it a hook may
// keep, and for how long, stands with the bounds of hooks.

export const limits = {
  deliveriesPerInsertMax: 100,
  /** Rows for which an insert is built once (store/limits.ts, statementListMax). */
  deliveriesPerReadyInsert: 8,
  leasesPerStatementMax: 200,
  /** Hooks of one look for what is due. */
  dueHooksMax: 1_000,
  /** Streams of an ordered hook that one look goes through. */
  streamsSeenPerTake: 100,
  /** Deliveries of one stream that are taken along with the oldest. */
  behindHeadMax: 20,
  pruneEveryMs: 5 * 60_000,
  pruneBatchMax: 500,

  // Test events
  /** Of a body of the operator's own: what the smallest of the queues takes (SQS and SNS, 256 KiB). */
  testBodyBytesMax: 256 * 1024,
  /** Types that an error lists. */
  typesNamedMax: 200,
  /** A type further away than this is not suggested. */
  suggestionEditsMax: 3,
} as const
