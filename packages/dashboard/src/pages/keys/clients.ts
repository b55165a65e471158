// Names of clients as they call themselves in X-Stream-Client, taken apart into a name and a version, and what each
// did. Pure.

import type { Secret } from "./wire.ts"

/** What one client did with one secret. */
export interface ClientUse {
  readonly secret: Secret
  /** As it called itself; null: it did not. */
  readonly client: string | null
  readonly tokens: number
  readonly users: number
  readonly lastSeenAt: string
}

/** «name» and «version» of a client's own words: `weir-sdk-client-0.1.0`, `app/2.4`, `some-client-v1.2.0-beta.1`. */
export function clientName(client: string): { readonly name: string; readonly version: string | null } {
  // Some append facts about the device, separated by a bar.
  const first = (client.split("|")[0] ?? "").trim()
  const match = /^(.+?)[-/@_ ]v?(\d+(?:\.\d+)+(?:[-+.][\w.-]+)?)$/.exec(first)
  return match === null
    ? { name: first === "" ? client : first, version: null }
    : { name: match[1] as string, version: match[2] as string }
}

/** Clients of all secrets, those with most tokens first; `rest` is of those that are not told one by one. */
export function clientUses(secrets: readonly Secret[], max: number): { uses: ClientUse[]; rest: number } {
  const all = secrets.flatMap((secret) =>
    secret.usage.by_client.map(({ client, tokens, users, last_seen_at }) => ({
      secret,
      client,
      tokens,
      users,
      lastSeenAt: last_seen_at,
    })),
  )
  const uses = all.toSorted((a, b) => b.tokens - a.tokens).slice(0, max)
  const total = secrets.reduce((sum, { usage }) => sum + usage.tokens, 0)
  return { uses, rest: total - uses.reduce((sum, { tokens }) => sum + tokens, 0) }
}
