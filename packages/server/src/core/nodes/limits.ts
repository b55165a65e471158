export const limits = {
  /** The event loop's lag is looked at this often, and its last minute is told. */
  lagEveryMs: 500,
  lagSamples: 120,
  /** The database's clock and the requests are looked at this often, the latter over a minute. */
  sampleEveryMs: 10_000,
  requestSamples: 7,
  /** A node that has not answered by then is silent. */
  answerWithinMs: 1_000,
} as const
