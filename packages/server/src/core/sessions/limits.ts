export const limits = {
  /** Tokens whose use is being counted, on one node. Beyond it the oldest is written and forgotten. */
  tokensWatchedMax: 100_000,
  /** What was seen is written this often. */
  flushEveryMs: 2_000,
  /** Rows of one statement. */
  flushBatchMax: 200,
  /** A token that was idle for so long is forgotten here; its next use is a first sight again. */
  idleMs: 60_000,
  /** Names of clients kept apart per secret; what comes after counts as `other`. */
  clientsPerSecretMax: 20,
  clientCharsMax: 200,
  addressCharsMax: 64,
  /** Rules of token policies whose warnings are counted in memory between two writes. */
  warningsPendingMax: 10_000,
  secretsPendingMax: 10_000,
  pageSizeDefault: 25,
  pageSizeMax: 100,
  /** Sockets of one answer, over all nodes. */
  socketsListedMax: 1_000,
  /** How long the other nodes have to say which sockets they hold. */
  askNodesMs: 1_000,
  /** A token that was not seen for so long is no longer listed or counted. */
  keptMs: 30 * 24 * 60 * 60_000,
  pruneEveryMs: 10 * 60_000,
  pruneBatchMax: 5_000,
} as const
