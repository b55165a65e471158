export const limits = {
  callsCachedMax: 20_000,
  settingsBytesMax: 8 * 1024,
  /** Each may bring 10 KiB of custom data, twice per event and escaped, and all must fit the outbox's eventBytesMax. */
  membersPerEventMax: 20,
} as const
