export const limits = {
  /** Counts of this node are written this often: a process that is killed loses no more than that. */
  flushEveryMs: 10_000,
  /** Apps that a node counts for at once. Further ones are answered and not counted. */
  appsMax: 10_000,
  /** Minutes of apps that are over and wait to be written, while the database is away. Beyond it the oldest go. */
  waitingMax: 20_000,
  /** Rows of one transaction, and transactions of one flush; what is left waits for the next. */
  rowsPerWriteMax: 1_000,
  writesPerFlushMax: 20,
  rowsPerStatementMax: 100,
  /** Told apart in one minute of an app; the rest counts as `other`. */
  operationsMax: 100,
  keysMax: 50,
  refusalsMax: 40,
  /** Numbers by the minute are kept for so long, then those by the hour. */
  minutesKeptMs: 48 * 60 * 60_000,
  hoursKeptMs: 30 * 24 * 60 * 60_000,
  /** Hours that are over are added up this often, at most so many, each a while after its end: nodes may be late. */
  rollEveryMs: 60_000,
  hoursPerRollMax: 500,
  rollGraceMs: 60_000,
  pruneBatchMax: 5_000,
  pruneBatchesMax: 200,
  /** Rows of one read; between two of them others get their turn. */
  rowsPerReadMax: 1_000,
  /** Minutes of an app that one node tells another of, because they are not written yet. */
  unwrittenPerAppMax: 30,

  // Requests one by one
  /** Apps whose latest requests a node remembers; those that were not called for longest are forgotten. */
  recentAppsMax: 100,
  recentPerAppMax: 1_000,
  /** Of an app in one second: answered ones, and refused ones. The rest is only counted, so that load costs no memory. */
  recordedPerSecondMax: 100,
  /** A request's texts: what callers send stands in some. */
  pathCharsMax: 300,
  textCharsMax: 200,
  requestsPageDefault: 50,
  /** Nodes that a cursor has room for. */
  cursorNodesMax: 100,

  /** The overview looks for an app's key among so many. */
  keysLookedAtMax: 100,
  /** Users are counted no further. */
  usersCountedMax: 10_000,
  /** Points of a series that has no step of its own, at most. */
  pointsWanted: 200,
} as const
