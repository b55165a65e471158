export const limits = {
  /** Refusals that wait to be written, over all apps of this node. */
  pendingMax: 1_000,
  /** Of one app: its flood cannot push out what others wait for. */
  pendingPerAppMax: 100,
  flushEveryMs: 100,
  flushBatchMax: 200,
  /** Refusals that this node can still answer from memory, because other nodes' reads may not see them yet. */
  recentMax: 2_000,
  keptMs: 7 * 24 * 60 * 60_000,
  /** Newest of one app that are kept. */
  keptPerAppMax: 20_000,
  pruneEveryMs: 60_000,
  pruneBatchMax: 5_000,
  /** Texts in a decision: what callers send appears in some. */
  textCharsMax: 500,
  /** Of what came as an API key and has not the form of one. */
  strangeKeyCharsMax: 4,
  factsMax: 20,
  checksMax: 30,
  pageSizeDefault: 25,
} as const
