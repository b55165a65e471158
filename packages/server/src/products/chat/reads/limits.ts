export const limits = {
  /** Memberships that count for a user's unread totals; those beyond it are not looked at. */
  unreadMembershipsMax: 1_000,
} as const
