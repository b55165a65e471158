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
  /** Revocations in force, over all apps: about a gigabyte of memory. Beyond it the management API makes no more. */
  revocationsMax: 5_000_000,
  /** A node that knew nothing for so long forgets what it knew and reads everything anew. */
  reloadAfterMs: 24 * 60 * 60_000,
  /** After a node's lease by the database's clock, before it counts as fenced: what its own clock may be behind. */
  fenceMarginMs: 250,
  /** While a receipt waits, nodes that the bus does not reach are looked for in the database this often. */
  lookForNodesEveryMs: 200,
  /** Rows of nodes that went away are forgotten after this. */
  nodesKeptMs: 60 * 60_000,
  nodesListedMax: 1_000,
  /**
   * What a node closed is in its row of the database for so long and so many revocations, for whoever waits for a
   * receipt while the bus is away.
   */
  closedKeptMs: 15_000,
  closedKeptMax: 1_000,
  /** Shadows that a node counts for at once, and users of one that are told apart. */
  shadowsMax: 100,
  shadowUsersMax: 10_000,
  /** Users of one statement. */
  shadowUsersPerWriteMax: 500,
  pruneEveryMs: 10 * 60_000,
  pruneBatchMax: 5_000,
  /** Batches of one round; what is left waits for the next. */
  pruneBatchesMax: 200,
  /** Entries in memory that are looked at before others get their turn. */
  pruneStride: 10_000,
  /** Nodes' clocks may differ by so much: what has run out is kept so much longer. */
  pruneMarginMs: 60_000,
  /** Undone revocations stay in the list for so long. Much longer than reloadAfterMs, so that each node hears of it. */
  undoneKeptMs: 30 * 24 * 60 * 60_000,
  pageSizeDefault: 25,
} as const
