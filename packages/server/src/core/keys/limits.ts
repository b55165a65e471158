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
  /** How often a node looks whether the file of master keys has changed. */
  ringLookEveryMs: 2_000,
  /**
   * How often a node says which master keys it has, though nothing changed: well within nodeStartMs, because a node that
   * has its database for itself holds no lease, and this is the only sign that it runs.
   */
  nodeReportEveryMs: 5_000,
  nodeReportsKeptMs: 24 * 60 * 60_000,
  /** Nodes that are looked at before the master key changes. */
  nodeReportsMax: 1_000,
  /** A node that said so within this time may be serving though it holds no lease, clocks that differ included. */
  nodeStartMs: 15_000,
  /** How long a rotation waits for the nodes to follow: until those that died have been forgotten, and more. */
  followMs: 60_000,
  followLookEveryMs: 250,
  /** Values that are sealed anew in one transaction. */
  resealBatchMax: 100,
  /** Looks at all values; each finds what came in between, which becomes less. */
  resealPassesMax: 20,
  /** Rows that do not open and are named. */
  unreadableNamedMax: 10,
} as const
