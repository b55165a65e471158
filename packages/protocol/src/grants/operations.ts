// Which role may do what, as it stands.

import { Type } from "typebox"
import { AppPath } from "../apps/operations.ts"
import { operation } from "../operation.ts"
import { Answer } from "../schemas.ts"

/** One cell of the matrix: what a role may do. What is not listed is refused. */
export const Grant = Type.Object({
  role: Type.String(),
  /** `own`: only to what the user made or is. */
  extent: Type.Union([Type.Literal("all"), Type.Literal("own")]),
  /** Also across teams. */
  any_team: Type.Boolean(),
})

export const GrantScope = Type.Object({
  /** `app`; `chat:` and a channel type; `feeds:` and a visibility; `video:` and a call type. */
  id: Type.String(),
  product: Type.Union([Type.Literal("app"), Type.Literal("chat"), Type.Literal("feeds"), Type.Literal("video")]),
  title: Type.String(),
  /** Those that hold anything here. */
  roles: Type.Array(Type.String()),
  actions: Type.Array(
    Type.Object({
      /** As grants and the scopes of tokens name it. */
      id: Type.String(),
      /** As refusals name it. */
      name: Type.String(),
      title: Type.String(),
      level: Type.Union([Type.Literal("read"), Type.Literal("write"), Type.Literal("manage")]),
      grants: Type.Array(Grant),
    }),
  ),
})

export const readGrants = operation({
  name: "ReadGrants",
  method: "GET",
  path: "/api/admin/v1/apps/{app}/grants",
  tag: "admin",
  summary: "Roles and what they may do, by scope. Servers need no grant.",
  access: ["operator"],
  needs: "decisions.read",
  params: AppPath,
  query: Type.Object({
    /** Id of one scope; all unless given. */
    scope: Type.Optional(Type.String({ minLength: 1, maxLength: 128, pattern: "^[\\w:-]+$" })),
  }),
  body: null,
  output: Answer({
    scopes: Type.Array(GrantScope),
    /** Ids of all scopes, for a choice. */
    known: Type.Array(Type.String()),
  }),
  status: 200,
  errors: ["notFound"],
})
