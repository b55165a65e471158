export const limits = {
  /** An event of the app's own, as a frame without its user. */
  customEventBytesMax: 5 * 1024,
} as const
