// Bounds of what is shown of deliveries and done to them. Units are at the end of each name; «Ms» is milliseconds.

export const limits = {
  pageSizeDefault: 25,
  /** Rows that one page, or one replay, looks through for those that its filters want. */
  scanRowsMax: 10_000,
  /** Deliveries of one call of ReplayDeliveries. */
  replayBatchMax: 1_000,
  /** How far the clocks of nodes, and the moments of their commits, may lie apart: times are found by ids. */
  clockSkewMs: 5 * 60_000,
  /** Of one hook, with those that have ended: more than it may have. */
  secretsCheckedMax: 100,
  /** A secret that is younger than this may not have reached the node that signed. */
  secretSettlesMs: 60_000,

  // Test events
  /** Of a body of the operator's own: what the smallest of the queues takes (SQS and SNS, 256 KiB). */
  testBodyBytesMax: 256 * 1024,
  /** Types that an error lists. */
  typesNamedMax: 200,

  // Numbers
  statsSpanMs: 60 * 60_000,
  /** Newest deliveries in which those of the last hour are counted: of all hooks, and of one. */
  countedRowsMax: 50_000,
  countedRowsPerHookMax: 10_000,
  /** Deliveries of one hook whose attempts are looked at: its newest, and those that failed and wait. */
  sampledNewestMax: 100,
  sampledWaitingMax: 50,
  /** Different faults of one hook; the rest counts as `other`. */
  faultsMax: 30,
} as const
