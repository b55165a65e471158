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
} as const
