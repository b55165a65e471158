// Buses of several nodes inside one process, without a server between them. The test decides when messages arrive,
// and which links are down, so that races can be played through one by one. They obey the same contract as the others.

import { randomId } from "../../../packages/server/src/base/ids.ts"
import { createLogger } from "../../../packages/server/src/base/log.ts"
import type { Bus, BusTopic } from "../../../packages/server/src/events/bus/bus.ts"
import { createListeners, runAll } from "../../../packages/server/src/events/bus/listeners.ts"

export interface LinkedBuses {
  /** One more node. */
  open(): LinkedBus
  /** Delivers what waits, with everything that is sent in answer. */
  deliverAll(): void
}

export interface LinkedBus extends Bus {
  /** Delivers the oldest `count` messages that wait for this node. */
  deliver(count: number): void
  /** Takes this node's link away: what it sends, and what is sent to it, is lost. */
  cut(): void
  /** Gives it back, and tells the gap to all who missed something. */
  mend(): void
}

interface Waiting {
  readonly topic: BusTopic
  readonly payload: string
  readonly fromNode: string
}

/** `arrives`: messages arrive by themselves, in a microtask, or when the test delivers them. */
export function createLinkedBuses(arrives: "by-itself" | "when-delivered"): LinkedBuses {
  const log = createLogger({ level: "error", format: "json", write: () => {} })
  const nodes = new Set<ReturnType<typeof createNode>>()

  const createNode = () => {
    const nodeId = randomId(12)
    const listeners = createListeners(log)
    const gapListeners: (() => void)[] = []
    const waiting: Waiting[] = []
    let isCut = false
    let missedSome = false
    const deliver = (count: number): void => {
      for (const { topic, payload, fromNode } of waiting.splice(0, count)) listeners.tell(topic, payload, fromNode)
    }
    const tellGap = (): void => {
      if (isCut || !missedSome) return
      missedSome = false
      runAll(gapListeners, log, "a listener for gaps failed")
    }
    const bus: LinkedBus = {
      nodeId,
      shared: true,
      get connected() {
        return !isCut && nodes.has(node)
      },
      publish(topic, payload) {
        if (!nodes.has(node)) return
        for (const other of nodes) if (other !== node) other.receive({ topic, payload, fromNode: nodeId }, isCut)
        listeners.tell(topic, payload, nodeId)
      },
      subscribe: listeners.subscribe,
      onGap: (listener) => {
        gapListeners.push(listener)
      },
      async close() {
        nodes.delete(node)
        listeners.clear()
        waiting.length = 0
      },
      deliver,
      cut() {
        isCut = true
        missedSome = true
        waiting.length = 0
      },
      mend() {
        isCut = false
        for (const other of nodes) other.tellGap()
      },
    }
    const node = {
      bus,
      tellGap,
      hasWaiting: () => waiting.length > 0,
      receive(message: Waiting, isLost: boolean): void {
        if (isLost || isCut) {
          missedSome = true
          return
        }
        waiting.push(message)
        if (arrives === "by-itself") queueMicrotask(() => deliver(1))
      },
    }
    nodes.add(node)
    return node
  }

  return {
    open: () => createNode().bus,
    deliverAll() {
      while ([...nodes].some((node) => node.hasWaiting())) {
        for (const node of nodes) node.bus.deliver(Number.POSITIVE_INFINITY)
      }
    },
  }
}
