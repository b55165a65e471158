export const limits = {
  pageSizeDefault: 25,
  /** Of one user. */
  bansShownMax: 100,
  tokensShownMax: 25,
  revocationsShownMax: 25,
  /** Names of rows that an export holds at once. */
  exportKeysMax: 50_000,
  /** Rows of one statement of an export. */
  exportBatchMax: 200,
} as const
