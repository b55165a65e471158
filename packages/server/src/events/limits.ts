// Bounds of everything that tells the world: bus, caches, presence, outbox and sockets. Units are at the end of each
// name; «Ms» is milliseconds.

export const limits = {
  // Bus
  /** One message between nodes, as it travels. A request body may come back in a frame, as JSON within JSON. */
  busMessageBytesMax: 4 * 1024 * 1024,
  /** Messages on their way to Redis and not acknowledged yet; beyond it they are dropped, counted, and a gap. */
  busInFlightBytesMax: 32 * 1024 * 1024,
  /** Messages that were published by listeners while a message was being told. */
  busNestedMessagesMax: 10_000,
  /** Each node says a word this often and must hear its own word again. */
  busBeatEveryMs: 1_000,
  /** Own words unheard for this long: the bus is away, whatever the connections say. Below the cache lease. */
  busSilenceMs: 3_000,
  busConnectTimeoutMs: 5_000,
  busReconnectMinMs: 100,
  busReconnectMaxMs: 5_000,
  /** Senders whose numbers are remembered; a restarted node is a new sender. */
  busSendersMax: 10_000,

  // Caches
  /** With other nodes about, nothing is served from a cache that was read longer ago than this. */
  cacheLeaseMs: 5_000,
  /** How long «there is no such thing» is believed. */
  cacheNegativeMs: 1_000,
  /** A caller does not wait for a look-up that began longer ago than this, but begins another one. */
  cacheJoinMs: 5_000,

  // Presence
  presenceBeatEveryMs: 2_000,
  /** A node that is silent for so long is gone, and its users with it. */
  presenceSilenceMs: 6_000,
  /** Questions of other nodes that arrive within this time get one answer. */
  presenceAnswerDelayMs: 20,
  presenceUsersPerMessageMax: 1_000,
  presenceNodesMax: 1_000,

  // Outbox
  outboxMarkBatchMax: 500,
  outboxMarkEveryMs: 250,
  /** Rows that are unmarked for so long belong to a node that died. */
  outboxStaleAfterMs: 10_000,
  outboxStaleEveryMs: 5_000,
  outboxKeptMs: 24 * 60 * 60_000,
  outboxPruneEveryMs: 10 * 60_000,

  // Events that the bus did not bring
  /** Looked for this often while some may be missing. */
  catchUpEveryMs: 1_000,
  /** A gap shows late (busSilenceMs), and an event is dated before its commit (transactionTimeoutMs of the store). */
  catchUpLookBackMs: 15_000,
  /** After a gap, how long other nodes may still be on their way back to the bus. */
  catchUpSettleMs: 5_000,
  /** Beyond it the sockets have to start anew. */
  catchUpEventsMax: 50_000,
  catchUpBatchMax: 100,
  /** Ids of events that were told, so that none is told twice. Twice what is caught up with at most. */
  eventsRememberedMax: 200_000,

  // Sockets
  /** From open to the first frame (contract/auth.md, connection handshake). */
  firstFrameTimeoutMs: 5_000,
  frameBytesMax: 64 * 1024,
  userDetailsBytesMax: 16 * 1024,
  framesPerMinuteMax: 600,
  healthCheckEveryMs: 25_000,
  silenceMs: 35_000,
  sweepEveryMs: 1_000,
  /** A socket that was sent away and does not go is cut. */
  closeLingerMs: 5_000,
  /** What a slow reader may leave waiting before it is dropped. */
  socketBufferBytesMax: 1024 * 1024,
  /** A burst can reach this before the next sweep; the runtime then cuts the socket without a word. */
  socketBufferCutBytes: 4 * 1024 * 1024,
  socketsPerUserMax: 100,
  /** On one node. */
  anonymousSocketsPerAppMax: 20_000,
  topicsPerSocketMax: 1_000,
  /** Sockets of an app that are asked again at once whether they may stay. */
  recheckBatchMax: 200,
  /** A subscription of a socket on another node waits this long for that node's word. */
  commandTimeoutMs: 3_000,
} as const
