import { inputError, notFoundError, grants as operations } from "@weir/protocol"
import { type AdminRoute, adminRead } from "../../request/route.ts"
import { selectApp } from "../apps/index.ts"
import { type GrantScopeSource, grantScope } from "./rules.ts"

export type { GrantScopeSource } from "./rules.ts"

/** `scopes`: every scope in which roles hold grants, the same in each app. */
export const grantRoutes = (scopes: readonly GrantScopeSource[]): AdminRoute[] => [
  adminRead(operations.readGrants, async ({ input, read }) => {
    const app = await selectApp(read, Number(input.path.app))
    if (app === undefined) throw notFoundError("app", input.path.app)
    const { scope } = input.query
    const known = scopes.map(({ id }) => id)
    if (scope !== undefined && !known.includes(scope)) {
      throw inputError(`there is no scope ${scope}; there is ${known.join(", ")}`, {
        scope: `must be one of ${known.join(", ")}`,
      })
    }
    return { scopes: scopes.filter(({ id }) => scope === undefined || id === scope).map(grantScope), known }
  }),
]
