export const limits = {
  /** Of one user: the gate holds them all with the user. Whoever is banned from more is banned from the app. */
  channelBansPerUserMax: 100,
  /** Characters of a reason that the audit log keeps. */
  auditedReasonCharsMax: 200,
} as const
