// Bounds of listeners at the management API. Units are at the end of each name; «Ms» is milliseconds. What listeners
// themselves have to keep to stands in the protocol (listenLimits).

export const limits = {
  listenersPerAppMax: 20,
  listenersPerNodeMax: 200,
  /** A hook without a sign of life for so long belonged to a node that died. Several pings. */
  lostAfterMs: 60_000,
  /** A stream from which nothing was taken for so long has nobody at its end. */
  unreadMsMax: 60_000,
  sweepEveryMs: 15_000,
  sweptPerBatchMax: 100,
  /** When those who may not listen now should ask again. */
  retryAfterSeconds: 60,
  /** Hooks of listeners come after all others in an app's list. */
  positionMin: 1_000,
  /** How long another node may take to say whether a delivery waits for an answer. */
  askNodeMs: 2_000,
  /** Of an answer, what goes to the node of the stream: as much as is kept of it. */
  answerHeadersMax: 32,
  answerHeaderCharsMax: 256,
  answerBodyCharsMax: 2_048,
  answerErrorCharsMax: 512,
} as const
