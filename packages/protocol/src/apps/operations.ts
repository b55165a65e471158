// Apps: one tenant each. The public read of an app's settings, and the management API's list and creation.

import { Type } from "typebox"
import { operation } from "../operation.ts"
import { Answer, Empty, Timestamp } from "../schemas.ts"

export const AppResponse = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  environment: Type.Union([Type.Literal("development"), Type.Literal("production")]),
  suspended: Type.Boolean(),
  created_at: Timestamp,
  updated_at: Timestamp,
})

export const getApp = operation({
  name: "GetApp",
  method: "GET",
  path: "/api/v2/app",
  tag: "common",
  summary: "The settings of the app.",
  access: ["server"],
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({ app: AppResponse }),
  status: 200,
  errors: [],
})

export const createApp = operation({
  name: "CreateApp",
  method: "POST",
  path: "/api/admin/v1/apps",
  tag: "admin",
  summary: "Makes an app with its first key; the secret is shown this once.",
  access: ["operator"],
  params: Empty,
  query: Empty,
  body: Type.Object({
    name: Type.String({ minLength: 1, maxLength: 100 }),
    environment: Type.Optional(Type.Union([Type.Literal("development"), Type.Literal("production")])),
  }),
  output: Answer({ app: AppResponse, key: Type.Object({ api_key: Type.String() }), secret: Type.String() }),
  status: 201,
  errors: [],
})

export const listApps = operation({
  name: "ListApps",
  method: "GET",
  path: "/api/admin/v1/apps",
  tag: "admin",
  summary: "All apps of this deployment.",
  access: ["operator"],
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({ apps: Type.Array(AppResponse) }),
  status: 200,
  errors: [],
})

export const updateAppState = operation({
  name: "UpdateAppState",
  method: "PATCH",
  path: "/api/admin/v1/apps/{app}",
  tag: "admin",
  summary: "Suspends an app or lets it run again.",
  access: ["operator"],
  params: Type.Object({ app: Type.String({ pattern: "^\\d{1,15}$" }) }),
  query: Empty,
  body: Type.Object({ suspended: Type.Boolean() }),
  output: Answer({ app: AppResponse }),
  status: 200,
  errors: ["notFound"],
})
