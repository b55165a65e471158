// What a call is, how it is shown, and what its type says of it.

import { type AppCaller, inputError, userIdOf, video, limits as wireLimits } from "@weir/protocol"
import { type Action, isAllowed, type Resource } from "../../../authorize/decide.ts"
import { type CompiledGrants, isGranted } from "../../../authorize/grants.ts"
import { jsonWithin } from "../../../base/json.ts"
import type { UserResponse } from "../../../core/users/index.ts"
import { parseTimestamp } from "../../../store/filter.ts"
import { actions, capabilities, grantsOf, memberRolesOf } from "./actions.ts"
import { limits } from "./limits.ts"
import type { CallMemberRow, CallRow } from "./store.ts"

/** A call with the roles of its members, as checks and answers need it. */
export interface CallView {
  readonly call: CallRow
  /** In the order they joined; at most video.callLimits.membersPerCallMax. */
  readonly members: readonly CallMemberRow[]
  readonly roles: ReadonlyMap<string, string>
}

export const callView = (call: CallRow, members: readonly CallMemberRow[]): CallView => ({
  call,
  members,
  roles: new Map(members.map((member) => [member.user_id, member.role])),
})

/** Grants of a type; throws inputError when there is no such type. */
export function requireGrants(type: string): CompiledGrants {
  const grants = grantsOf(type)
  if (grants === undefined) throw inputError(`call type ${type} does not exist`, { type: "no such call type" })
  return grants
}

/** The call as a decision sees it: a member has the role of the membership, the maker leads as host. */
export function callResource(principal: AppCaller, type: string, cid: string, view: CallView | null): Resource {
  const userId = userIdOf(principal)
  const relationRoles: string[] = []
  const role = userId === null ? undefined : view?.roles.get(userId)
  if (role !== undefined) relationRoles.push(role)
  if (userId !== null && view?.call.created_by_id === userId) relationRoles.push("host")
  return {
    kind: "call",
    id: cid,
    name: `video:${cid}`,
    scope: type,
    grants: requireGrants(type),
    relationRoles,
    ownerId: view?.call.created_by_id ?? null,
    team: view?.call.team ?? null,
  }
}

/** Who hears of a call without watching it: its maker, and the members whose role reads it. */
export function audienceOf({ call, roles }: CallView): string[] {
  const grants = grantsOf(call.type)
  const reads = (role: string): boolean => grants !== undefined && isGranted(grants, role, actions.readCall.id)
  const members = [...roles].filter(([, role]) => reads(role)).map(([userId]) => userId)
  return [...new Set([call.created_by_id, ...members])]
}

export const ownCapabilities = (principal: AppCaller, resource: Resource): string[] =>
  capabilities.filter((action: Action) => isAllowed(principal, action, resource)).map(({ id }) => id)

/** Capabilities by role, for `call.updated`. */
export const capabilitiesByRole = (type: string): Record<string, string[]> =>
  Object.fromEntries([...requireGrants(type).byRole].map(([role, grants]) => [role, [...grants]]))

export interface MemberInput {
  readonly user_id: string
  readonly role?: string
  readonly custom?: Record<string, unknown>
}

/** Rows for new or changed members. Throws inputError for a role that the call's type does not know. */
export function memberRows(call: CallRow, inputs: readonly MemberInput[], now: number): CallMemberRow[] {
  const known = memberRolesOf(call.type)
  const byUser = new Map<string, CallMemberRow>()
  for (const input of inputs) {
    // The documentation spells the default role both ways (contract/video.md A6.1).
    const role = input.role === "call-member" ? "call_member" : (input.role ?? "call_member")
    if (!known.includes(role)) {
      throw inputError(`call type ${call.type} knows no role ${role}`, {
        members: `role is one of ${known.join(", ")}`,
      })
    }
    byUser.set(input.user_id, {
      app_id: call.app_id,
      cid: call.cid,
      user_id: input.user_id,
      role,
      custom: jsonWithin("custom", input.custom ?? {}, wireLimits.customBytesMax),
      created_at: now,
      updated_at: now,
    })
  }
  return [...byUser.values()]
}

/** RFC 3339 to milliseconds; throws inputError that names the field. */
export function requireTimestamp(field: string, text: string): number {
  const ms = parseTimestamp(text)
  if (ms === null) throw inputError(`${field} is not an RFC 3339 time`, { [field]: "must be RFC 3339" })
  return ms
}

