// What the management API takes and gives of operators and their team, as plain types; a part of admin-wire.ts.

import type { Answer, Timestamp } from "../../sdk-client/src/wire.ts"

export type OperatorRole = "owner" | "admin" | "developer" | "support" | "viewer"

/** What an operation of the management API needs. */
export type OperatorAction =
  | "apps.read"
  | "apps.manage"
  | "keys.read"
  | "keys.manage"
  | "secrets.manage"
  | "policy.manage"
  | "tokens.mint"
  | "tokens.inspect"
  | "users.read"
  | "users.revoke"
  | "users.export"
  | "decisions.read"
  | "content.read"
  | "content.manage"
  | "hooks.read"
  | "hooks.manage"
  | "audit.read"
  | "audit.export"
  | "limits.read"
  | "limits.manage"
  | "traffic.read"
  | "nodes.read"
  | "team.read"
  | "team.manage"
  | "settings.read"

export interface AdminOperator {
  id: string
  name: string
  email: string
  role: OperatorRole
  disabled: boolean
  has_totp: boolean
  passkeys: number
  /** Sessions that are open now. */
  sessions: number
  created_at: Timestamp
  last_login_at: Timestamp | null
}

export interface OperatorInvite {
  id: string
  email: string
  role: OperatorRole
  invited_by: string
  created_at: Timestamp
  expires_at: Timestamp
}

export interface AdminIdentity {
  /** `id` and `email` are null for the admin token. */
  operator: { id: string | null; name: string; email: string | null; role: OperatorRole }
  role: OperatorRole
  /** What the role allows. */
  actions: OperatorAction[]
  /** Null: the admin token, which has none. */
  session: { id: string; verified_at: Timestamp | null; expires_at: Timestamp } | null
  has_password: boolean
  has_totp: boolean
  passkeys: number
}

export interface OperatorOperations {
  readMe: { answer: Answer<AdminIdentity> }
  listOperators: {
    answer: Answer<{ operators: AdminOperator[]; roles: { role: OperatorRole; actions: OperatorAction[] }[] }>
  }
  updateOperator: { body: { role?: OperatorRole; disabled?: boolean }; answer: Answer<{ operator: AdminOperator }> }
  removeOperator: { answer: Answer<object> }
  createResetLink: { answer: Answer<{ link: string; expires_at: Timestamp }> }
  inviteOperator: {
    body: { email: string; role: OperatorRole }
    answer: Answer<{ invite: OperatorInvite; link: string }>
  }
  listInvites: { answer: Answer<{ invites: OperatorInvite[] }> }
  withdrawInvite: { answer: Answer<object> }
}
