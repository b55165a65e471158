// What can be done to users, and who may by default, in the scope of the whole app.

import type { Action } from "../../authorize/decide.ts"
import { compileGrants } from "../../authorize/grants.ts"

export const actions = {
  updateUser: { id: "update-user", name: "UpdateUser" },
  searchUser: { id: "search-user", name: "SearchUser" },
} as const satisfies Record<string, Action>

/** Contract/auth.md §6.6, last rows. */
export const appGrants = compileGrants({
  user: ["update-user-owner", "search-user"],
  guest: ["update-user-owner", "search-user"],
  moderator: ["update-user-owner", "search-user"],
  admin: ["update-user", "search-user"],
})