type Settings = Record<string, Record<string, unknown>>

const layout = { name: "grid", external_app_url: "", external_css_url: "" }

/** Defaults of every type; each response names all groups, because clients read them unconditionally. */
const baseSettings: Settings = {
  audio: {
    access_request_enabled: true,
    default_device: "speaker",
    hifi_audio_enabled: false,
    mic_default_on: true,
    opus_dtx_enabled: true,
    redundant_coding_enabled: true,
    speaker_default_on: true,
  },
  backstage: { enabled: false, join_ahead_time_seconds: 0 },
  broadcasting: {
    enabled: false,
    hls: { auto_on: false, enabled: false, quality_tracks: ["720p"], layout },
    rtmp: { enabled: false, quality: "720p", layout },
  },
  frame_recording: { capture_interval_in_seconds: 5, mode: "disabled" },
  geofencing: { names: [] },
  individual_recording: { mode: "disabled" },
  limits: { max_participants_exclude_roles: [] },
  raw_recording: { mode: "disabled" },
  recording: { audio_only: false, mode: "disabled", quality: "720p", layout },
  ring: { auto_cancel_timeout_ms: 15_000, incoming_call_timeout_ms: 15_000, missed_call_timeout_ms: 5_000 },
  screensharing: { access_request_enabled: true, enabled: true },
  session: { inactivity_timeout_seconds: 30 },
  thumbnails: { enabled: false },
  transcription: { closed_caption_mode: "disabled", language: "auto", mode: "disabled" },
  video: {
    access_request_enabled: true,
    camera_default_on: true,
    camera_facing: "front",
    enabled: true,
    target_resolution: { width: 1280, height: 720, bitrate: 1_500_000 },
  },
}

/** What a type changes of the defaults (contract/video.md A6). */
const typeSettings: Record<string, Settings> = {
  audio_room: {
    video: { enabled: false, camera_default_on: false },
    screensharing: { enabled: false, access_request_enabled: false },
    audio: { mic_default_on: false },
    backstage: { enabled: true },
  },
  livestream: { backstage: { enabled: true } },
}

/** Settings of a call: the defaults, the type's, then the call's own; a list replaces a list. */
export const settingsOf = (call: CallRow): Settings =>
  [typeSettings[call.type] ?? {}, JSON.parse(call.settings_override) as Settings].reduce(
    (settings, override) => layOver(settings, override),
    baseSettings,
  )

function layOver(settings: Settings, override: Settings): Settings {
  const result = { ...settings }
  for (const [group, members] of Object.entries(override)) {
    if (Object.hasOwn(settings, group)) result[group] = { ...settings[group], ...members }
  }
  return result
}

/** Throws inputError for settings that no call has, or of another JSON type than the default's. */
export function checkSettings(override: Settings): string {
  for (const [group, members] of Object.entries(override)) {
    const known = Object.hasOwn(baseSettings, group) ? baseSettings[group] : undefined
    const field = `settings_override.${group}`
    if (known === undefined) throw inputError(`${field} is not a group of settings`, { [field]: "unknown" })
    for (const [name, value] of Object.entries(members)) {
      const expected = Object.hasOwn(known, name) ? known[name] : undefined
      if (
        expected !== undefined &&
        (typeof value !== typeof expected || Array.isArray(value) !== Array.isArray(expected))
      ) {
        throw inputError(`${field}.${name} must be of type ${typeof expected}`, { [`${field}.${name}`]: "wrong type" })
      }
    }
  }
  return jsonWithin("settings_override", override, limits.settingsBytesMax)
}

/** Whether a new call of this type starts behind the scenes. */
export const startsBackstage = (call: CallRow): boolean => settingsOf(call).backstage?.enabled === true

/**
 * The call as the wire shows it. Sessions, recordings and ingress belong to the media server, which is not part of
 * this version: their members hold the values of a call without any.
 */
