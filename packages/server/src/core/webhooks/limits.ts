// Bounds of hooks and their deliveries. Units are at the end of each name; «Ms» is milliseconds.

export const limits = {
  hooksPerAppMax: 50,
  /** A little more, for hooks of the older settings and of listeners. */
  hooksPerAppReadMax: 100,
  secretsPerHookMax: 10,
  /** Apps whose hooks are held in memory. */
  appsCachedMax: 10_000,
  typesRememberedMax: 500,
  apiKeysReadMax: 1_000,
  apiKeysBelievedMs: 5_000,
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

  // How long things are kept
  pruneEveryMs: 5 * 60_000,
  pruneBatchMax: 500,
  deliveredKeptMs: 24 * 60 * 60_000,
  deadKeptMs: 30 * 24 * 60 * 60_000,
  /** A delivery that has waited for so long becomes a dead letter, whatever its attempts. */
  pendingKeptMs: 4 * 24 * 60 * 60_000,
  /** Waiting deliveries of one hook; beyond it the oldest become dead letters. */
  pendingPerHookMax: 1_000_000,
  /** Delivered ones of one hook that can be looked at. */
  deliveredPerHookMax: 100_000,
  /** Dead letters of one hook; beyond it the oldest are dropped, and counted. */
  deadPerHookMax: 1_000_000,

  // Settings
  secretIdChars: 12,
  /** Entries of a Redis stream that a hook may be told to keep. */
  streamLengthMax: 1_000_000_000,
  beforeMessageSendTimeoutMsDefault: 1_500,
  /** Characters of a wrong name that an error repeats. */
  namedCharsMax: 100,
  /** A word further away than this is not suggested. */
  suggestionEditsMax: 3,
  /** Event types of a hook that the audit log lists. */
  auditedTypesMax: 30,
  /** Waiting deliveries of a hook that its status counts, and newest ones that are looked through for an arrival. */
  pendingCountedMax: 10_000,
  arrivalsSeenMax: 1_000,
  /** Of a queue's test message. */
  checkTimeoutMs: 10_000,
  checkIdChars: 24,
} as const
