// What can be done to a call, and who may by default in each built-in type (contract/auth.md §6.7, contract/video.md
// A6). One choice is stricter than elsewhere: in the type `default` a call is for its members and its maker. Knowing
// the id of somebody else's call opens nothing; types that are open by purpose (audio_room, livestream) say so.

import type { Action } from "../../../authorize/decide.ts"
import { type CompiledGrants, compileGrants, type GrantTable } from "../../../authorize/grants.ts"

const action = (id: string, level: Action["level"]): Action => ({
  id,
  level,
  name: id
    .split("-")
    .map((word) => word[0]?.toUpperCase() + word.slice(1))
    .join(""),
})

export const actions = {
  createCall: action("create-call", "write"),
  readCall: action("read-call", "read"),
  joinCall: action("join-call", "write"),
  endCall: action("end-call", "manage"),
  updateCall: action("update-call", "manage"),
  updateCallMember: action("update-call-member", "manage"),
  removeCallMember: action("remove-call-member", "manage"),
  /** Ring or notify all members; whoever only looks at an open call must not. */
  ringCall: action("ring-call", "write"),
} as const

/** Every member may leave, so no grant names it; the scopes of a token do. */
export const leaveCall = action("leave-call", "write")

const enter = ["read-call", "join-call"]
const talk = ["send-audio", "send-video", "screenshare"]
const react = ["create-reaction", "send-event"]
const ring = "ring-call"
const moderate = ["mute-users", "block-users", "kick-user", "read-call-stats"]
const lead = [
  ...moderate,
  ring,
  "join-backstage",
  "end-call",
  "update-call",
  "update-call-settings",
  "update-call-member",
  "update-call-member-role",
  "update-call-permissions",
  "remove-call-member",
  "pin-for-everyone",
  "change-max-duration",
  "start-record-call",
  "stop-record-call",
  "start-broadcast-call",
  "stop-broadcast-call",
  "start-transcription-call",
  "stop-transcription-call",
  "start-closed-captions-call",
  "stop-closed-captions-call",
]
const everything = [...enter, ...talk, ...react, ...lead, "create-call", "join-ended-call", "enable-noise-cancellation"]

const grantsByType: Record<string, GrantTable> = {
  default: {
    user: ["create-call"],
    call_member: [...enter, ...talk, ...react, ring],
    speaker: [...enter, ...talk, ...react, ring],
    viewer: [...enter, ...react],
    moderator: [...enter, ...talk, ...react, ...moderate, ring],
    host: [...enter, ...talk, ...react, ...lead],
    admin: everything,
  },
  audio_room: {
    user: ["create-call", ...enter, ...react],
    guest: [...enter, ...react],
    call_member: [...enter, ...react],
    speaker: [...enter, ...react, "send-audio", ring],
    viewer: [...enter, ...react],
    moderator: [...enter, ...react, ...moderate, ring],
    host: [...enter, ...react, "send-audio", ...lead],
    admin: everything,
  },
  livestream: {
    anonymous: enter,
    user: ["create-call", ...enter, ...react],
    call_member: [...enter, ...react],
    speaker: [...enter, ...talk, ...react, ring],
    viewer: [...enter, ...react],
    moderator: [...enter, ...react, ...moderate, ring],
    host: [...enter, ...talk, ...react, ...lead],
    admin: everything,
  },
  development: {
    user: everything,
    guest: everything,
    call_member: everything,
    viewer: [...enter, ...react],
    host: everything,
    moderator: everything,
    admin: everything,
  },
}

const compiled = new Map(Object.entries(grantsByType).map(([type, table]) => [type, compileGrants(table)]))

/** The built-in types. */
export const callTypes: readonly string[] = Object.keys(grantsByType)

/** Grants of a call type, or undefined when there is no such type. */
export const grantsOf = (type: string): CompiledGrants | undefined => compiled.get(type)

/** Roles that a member can have in a type: those that its grants name, without the kinds of callers. */
export const memberRolesOf = (type: string): string[] =>
  Object.keys(grantsByType[type] ?? {}).filter((role) => role !== "anonymous")

const levelOf = (id: string): Action["level"] => {
  if (id.startsWith("read-")) return "read"
  return lead.includes(id) && id !== ring ? "manage" : "write"
}

/** Capabilities that roles of this type can hold at all, in the order of the list. */
export const capabilities: readonly Action[] = everything.map((id) => action(id, levelOf(id)))
