// API keys of an app, as the management API lists them. A secret is never in a list.

import { Type } from "typebox"
import { operation } from "../operation.ts"
import { Answer, Empty, Timestamp } from "../schemas.ts"

const AppPath = Type.Object({ app: Type.String({ pattern: "^\\d{1,15}$" }) })

export const KeyResponse = Type.Object({
  api_key: Type.String(),
  label: Type.String(),
  created_at: Timestamp,
  secrets: Type.Array(
    Type.Object({ kid: Type.String(), state: Type.String(), alg: Type.String(), created_at: Timestamp }),
  ),
})

export const listKeys = operation({
  name: "ListKeys",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/keys",
  tag: "admin",
  summary: "The API keys of an app and the state of their secrets.",
  access: ["operator"],
  params: AppPath,
  query: Empty,
  body: null,
  output: Answer({ keys: Type.Array(KeyResponse) }),
  status: 200,
  errors: ["notFound"],
})

export const createKey = operation({
  name: "CreateKey",
  method: "POST",
  path: "/api/admin/v1/apps/{app}/keys",
  tag: "admin",
  summary: "Makes another key for an app; the secret is shown this once.",
  access: ["operator"],
  params: AppPath,
  query: Empty,
  body: Type.Object({ label: Type.Optional(Type.String({ maxLength: 100 })) }),
  output: Answer({ key: KeyResponse, secret: Type.String() }),
  status: 201,
  errors: ["notFound"],
})
