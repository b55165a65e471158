// Messages: contract/endpoints.json `send_message`, `get_message`, `update_message`, `delete_message`.

import { Type } from "typebox"
import { ChannelId, ObjectId, TypeName, UserId } from "../../ids.ts"
import { operation } from "../../operation.ts"
import { Answer, Empty } from "../../schemas.ts"
import { MessageRequest, MessageResponse, MessageWithChannelResponse } from "../schemas.ts"

const messageParams = Type.Object({ id: ObjectId })

export const sendMessage = operation({
  name: "SendMessage",
  method: "POST",
  path: "/api/v2/chat/channels/{type}/{id}/message",
  tag: "chat",
  summary: "Sends a message; sent again with the same id by the same author, the stored message is the answer.",
  access: ["server", "user", "guest"],
  params: Type.Object({ type: TypeName, id: ChannelId }),
  query: Empty,
  body: Type.Object({ message: MessageRequest }),
  output: Answer({ message: MessageResponse }),
  status: 201,
  errors: ["notAllowed", "notFound", "messageTooLong", "nestingLevel"],
})

export const getMessage = operation({
  name: "GetMessage",
  method: "GET",
  path: "/api/v2/chat/messages/{id}",
  tag: "chat",
  summary: "One message with its channel.",
  access: ["server", "user", "guest", "anonymous"],
  params: messageParams,
  query: Type.Object({
    /** Server only: with the text of a message that was deleted softly. */
    show_deleted_message: Type.Optional(Type.Boolean()),
  }),
  body: null,
  output: Answer({ message: MessageWithChannelResponse }),
  status: 200,
  errors: ["notFound"],
})

export const updateMessage = operation({
  name: "UpdateMessage",
  method: "POST",
  path: "/api/v2/chat/messages/{id}",
  tag: "chat",
  summary: "Replaces text, attachments, mentions and custom data of a message.",
  access: ["server", "user", "guest"],
  params: messageParams,
  query: Empty,
  body: Type.Object({ message: MessageRequest }),
  output: Answer({ message: MessageResponse }),
  status: 201,
  errors: ["notAllowed", "notFound", "messageTooLong"],
})

export const deleteMessage = operation({
  name: "DeleteMessage",
  method: "DELETE",
  path: "/api/v2/chat/messages/{id}",
  tag: "chat",
  summary: "Deletes a message: its shell stays, unless a server call asks for the hard way.",
  access: ["server", "user", "guest"],
  params: messageParams,
  query: Type.Object({
    hard: Type.Optional(Type.Boolean()),
    /** Server only: who is said to have deleted it. */
    deleted_by: Type.Optional(UserId),
  }),
  body: null,
  output: Answer({ message: MessageResponse }),
  status: 200,
  errors: ["notAllowed", "notFound"],
})
