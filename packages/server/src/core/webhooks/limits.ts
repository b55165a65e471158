// Bounds of hooks, and of what each may keep of its deliveries. Units are at the end of each name; «Ms» is milliseconds.

import { webhooks } from "@weir/protocol"

export const limits = {
  hooksPerAppMax: webhooks.webhookLimits.hooksPerAppMax,
  /** A little more, for hooks of the older settings and of listeners. */
  hooksPerAppReadMax: 100,
  secretsPerHookMax: 10,
  /** Apps whose hooks are held in memory. */
  appsCachedMax: 10_000,
  typesRememberedMax: 500,
  apiKeysReadMax: 1_000,
  apiKeysBelievedMs: 5_000,

  // How many deliveries are kept, and for how long
  deliveredKeptMs: 24 * 60 * 60_000,
  deadKeptMs: 30 * 24 * 60 * 60_000,
  /** A delivery that has waited for so long becomes a dead letter, whatever its attempts. */
  pendingKeptMs: 4 * 24 * 60 * 60_000,
  /** Waiting deliveries of one hook; beyond it the oldest become dead letters. */
  pendingPerHookMax: 1_000_000,
  /** Delivered ones of one hook that can be looked at. */
  deliveredPerHookMax: 100_000,
  /** Dead letters of one hook; beyond it the oldest are dropped, and counted. */
  deadPerHookMax: 1_000_000,

  // Settings
  secretIdChars: 12,
  /** Entries of a Redis stream that a hook may be told to keep. */
  streamLengthMax: 1_000_000_000,
  beforeMessageSendTimeoutMsDefault: 1_500,
  /** Characters of a wrong name that an error repeats. */
  namedCharsMax: 100,
  /** A word further away than this is not suggested. */
  suggestionEditsMax: 3,
  /** Event types of a hook that the audit log lists. */
  auditedTypesMax: 30,
  /** Of a queue's test message. */
  checkTimeoutMs: 10_000,
  checkIdChars: 24,
} as const
