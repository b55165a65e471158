// Events that clients send: contract/endpoints.json `send_event`.

import { Type } from "typebox"
import { ChannelId, TypeName, UserId } from "../../ids.ts"
import { operation } from "../../operation.ts"
import { Answer, Custom, Empty, Timestamp } from "../../schemas.ts"
import { UserResponse } from "../../users/operations.ts"
import { chatLimits } from "../limits.ts"

export const sendEvent = operation({
  name: "SendEvent",
  method: "POST",
  path: "/api/v2/chat/channels/{type}/{id}/event",
  tag: "chat",
  summary: "Tells the watchers of a channel something that is not kept: that one types, or an event of the app's own.",
  access: ["server", "user", "guest"],
  params: Type.Object({ type: TypeName, id: ChannelId }),
  query: Empty,
  body: Type.Object({
    event: Type.Object({
      type: Type.String({ minLength: 1, maxLength: chatLimits.eventTypeCharsMax, pattern: "^[\\w.:-]+$" }),
      parent_id: Type.Optional(Type.String({ maxLength: 255 })),
      custom: Type.Optional(Custom),
      user_id: Type.Optional(UserId),
      user: Type.Optional(Type.Object({ id: UserId })),
    }),
  }),
  output: Answer({
    event: Type.Object({
      type: Type.String(),
      created_at: Timestamp,
      cid: Type.String(),
      channel_id: Type.String(),
      channel_type: Type.String(),
      team: Type.Optional(Type.String()),
      parent_id: Type.Optional(Type.String()),
      user: UserResponse,
      custom: Custom,
    }),
  }),
  status: 201,
  errors: ["notAllowed", "notFound", "eventNotSupported"],
})
