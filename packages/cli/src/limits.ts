// Bounds of the command line. Units are at the end of each name.

export const cliLimits = {
  /** A revocation waits for the lease of a node that does not answer. */
  requestTimeoutMs: 30_000,
  /** What `-` reads from standard input. */
  inputBytesMax: 64 * 1024,
  tokenLifetimeSecondsDefault: 24 * 60 * 60,
  /** Ten years: longer is a typing error or a token without an end, which has its own word. */
  tokenLifetimeSecondsMax: 10 * 366 * 24 * 60 * 60,
  callsPerTokenMax: 100,
  deviceIdCharsMax: 128,
  /** A mistyped command that is further than this from every known one gets no suggestion. */
  suggestionEditsMax: 3,
  /** Any one look at another program. */
  checkTimeoutMs: 5_000,
  verifyMeasureMs: 250,
  /** A token's `iat` may be ahead of the server by 5 s; a clock that is off by more turns users away. */
  clockSkewMsMax: 5_000,
  clockSkewMsWarn: 1_000,
  certificateDaysWarn: 14,
  bunMajorMin: 1,
  bunMinorMin: 4,
  postgresMajorMin: 15,

  // Webhooks
  /** One line of a listener's stream: a delivery with its body. */
  streamLineCharsMax: 16 * 1024 * 1024,
  /** Without a line for so long the connection is lost. Three of the server's pings. */
  streamSilenceMsMax: 45_000,
  /** Between attempts to listen again. */
  reconnectMsMin: 1_000,
  reconnectMsMax: 30_000,
  /** How much sooner than the server a forwarded delivery is given up, so that the server hears why. */
  forwardMarginMs: 1_000,
  /** Of what a local receiver answers. */
  forwardAnswerBytesMax: 64 * 1024,
  /** How often the log is asked for what is new, and a test event for what became of it. */
  pollEveryMs: 1_000,
  sendPollEveryMs: 250,
  /** How long a test event is waited for: one attempt may take 30 s. */
  sendWaitMs: 35_000,
  /** Deliveries that --follow remembers having printed. */
  followedMax: 5_000,
  logLinesMax: 10_000,
  logLinesDefault: 25,
  testBodyBytesMax: 256 * 1024,
} as const
