// The bus of a deployment with one process: nobody else is there, so nothing can be lost.

import { randomId } from "../../base/ids.ts"
import { createLogger, type Logger } from "../../base/log.ts"
import type { Bus } from "./bus.ts"
import { createListeners } from "./listeners.ts"

/** Makes the bus. `log` hears of subscribers that fail; without it they are told on standard output. */
export function createLocalBus(log: Logger = createLogger({ level: "error", format: "auto" })): Bus {
  const nodeId = randomId(12)
  const listeners = createListeners(log)
  let isClosed = false

  return {
    nodeId,
    connected: true,
    shared: false,
    publish(topic, payload) {
      if (!isClosed) listeners.tell(topic, payload, nodeId)
    },
    subscribe: listeners.subscribe,
    onGap() {
      // There is no other node whose messages could be missed.
    },
    async close() {
      isClosed = true
      listeners.clear()
    },
  }
}
