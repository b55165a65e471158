export const limits = {
  /** Keys of an app that are looked through for the secret behind a token, or for one that can sign. */
  keysMax: 1_000,
  /** Secrets, in whatever state, that a token's signature is held against. */
  secretsTriedMax: 1_000,
  /** Revocations of an answer. */
  revocationsShownMax: 50,
  /** Tokens of one operator that are still valid: as many as one change can end when they may make them no more. */
  madeByOperatorMax: 500,
} as const
