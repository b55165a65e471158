// Bounds of hooks that a backend may rely on. Units are at the end of each name.

export const webhookLimits = {
  /** Hooks of one app, whichever setting made them. */
  hooksPerAppMax: 50,
  /** Entries of one hook's `event_types`. */
  eventTypesPerHookMax: 250,
  /** As an event of an app's own making may be named (SendEvent). */
  eventTypeCharsMax: 128,
  /** What events are ordered within, such as `channel:messaging:general`. */
  streamCharsMax: 1_024,
  urlCharsMax: 2_048,
  /** Names, keys and secrets of queues, streams and subjects. */
  nameCharsMax: 512,
  /** Deliveries that one ReplayDeliveries may name. */
  replayIdsMax: 100,
  /** Where a list of deliveries goes on. */
  nextCharsMax: 100,
  /** How long a secret may go on signing beside the one that follows it. */
  overlapSecondsMax: 7 * 24 * 60 * 60,
  overlapSecondsDefault: 24 * 60 * 60,
  /** One attempt of the hook that is asked before a message is sent. */
  beforeMessageSendTimeoutMsMax: 5_000,
} as const
