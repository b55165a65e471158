// What operators watch a deployment by: traffic, the latest requests, nodes. Builds those parts by hand and gathers over
// all nodes what only each of them knows.

import type { Clock } from "./base/clock.ts"
import type { Logger } from "./base/log.ts"
import { createNodeWatch, type NodeReport, nodeLimits, nodeRoutes, type ShownSetting } from "./core/nodes/index.ts"
import type { Revocations } from "./core/revocations/index.ts"
import {
  type CountsAt,
  createTraffic,
  type RecentAnswer,
  type RecentQuestion,
  trafficRoutes,
} from "./core/traffic/index.ts"
import { type Answers, createAsk } from "./events/ask.ts"
import type { Bus } from "./events/bus/bus.ts"
import type { ObserveRequest, ObserveSockets } from "./request/observe.ts"
import type { AdminRoute } from "./request/route.ts"
import type { Database } from "./store/database.ts"

export interface WatchParts {
  readonly db: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Logger
  readonly revocations: Revocations
  /** The app of a key, if this node knows it now. */
  readonly appOf: (apiKey: string) => number | null
  readonly droppedRefusals: () => number
  readonly socketCount: () => number
  /** Where the node listens; null while it has no port. */
  readonly address: () => string | null
  readonly isDraining: () => boolean
  readonly settings: readonly ShownSetting[]
  /** Of the settings. */
  readonly warnings: readonly string[]
}

export interface Watch {
  readonly observeRequest: ObserveRequest
  readonly observeSockets: ObserveSockets
  /** An attempt to hand an event to one of the app's hooks is over. */
  readonly delivered: (appId: number, succeeded: boolean) => void
  readonly adminRoutes: AdminRoute[]
  /** Writes what is counted and stops. */
  close(): Promise<void>
}

type Question =
  | { readonly kind: "report" }
  | { readonly kind: "sockets"; readonly appId: number }
  | { readonly kind: "unwritten"; readonly appId: number }
  | {
      readonly kind: "requests"
      readonly question: Omit<RecentQuestion, "afterSeq">
      readonly afterSeqs: Readonly<Record<string, number>> | null
    }

/** Builds it; it counts from now on. */
export function createWatch(parts: WatchParts): Watch {
  const { db, bus, clock, log, revocations } = parts
  const traffic = createTraffic({ db, nodeId: bus.nodeId, clock, log, appOf: parts.appOf })
  const node = createNodeWatch({
    db,
    bus,
    clock,
    log,
    revocations,
    address: parts.address,
    isDraining: parts.isDraining,
    socketCount: parts.socketCount,
    requestCount: () => traffic.requestCount,
    droppedRefusals: parts.droppedRefusals,
    droppedTrafficMinutes: () => traffic.droppedCount,
  })

  const answerHere = (question: Question): unknown => {
    switch (question.kind) {
      case "report":
        return node.report()
      case "sockets":
        return traffic.openSockets(question.appId)
      case "unwritten":
        return traffic.unwritten(question.appId)
      case "requests": {
        const { afterSeqs } = question
        const afterSeq = afterSeqs === null ? null : (afterSeqs[bus.nodeId] ?? 0)
        return traffic.recent.find({ ...question.question, afterSeq })
      }
    }
  }
  const nodes = createAsk<Question, unknown>({ bus, topic: "nodes" }, answerHere)
  const gather = async <Answer>(question: Question): Promise<Answers<Answer>> => {
    const expected = await revocations.liveNodes()
    return nodes.ask(question, expected, nodeLimits.answerWithinMs) as Promise<Answers<Answer>>
  }

  return {
    observeRequest: traffic.observeRequest,
    observeSockets: traffic.observeSockets,
    delivered: traffic.delivered,
    adminRoutes: [
      ...trafficRoutes({
        unwritten: (appId) => gather<readonly CountsAt[]>({ kind: "unwritten", appId }),
        recent: (question, afterSeqs) => gather<RecentAnswer>({ kind: "requests", question, afterSeqs }),
        openSockets: (appId) => gather<number>({ kind: "sockets", appId }),
      }),
      ...nodeRoutes({
        nodeId: bus.nodeId,
        revocations,
        reports: () => gather<NodeReport>({ kind: "report" }),
        settings: parts.settings,
        warnings: parts.warnings,
      }),
    ],
    async close() {
      nodes.close()
      await node.close()
      await traffic.close()
    },
  }
}
