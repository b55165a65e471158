export const limits = {
  /** A key's characters, of a-z0-9 (contract/auth.md §1.3). */
  apiKeyChars: 12,
  /** A generated secret's characters, of a-z0-9. */
  secretChars: 64,
  secretsPerKeyMax: 4,
  keysPerAppMax: 100,
  /** Tokens whose signature was proved and need not be proved again, per key. */
  verifiedTokensPerKeyMax: 20_000,
  keysCachedMax: 10_000,
} as const
