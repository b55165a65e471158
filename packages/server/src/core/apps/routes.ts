import { notFoundError, apps as operations } from "@weir/protocol"
import { allowed } from "../../authorize/decide.ts"
import { type AdminRoute, adminRoute, type Route, route } from "../../request/route.ts"
import type { Tx } from "../../store/database.ts"
import { appSuspended } from "./events.ts"
import { limits } from "./limits.ts"
import { appResponse, newApp } from "./rules.ts"
import { insertApp, selectApp, selectApps, updateSuspended } from "./store.ts"

export interface AppRouteParts {
  /** A number that no app has yet. */
  readonly newAppId: () => number
  /** Makes the first key of a new app; keys are another module's, which stands above this one. */
  readonly makeKey: (tx: Tx, appId: number, now: number) => Promise<{ apiKey: string; secret: string }>
  /** The app's switches changed: whatever was cached of its keys is stale. */
  readonly appChanged: (tx: Tx, appId: number) => Promise<void>
}

export const appRoutes = (): Route[] => [
  route(operations.getApp, {
    authorize: () => allowed,
    async handle({ appId, read }) {
      const app = await selectApp(read, appId)
      if (app === undefined) throw notFoundError("app", String(appId))
      return { app: appResponse(app) }
    },
  }),
]

export const appAdminRoutes = (parts: AppRouteParts): AdminRoute[] => [
  adminRoute(operations.createApp, async ({ input, tx, now }) => {
    const app = newApp(parts.newAppId(), input.body.name, input.body.environment ?? "development", now)
    await insertApp(tx, app)
    const { apiKey, secret } = await parts.makeKey(tx, app.id, now)
    return { app: appResponse(app), key: { api_key: apiKey }, secret }
  }),
  adminRoute(operations.listApps, async ({ read }) => ({
    apps: (await selectApps(read, limits.appsListedMax)).map(appResponse),
  })),
  adminRoute(operations.updateAppState, async ({ input, tx, now }) => {
    const id = Number(input.path.app)
    if ((await selectApp(tx, id)) === undefined) throw notFoundError("app", input.path.app)
    await updateSuspended(tx, id, input.body.suspended, now)
    await parts.appChanged(tx, id)
    if (input.body.suspended) tx.emit(appSuspended(id))
    const app = await selectApp(tx, id)
    if (app === undefined) throw notFoundError("app", input.path.app)
    return { app: appResponse(app) }
  }),
]
