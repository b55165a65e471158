import { notFoundError, audit as operations } from "@weir/protocol"
import { type AdminRoute, adminRead, adminStream } from "../../request/route.ts"
import type { Read } from "../../store/database.ts"
import { selectApp } from "../apps/index.ts"
import type { Audit } from "./cache.ts"
import { limits } from "./limits.ts"
import { shownRow } from "./rules.ts"
import { selectNewest } from "./store.ts"
import { exportLines, verifyChain } from "./verify.ts"

/** `flush` writes events that wait, so that an answer shows them. */
export const auditRoutes = ({ flush }: Pick<Audit, "flush">): AdminRoute[] => [
  adminRead(operations.listAppAudit, async ({ input, read }) => {
    const app = await selectApp(read, Number(input.path.app))
    if (app === undefined) throw notFoundError("app", input.path.app)
    await flush()
    return page(read, app.id, input.query)
  }),
  adminRead(operations.listAudit, async ({ input, read }) => {
    await flush()
    return page(read, null, input.query)
  }),
  adminStream(operations.exportAudit, async ({ input, read }) => {
    await flush()
    return exportLines(read, input.query)
  }),
  adminRead(operations.verifyAudit, async ({ read }) => {
    const { whole, rows, head, fault } = await verifyChain(read)
    return { whole, rows, head, fault }
  }),
]

async function page(read: Read, appId: number | null, query: { readonly limit?: number; readonly next?: string }) {
  const limit = query.limit ?? limits.pageSizeDefault
  const rows = await selectNewest(read, appId, query.next === undefined ? null : Number(query.next), limit + 1)
  const shown = rows.slice(0, limit)
  return {
    entries: shown.map(shownRow),
    next: rows.length > limit ? String(shown.at(-1)?.seq) : null,
  }
}
