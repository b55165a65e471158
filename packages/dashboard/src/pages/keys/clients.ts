// Names of clients as they call themselves in X-Stream-Client, taken apart into a name and a version. Pure.

/** What one client did, of all the tokens that were looked at. */
export interface ClientUse {
  readonly client: string
  readonly name: string
  readonly version: string | null
  readonly tokens: number
  readonly users: number
  /** Requests and sockets. */
  readonly uses: number
  readonly lastSeen: string
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

interface Seen {
  readonly client: string | null
  readonly user_id: string | null
  readonly uses: number
  readonly last_seen: string
}

/** Adds up tokens by client, those with most of them first. */
export function byClient(tokens: readonly Seen[], unnamed: string): ClientUse[] {
  const groups = Map.groupBy(tokens, ({ client }) => client ?? unnamed)
  return [...groups]
    .map(([client, seen]) => ({
      client,
      ...clientName(client),
      tokens: seen.length,
      users: new Set(seen.map(({ user_id }) => user_id)).size,
      uses: seen.reduce((total, { uses }) => total + uses, 0),
      lastSeen:
        seen
          .map(({ last_seen }) => last_seen)
          .toSorted()
          .at(-1) ?? "",
    }))
    .toSorted((a, b) => b.tokens - a.tokens || (a.client < b.client ? -1 : 1))
}
