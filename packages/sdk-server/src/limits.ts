// Every bound of the server SDK, in one place. Units are at the end of each name.

export const limits = {
  /** One REST request, from the call to the last byte of the answer. */
  requestTimeoutMs: 30_000,
  /** HS256 needs a key as long as its hash (RFC 7518 §3.2). */
  secretBytesMin: 32,
  userIdCharsMax: 255,
  callCidsMax: 100,
  tokenIdCharsMax: 128,
  /** A private key in PEM. */
  privateKeyCharsMax: 4096,
  /** Life of a token unless told otherwise. */
  tokenLifeSecondsDefault: 24 * 60 * 60,
  tokenLifeSecondsMax: 10 * 365 * 24 * 60 * 60,
  /** Life of the server's own tokens; each is used for the first half of it. */
  serverTokenLifeSeconds: 5 * 60,
  /** The server's own tokens are dated back, because an `iat` in the future is refused. */
  serverTokenBackdateSeconds: 5,
  /** A webhook's body after unpacking. */
  webhookBytesMax: 8 * 1024 * 1024,
  /** How far a webhook's signed time may be from now, to either side, unless told otherwise. */
  webhookToleranceSecondsDefault: 5 * 60,
  webhookToleranceSecondsMax: 60 * 60,
  webhookRememberSecondsMax: 30 * 24 * 60 * 60,
  /** Secrets, or public keys, that one receiver tries. */
  webhookSecretsMax: 8,
  /** Signatures in one delivery, and the header's length. */
  webhookSignaturesMax: 16,
  webhookSignatureCharsMax: 4_096,
  /** Webhooks that a process remembers: enough for 600 a second with the default tolerance. */
  replayEntriesMax: 200_000,
  /** How often those that may be forgotten are looked for, and how often when there is no room. */
  replaySweepMs: 60_000,
  replaySweepFullMs: 1_000,
  /** When to come again while the same webhook is being handled, and while none can be remembered. */
  webhookRetrySeconds: 5,
  webhookRetryFullSeconds: 60,
  taskPollIntervalMs: 1_000,
  taskTimeoutMs: 60_000,
  /** Life of a token from a token endpoint unless told otherwise: short, because a new one is only a request away. */
  endpointTokenLifeSecondsDefault: 60 * 60,
  /** A token endpoint needs no body, so a request that declares a long one is refused. */
  endpointBodyBytesMax: 16 * 1024,
  /** How many tokens one user may have within a minute from one process, unless told otherwise. */
  endpointTokensPerMinuteDefault: 60,
  /** Users whose tokens are counted in a minute; those beyond are not held back. */
  endpointUsersCountedMax: 10_000,
  endpointOriginsMax: 100,
} as const
