import { outboxEvent, type WireEvent } from "../../../events/event.ts"
import type { OutboxEvent } from "../../../store/database.ts"
import { backendText, type Channel, streamOf } from "../types/index.ts"

/** An event of the app's own making, for backends: the sockets have heard it, and nothing is kept for them. */
export const customEvent = (channel: Channel, event: WireEvent): OutboxEvent =>
  outboxEvent(channel.appId, event.type, streamOf(channel), [], (tx) => backendText(tx, event))
