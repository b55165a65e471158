// What may be said of a user, by whom, and how it is shown.

import { type Ban, inputError, limits as wireLimits } from "@weir/protocol"
import { uuid } from "../../base/ids.ts"
import { isObject } from "../../base/json.ts"
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
  bans: null,
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

/** A guest: a user of few rights whose id is made here and ends with what was said, as far as there is room. */
export function newGuest(appId: number, said: UserInput, now: number): User {
  const { role: _, teams: __, ...rest } = said
  const id = `guest-${uuid()}-${said.id}`.slice(0, userIdCharsMax)
  return replaceUser(newUser(appId, id, now, "guest"), { ...rest, id }, appId, now)
}

const userIdCharsMax = 255

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

/** Whether the user may do other things than before. Somebody new has done nothing yet. */
export const hasOtherRights = (before: User | undefined, after: User): boolean =>
  before !== undefined && (before.role !== after.role || !Bun.deepEquals(before.teams, after.teams))

/** Whether a connect should write `last_active` again. */
export const isLastActiveStale = (user: User, now: number): boolean =>
  user.lastActive === null || now - user.lastActive >= limits.lastActiveEveryMs

/** The user as everybody in the app sees them. */
export interface UserResponse {
  readonly id: string
  readonly name?: string
  readonly image?: string
  readonly role: string
  readonly language: string
  readonly teams: readonly string[]
  readonly custom: Readonly<Record<string, unknown>>
  readonly online: boolean
  /** From the whole app. */
  readonly banned: boolean
  readonly ban_expires?: string
  readonly shadow_banned: boolean
  readonly invisible: boolean
  readonly blocked_user_ids: readonly string[]
  readonly created_at: string
  readonly updated_at: string
  readonly last_active?: string
  readonly deactivated_at?: string
  readonly deleted_at?: string
}

// A user stands in every message, member and reaction of theirs, so what is shown of one is made once and shared.
const shownOnline = new WeakMap<User, UserResponse>()
const shownOffline = new WeakMap<User, UserResponse>()
const storedOf = new WeakMap<UserResponse, User>()

/** The user as the wire shows them; `invisible` ones look offline (contract/chat.md §2.10). Shared: never change it. */
export function userResponse(user: User, online: boolean): UserResponse {
  const shown = online && !user.invisible ? shownOnline : shownOffline
  let response = shown.get(user)
  if (response === undefined) {
    response = newUserResponse(user, shown === shownOnline)
    shown.set(user, response)
    storedOf.set(response, user)
  }
  return response
}

/** The user's ban from a channel; for members, who are shown with their user. */
export const channelBanOf = (shown: UserResponse | undefined, cid: string): Ban | null =>
  (shown === undefined ? undefined : storedOf.get(shown))?.bans?.channels[cid] ?? null

/** How a ban is shown beside whom it is about. Weir has no shadow bans. */
export const banFields = (ban: Ban | null) => ({
  banned: ban !== null,
  ...(ban === null || ban.expiresAt === null ? {} : { ban_expires: timestamp(ban.expiresAt) }),
  shadow_banned: false,
})

const newUserResponse = (user: User, online: boolean): UserResponse => ({
  id: user.id,
  ...(user.name === null ? {} : { name: user.name }),
  ...(user.image === null ? {} : { image: user.image }),
  role: user.role,
  language: user.language,
  teams: user.teams,
  custom: user.custom,
  online,
  ...banFields(user.bans?.app ?? null),
  invisible: false,
  blocked_user_ids: [],
  created_at: timestamp(user.createdAt),
  updated_at: timestamp(user.updatedAt),
  ...(user.lastActive === null ? {} : { last_active: timestamp(user.lastActive) }),
  ...(user.deactivatedAt === null ? {} : { deactivated_at: timestamp(user.deactivatedAt) }),
  ...(user.deletedAt === null ? {} : { deleted_at: timestamp(user.deletedAt) }),
})

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
    ...(user.revokeTokensIssuedBefore === null
      ? {}
      : { revoke_tokens_issued_before: timestamp(user.revokeTokensIssuedBefore) }),
  }
}

export type OwnUserResponse = ReturnType<typeof ownUserResponse>

const timestamp = (ms: number): string => new Date(ms).toISOString()

export interface PartialChange {
  readonly id: string
  readonly set?: Readonly<Record<string, unknown>>
  readonly unset?: readonly string[]
}

