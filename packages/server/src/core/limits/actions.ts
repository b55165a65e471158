// How much an app may still do. Only servers ask, and a narrowed server token needs a scope such as
// `{"app:app:*": ["read"]}`.

import type { Action } from "../../authorize/decide.ts"

export const actions = {
  readRateLimits: { id: "read-rate-limits", name: "GetRateLimits", level: "read" },
} as const satisfies Record<string, Action>
