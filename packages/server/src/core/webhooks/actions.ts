// What a backend does with the queues of its own app. No role has this: only server callers come here, and a narrowed
// server token needs the scope `manage` on the app.

import type { Action } from "../../authorize/decide.ts"

export const actions = {
  checkQueues: { id: "check-queues", name: "CheckQueues", level: "manage" },
} as const satisfies Record<string, Action>
