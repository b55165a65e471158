export const limits = {
  pageSizeDefault: 50,
  /** Rows of one step of a verification or an export. */
  walkBatchMax: 1000,
  /** A walk that meets a pruning begins again, this often. */
  walkAttemptsMax: 3,
  /** Rows of one step of a pruning. */
  pruneBatchMax: 1000,
  /** A text in an entry, members of one object, items of one array, and how deep they nest. */
  textCharsMax: 1000,
  membersMax: 50,
  depthMax: 6,
  /** JSON of a target, of what was before, of what is after; a larger one is left out. */
  membersBytesMax: 32 * 1024,
  /** One line of an export: an entry whose every bound is used up is smaller, also when every character is escaped. */
  lineCharsMax: 1024 * 1024,
  /** Rows for strangers per minute and node, one for each action and network; the others share one row per action. */
  notesPerMinuteMax: 30,
  /** Rows for strangers that wait while the database is away. */
  notesPendingMax: 1000,
  /** Rows of minutes that are over are written this often. */
  notesFlushEveryMs: 10_000,
} as const
