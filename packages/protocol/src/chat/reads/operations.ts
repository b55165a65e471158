// Reads: contract/endpoints.json `mark_read`.

import { Type } from "typebox"
import { ChannelId, ObjectId, TypeName } from "../../ids.ts"
import { operation } from "../../operation.ts"
import { ActingUser, Answer, Empty, Timestamp } from "../../schemas.ts"
import { UserResponse } from "../../users/operations.ts"

export const markRead = operation({
  name: "MarkRead",
  method: "POST",
  path: "/api/v2/chat/channels/{type}/{id}/read",
  tag: "chat",
  summary: "Marks a channel read, up to its end or up to one message.",
  access: ["server", "user", "guest"],
  params: Type.Object({ type: TypeName, id: ChannelId }),
  query: Empty,
  body: Type.Object({ message_id: Type.Optional(ObjectId), ...ActingUser }),
  output: Answer({
    event: Type.Object({
      type: Type.String(),
      created_at: Timestamp,
      cid: Type.String(),
      channel_id: Type.String(),
      channel_type: Type.String(),
      team: Type.Optional(Type.String()),
      last_read_message_id: Type.Optional(Type.String()),
      user: UserResponse,
    }),
  }),
  status: 201,
  errors: ["notAllowed", "notFound", "eventNotSupported"],
})
