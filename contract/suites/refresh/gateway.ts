// What stands between clients and Weir: it writes down with which token every request and socket came, and cuts lines.

import type { Server, ServerWebSocket } from "bun"

interface Line {
  readonly target: string
  upstream: WebSocket | null
  early: string[]
  isFirst: boolean
}

export interface Gateway {
  readonly url: string
  /** Of each socket's first frame, in order; null: it came without one. */
  readonly socketTokens: readonly (string | null)[]
  /** Of each REST request, with the status that Weir answered. */
  readonly requests: readonly { readonly token: string | null; readonly authType: string | null; status: number }[]
  /** Requests that are answered as a gate does that cannot know the truth now (code -3). */
  unavailable: number
  /** Nothing reaches the clients' sockets, as while a machine sleeps. */
  isDeaf: boolean
  /** Ends every socket: without a word, or with a close code. */
  cut(code?: number): void
  close(): Promise<void>
}

export function startGateway(weirUrl: string): Gateway {
  const socketTokens: (string | null)[] = []
  const requests: { token: string | null; authType: string | null; status: number }[] = []
  const lines = new Set<ServerWebSocket<Line>>()

  const server: Server<Line> = Bun.serve<Line>({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request, self) {
      const { pathname, search } = new URL(request.url)
      const target = weirUrl + pathname + search
      if (request.headers.get("upgrade") === "websocket") {
        const data: Line = { target: target.replace(/^http/, "ws"), upstream: null, early: [], isFirst: true }
        return self.upgrade(request, { data }) ? undefined : new Response(null, { status: 400 })
      }
      if (request.method === "OPTIONS") return fetch(target, { method: "OPTIONS", headers: request.headers })
      const entry = {
        token: request.headers.get("authorization"),
        authType: request.headers.get("stream-auth-type"),
        status: 0,
      }
      requests.push(entry)
      if (gateway.unavailable > 0) {
        gateway.unavailable -= 1
        entry.status = 503
        const body = {
          code: -3,
          message: "unavailable",
          StatusCode: 503,
          duration: "0.00ms",
          more_info: "",
          details: [],
        }
        return Response.json(body, { status: 503, headers: { "retry-after": "0", "access-control-allow-origin": "*" } })
      }
      const { method, headers } = request
      const answer = await fetch(target, { method, headers, body: method === "GET" ? null : await request.text() })
      entry.status = answer.status
      const kept = new Headers(answer.headers)
      for (const name of ["content-encoding", "content-length", "transfer-encoding"]) kept.delete(name)
      return new Response(await answer.arrayBuffer(), { status: answer.status, headers: kept })
    },
    websocket: {
      open(line) {
        lines.add(line)
        const upstream = new WebSocket(line.data.target)
        line.data.upstream = upstream
        upstream.onopen = () => {
          for (const text of line.data.early.splice(0)) upstream.send(text)
        }
        upstream.onmessage = ({ data }) => {
          if (!gateway.isDeaf) line.send(String(data))
        }
        upstream.onclose = ({ code, reason }) => {
          if (gateway.isDeaf) return
          if (code === 1006) line.terminate()
          else line.close(code, reason)
        }
      },
      message(line, message) {
        const text = String(message)
        if (line.data.isFirst) {
          line.data.isFirst = false
          socketTokens.push((JSON.parse(text) as { token?: string }).token ?? null)
        }
        const { upstream, early } = line.data
        if (upstream?.readyState === WebSocket.OPEN) upstream.send(text)
        else early.push(text)
      },
      close(line) {
        lines.delete(line)
        line.data.upstream?.close()
      },
    },
  })

  const gateway: Gateway = {
    url: `http://127.0.0.1:${server.port}`,
    socketTokens,
    requests,
    unavailable: 0,
    isDeaf: false,
    cut(code) {
      for (const line of [...lines]) {
        if (code === undefined) line.terminate()
        else line.close(code)
      }
    },
    async close() {
      await server.stop(true)
    },
  }
  return gateway
}
