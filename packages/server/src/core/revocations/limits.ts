export const limits = {
  /** How long a node believes what it knows of revocations without having asked the database. */
  leaseMs: 5_000,
  /** It asks this often. */
  renewEveryMs: 1_000,
  /** It looks this often whether its lease is over. */
  watchEveryMs: 100,
  /**
   * A process that was stopped for a while finds its lease over when it wakes, and asks at once. So many looks in a row
   * it may take before its sockets are closed; meanwhile nobody is let in and nothing delivered.
   */
  looksBeforeFence: 5,
  /** Rows of one read. */
  readBatchMax: 5_000,
  /** Revocations in force, over all apps. */
  revocationsMax: 5_000_000,
  /** After a node's lease by the database's clock, before it counts as fenced: what its own clock may be behind. */
  fenceMarginMs: 250,
  /** While a receipt waits, nodes that the bus does not reach are looked for in the database this often. */
  lookForNodesEveryMs: 200,
  /** Rows of nodes that went away are forgotten after this. */
  nodesKeptMs: 60 * 60_000,
  /** Shadow hits are written this often, and at most so many users are told apart meanwhile. */
  shadowFlushEveryMs: 2_000,
  shadowUsersMax: 10_000,
  pruneEveryMs: 10 * 60_000,
  pruneBatchMax: 5_000,
  pageSizeDefault: 25,
  /** How long the other nodes have to count sockets for a dry run. */
  askNodesMs: 1_000,
} as const
