// Who hears what within this process; both buses tell their own subscribers through it.

import type { Logger } from "../../base/log.ts"
import { limits } from "../limits.ts"
import type { Bus, BusTopic } from "./bus.ts"

export interface Listeners {
  readonly subscribe: Bus["subscribe"]
  /**
   * Tells all subscribers of a topic before it returns; what fails in one is logged and the others still hear. A
   * message told from within a listener waits until everyone has heard the one before, so that all hear one order.
   */
  tell(topic: BusTopic, payload: string, fromNode: string): void
  /** Nobody hears anything any more. */
  clear(): void
}

type Listener = Parameters<Bus["subscribe"]>[1]

export function createListeners(log: Logger): Listeners {
  // Replaced, never changed: a subscriber that comes while a message is told hears from the next one on.
  const byTopic = new Map<BusTopic, readonly Listener[]>()
  const waiting: { topic: BusTopic; payload: string; fromNode: string }[] = []
  let isTelling = false

  const listenersOf = (topic: BusTopic): readonly Listener[] => byTopic.get(topic) ?? []

  const tellOne = (topic: BusTopic, payload: string, fromNode: string): void => {
    for (const listener of listenersOf(topic)) {
      // Whoever left while this message was told does not hear it any more.
      if (!listenersOf(topic).includes(listener)) continue
      try {
        listener(payload, fromNode)
      } catch (error) {
        log.error("a subscriber of the bus failed", { topic, from_node: fromNode, cause: error })
      }
    }
  }

  return {
    subscribe(topic, listener) {
      // The same function may subscribe twice and each subscription ends by itself.
      const own: Listener = (payload, fromNode) => listener(payload, fromNode)
      byTopic.set(topic, [...listenersOf(topic), own])
      return () => {
        byTopic.set(
          topic,
          listenersOf(topic).filter((other) => other !== own),
        )
      }
    },
    tell(topic, payload, fromNode) {
      if (isTelling) {
        if (waiting.length < limits.busNestedMessagesMax) waiting.push({ topic, payload, fromNode })
        else log.error("subscribers of the bus answer each other without end", { topic })
        return
      }
      isTelling = true
      tellOne(topic, payload, fromNode)
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        tellOne(next.topic, next.payload, next.fromNode)
      }
      isTelling = false
    },
    clear() {
      byTopic.clear()
      waiting.length = 0
    },
  }
}

/** Runs every listener; what fails in one is logged and the others still run. */
export function runAll(listeners: readonly (() => void)[], log: Logger, what: string): void {
  for (const listener of listeners) {
    try {
      listener()
    } catch (error) {
      log.error(what, { cause: error })
    }
  }
}
