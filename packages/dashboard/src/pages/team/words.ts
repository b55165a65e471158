// What roles are for and what actions mean, in words. Which role may do what, the server says.

import type { OperatorAction, OperatorRole } from "@weir/protocol"

export const roleTexts: Readonly<Record<OperatorRole, string>> = {
  owner: "Everything, and the only role that makes and removes owners.",
  admin: "Everything but owners.",
  developer: "Builds with it: keys, test tokens, content, hooks; no secrets and no people.",
  support: "Helps users: looks them up, sees their content, revokes their tokens.",
  viewer: "Looks at numbers, keys and people; changes nothing and reads no content.",
}

export const actionTexts: Readonly<Record<OperatorAction, string>> = {
  "apps.read": "See apps",
  "apps.manage": "Create and change apps",
  "keys.read": "See keys and their use",
  "keys.manage": "Rename keys and switch them off",
  "secrets.manage": "Create, rotate and revoke secrets",
  "policy.manage": "Change the token policy",
  "tokens.mint": "Create tokens",
  "tokens.inspect": "Look into tokens",
  "users.read": "See users and sessions",
  "users.revoke": "Revoke users and end sessions",
  "users.export": "Export what is kept of a user",
  "decisions.read": "See why somebody was refused",
  "content.read": "Read messages, feeds and calls",
  "content.manage": "Change and delete content",
  "hooks.read": "See webhooks and deliveries",
  "hooks.manage": "Change webhooks and replay deliveries",
  "audit.read": "Read the audit log",
  "audit.export": "Export the audit log",
  "limits.read": "See rate limits",
  "limits.manage": "Change rate limits",
  "traffic.read": "See traffic and requests",
  "nodes.read": "See nodes",
  "team.read": "See the team",
  "team.manage": "Invite, change and remove operators",
  "settings.read": "See the settings",
}
