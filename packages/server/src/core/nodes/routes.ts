import { nodes as operations } from "@weir/protocol"
import { version } from "../../base/version.ts"
import type { Answers } from "../../events/ask.ts"
import { type AdminRoute, adminRead } from "../../request/route.ts"
import type { Revocations } from "../revocations/index.ts"
import type { NodeReport } from "./cache.ts"

/** A setting as operators may see it: secrets are masked already. */
export interface ShownSetting {
  readonly name: string
  readonly value: string
  readonly source: "env" | "default" | "file"
  readonly doc: string
  readonly form: string
}

export interface NodeRouteParts {
  readonly nodeId: string
  readonly revocations: Pick<Revocations, "seenNodes">
  /** Every node's report, of those that answer in time. */
  readonly reports: () => Promise<Answers<NodeReport>>
  readonly settings: readonly ShownSetting[]
  readonly warnings: readonly string[]
}

export const nodeRoutes = (parts: NodeRouteParts): AdminRoute[] => [
  adminRead(operations.listNodes, async ({ now }) => {
    const [{ latestSeq, nodes }, { answers }] = await Promise.all([parts.revocations.seenNodes(), parts.reports()])
    const answering = [...answers].map(([id, report]) => ({
      id,
      is_here: id === parts.nodeId,
      status: "answering" as const,
      last_seen_at: new Date(now).toISOString(),
      state: shownState(report, latestSeq),
    }))
    const silent = nodes
      .filter(({ nodeId }) => !answers.has(nodeId))
      .map(({ nodeId, seenMsAgo }) => ({
        id: nodeId,
        is_here: false,
        status: "silent" as const,
        last_seen_at: new Date(now - seenMsAgo).toISOString(),
        state: null,
      }))
    answering.sort((a, b) => (a.state.started_at < b.state.started_at ? -1 : 1))
    return { nodes: [...answering, ...silent] }
  }),
  adminRead(operations.readSettings, () => ({
    settings: parts.settings.map(({ name, value, source, doc, form }) => ({ name, value, source, doc, form })),
    warnings: [...parts.warnings],
    version,
    node: parts.nodeId,
  })),
]

const shownState = (report: NodeReport, latestSeq: number) => ({
  version: report.version,
  runtime: report.runtime,
  started_at: new Date(report.startedAt).toISOString(),
  address: report.address,
  is_draining: report.isDraining,
  sockets: report.sockets,
  requests: report.requests,
  requests_per_minute: report.requestsPerMinute,
  memory: { heap_bytes: report.heapBytes, resident_bytes: report.residentBytes },
  event_loop: { mean_ms: report.lagMeanMs, max_ms: report.lagMaxMs },
  revocations: {
    behind: Math.max(0, latestSeq - report.appliedSeq),
    age_ms: report.knowledgeAgeMs,
    lease_left_ms: report.leaseLeftMs,
  },
  bus: report.bus,
  database: {
    dialect: report.dialect,
    asked_at: report.database === null ? null : new Date(report.database.askedAt).toISOString(),
    ping_ms: report.database?.pingMs ?? null,
    clock_offset_ms: report.database?.clockOffsetMs ?? null,
  },
  dropped: { refusals: report.droppedRefusals, traffic_minutes: report.droppedTrafficMinutes },
})
