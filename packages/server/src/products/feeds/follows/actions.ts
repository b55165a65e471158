import type { Action, Resource } from "../../../authorize/decide.ts"
import { compileGrants } from "../../../authorize/grants.ts"

export const queryFollows: Action = { id: "query-follows", name: "QueryFollows", level: "read" }

/** Whoever asks for follows finds those of their own feeds; which they are is decided in the query. */
export const follows: Resource = {
  kind: "app",
  id: "follows",
  name: "app:app:follows",
  scope: ".app",
  grants: compileGrants({ user: [queryFollows.id], guest: [queryFollows.id], admin: [queryFollows.id] }),
  relationRoles: [],
  ownerId: null,
  team: null,
}
