// Bounds of what is sent to backends. Units are at the end of each name; «Ms» is milliseconds.

export const limits = {
  // One attempt
  timeoutMsDefault: 6_000,
  timeoutMsMin: 100,
  timeoutMsMax: 30_000,
  /** Of an answer's body that is read; what comes after it is not. */
  responseBytesMax: 64 * 1024,
  /** Of an answer's body and of one header that is kept for people to look at. */
  responseShownCharsMax: 2_048,
  headerShownCharsMax: 256,
  headersShownMax: 32,
  /** Below this a body travels as it is. */
  compressedBytesMin: 1_024,
  /** Longest `Retry-After` that is obeyed. */
  retryAfterMsMax: 24 * 60 * 60_000,

  // The engine
  /** How often it looks for what is due. */
  lookEveryMs: 500,
  /** A node that died holds its deliveries for this long; one that lives renews them. */
  leaseMs: 20_000,
  renewEveryMs: 5_000,
  /** Deliveries of one hook that wait in memory; more of them wait in the database. */
  laneQueueMax: 1_000,
  /** Bodies that wait in memory, over all hooks. */
  queuedBytesMax: 64 * 1024 * 1024,
  /** Rows of one look for one hook. */
  takeMax: 200,
  /** Requests to one receiver at the same time. */
  laneInFlightMax: 32,
  /** Requests to all receivers; the last quarter is for receivers with few of them. */
  inFlightMax: 512,
  laneInFlightFew: 4,
  /** Failures in a row after which a receiver counts as failing: it then gets one probe at a time. */
  failuresUntilOpen: 10,
  probePauseMsMin: 1_000,
  probePauseMsMax: 30_000,
  /**
   * How long outcomes gather that nobody waits for, and how many, before they are written. What a node that dies has
   * not written is delivered twice.
   */
  endsGatherMs: 200,
  endsGatheredMax: 100,
  /** Outcomes of one write. */
  endsPerWriteMax: 500,
  endsWaitingMax: 5_000,
  /** Attempts that are kept to be looked at, of one delivery. */
  attemptsLoggedMax: 10,
  /** How long deliveries on their way may finish when the node ends. */
  drainMs: 5_000,

  // Questions
  /** What a question may take beyond the time-out of its request: to sign it and to make sense of the answer. */
  askSlackMs: 500,
  /** Questions of one app that wait for an answer at the same time; what comes on top fails. */
  asksInFlightMax: 128,
  /** Requests in a row without an answer after which a backend counts as away, and is not waited for. */
  unansweredUntilAway: 5,
  /** How long it is left alone then: doubled each time that it has not answered after a pause. */
  awayMsMin: 1_000,
  awayMsMax: 15_000,
  /** Backends whose state is held in memory, and apps whose latest failures are. */
  askedMax: 10_000,
  askFailuresKeptMax: 20,
  askFailureCharsMax: 300,
  /** How often the failures of one app are logged. */
  askWarnEveryMs: 60_000,

  // Queues
  /** A message with its attributes, as SQS (since 2025) and SNS count it. A queue of SQS may have a bound below. */
  sqsMessageBytesMax: 1024 * 1024,
  snsMessageBytesMax: 256 * 1024,
  /** A body on its way to Redis or NATS, where the server may have a bound below. */
  brokerBodyBytesMax: 8 * 1024 * 1024,
  queueAttributesMax: 10,
  /** Of a group of a FIFO queue or topic. */
  groupIdCharsMax: 128,
  detailShownCharsMax: 512,
  /** Keys of a day, region and service that are kept ready. */
  awsSigningKeysMax: 1_000,
  /** Connections to Redis and NATS: one for each target, and how long one is kept that nobody uses. */
  brokerConnectionsMax: 512,
  brokerIdleMs: 60_000,
  brokerConnectMsMax: 10_000,
  /** Addresses of one host that are tried, one after the other. */
  brokerAddressesMax: 4,
  /** What a server may leave unread of one connection: more than the biggest body takes as base64. */
  brokerUnsentBytesMax: 32 * 1024 * 1024,
  /** One answer of a server, which is a line or a small document. */
  brokerFrameBytesMax: 64 * 1024,
  /** What a server may say between two deliveries without being asked. */
  brokerUnaskedFramesMax: 1_000,
} as const
