// Bounds of the building blocks. Units are at the end of each name.

export const limits = {
  /** Random bytes fetched from the operating system at once. */
  randomPoolBytes: 8 * 1024,
  randomIdCharsMax: 1024,
  /** One string in the log; the rest is cut off. */
  logStringCharsMax: 2_000,
  logDepthMax: 5,
  /** Members of one object or items of one list in the log. */
  logMembersMax: 50,
  /** Members and items of one line, over all its depths. */
  logNodesMax: 200,
  /** Text of one line, over all its values. */
  logTextCharsMax: 32_000,
  logStackLinesMax: 12,
  /** UTF-16 units of a text that rows are kept under. */
  rowTextCharsMax: 1024,

  // Requests to somebody else's servers
  /** A name of the Domain Name System in text form (RFC 1035 §2.3.4). */
  hostCharsMax: 253,
  outgoingUrlCharsMax: 2_048,
  /** URLs that are held taken apart. */
  outgoingTargetsMax: 1_000,
  /** Addresses of one host: all are checked, and this many of them are tried. */
  addressesMax: 64,
  addressesTriedMax: 4,
  lookUpMsMax: 10_000,
  /** After this long without an outcome the next address is tried beside it (RFC 8305 §5). */
  addressStaggerMs: 250,
  /** Status line and headers of an answer, also its trailers and each answer before the last (1xx). */
  answerHeadBytesMax: 32 * 1024,
  answerHeadersMax: 128,
  answerInterimMax: 8,
  /** Line with the size of a chunk, and all such lines of one answer. */
  chunkLineBytesMax: 1_024,
  chunkLinesBytesMax: 256 * 1024,
  /** Connections that are kept for later requests. */
  keptConnectionsPerOriginMax: 32,
  keptConnectionsMax: 512,
  /** Idle time of a kept connection. Many servers end theirs after 5 s, and it is better to be first. */
  keptConnectionMsMax: 4_000,
  keptSweepMs: 1_000,
  /** Age after which a connection is not used again, so that a change in DNS is seen. */
  connectionAgeMsMax: 60_000,
} as const
