// Operators of a deployment, as the management API shows them: who is logged in, the team, and invites to it. Logging
// in itself is no operation: it works with cookies, and its own endpoints stand under /dashboard/api.

import { type TSchema, Type } from "typebox"
import { operation } from "../operation.ts"
import { Answer, Empty, Timestamp } from "../schemas.ts"
import { type OperatorAction, type OperatorRole, operatorActions, operatorRoles } from "./roles.ts"

const OrNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
export const OperatorRoleSchema = Type.Unsafe<OperatorRole>(Type.Union(operatorRoles.map((role) => Type.Literal(role))))
const OperatorActionSchema = Type.Unsafe<OperatorAction>(
  Type.Union(operatorActions.map((action) => Type.Literal(action))),
)

const operatorIdPattern = "^[A-Za-z0-9_-]{1,64}$"
const emailCharsMax = 254
/** One `@`, no spaces; whether the mailbox exists nobody asks, because no mail is sent. */
export const emailPattern = '^[^\\s@,;<>"]{1,64}@[^\\s@,;<>"]{1,190}$'

const OperatorPath = Type.Object({ operator: Type.String({ pattern: operatorIdPattern }) })
const InvitePath = Type.Object({ invite: Type.String({ pattern: operatorIdPattern }) })

export const Operator = Type.Object({
  id: Type.String(),
  name: Type.String(),
  email: Type.String(),
  role: OperatorRoleSchema,
  disabled: Type.Boolean(),
  has_totp: Type.Boolean(),
  passkeys: Type.Integer(),
  /** Sessions that are open now. */
  sessions: Type.Integer(),
  created_at: Timestamp,
  last_login_at: OrNull(Timestamp),
})

export const OperatorInvite = Type.Object({
  id: Type.String(),
  email: Type.String(),
  role: OperatorRoleSchema,
  invited_by: Type.String(),
  created_at: Timestamp,
  expires_at: Timestamp,
})

export const readMe = operation({
  name: "ReadMe",
  method: "GET",
  path: "/api/admin/v1/me",
  tag: "admin",
  summary: "Who is asking, what their role allows, and their session.",
  access: ["operator"],
  needs: "apps.read",
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({
    operator: Type.Object({
      /** Null: the admin token of the settings. */
      id: OrNull(Type.String()),
      name: Type.String(),
      email: OrNull(Type.String()),
      role: OperatorRoleSchema,
    }),
    role: OperatorRoleSchema,
    actions: Type.Array(OperatorActionSchema),
    /** Null: the admin token of the settings, which has no session and is always fresh. */
    session: OrNull(
      Type.Object({
        id: Type.String(),
        /** When the operator last proved who they are. */
        verified_at: OrNull(Timestamp),
        expires_at: Timestamp,
      }),
    ),
    has_password: Type.Boolean(),
    has_totp: Type.Boolean(),
    passkeys: Type.Integer(),
  }),
  status: 200,
  errors: [],
})

export const listOperators = operation({
  name: "ListOperators",
  method: "GET",
  path: "/api/admin/v1/team",
  tag: "admin",
  summary: "Everybody who can log in, with their role.",
  access: ["operator"],
  needs: "team.read",
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({
    operators: Type.Array(Operator),
    /** What each role may, from the most powerful down. */
    roles: Type.Array(Type.Object({ role: OperatorRoleSchema, actions: Type.Array(OperatorActionSchema) })),
  }),
  status: 200,
  errors: [],
})

export const updateOperator = operation({
  name: "UpdateOperator",
  method: "PATCH",
  path: "/api/admin/v1/team/{operator}",
  tag: "admin",
  summary: "Gives an operator another role, or shuts them out and lets them in again. The last owner stays.",
  access: ["operator"],
  needs: "team.manage",
  stepUp: true,
  params: OperatorPath,
  query: Empty,
  body: Type.Object({ role: Type.Optional(OperatorRoleSchema), disabled: Type.Optional(Type.Boolean()) }),
  output: Answer({ operator: Operator }),
  status: 200,
  errors: ["notFound", "notAllowed"],
})

export const removeOperator = operation({
  name: "RemoveOperator",
  method: "DELETE",
  path: "/api/admin/v1/team/{operator}",
  tag: "admin",
  summary: "Removes an operator and ends their sessions. The last owner stays.",
  access: ["operator"],
  needs: "team.manage",
  stepUp: true,
  params: OperatorPath,
  query: Empty,
  body: null,
  output: Answer({}),
  status: 200,
  errors: ["notFound", "notAllowed"],
})

export const createResetLink = operation({
  name: "CreateResetLink",
  method: "POST",
  path: "/api/admin/v1/team/{operator}/reset-link",
  tag: "admin",
  summary:
    "Makes a one-time link with which an operator sets a new password; it takes their second factors away. For owners.",
  access: ["operator"],
  needs: "team.manage",
  stepUp: true,
  params: OperatorPath,
  query: Empty,
  body: null,
  output: Answer({
    /** Path and fragment, to be put behind the deployment's address; shown this once. */
    link: Type.String(),
    expires_at: Timestamp,
  }),
  status: 201,
  errors: ["notFound", "notAllowed"],
})

export const inviteOperator = operation({
  name: "InviteOperator",
  method: "POST",
  path: "/api/admin/v1/team/invites",
  tag: "admin",
  summary: "Makes a one-time link with which somebody joins. No mail is sent: hand the link over yourself.",
  access: ["operator"],
  needs: "team.manage",
  stepUp: true,
  params: Empty,
  query: Empty,
  body: Type.Object({
    email: Type.String({ pattern: emailPattern, maxLength: emailCharsMax }),
    role: OperatorRoleSchema,
  }),
  output: Answer({
    invite: OperatorInvite,
    /** Shown this once. A whole address where the deployment knows its own, else path and fragment. */
    link: Type.String(),
  }),
  status: 201,
  errors: ["notAllowed"],
})

export const listInvites = operation({
  name: "ListInvites",
  method: "GET",
  path: "/api/admin/v1/team/invites",
  tag: "admin",
  summary: "Invites that are open, newest first.",
  access: ["operator"],
  needs: "team.read",
  params: Empty,
  query: Empty,
  body: null,
  output: Answer({ invites: Type.Array(OperatorInvite) }),
  status: 200,
  errors: [],
})

export const withdrawInvite = operation({
  name: "WithdrawInvite",
  method: "DELETE",
  path: "/api/admin/v1/team/invites/{invite}",
  tag: "admin",
  summary: "Withdraws an invite: its link opens nothing any more.",
  access: ["operator"],
  needs: "team.manage",
  stepUp: true,
  params: InvitePath,
  query: Empty,
  body: null,
  output: Answer({}),
  status: 200,
  errors: ["notFound"],
})