export function callResponse(call: CallRow, createdBy: UserResponse) {
  return {
    type: call.type,
    id: call.id,
    cid: call.cid,
    created_by: createdBy,
    custom: JSON.parse(call.custom) as Record<string, unknown>,
    settings: settingsOf(call),
    backstage: call.backstage === 1,
    captioning: false,
    recording: false,
    transcribing: false,
    translating: false,
    current_session_id: "",
    blocked_user_ids: [] as string[],
    egress: { broadcasting: false, rtmps: [] as unknown[] },
    ingress: { rtmp: { address: "" }, srt: { address: "" }, whip: { address: "" } },
    ...(call.channel_cid === null ? {} : { channel_cid: call.channel_cid }),
    ...(call.team === null ? {} : { team: call.team }),
    ...(call.starts_at === null ? {} : { starts_at: new Date(call.starts_at).toISOString() }),
    ...(call.ended_at === null ? {} : { ended_at: new Date(call.ended_at).toISOString() }),
    created_at: new Date(call.created_at).toISOString(),
    updated_at: new Date(call.updated_at).toISOString(),
  }
}

export type CallResponse = ReturnType<typeof callResponse>

export const memberResponse = (member: CallMemberRow, user: UserResponse) => ({
  user_id: member.user_id,
  user,
  role: member.role,
  custom: JSON.parse(member.custom) as Record<string, unknown>,
  created_at: new Date(member.created_at).toISOString(),
  updated_at: new Date(member.updated_at).toISOString(),
})

export type MemberResponse = ReturnType<typeof memberResponse>

export const membersPerCallMax = video.callLimits.membersPerCallMax

export interface MembersQuery {
  readonly filter_conditions?: Record<string, unknown>
  readonly sort?: readonly { readonly field: string; readonly direction?: 1 | -1 }[]
  readonly limit?: number
  readonly next?: string
  readonly prev?: string
}

export interface MembersPage {
  readonly members: readonly CallMemberRow[]
  readonly next?: string
  readonly prev?: string
}

const sortable: Record<string, (member: CallMemberRow) => string | number> = {
  user_id: (member) => member.user_id,
  created_at: (member) => member.created_at,
  role: (member) => member.role,
}

/**
 * Filters, sorts and pages the members of one call. They are few and in memory already, so a query would only be
 * slower. Filter on `user_id` and `role` (a value, `$eq` or `$in`); cursors are offsets. Throws inputError.
 */
export function pageMembers(members: readonly CallMemberRow[], query: MembersQuery): MembersPage {
  const kept = members.filter(memberFilter(query.filter_conditions ?? {}))
  for (const { field, direction = 1 } of [...(query.sort ?? [])].reverse()) {
    const value = Object.hasOwn(sortable, field) ? sortable[field] : undefined
    if (value === undefined) throw inputError(`members cannot be sorted by ${field}`, { sort: "unknown field" })
    kept.sort((a, b) => (value(a) < value(b) ? -direction : value(a) > value(b) ? direction : 0))
  }
  const limit = query.limit ?? video.callLimits.membersPageDefault
  const from = cursorOf(query.next ?? query.prev)
  return {
    members: kept.slice(from, from + limit),
    ...(from + limit < kept.length ? { next: String(from + limit) } : {}),
    ...(from > 0 ? { prev: String(Math.max(0, from - limit)) } : {}),
  }
}

function cursorOf(cursor: string | undefined): number {
  if (cursor === undefined) return 0
  if (!/^\d{1,6}$/.test(cursor)) throw inputError("the cursor is not one of ours", { next: "invalid" })
  return Number(cursor)
}

function memberFilter(filter: Record<string, unknown>): (member: CallMemberRow) => boolean {
  const tests = Object.entries(filter).map(([field, condition]) => {
    if (field !== "user_id" && field !== "role") {
      throw inputError(`members cannot be filtered by ${field}`, { filter_conditions: `unknown field ${field}` })
    }
    const accepted = acceptedValues(field, condition)
    return (member: CallMemberRow) => accepted.includes(member[field])
  })
  return (member) => tests.every((passes) => passes(member))
}

function acceptedValues(field: string, condition: unknown): readonly string[] {
  if (typeof condition === "string") return [condition]
  const [entry, ...rest] = Object.entries((condition ?? {}) as Record<string, unknown>)
  const [operator, value] = entry ?? []
  if (rest.length === 0 && operator === "$eq" && typeof value === "string") return [value]
  if (rest.length === 0 && operator === "$in" && Array.isArray(value) && value.length <= wireLimits.filterValuesMax) {
    if (value.every((item) => typeof item === "string")) return value as string[]
  }
  throw inputError(`the filter on ${field} must be a text, $eq or $in`, { filter_conditions: field })
}
