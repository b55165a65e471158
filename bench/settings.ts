// What the rows measure with. These numbers are part of a result, so they are written into it.

export interface Settings {
  /** Runs of each contender that count, taken in turns; one more of each comes first and does not. */
  readonly pairs: number
  /** The same for measurements inside one process (f, g), each of which takes turns of its own many times. */
  readonly checkPairs: number
  readonly warmupMs: number
  readonly durationMs: number
  readonly httpConnections: number
  /** Tokens for a run in which each is sent once: enough for the fastest server that looks at them. */
  readonly distinctTokens: number
  /** Tokens for a run in which they go round: what a node has in its hands within an hour. */
  readonly repeatedTokens: number
  readonly users: number
  /** Sockets in one storm, and handshakes under way at once. */
  readonly stormSockets: number
  readonly stormInFlight: number
  readonly storms: number
  readonly watchers: readonly number[]
  /** Messages under way at once. */
  readonly messagesInFlight: number
  /** Entries of the large set of revocations. */
  readonly revocationEntries: number
  /** Sockets that are open while users are revoked, one user after the other. */
  readonly revocationSockets: number
  readonly revocationsMeasured: number
  readonly revocationPauseMs: number
  /** Between the last connect and the first revocation, for what connecting leaves to be written. */
  readonly revocationSettleMs: number
  /** Deliveries of one run, and those that wait while the receiver is down. */
  readonly deliveries: number
  readonly deliveriesWaiting: number
  /** Messages whose replies are timed, at so many a second. */
  readonly repliesPerSecond: number
  readonly replyConnections: number
  readonly repliesWarmup: number
  readonly replies: number
}

const common = {
  httpConnections: 64,
  repeatedTokens: 1_000,
  users: 1_001,
  stormInFlight: 64,
  watchers: [1, 100, 1_000],
  messagesInFlight: 16,
  revocationEntries: 1_000_000,
  revocationPauseMs: 100,
  revocationSettleMs: 3_000,
  repliesPerSecond: 100,
  replyConnections: 8,
} as const

export const fullSettings: Settings = {
  ...common,
  pairs: 5,
  checkPairs: 5,
  warmupMs: 1_000,
  durationMs: 3_000,
  distinctTokens: 500_000,
  stormSockets: 3_000,
  storms: 3,
  revocationSockets: 5_000,
  revocationsMeasured: 30,
  deliveries: 15_000,
  deliveriesWaiting: 100_000,
  repliesWarmup: 50,
  replies: 500,
}

export const quickSettings: Settings = {
  ...common,
  pairs: 3,
  checkPairs: 1,
  warmupMs: 400,
  durationMs: 1_000,
  distinctTokens: 160_000,
  stormSockets: 2_000,
  storms: 2,
  revocationSockets: 1_000,
  revocationsMeasured: 10,
  deliveries: 5_000,
  deliveriesWaiting: 5_000,
  repliesWarmup: 50,
  replies: 200,
}
