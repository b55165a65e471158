import { notFoundError, webhooks as operations } from "@weir/protocol"
import { type AdminRoute, adminRead, adminStream } from "../../request/route.ts"
import { newSecrets } from "../webhooks/index.ts"
import type { Listeners } from "./keeper.ts"
import { answerOf, resumedSecrets, specOf } from "./rules.ts"
import { selectListenerNode } from "./store.ts"

export interface ListenerRouteParts {
  readonly listeners: Listeners
  readonly masterKey: Parameters<typeof resumedSecrets>[0]
  readonly nodeId: string
}

export const listenerRoutes = ({ listeners, masterKey, nodeId }: ListenerRouteParts): AdminRoute[] => [
  adminStream(operations.listenToHooks, async ({ input, principal, address, now }) => {
    const { path, query } = input
    const appId = Number(path.app)
    const spec = specOf(query, nodeId)
    const secrets = query.resume === undefined ? newSecrets() : resumedSecrets(masterKey, appId, query.resume)
    const lines = await listeners.open({ appId, spec, secrets, actor: principal.name, address, now })
    if (lines === null) throw notFoundError("app", path.app)
    return lines
  }),

  // Changes nothing itself: what becomes of the delivery, the engine writes.
  adminRead(operations.answerDelivery, async ({ input, read }) => {
    const { app, hook } = input.path
    const node = await selectListenerNode(read, Number(app), hook)
    if (node === undefined) throw notFoundError("listener", hook)
    return { accepted: await listeners.answer(hook, node, answerOf(input.body)) }
  }),
]
