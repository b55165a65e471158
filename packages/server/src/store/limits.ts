// Bounds of the store. Units are at the end of each name.

export const limits = {
  /** Prepared statements kept by each SQLite connection; the least recently used one goes first. */
  statementsCachedMax: 500,
  /** Values of a list, or rows of an insert, up to which a compiled statement keeps a text for each length. */
  statementListMax: 8,
  /** How long SQLite waits for a lock that another process holds, such as a backup. */
  busyTimeoutMs: 5_000,
  /** A transaction that is not finished by then is rolled back. */
  transactionTimeoutMs: 10_000,
  /** Migrations may rewrite whole tables. */
  migrationTimeoutMs: 60 * 60 * 1000,
  /** Transactions that wait for their turn; the next one is refused at once. */
  transactionsWaitingMax: 10_000,
  /** Transactions that share one commit. */
  transactionsPerCommitMax: 256,
  /** A shared commit takes in no more transactions after this time. */
  commitGatherMsMax: 20,
  /** What can wait for somebody else's commit waits this long. */
  deferredCommitMs: 50,
  /** Events of one transaction. */
  eventsPerTransactionMax: 1_000,
  /** Bytes of the `deliveries` of one event, as JSON. */
  eventBytesMax: 1024 * 1024,
  /** Attempts of a transaction that the database aborts because of others. */
  attemptsMax: 3,
  /** Longest pause before another attempt; the pause is random, so that two rivals do not meet again. */
  retryPauseMsMax: 20,
  /** Connections to Postgres for transactions, and as many again for reads. */
  connectionsMax: 10,
  connectTimeoutSeconds: 10,
  /** How long a transaction waits for one of them. */
  connectionWaitMs: 10_000,
  /** A connection is replaced after this time, and with it the statements that the server has prepared for it. */
  connectionLifetimeSeconds: 30 * 60,
  statementTimeoutMs: 8_000,
  /** A server that has not answered by then has gone without a word; all its connections are replaced. */
  answerTimeoutMs: 30_000,
  /** How long close() waits for statements on their way. */
  closeTimeoutSeconds: 5,
  /** The server frees the locks of a node that stopped in the middle of a transaction. */
  idleInTransactionTimeoutMs: 30_000,
  /** Reads that wait for a connection; the next one is refused at once. */
  readsWaitingMax: 10_000,
  /** A claim on an event that its claimant has not relayed by then is void. */
  outboxClaimMs: 30_000,
  /** Rows of one look through the ids of events. */
  outboxPageMax: 1_000,
  /** Rows of one statement that marks or prunes. */
  outboxBatchMax: 500,
  /** Names in the path of a custom field, and characters of each. */
  customPathNamesMax: 6,
  customNameCharsMax: 255,
  /** Base64url text of a `next` or `prev`, which holds the sort keys of a row. */
  cursorCharsMax: 8_192,
} as const
