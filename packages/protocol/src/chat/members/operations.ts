// Members: contract/endpoints.json `query_members`.

import { Type } from "typebox"
import { ChannelId, TypeName } from "../../ids.ts"
import { limits } from "../../limits.ts"
import { operation } from "../../operation.ts"
import { ActingUser, Answer, Empty, Filter, SortParam } from "../../schemas.ts"
import { chatLimits } from "../limits.ts"
import { ChannelMemberRequest, ChannelMemberResponse } from "../schemas.ts"

export const queryMembers = operation({
  name: "QueryMembers",
  method: "GET",
  path: "/api/v2/chat/members",
  tag: "chat",
  summary: "Finds members of one channel by filter, sorted and paged.",
  access: ["server", "user", "guest", "anonymous"],
  params: Empty,
  query: Type.Object({
    payload: Type.Object({
      type: TypeName,
      /** Absent for a distinct channel, which `members` names. */
      id: Type.Optional(ChannelId),
      members: Type.Optional(Type.Array(ChannelMemberRequest, { maxItems: chatLimits.membersPerRequestMax })),
      filter_conditions: Type.Optional(Filter),
      sort: Type.Optional(Type.Array(SortParam, { maxItems: limits.sortFieldsMax })),
      limit: Type.Optional(Type.Integer({ minimum: 0, maximum: chatLimits.membersPageMax })),
      offset: Type.Optional(Type.Integer({ minimum: 0, maximum: chatLimits.membersOffsetMax })),
      ...ActingUser,
    }),
  }),
  body: null,
  output: Answer({ members: Type.Array(ChannelMemberResponse) }),
  status: 200,
  errors: ["notAllowed", "notFound"],
})
