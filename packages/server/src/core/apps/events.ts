import { outboxEvent } from "../../events/event.ts"
import type { OutboxEvent } from "../../store/database.ts"

/** The app was suspended: its open sockets end everywhere, as its requests are refused. */
export const appSuspended = (appId: number): OutboxEvent =>
  outboxEvent(appId, "app.suspended", `app:${appId}`, [
    { to: "close-app", error: "appSuspended", reason: "app is suspended" },
  ])
