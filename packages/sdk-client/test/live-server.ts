// A real Weir behind a gateway of its own, for tests that need what only a network has: a server that restarts at the
// same address, a line that is cut, and a count of the sockets that clients tried to open.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Socket as TcpSocket } from "bun"
import { startTestServer, type TestServer, testApiKey, testApiSecret } from "../../server/src/testing.ts"
import type { AnyEvent } from "../src/emitter.ts"
import { WeirApiError, WeirConnectionError } from "../src/errors.ts"
import { type OpenSocket, openSocket as openPlatformSocket } from "../src/socket.ts"

export { testApiKey as apiKey, testApiSecret as apiSecret }

export interface LiveServer {
  /** `http://127.0.0.1:<port>` of the gateway; it stays the same over restarts. */
  readonly url: string
  /** Sockets that clients began to open, whatever became of them. */
  readonly connects: number
  /** The server behind, by its own address. */
  readonly direct: TestServer
  /** Ends the server as a deployment does, and starts it anew on the same data. */
  restart(): Promise<void>
  /** Cuts every connection without a word. */
  cut(): void
  close(): Promise<void>
}

interface Line {
  /** The other half: towards the client or towards the server. Null until it is open, and once it has ended. */
  other: TcpSocket<Line> | null
  /** Bytes that this end has not taken yet. */
  unsent: Buffer[]
  /** What the client said before the way to the server was open; null from then on. */
  early: Buffer[] | null
}

export async function startLiveServer(): Promise<LiveServer> {
  const dataDir = mkdtempSync(join(tmpdir(), "weir-live-"))
  const clients = new Set<TcpSocket<Line>>()
  let server: TestServer | null = await startTestServer({ dataDir })
  let connects = 0

  function pass(to: TcpSocket<Line> | null, bytes: Buffer): void {
    if (to === null) return
    const taken = to.data.unsent.length > 0 ? 0 : Math.max(0, to.write(bytes))
    if (taken < bytes.length) to.data.unsent.push(bytes.subarray(taken))
  }

  function hangUp(line: TcpSocket<Line>): void {
    clients.delete(line)
    line.data.other?.end()
    line.data.other = null
  }

  const both = {
    drain(line: TcpSocket<Line>) {
      for (const bytes of line.data.unsent.splice(0)) pass(line, bytes)
    },
    close: hangUp,
    error: hangUp,
  }

  /** Joins a client to the server as it is now; a server that is away hangs up. */
  async function connectThrough(client: TcpSocket<Line>): Promise<void> {
    try {
      if (server === null) throw new Error("the server is away")
      const other = await Bun.connect<Line>({
        hostname: "127.0.0.1",
        port: Number(new URL(server.url).port),
        data: { other: client, unsent: [], early: null },
        socket: { ...both, data: (line, bytes) => pass(line.data.other, Buffer.from(bytes)) },
      })
      client.data.other = other
      for (const bytes of client.data.early ?? []) pass(other, bytes)
      client.data.early = null
      if (!clients.has(client)) other.end()
    } catch {
      client.end()
    }
  }

  const gateway = Bun.listen<Line>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...both,
      open(client) {
        client.data = { other: null, unsent: [], early: [] }
        clients.add(client)
      },
      data(client, chunk) {
        const bytes = Buffer.from(chunk)
        const { early, other } = client.data
        if (early === null) {
          pass(other, bytes)
          return
        }
        early.push(bytes)
        if (early.length > 1) return
        if (bytes.toString("latin1", 0, 32).startsWith("GET /api/v2/connect")) connects += 1
        connectThrough(client)
      },
    },
  })

  return {
    url: `http://127.0.0.1:${gateway.port}`,
    get connects() {
      return connects
    },
    get direct() {
      if (server === null) throw new Error("the server is away")
      return server
    },
    async restart() {
      const ending = server
      server = null
      await ending?.close()
      server = await startTestServer({ dataDir })
    },
    cut() {
      for (const client of [...clients]) client.terminate()
    },
    async close() {
      await server?.close()
      gateway.stop(true)
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** The platform's sockets, and the close codes that they ended with. */
export function recordingSockets(): { openSocket: OpenSocket; closes: number[] } {
  const closes: number[] = []
  const openSocket: OpenSocket = async (url) => {
    const socket = await openPlatformSocket(url)
    ;(socket as unknown as WebSocket).addEventListener("close", ({ code }) => closes.push(code))
    return socket
  }
  return { openSocket, closes }
}

interface Source {
  // biome-ignore lint/suspicious/noExplicitAny: clients, handles and StreamChat each type their events in their own way
  on(type: string, listener: (event: any) => void): unknown
}

const eventTimeoutMs = 5_000

/** The next event of a type; call it before what causes the event. */
export function next<Event extends AnyEvent = AnyEvent>(
  source: Source,
  type: string,
  matches: (event: Event) => boolean = () => true,
): Promise<Event> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${type} within ${eventTimeoutMs} ms`)), eventTimeoutMs)
    let isDone = false
    source.on(type, (event: Event) => {
      if (isDone || !matches(event)) return
      isDone = true
      clearTimeout(timer)
      resolve(event)
    })
  })
}

/** How a call was refused: HTTP status and code, or why there was no connection; `allowed` when it was not. */
export const refusalOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "allowed",
    (error) => {
      if (error instanceof WeirApiError) return `${error.status}/${error.code}`
      if (error instanceof WeirConnectionError) return error.reason
      throw error
    },
  )

/** The same of several calls that are under way at once. */
export const refusalsOf = (calls: readonly Promise<unknown>[]): Promise<string[]> => Promise.all(calls.map(refusalOf))
