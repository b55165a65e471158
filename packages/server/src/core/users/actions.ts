// What can be done to users, and who may by default, in the scope of the whole app.

import type { AppCaller } from "@weir/protocol"
import { type Action, type Resource, withinReach } from "../../authorize/decide.ts"
import { compileGrants } from "../../authorize/grants.ts"

export const actions = {
  updateUser: { id: "update-user", name: "UpdateUser", level: "write" },
  updateUserRole: { id: "update-user-role", name: "UpdateUserRole", level: "manage" },
  deactivateUser: { id: "deactivate-user", name: "DeactivateUser", level: "manage" },
  deleteUser: { id: "delete-user", name: "DeleteUser", level: "manage" },
  banUser: { id: "ban-user", name: "BanUser", level: "manage" },
  searchUser: { id: "search-user", name: "SearchUser", level: "read" },
} as const satisfies Record<string, Action>

/** Contract/auth.md §6.6, last rows. */
const appGrants = compileGrants({
  user: ["update-user-owner", "search-user"],
  guest: ["update-user-owner", "search-user"],
  moderator: ["update-user-owner", "search-user", "ban-user"],
  admin: ["update-user", "search-user", "ban-user"],
  global_moderator: ["ban-user", "ban-user-any-team"],
  global_admin: ["ban-user", "ban-user-any-team"],
})

/** A user as something that is changed or looked for. */
export const userResource = (userId: string): Resource => ({
  kind: "user",
  id: userId,
  name: `app:user:${userId}`,
  scope: ".app",
  grants: appGrants,
  relationRoles: [],
  ownerId: userId,
  team: null,
})

/** Whether a caller who sees the user among others also hears when they come and go: a narrowed token must name them. */
export const hearsPresence = (principal: AppCaller, userId: string): boolean =>
  withinReach(principal, actions.searchUser, userResource(userId)).allowed
