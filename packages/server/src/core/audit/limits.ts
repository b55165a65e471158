export const limits = {
  pageSizeDefault: 50,
  pageSizeMax: 1000,
  /** Rows of one step of a verification. */
  verifyBatchMax: 1000,
  /** A text in an entry, and members of one object. */
  textCharsMax: 1000,
  membersMax: 50,
  depthMax: 6,
  /** Events of strangers that wait to be written: one for each action and address. */
  notesPendingMax: 1_000,
  /** They are written this often, repeated ones as one row with a count. */
  notesFlushEveryMs: 10_000,
} as const
