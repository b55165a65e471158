export const limits = {
  appsListedMax: 1000,
} as const
