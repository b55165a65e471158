import { outboxEvent } from "../../events/event.ts"
import type { OutboxEvent } from "../../store/database.ts"

/** The app was suspended: its open sockets end everywhere, as its requests are refused. */
export const appSuspended = (appId: number): OutboxEvent =>
  outboxEvent(appId, "app.suspended", `app:${appId}`, [
    { to: "close-app", error: "appSuspended", reason: "app is suspended" },
  ])

/** What the app accepts has changed: each open socket is asked again whether its token still counts. */
export const appCredentialsChanged = (appId: number): OutboxEvent =>
  outboxEvent(appId, "app.credentials_changed", `app:${appId}`, [{ to: "close-revoked" }])
