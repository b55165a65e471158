export const limits = {
  callsCachedMax: 20_000,
  settingsBytesMax: 8 * 1024,
} as const
