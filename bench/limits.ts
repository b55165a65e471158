// Bounds of the bench itself: how long it waits, how much it holds. What a row measures with (connections, windows,
// seconds) stands in settings.ts, because those numbers are part of the result.

export const limits = {
  /** A server that does not answer within this time has not started. */
  startTimeoutMs: 20_000,
  /** After SIGTERM a server may drain this long before SIGKILL. */
  stopTimeoutMs: 12_000,
  /** Beyond the time that a load run should take by its own settings. */
  runGraceMs: 60_000,
  /** Output of a child that is kept for an error message. */
  outputCharsMax: 4_000,
  /** Head of an HTTP answer. */
  headBytesMax: 16 * 1024,
  /** Payload of a frame that is read as a whole (handshake, close); frames that are only counted have no bound. */
  framePayloadBytesMax: 256 * 1024,
  /** Body of one refused answer that is quoted in the error. */
  quotedCharsMax: 600,
  /** A handshake of a socket, from the TCP connect to the first frame. */
  handshakeTimeoutMs: 10_000,
  /** After the last message of a run, every watcher must have every frame within this time. */
  deliveryTimeoutMs: 10_000,
  /** Nothing has come for this long: the frames of the set-up are over. */
  quietMs: 250,
  quietTimeoutMs: 15_000,
  /** What the receiver of webhooks is waiting for, and what the bare loop does, take less than this. */
  controlIdleSeconds: 255,
  webhooksTimeoutMs: 200_000,
  /** One request of the set-up. */
  requestTimeoutMs: 15_000,
  /** Requests that are built in advance, so that the load generator does nothing but send and count. */
  poolRequestsMax: 2_000_000,
  socketsMax: 8_000,
  /** Users or members in one request of the set-up (contract: at most 100). */
  usersPerRequestMax: 100,
} as const
