import type { Action, Resource } from "../../../authorize/decide.ts"
import { compileGrants } from "../../../authorize/grants.ts"

export const queryFollows: Action = { id: "query-follows", name: "QueryFollows", level: "read" }

/** Whoever asks for follows finds those of their own feeds; which they are is decided in the query. */
export const follows: Resource = {
  kind: "feed",
  id: "*",
  name: "feeds:*:*",
  scope: ".app",
  grants: compileGrants({ user: [queryFollows.id], guest: [queryFollows.id], admin: [queryFollows.id] }),
  relationRoles: [],
  ownerId: null,
  team: null,
}

/** The follows of one feed, to it and by it. */
export const followsOf = (feed: string): Resource => ({ ...follows, id: feed, name: `feeds:${feed}` })
