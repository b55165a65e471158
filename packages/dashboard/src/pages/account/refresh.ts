// After a change of one's own account, what shows it is read anew.

import { useQueryClient } from "@tanstack/react-query"
import { meKey } from "../../access/session.tsx"

export const sessionsKey = ["login-sessions"] as const
export const passkeysKey = ["login-passkeys"] as const

/** Reads anew who one is and what was named besides. */
export function useRefresh(): (key?: readonly string[]) => Promise<void> {
  const client = useQueryClient()
  return async (key) => {
    await Promise.all([
      client.invalidateQueries({ queryKey: meKey }),
      client.invalidateQueries({ queryKey: ["ReadMe"] }),
      ...(key === undefined ? [] : [client.invalidateQueries({ queryKey: key })]),
    ])
  }
}
