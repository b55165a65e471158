// Every bound of the client, in one place. Units are at the end of each name.

export const limits = {
  /** One REST request, from the call to the last byte of the answer. */
  requestTimeoutMs: 10_000,
  /** Repeats of an idempotent request whose answer never came. */
  requestRetriesMax: 2,
  /** `connect()` settles within this time, whatever happens. */
  connectTimeoutMs: 20_000,
  /** Attempts of one `connect()` before it rejects; a reconnect has no such bound. */
  connectAttemptsMax: 3,
  /** From opening a socket to its `connection.ok`. */
  handshakeTimeoutMs: 10_000,
  /** How often the client says `health.check`. */
  heartbeatIntervalMs: 25_000,
  /** A socket that has been silent for so long is dead. */
  silenceTimeoutMs: 35_000,
  /** Reconnect n (from 0) waits a random time up to min(backoffMaxMs, backoffBaseMs * 2^n). */
  backoffBaseMs: 500,
  backoffMaxMs: 25_000,
  /** A connection that ends sooner does not reset the back-off, so accept-and-drop cannot become a hot loop. */
  stableAfterMs: 10_000,
  /** A `Retry-After` that a REST call waits for; a longer one is the caller's to decide on. */
  retryAfterMaxMs: 3_000,
  /** One frame from the server. */
  frameBytesMax: 4 * 1024 * 1024,
  /** One call of the app's token provider. */
  tokenProviderTimeoutMs: 10_000,
  /** A token is renewed so long before it expires, or at four fifths of its life if that is later. */
  tokenRenewMarginMs: 60_000,
  /** A token that was just loaded is kept at least so long before the next early renewal. */
  tokenRenewWaitMinMs: 1_000,
  /** A token younger than this is not renewed before a reconnect. */
  tokenRenewIntervalMs: 10_000,
  /** Up to this part of the margin a token is renewed earlier, by chance. */
  tokenRenewJitter: 0.25,
  /** Questions to the token provider within a minute, for whatever reason. */
  tokenLoadsPerMinuteMax: 60,
  /** Questions within a minute because the server refused the token that the provider gave. */
  tokenReplacementsPerMinuteMax: 12,
  /** A token that another tab hands over. */
  tokenCharsMax: 16_384,
  /** Another tab that renews the token is waited for so long: a provider's time-out and a little. */
  tabLockWaitMs: 12_000,
  /** A token that another tab has got may arrive so long after its lock was free. */
  tabHandoverMs: 100,
  /** A difference between the device's clock and the server's that changes nothing. */
  clockToleranceMs: 1_500,
  /** An answer that took longer does not tell the time. */
  clockRoundTripMaxMs: 10_000,
  /** A skew that the app is warned of, once. */
  clockSkewWarnMs: 30_000,
  /** Failures of the token provider in a row before a reconnect gives up. */
  tokenProviderFailuresMax: 20,
  /** Different tokens in a row that the server calls expired before a reconnect gives up. */
  tokenRefusalsMax: 3,
  /** Refused tokens that are remembered, to notice a provider that hands one out again. */
  tokensRefusedKeptMax: 5,
  /** Channels, feeds, calls and users that are watched again after a reconnect; the oldest beyond it are let go. */
  watchesMax: 1000,
  /** Channels watched again by one query (contract/chat.md §3.6: the page of that query). */
  watchBatchSize: 30,
  /** Users whose presence is followed again by one query; the page of that query. */
  presenceBatchSize: 100,
  /** Events kept for a distinct channel while the answer that names it is on its way; the oldest beyond it are let go. */
  eventsHeldMax: 500,
  /** `typing.start` goes out at most this often (contract/chat.md §9.5). */
  typingStartIntervalMs: 2_000,
  /** Idle time after the last keystroke before `typing.stop`. */
  typingIdleMs: 5_000,
  /** What setTimeout can hold; a longer wait is cut into pieces. */
  timerDelayMaxMs: 2_147_483_647,
} as const