/** Members of a user that are columns; every other name belongs to the custom data. */
const columns = new Set(["name", "image", "language", "invisible", "role", "teams", "privacy_settings"])
const serverKept = new Set([
  "id",
  "created_at",
  "updated_at",
  "last_active",
  "online",
  "banned",
  "shadow_banned",
  "ban_expires",
  "deactivated_at",
  "deleted_at",
])

/** What a partial change sets or unsets, split into columns, custom paths and the cut-off of tokens. */
export interface ParsedChange {
  readonly columns: Readonly<Record<string, unknown>>
  readonly custom: readonly { readonly path: readonly string[]; readonly value: unknown }[]
  /** Milliseconds, null to undo; absent when it was not named. */
  readonly revokeTokensIssuedBefore?: number | null
}

/** Reads `set` and `unset`; a dotted name reaches into custom data, with or without `custom.` in front. */
export function parseChange(change: PartialChange, parseTimestamp: (text: string) => number | null): ParsedChange {
  const named: [string, unknown][] = [
    ...Object.entries(change.set ?? {}),
    ...(change.unset ?? []).map((name): [string, unknown] => [name, undefined]),
  ]
  const result = { columns: {} as Record<string, unknown>, custom: [] as { path: string[]; value: unknown }[] }
  let cutoff: number | null | undefined
  for (const [name, value] of named) {
    if (serverKept.has(name)) throw inputError(`${name} cannot be set`, { [name]: "is kept by the server" })
    if (name === "revoke_tokens_issued_before") cutoff = cutoffOf(value, parseTimestamp)
    else if (columns.has(name)) result.columns[name] = value ?? undefined
    else result.custom.push({ path: pathOf(name), value })
  }
  return cutoff === undefined ? result : { ...result, revokeTokensIssuedBefore: cutoff }
}

function cutoffOf(value: unknown, parseTimestamp: (text: string) => number | null): number | null {
  if (value === null || value === undefined) return null
  const ms = typeof value === "string" ? parseTimestamp(value) : null
  if (ms !== null) return ms
  throw inputError("revoke_tokens_issued_before is not an RFC 3339 time", {
    revoke_tokens_issued_before: "must be RFC 3339",
  })
}

function pathOf(name: string): string[] {
  const path = name.split(".")
  if (path[0] === "custom") path.shift()
  if (path.length > wireLimits.filterDepthMax || path.some((part) => part === "" || part === "__proto__")) {
    throw inputError(`${name} is not a name of custom data`, { [name]: "invalid path" })
  }
  return path
}

/** The user after a partial change. `columns` are checked already. */
export function applyChange(user: User, change: ParsedChange, now: number): User {
  const { columns: set } = change
  const value = <T>(name: string, kept: T, absent: T): T => (name in set ? ((set[name] ?? absent) as T) : kept)
  let custom = { ...user.custom }
  for (const { path, value: member } of change.custom) custom = withMember(custom, path, member)
  return checkCustom({
    ...user,
    name: value("name", user.name, null),
    image: value("image", user.image, null),
    language: value("language", user.language, ""),
    invisible: value("invisible", user.invisible, false),
    role: value("role", user.role, "user"),
    teams: value("teams", user.teams, []),
    privacySettings: value("privacy_settings", user.privacySettings, null),
    revokeTokensIssuedBefore:
      change.revokeTokensIssuedBefore === undefined ? user.revokeTokensIssuedBefore : change.revokeTokensIssuedBefore,
    custom,
    updatedAt: now,
  })
}

// A whole `custom` replaces the custom data; undefined takes a member away; what is no object on the way is replaced.
function withMember(object: Record<string, unknown>, path: readonly string[], value: unknown): Record<string, unknown> {
  const [name, ...rest] = path
  if (name === undefined) return isObject(value) ? { ...value } : {}
  const { [name]: old, ...others } = object
  if (rest.length === 0) return value === undefined ? others : { ...object, [name]: value }
  if (value === undefined && !isObject(old)) return object
  return { ...object, [name]: withMember(isObject(old) ? old : {}, rest, value) }
}

/** The user with the marks of deletion: soft keeps everything, pruning empties the profile, hard leaves the id alone. */
export const deletedUser = (user: User, mode: "soft" | "pruning" | "hard", now: number): User => ({
  ...(mode === "hard" ? { ...newUser(user.appId, user.id, now), createdAt: user.createdAt } : user),
  ...(mode === "pruning" ? { name: null, image: null, custom: {}, privacySettings: null } : {}),
  deletedAt: now,
  updatedAt: now,
})
