// Things that were asked for of late, from the latest requests: for those that the API has no list of.

import { useMay } from "../../access/session.tsx"
import type { OperationName } from "../../api/client.ts"
import { useRead } from "../../api/queries.ts"
import { useApp } from "../../shell/apps.tsx"
import type { Name } from "./open-by-name.tsx"

export interface Seen extends Name {
  readonly name: string
  readonly at: string
  readonly operation: string
  readonly user_id: string | null
}

const requestsMax = 200
const everyMs = 10_000

interface Requested {
  readonly at: string
  readonly operation: string
  readonly path: string
  readonly status: number
  readonly user_id: string | null
}

/** Each thing once, the latest first. `pattern` finds type and id in a path. */
export function seenIn(requests: readonly Requested[], pattern: RegExp): Seen[] {
  const seen = new Map<string, Seen>()
  for (const { path, status, at, operation, user_id } of requests) {
    if (status >= 400) continue
    const [type, id] = (pattern.exec(path)?.slice(1, 3) ?? []).map(decoded)
    if (!type || !id) continue
    const name = `${type}:${id}`
    const known = seen.get(name)
    if (known === undefined || known.at < at) seen.set(name, { name, type, id, at, operation, user_id })
  }
  return [...seen.values()].sort((a, b) => (a.at < b.at ? 1 : -1))
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return ""
  }
}

/** What two operations were asked about; undefined rows while it is read, `allowed` false where the role sees none. */
export function useSeen([first, second]: readonly [string, string], pattern: RegExp) {
  const app = String(useApp())
  const allowed = useMay()("traffic.read")
  const options = { everyMs, enabled: allowed }
  const of = (operation: string) => ({ path: { app }, query: { operation, limit: requestsMax } })
  const name: OperationName = "ListRequests"
  const one = useRead(name, of(first), options)
  const other = useRead(name, of(second), options)
  const error = one.error ?? other.error
  const rows =
    one.data === undefined || other.data === undefined
      ? undefined
      : seenIn([...one.data.requests, ...other.data.requests], pattern)
  return { allowed, rows, error: rows === undefined ? error : null }
}
