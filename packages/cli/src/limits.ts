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
} as const
