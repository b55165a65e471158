// Channel types: contract/endpoints.json `list_channel_types`, `get_channel_type`.

import { Type } from "typebox"
import { TypeName } from "../../ids.ts"
import { operation } from "../../operation.ts"
import { Answer, Empty } from "../../schemas.ts"
import { ChannelConfig } from "../schemas.ts"

const typeFields = {
  ...ChannelConfig.properties,
  /** Rules of the first permission model; Weir has only grants. */
  permissions: Type.Array(Type.Unknown()),
  grants: Type.Record(Type.String(), Type.Array(Type.String())),
}

export const listChannelTypes = operation({
  name: "ListChannelTypes",
  method: "GET",
  path: "/api/v2/chat/channeltypes",
  tag: "chat",
  summary: "All channel types with their switches and grants, by name.",
  access: ["server"],
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({ channel_types: Type.Record(Type.String(), Type.Object(typeFields)) }),
  status: 200,
  errors: [],
})

export const getChannelType = operation({
  name: "GetChannelType",
  method: "GET",
  path: "/api/v2/chat/channeltypes/{name}",
  tag: "chat",
  summary: "One channel type with its switches and grants.",
  access: ["server"],
  params: Type.Object({ name: TypeName }),
  query: Empty,
  body: null,
  output: Answer(typeFields),
  status: 200,
  errors: ["notFound"],
})
