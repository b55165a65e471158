import { outboxEvent } from "../../events/event.ts"
import type { OutboxEvent } from "../../store/database.ts"

/** A key was switched off or on, or a secret no longer verifies: each open socket of the app is asked again whether its credential still counts. */
export const keyChangedEvent = (appId: number): OutboxEvent =>
  outboxEvent(appId, "app.credentials_changed", `app:${appId}`, [{ to: "close-revoked" }])
