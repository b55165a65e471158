// A server that speaks Weir's handshake (contract/auth.md §4.5) and records what it is asked, for tests of the
// clients alone. Tokens are checked for real; what REST answers is up to the test.

import { createHmac } from "node:crypto"
import type { Server, ServerWebSocket } from "bun"

export const apiKey = "k7m2x9q4w1z8"
export const apiSecret = "0123456789abcdefghijklmnopqrstuv".repeat(2)

/** A token made without the code under test. */
export function mint(claims: Record<string, unknown>, secret = apiSecret): string {
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const input = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(claims)}`
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`
}

export interface SeenRequest {
  method: string
  path: string
  query: URLSearchParams
  headers: Headers
  body: unknown
}

export interface Refusal {
  code: number
  status: number
  reason: string
  closeCode?: number
}

interface SocketData {
  query: URLSearchParams
  user: { id: string } | null
}

type Live = ServerWebSocket<SocketData>

export interface HandshakeServer {
  readonly url: string
  readonly requests: SeenRequest[]
  /** First frames as they came. */
  readonly firstFrames: Record<string, unknown>[]
  /** Sockets that were welcomed and are open. */
  readonly sockets: Live[]
  /** Close codes and reasons that clients sent. */
  readonly closes: { code: number; reason: string }[]
  /** Frames after the first. */
  readonly frames: Record<string, unknown>[]
  /** Instead of judging the token: a refusal, silence, or a close without a word. */
  script: ((frame: Record<string, unknown>) => Refusal | "silence" | number | null) | null
  /** Answers REST; a refusal by code, or the answer's members. */
  rest: (request: SeenRequest) => Refusal | object | "hang" | Response | Promise<Response>
  stop(): Promise<void>
}

export function startHandshakeServer(): HandshakeServer {
  let connections = 0
  const self = {
    requests: [] as SeenRequest[],
    firstFrames: [] as Record<string, unknown>[],
    sockets: [] as Live[],
    closes: [] as { code: number; reason: string }[],
    frames: [] as Record<string, unknown>[],
    script: null as HandshakeServer["script"],
    rest: (() => ({})) as HandshakeServer["rest"],
  }

  const server: Server<SocketData> = Bun.serve<SocketData>({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request, bun) {
      const url = new URL(request.url)
      if (url.pathname === "/api/v2/connect") {
        if (bun.upgrade(request, { data: { query: url.searchParams, user: null } })) return undefined
      }
      const text = await request.text()
      const seen: SeenRequest = {
        method: request.method,
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body: text === "" ? null : JSON.parse(text),
      }
      self.requests.push(seen)
      const isAnonymous = request.headers.get("stream-auth-type") === "anonymous"
      const answer = (isAnonymous ? null : judge(request.headers.get("authorization"))) ?? (await self.rest(seen))
      if (answer === "hang") return new Promise<Response>(() => {})
      if (answer instanceof Response) return answer
      if (isRefusal(answer)) return Response.json(envelopeOf(answer), { status: answer.status })
      return Response.json({ ...answer, duration: "0.10ms" })
    },
    websocket: {
      message(socket, text) {
        const frame = JSON.parse(String(text)) as Record<string, unknown>
        if (socket.data.user !== null) {
          self.frames.push(frame)
          return
        }
        self.firstFrames.push(frame)
        const scripted = self.script?.(frame) ?? null
        if (scripted === "silence") return
        if (typeof scripted === "number") {
          socket.close(scripted)
          return
        }
        const user = (frame.user_details ?? {}) as { id: string }
        const isAnonymous = socket.data.query.get("stream-auth-type") === "anonymous"
        const refusal = scripted ?? (isAnonymous ? null : judge(frame.token, user.id))
        if (refusal !== null) {
          socket.send(JSON.stringify({ type: "connection.error", connection_id: "", error: envelopeOf(refusal) }))
          socket.close(refusal.closeCode ?? (refusal.code === 40 ? 4040 : 4500 + refusal.code))
          return
        }
        socket.data.user = user
        self.sockets.push(socket)
        connections += 1
        const me = { custom: {}, role: "user", ...user }
        socket.send(JSON.stringify({ type: "connection.ok", connection_id: `c${connections}`, me }))
      },
      close(socket, code, reason) {
        self.closes.push({ code, reason })
        const index = self.sockets.indexOf(socket)
        if (index >= 0) self.sockets.splice(index, 1)
      },
    },
  })

  return Object.assign(self, {
    url: `http://127.0.0.1:${server.port}`,
    stop: async () => {
      await server.stop(true)
    },
  })
}

function judge(token: unknown, userId?: string): Refusal | null {
  if (typeof token !== "string") return { code: 5, status: 401, reason: "Authorization header is missing or empty" }
  const [head, payload, signature] = token.split(".")
  const expected = createHmac("sha256", apiSecret).update(`${head}.${payload}`).digest("base64url")
  if (signature !== expected) return { code: 43, status: 401, reason: "JWTAuth error: signature is not valid" }
  const claims = JSON.parse(Buffer.from(payload as string, "base64url").toString()) as Record<string, unknown>
  if (typeof claims.exp === "number" && claims.exp * 1000 <= Date.now()) {
    return { code: 40, status: 401, reason: "JWTAuth error: token is expired (exp)" }
  }
  if (userId !== undefined && claims.user_id !== userId) {
    return { code: 5, status: 401, reason: "user_details.id is not the token's user_id" }
  }
  return null
}

const isRefusal = (value: object): value is Refusal => "code" in value && "reason" in value

const envelopeOf = ({ code, status, reason }: Refusal) => ({
  code,
  message: `Connect failed with error: "${reason}"`,
  StatusCode: status,
  duration: "0.00ms",
  more_info: `http://127.0.0.1/errors/${code}`,
  details: [],
})

/** Unix seconds from now. */
export const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds
