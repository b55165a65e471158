// Roles of operators and what each may do, as names. Which role may do what stands in the server's authorize stage.

/** From the most powerful down. */
export const operatorRoles = ["owner", "admin", "developer", "support", "viewer"] as const
export type OperatorRole = (typeof operatorRoles)[number]

/** What an operation of the management API needs, `noun.verb`. */
export const operatorActions = [
  "apps.read",
  "apps.manage",
  "keys.read",
  "keys.manage",
  "secrets.manage",
  "policy.manage",
  "tokens.mint",
  "tokens.inspect",
  "users.read",
  "users.revoke",
  "users.export",
  "decisions.read",
  "content.read",
  "content.manage",
  "hooks.read",
  "hooks.manage",
  "audit.read",
  "audit.export",
  "limits.read",
  "limits.manage",
  "traffic.read",
  "nodes.read",
  "team.read",
  "team.manage",
  "settings.read",
] as const
export type OperatorAction = (typeof operatorActions)[number]
