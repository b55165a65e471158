// Bounds of chat that a client may rely on (contract/chat.md §3.4, §3.8, §4.2; where it is silent, ours).

export const chatLimits = {
  /** Members that one call adds or removes, or that a distinct channel is made of. */
  membersPerRequestMax: 100,
  /** Channels of one page of query_channels. */
  channelsPageMax: 30,
  channelsPageDefault: 10,
  channelsOffsetMax: 1000,
  messagesPageMax: 300,
  messagesPageDefault: 25,
  membersPageMax: 300,
  membersPageDefault: 100,
  membersOffsetMax: 10_000,
  watchersPageMax: 300,
  /** Hard end of a text; each channel type sets its own below it (`max_message_length`). */
  textCharsMax: 20_000,
  attachmentsPerMessageMax: 30,
  /** All attachments of a message together, as JSON. */
  attachmentsBytesMax: 5 * 1024,
  mentionsPerMessageMax: 25,
  eventTypeCharsMax: 128,
} as const
