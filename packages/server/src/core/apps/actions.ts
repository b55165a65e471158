// What a backend does with its own app. No role has these: only server callers come here, and a narrowed server token
// needs a scope such as `{"app:app:*": ["read"]}`.

import type { Action, Resource } from "../../authorize/decide.ts"
import { compileGrants } from "../../authorize/grants.ts"

export const actions = {
  readApp: { id: "read-app", name: "GetApp", level: "read" },
  updateApp: { id: "update-app", name: "UpdateApp", level: "manage" },
} as const satisfies Record<string, Action>

const nobody = compileGrants({})

/** The app itself, as something that is read or changed. */
export const appResource = (appId: number): Resource => ({
  kind: "app",
  id: String(appId),
  name: `app:app:${appId}`,
  scope: ".app",
  grants: nobody,
  relationRoles: [],
  ownerId: null,
  team: null,
})
