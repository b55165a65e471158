// What apps have set for themselves, for the counters, which ask again every second or so.

import type { Cache, Caches } from "../../events/caches.ts"
import type { LimitOverrides } from "../../request/rate-limit.ts"
import type { Read } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { parseOverrides } from "./rules.ts"
import { selectLimits } from "./store.ts"

/** An app's own limits by its id in decimal; null: it has none. */
export type AppLimits = Cache<LimitOverrides>

export const createAppLimits = (caches: Caches, read: Read): AppLimits =>
  caches.create<LimitOverrides>({
    name: "limits",
    entriesMax: limits.appsCachedMax,
    async load(appId) {
      const row = await selectLimits(read, Number(appId))
      return row === undefined ? null : parseOverrides(row.overrides)
    },
  })
