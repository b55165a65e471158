export const limits = {
  /** A key's characters, of a-z0-9 (contract/auth.md §1.3). */
  apiKeyChars: 12,
  /** A generated secret's characters, of a-z0-9. */
  secretChars: 64,
  kidChars: 12,
  /** Active and retiring ones. */
  verifyingSecretsPerKeyMax: 4,
  /** In all states: revoked ones stay for the record. */
  secretsPerKeyMax: 50,
  keysPerAppMax: 100,
  /** Tokens whose signature was proved and need not be proved again, per key. */
  verifiedTokensPerKeyMax: 20_000,
  keysCachedMax: 10_000,
  importedSecretCharsMax: 512,
} as const
