// Bounds of what is shown of deliveries and done to them. Units are at the end of each name; «Ms» is milliseconds.

export const limits = {
  pageSizeDefault: 25,
  /** Rows that one page, or one replay, looks through for those that its filters want. */
  scanRowsMax: 10_000,
  /** Deliveries of one call of ReplayDeliveries. */
  replayBatchMax: 1_000,
  /** How far the clocks of nodes, and the moments of their commits, may lie apart: times are found by ids. */
  clockSkewMs: 5 * 60_000,
  /** A secret that is younger than this may not have reached the node that signed. */
  secretSettlesMs: 60_000,

  // Numbers
  statsSpanMs: 60 * 60_000,
  /** Newest deliveries in which those of the last hour are counted: of all hooks, and of one. */
  countedRowsMax: 50_000,
  countedRowsPerHookMax: 10_000,
  /** Deliveries of one hook whose attempts are looked at: its newest, and those that failed and wait. */
  sampledNewestMax: 100,
  sampledWaitingMax: 50,
  /** Waiting deliveries of a hook that its status counts, and newest ones that are looked through for an arrival. */
  pendingCountedMax: 10_000,
  arrivalsSeenMax: 1_000,
  /** Different faults of one hook; the rest counts as `other`. */
  faultsMax: 30,
} as const
