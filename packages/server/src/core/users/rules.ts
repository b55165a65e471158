// What may be said of a user, by whom, and how it is shown.

import { inputError, limits as wireLimits } from "@weir/protocol"
import { limits } from "./limits.ts"
import type { PrivacySettings, User } from "./store.ts"

/** What a request says of a user; absent means «not said». */
export interface UserInput {
  readonly id: string
  readonly name?: string
  readonly image?: string
  readonly language?: string
  readonly invisible?: boolean
  readonly role?: string
  readonly teams?: readonly string[]
  readonly privacy_settings?: PrivacySettings
  readonly custom?: Readonly<Record<string, unknown>>
}

/** A user that nothing is known of but the id. */
export const newUser = (appId: number, id: string, now: number, role = "user"): User => ({
  appId,
  id,
  role,
  name: null,
  image: null,
  language: "",
  invisible: false,
  teams: [],
  custom: {},
  privacySettings: null,
  createdAt: now,
  updatedAt: now,
  lastActive: null,
  deactivatedAt: null,
  deletedAt: null,
  revokeTokensIssuedBefore: null,
})

/** Replaces what is stored with what was said; role, teams and what the server keeps stay unless a server says them. */
export function replaceUser(existing: User | null, input: UserInput, appId: number, now: number): User {
  const base = existing ?? newUser(appId, input.id, now)
  return checkCustom({
    ...base,
    name: input.name ?? null,
    image: input.image ?? null,
    language: input.language ?? "",
    invisible: input.invisible ?? base.invisible,
    role: input.role ?? base.role,
    teams: input.teams ?? base.teams,
    privacySettings: input.privacy_settings ?? base.privacySettings,
    custom: input.custom ?? {},
    updatedAt: now,
  })
}

/** Lays what was said over what is stored (a connecting client); answers the same object when nothing changes. */
export function mergeUser(existing: User | null, input: UserInput, appId: number, now: number): User {
  const base = existing ?? newUser(appId, input.id, now)
  const merged: User = {
    ...base,
    name: input.name ?? base.name,
    image: input.image ?? base.image,
    language: input.language ?? base.language,
    invisible: input.invisible ?? base.invisible,
    privacySettings: input.privacy_settings ?? base.privacySettings,
    custom: input.custom === undefined ? base.custom : { ...base.custom, ...input.custom },
  }
  if (existing !== null && isSame(existing, merged)) return existing
  return checkCustom({ ...merged, updatedAt: now })
}

const isSame = (a: User, b: User): boolean =>
  a.name === b.name &&
  a.image === b.image &&
  a.language === b.language &&
  a.invisible === b.invisible &&
  Bun.deepEquals(a.privacySettings, b.privacySettings) &&
  Bun.deepEquals(a.custom, b.custom)

function checkCustom(user: User): User {
  if (Buffer.byteLength(JSON.stringify(user.custom)) > wireLimits.customBytesMax) {
    throw inputError(`custom data of user ${user.id} is larger than ${wireLimits.customBytesMax} bytes`, {
      custom: `at most ${wireLimits.customBytesMax} bytes`,
    })
  }
  return user
}

/** Whether a connect should write `last_active` again. */
export const isLastActiveStale = (user: User, now: number): boolean =>
  user.lastActive === null || now - user.lastActive >= limits.lastActiveEveryMs

/** The user as everybody in the app sees them. `invisible` users look offline to others (contract/chat.md §2.10). */
export function userResponse(user: User, online: boolean) {
  return {
    id: user.id,
    ...(user.name === null ? {} : { name: user.name }),
    ...(user.image === null ? {} : { image: user.image }),
    role: user.role,
    language: user.language,
    teams: [...user.teams],
    custom: { ...user.custom },
    online: online && !user.invisible,
    banned: false,
    shadow_banned: false,
    invisible: false,
    blocked_user_ids: [] as string[],
    created_at: timestamp(user.createdAt),
    updated_at: timestamp(user.updatedAt),
    ...(user.lastActive === null ? {} : { last_active: timestamp(user.lastActive) }),
    ...(user.deactivatedAt === null ? {} : { deactivated_at: timestamp(user.deactivatedAt) }),
    ...(user.deletedAt === null ? {} : { deleted_at: timestamp(user.deletedAt) }),
    ...(user.revokeTokensIssuedBefore === null
      ? {}
      : { revoke_tokens_issued_before: timestamp(user.revokeTokensIssuedBefore) }),
  }
}

export type UserResponse = ReturnType<typeof userResponse>

/** What only the user hears of themselves: unread counters and settings. */
export interface UnreadCounts {
  readonly total: number
  readonly channels: number
}

export function ownUserResponse(user: User, online: boolean, unread: UnreadCounts = { total: 0, channels: 0 }) {
  return {
    ...userResponse(user, online),
    invisible: user.invisible,
    devices: [] as unknown[],
    mutes: [] as unknown[],
    channel_mutes: [] as unknown[],
    total_unread_count: unread.total,
    unread_count: unread.total,
    unread_channels: unread.channels,
    unread_threads: 0,
    ...(user.privacySettings === null ? {} : { privacy_settings: user.privacySettings }),
  }
}

const timestamp = (ms: number): string => new Date(ms).toISOString()
