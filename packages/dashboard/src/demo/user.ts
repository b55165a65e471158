// One user of the demo: a client of the public SDK, what went on with it, and the failures that can be switched on.

import { type ConnectionState, type Socket, WeirApiError, WeirClient, WeirConnectionError } from "@weir/sdk-client"
import { type DemoState, type DemoUserFacts, readToken, revokeUser, type TokenKind, tokenProvider } from "./server.ts"

export type Failure = "expire" | "revoke" | "narrow"

export interface LogEntry {
  readonly id: number
  readonly at: number
  readonly tone: "info" | "good" | "bad"
  readonly text: string
  /** Close code of a socket, code of an error, id of a decision: what to ask an operator about. */
  readonly facts: readonly (readonly [name: string, value: string])[]
}

/** What a page shows of the user. Replaced, never changed. */
export interface DemoUserView {
  readonly connection: ConnectionState
  /** Counts the times that the user connected anew, so that what they watched is watched again. */
  readonly session: number
  readonly failure: Failure | null
  readonly busy: boolean
  readonly log: readonly LogEntry[]
}

export interface DemoUser extends DemoUserFacts {
  readonly client: WeirClient
  /** Connects the user and makes their feeds; again: nothing. */
  start(): Promise<void>
  /** Switches a failure on, and the former one off; null: none. */
  setFailure(failure: Failure | null): Promise<void>
  /** Runs something that may be refused, and writes down how that went. Null: it was. */
  attempt<Result>(what: string, act: () => Promise<Result>): Promise<Result | null>
  say(tone: LogEntry["tone"], text: string, facts?: LogEntry["facts"]): void
  /** For useSyncExternalStore. */
  subscribe(listener: () => void): () => void
  view(): DemoUserView
}

const logEntriesMax = 60

export function createDemoUser({ api_key }: DemoState, { id, name }: DemoUserFacts): DemoUser {
  const listeners = new Set<() => void>()
  let view: DemoUserView = { connection: "idle", session: 0, failure: null, busy: false, log: [] }
  let entries = 0
  let started: Promise<void> | null = null

  const client = new WeirClient({
    apiKey: api_key,
    baseUrl: location.origin,
    // Each tab has switches of its own.
    shareTokens: false,
    // The platform's own socket, whose end is written down.
    openSocket(url) {
      const socket = new WebSocket(url)
      socket.addEventListener("close", ({ code }) => {
        if (code !== 1000) say("bad", "The socket was closed", [["close code", String(code)]])
      })
      return socket as Socket
    },
  })

  function change(part: Partial<DemoUserView>): void {
    view = { ...view, ...part, connection: client.connectionState }
    for (const listener of listeners) listener()
  }
  function say(tone: LogEntry["tone"], text: string, facts: LogEntry["facts"] = []): void {
    entries += 1
    change({ log: [{ id: entries, at: Date.now(), tone, text, facts }, ...view.log].slice(0, logEntriesMax) })
  }
  function sayError(what: string, error: unknown): void {
    if (error instanceof WeirApiError) {
      const { code, status, decisionId, reason } = error
      const facts: [string, string][] = [["code", String(code)]]
      if (status > 0) facts.unshift(["status", String(status)])
      if (decisionId !== null) facts.push(["decision", decisionId])
      say("bad", `${what}: ${reason}`, facts)
      return
    }
    const facts: [string, string][] = []
    if (error instanceof WeirConnectionError) {
      facts.push(["reason", error.reason])
      if (error.closeCode !== null) facts.push(["close code", String(error.closeCode)])
    }
    say("bad", `${what}: ${error instanceof Error ? error.message : String(error)}`, facts)
  }

  client.on("connection.changed", ({ online }) =>
    online ? say("good", "Connected") : say("info", "The connection was lost"),
  )
  client.on("connection.recovered", () => say("good", "Watching everything again"))
  client.on("connection.unrecovered", ({ error }) => sayError("Not everything could be watched again", error))
  client.on("connection.failed", ({ error }) => sayError("No way back without a new token", error))

  async function attempt<Result>(what: string, act: () => Promise<Result>): Promise<Result | null> {
    try {
      return await act()
    } catch (error) {
      sayError(what, error)
      return null
    }
  }

  async function connect(token: Parameters<WeirClient["connect"]>[1]): Promise<void> {
    await client.connect({ id, name }, token)
    change({ session: view.session + 1 })
  }

  /** Requests carry the new token at once; the provider is asked when it runs out. */
  async function give(kind: TokenKind): Promise<void> {
    await client.setToken(await readToken(id, kind))
    await client.setToken(tokenProvider(id, kind))
  }

  /** What switching on does; what it leads to comes over the wire. */
  const causes: Record<Failure, () => Promise<void>> = {
    async expire() {
      // Given as text there is nobody to ask for another, as in an app that forgot to renew.
      const token = await readToken(id, "short")
      await client.disconnect()
      await connect(token)
      say("info", "Connected with a token that expires in 10 seconds and is not renewed")
    },
    async revoke() {
      say("info", "An operator revokes every token of this user")
      const receipt = await revokeUser(id)
      say("info", `Revoked on every node within ${receipt.max_lag_ms} ms`, [
        ["receipt", receipt.id],
        ["sockets closed", String(receipt.sockets_closed)],
      ])
    },
    async narrow() {
      await give("narrow")
      say("info", "From now on requests carry a token that may read and change nothing")
    },
  }

  return {
    id,
    name,
    client,
    say,
    attempt,
    start() {
      started ??= attempt("Not connected", async () => {
        await connect(tokenProvider(id, "full"))
        await client.feed("user", id).getOrCreate()
        await client.feed("timeline", id).getOrCreate()
      }).then(() => undefined)
      return started
    },
    async setFailure(failure) {
      change({ busy: true })
      if (view.failure !== null) {
        await attempt("No new token", () => give("full"))
        say("info", "A new token was asked for, as after a fresh login")
        change({ failure: null })
      }
      if (failure !== null) {
        change({ failure })
        if ((await attempt("The failure was not caused", async () => causes[failure]().then(() => true))) === null) {
          change({ failure: null })
        }
      }
      change({ busy: false })
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    view: () => view,
  }
}
