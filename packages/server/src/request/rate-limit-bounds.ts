// Bounds of the counters. Units are at the end of each name; `PerNode` ones hold for one process.

export const bounds = {
  /** Apps with counters on this node. */
  appsPerNodeMax: 10_000,
  /** Counters of users of one app in one window; those that were not used for longest start anew beyond it. */
  userCountersPerAppMax: 50_000,
  /** Counters of addresses of one app in one window. */
  addressCountersPerAppMax: 50_000,
  /** Counters of users and addresses of all apps. Beyond it the app that has most of them loses its own. */
  countersPerNodeMax: 1_000_000,
  /** Operations that have a name. */
  operationsMax: 1_000,
  /** An app's own numbers are asked for again after this; a change on this node is told at once. */
  rulesEveryMs: 1_000,

  /** Counts go to the other nodes this often, */
  shareEveryMs: 200,
  /** and at once when this part of what is left of a limit was taken since the last time. */
  shareEarlyPart: 0.05,
  /** Counters in one command to Redis. */
  shareBatchMax: 500,
  /** Counters of one app that are shared in one window; those beyond are counted by each node alone. */
  sharedPerAppMax: 100_000,
  /** A command that takes longer counts as lost, and so does the connection. */
  shareTimeoutMs: 2_000,
  /** Pause before the next attempt when Redis is away. */
  shareReconnectMs: 1_000,

  /** Refused authentications of one address (IPv6: /64) with one API key in a window, */
  failuresPerAddressAndKeyMax: 60,
  /** and over all keys: more, so that one broken client does not shut the door for the other apps of an office. */
  failuresPerAddressMax: 120,
  /** Refused operators of one address in a window. */
  operatorFailuresPerAddressMax: 10,
  /** Addresses are told apart by so many buckets, whatever the number of those who knock. */
  failureBucketsMax: 65_536,
  /** Credentials that were let in and pass a shut door. */
  knownCredentialsMax: 200_000,
} as const
