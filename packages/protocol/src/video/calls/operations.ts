// Calls and their members: contract/endpoints.json `get_or_create_call`, `get_call`, `update_call`, `end_call`,
// `query_call_members`, `update_call_members`.

import { Type } from "typebox"
import { CallId, TypeName, UserId } from "../../ids.ts"
import { limits } from "../../limits.ts"
import { operation } from "../../operation.ts"
import { Answer, Custom, Empty, Filter, SortParam, Timestamp } from "../../schemas.ts"
import {
  CallPath,
  CallResponse,
  CallSettingsRequest,
  Capabilities,
  callLimits,
  MemberRequest,
  MemberResponse,
} from "./schemas.ts"

const MembersLimit = Type.Optional(Type.Integer({ minimum: 0, maximum: callLimits.membersPageMax }))
const CallState = { call: CallResponse, members: Type.Array(MemberResponse), own_capabilities: Capabilities }

export const getOrCreateCall = operation({
  name: "GetOrCreateCall",
  method: "POST",
  path: "/api/v2/video/call/{type}/{id}",
  tag: "video",
  summary: "Answers the call, and makes it when there is none; can ring or notify its members.",
  access: ["server", "user", "guest", "anonymous"],
  params: CallPath,
  query: Empty,
  body: Type.Object({
    data: Type.Optional(
      Type.Object({
        created_by_id: Type.Optional(UserId),
        created_by: Type.Optional(Type.Object({ id: UserId })),
        members: Type.Optional(Type.Array(MemberRequest, { maxItems: callLimits.membersPerRequestMax })),
        custom: Type.Optional(Custom),
        settings_override: Type.Optional(CallSettingsRequest),
        starts_at: Type.Optional(Timestamp),
        team: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
        channel_cid: Type.Optional(Type.String({ minLength: 3, maxLength: 129 })),
      }),
    ),
    members_limit: MembersLimit,
    ring: Type.Optional(Type.Boolean()),
    notify: Type.Optional(Type.Boolean()),
    video: Type.Optional(Type.Boolean()),
  }),
  output: Answer({ created: Type.Boolean(), ...CallState }),
  status: 201,
  errors: ["notAllowed", "connectionNotFound"],
})

export const getCall = operation({
  name: "GetCall",
  method: "GET",
  path: "/api/v2/video/call/{type}/{id}",
  tag: "video",
  summary: "The call with its first members; with a connection id, its events from now on.",
  access: ["server", "user", "guest", "anonymous"],
  params: CallPath,
  query: Type.Object({ members_limit: MembersLimit }),
  body: null,
  output: Answer(CallState),
  status: 200,
  errors: ["notFound", "connectionNotFound"],
})

export const updateCall = operation({
  name: "UpdateCall",
  method: "PATCH",
  path: "/api/v2/video/call/{type}/{id}",
  tag: "video",
  summary: "Replaces custom data, moves the start, or lays settings over those of the type.",
  access: ["server", "user", "guest"],
  params: CallPath,
  query: Empty,
  body: Type.Object({
    custom: Type.Optional(Custom),
    starts_at: Type.Optional(Timestamp),
    settings_override: Type.Optional(CallSettingsRequest),
  }),
  output: Answer(CallState),
  status: 200,
  errors: ["notFound", "notAllowed"],
})

export const endCall = operation({
  name: "EndCall",
  method: "POST",
  path: "/api/v2/video/call/{type}/{id}/mark_ended",
  tag: "video",
  summary: "Ends the call for everybody; ending it again changes nothing.",
  access: ["server", "user", "guest"],
  params: CallPath,
  query: Empty,
  body: null,
  output: Answer({}),
  status: 201,
  errors: ["notFound", "notAllowed"],
})

export const queryCallMembers = operation({
  name: "QueryCallMembers",
  method: "POST",
  path: "/api/v2/video/call/members",
  tag: "video",
  summary: "Finds members of a call by filter, sorted and paged.",
  access: ["server", "user", "guest", "anonymous"],
  params: Empty,
  query: Empty,
  body: Type.Object({
    type: TypeName,
    id: CallId,
    filter_conditions: Type.Optional(Filter),
    sort: Type.Optional(Type.Array(SortParam, { maxItems: limits.sortFieldsMax })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: callLimits.membersPageMax })),
    next: Type.Optional(Type.String({ maxLength: 1024 })),
    prev: Type.Optional(Type.String({ maxLength: 1024 })),
  }),
  output: Answer({
    members: Type.Array(MemberResponse),
    next: Type.Optional(Type.String()),
    prev: Type.Optional(Type.String()),
  }),
  status: 201,
  errors: ["notFound"],
})

export const updateCallMembers = operation({
  name: "UpdateCallMembers",
  method: "POST",
  path: "/api/v2/video/call/{type}/{id}/members",
  tag: "video",
  summary: "Adds, changes and removes members of a call.",
  access: ["server", "user", "guest"],
  params: CallPath,
  query: Empty,
  body: Type.Object({
    update_members: Type.Optional(Type.Array(MemberRequest, { maxItems: callLimits.membersPerRequestMax })),
    remove_members: Type.Optional(Type.Array(UserId, { maxItems: callLimits.membersPerRequestMax })),
  }),
  output: Answer({ members: Type.Array(MemberResponse) }),
  status: 201,
  errors: ["notFound", "notAllowed"],
})
