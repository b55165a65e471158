// Shapes of a call (contract/models.json `CallResponse`, `MemberResponse`, `CallSettingsRequest`).

import { Type } from "typebox"
import { CallId, TypeName, UserId } from "../../ids.ts"
import { Custom, Timestamp } from "../../schemas.ts"
import { UserResponse } from "../../users/operations.ts"

export const callLimits = {
  membersPerRequestMax: 100,
  membersPerCallMax: 1000,
  membersPageDefault: 25,
  membersPageMax: 100,
} as const

export const Role = Type.String({ minLength: 1, maxLength: 64, pattern: "^[\\w-]+$" })

export const MemberRequest = Type.Object({
  user_id: UserId,
  role: Type.Optional(Role),
  custom: Type.Optional(Custom),
})

export const MemberResponse = Type.Object({
  user_id: Type.String(),
  user: UserResponse,
  role: Type.Optional(Type.String()),
  custom: Custom,
  created_at: Timestamp,
  updated_at: Timestamp,
})

/** Groups of settings by name; each lays its members over those of the call's type. */
export const CallSettingsRequest = Type.Record(Type.String({ maxLength: 64 }), Custom)

export const CallResponse = Type.Object({
  type: Type.String(),
  id: Type.String(),
  cid: Type.String(),
  created_by: UserResponse,
  custom: Custom,
  settings: Type.Record(Type.String(), Type.Record(Type.String(), Type.Unknown())),
  backstage: Type.Boolean(),
  captioning: Type.Boolean(),
  recording: Type.Boolean(),
  transcribing: Type.Boolean(),
  translating: Type.Boolean(),
  current_session_id: Type.String(),
  blocked_user_ids: Type.Array(Type.String()),
  egress: Type.Object({ broadcasting: Type.Boolean(), rtmps: Type.Array(Type.Unknown()) }),
  ingress: Type.Object({
    rtmp: Type.Object({ address: Type.String() }),
    srt: Type.Object({ address: Type.String() }),
    whip: Type.Object({ address: Type.String() }),
  }),
  channel_cid: Type.Optional(Type.String()),
  team: Type.Optional(Type.String()),
  starts_at: Type.Optional(Timestamp),
  ended_at: Type.Optional(Timestamp),
  created_at: Timestamp,
  updated_at: Timestamp,
})

export const CallPath = Type.Object({ type: TypeName, id: CallId })
export const Capabilities = Type.Array(Type.String())
