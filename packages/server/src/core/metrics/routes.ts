import { metrics as operations } from "@weir/protocol"
import { type AdminRoute, adminStream } from "../../request/route.ts"
import { exposition, type Measured } from "./rules.ts"
import { countUnrelayed, selectBacklog } from "./store.ts"

export interface MetricsRouteParts {
  /** What this node's engine says of itself. */
  readonly engineStats: () => Measured["engine"]
  /** What this node has asked of backends. */
  readonly asked: () => Measured["asked"]
  /** Open sockets of this node. */
  readonly sockets: () => number
}

export const metricsRoutes = ({ engineStats, asked, sockets }: MetricsRouteParts): AdminRoute[] => [
  adminStream(operations.getMetrics, async ({ read, now }) => {
    const [backlog, unrelayed] = await Promise.all([selectBacklog(read), countUnrelayed(read)])
    const text = exposition({ now, backlog, unrelayed, sockets: sockets(), engine: engineStats(), asked: asked() })
    return once(text)
  }),
]

async function* once(text: string): AsyncGenerator<string, void, undefined> {
  yield text
}
