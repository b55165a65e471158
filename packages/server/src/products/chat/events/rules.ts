// Which events a client may send, and when nobody is told.

import { ApiError, inputError } from "@weir/protocol"
import type { User } from "../../../core/users/index.ts"
import { type ChannelConfig, isReservedEventType } from "../types/index.ts"
import { limits } from "./limits.ts"

export type SentEvent = "typing" | "custom"

/** Knows an event by its type. Throws inputError for names of the server, eventNotSupported where it is turned off. */
export function sentEvent(type: string, custom: Record<string, unknown> | undefined, config: ChannelConfig): SentEvent {
  if (type === "typing.start" || type === "typing.stop") {
    if (!config.typing_events) throw notSupported("typing", config)
    return "typing"
  }
  if (isReservedEventType(type)) {
    throw inputError(`events of type ${type} are the server's own`, { "event.type": "is reserved" })
  }
  if (!config.custom_events) throw notSupported("custom", config)
  if (custom !== undefined && Buffer.byteLength(JSON.stringify(custom)) > limits.customEventBytesMax) {
    throw inputError(`custom data of the event is larger than ${limits.customEventBytesMax} bytes`)
  }
  return "custom"
}

/** Whether others may see that this user types (contract/chat.md §2.9). */
export const showsTyping = (user: User | null): boolean => user?.privacySettings?.typing_indicators?.enabled !== false

const notSupported = (what: string, config: ChannelConfig) =>
  new ApiError("eventNotSupported", `${what} events are turned off in channels of type ${config.name}`)
