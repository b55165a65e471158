// How often an app's callers may call: the published limits of one minute, by operation, and the platforms that are
// counted apart from each other. Source: contract/auth.md §8. An app's own numbers are laid over these (limits-admin).

/** Each platform has counters of its own, so that a busy web client cannot use up what the phones have. */
export const platforms = ["ios", "android", "web", "server"] as const
export type Platform = (typeof platforms)[number]

/** One limit counts a minute. The window's end is the same for all counters of an app. */
export const rateLimitWindowSeconds = 60

/** Most requests of a window. Null: no limit. */
export interface OperationLimits {
  /** Of the whole app, on one platform. */
  readonly app: number | null
  /** Of one user, on one platform. Servers are exempt. */
  readonly user: number | null
  /** Of one network address (IPv6: /64), on one platform. Servers are exempt. */
  readonly address: number | null
}

/** Most requests of one user in a window, of each operation and on each platform. */
export const userLimitDefault = 60

/** App limit of operations that the published table does not list: feeds and calls among them. */
export const appLimitDefault = 1_000

const byAppLimit: Readonly<Record<number, readonly string[]>> = {
  10000: [
    "Connect",
    "GetOrCreateChannel",
    "GetOrCreateDistinctChannel",
    "MarkRead",
    "MarkAllRead",
    "QueryChannels",
    "SendEvent",
    "GetApp",
  ],
  1000: [
    "SendMessage",
    "UpdateMessage",
    "DeleteMessage",
    "GetMessage",
    "SendReaction",
    "DeleteReaction",
    "GetReactions",
    "GetReplies",
    "QueryUsers",
    "RunMessageAction",
    "StopWatchingChannel",
    "UploadFile",
    "UploadImage",
    "CreateGuest",
  ],
  300: [
    "Ban",
    "Unban",
    "DeleteBan",
    "Flag",
    "Unflag",
    "Mute",
    "Unmute",
    "Search",
    "EditUsers",
    "UpdateUsers",
    "UpdateUsersPartial",
    "UpdateChannel",
    "QueryMembers",
    "HideChannel",
    "ShowChannel",
    "CreateDevice",
  ],
  60: [
    "CreateChannelType",
    "GetChannelType",
    "ListChannelTypes",
    "UpdateChannelType",
    "DeleteChannelType",
    "DeactivateUser",
    "ActivateUser",
    "ReactivateUser",
    "DeleteUser",
    "DeleteUsers",
    "ExportUser",
    "DeleteChannel",
    "TruncateChannel",
    "ExportChannel",
    "UpdateApp",
    "CheckPush",
    "ListDevices",
    "DeleteDevice",
    "DeleteFile",
  ],
}

const appLimits: ReadonlyMap<string, number> = new Map(
  Object.entries(byAppLimit).flatMap(([limit, names]) => names.map((name) => [name, Number(limit)] as const)),
)

/** App limit of an operation for one minute and platform, by its published name. */
export const appLimitOf = (operation: string): number => appLimits.get(operation) ?? appLimitDefault

/** Bounds of what an app may set for itself. */
export const rateLimitBounds = {
  perMinuteMin: 1,
  perMinuteMax: 10_000_000,
  /** Operations with numbers of their own, `*` among them. */
  overridesMax: 500,
  /** Names in one `endpoints` of GetRateLimits. */
  endpointsMax: 100,
} as const

/** Of the client's own description, more is not looked at. */
const clientCharsMax = 200

/**
 * The platform that a caller counts as. Server tokens are `server` whatever the client says of itself; a client that
 * holds a user's token is known by `X-Stream-Client`, and one that says nothing known is `web`.
 */
export function platformOf(isServer: boolean, client: string | null): Platform {
  if (isServer) return "server"
  if (client === null) return "web"
  const named = client.length > clientCharsMax ? client.slice(0, clientCharsMax) : client
  // Whole words: «axios» is no iPhone.
  if (/(?:^|[^a-z])(?:ios|ipados|swift|swiftui)(?:[^a-z]|$)/i.test(named)) return "ios"
  if (/(?:^|[^a-z])(?:android|kotlin)(?:[^a-z]|$)/i.test(named)) return "android"
  return "web"
}
