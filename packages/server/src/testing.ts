// A whole server for tests: real database, real tokens, real sockets, a fresh data folder, and a clock that can be moved.

import { createHmac, randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SQL } from "bun"
import { createLogger } from "./base/log.ts"
import { type Config, loadConfig } from "./config/config.ts"
import { loadMasterKey } from "./config/secrets.ts"
import { createServer, type WeirServer } from "./server.ts"

export const testApiKey = "testkey12345"
export const testApiSecret = "testsecret0testsecret1testsecret2testsecret3testsecret4testsecret"
export const testAdminToken = "admin-token-for-tests-0123456789abcdef"

export interface TestServer {
  readonly server: WeirServer
  /** `http://127.0.0.1:<port>`. */
  readonly url: string
  readonly config: Config
  /** Sends a request through a real connection. `as`: a token, or null for no credentials at all. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  /** Opens a socket and waits for its first frame. */
  connect(userId: string, options?: ConnectOptions): Promise<TestSocket>
  close(): Promise<void>
}

export interface CallOptions {
  readonly as?: string | null
  readonly body?: unknown
  readonly apiKey?: string | null
  readonly authType?: string | null
  readonly connectionId?: string
  readonly headers?: Record<string, string>
}

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the wire brings
  readonly body: any
  readonly headers: Headers
}

export interface ConnectOptions {
  readonly token?: string
  readonly details?: Record<string, unknown>
  readonly url?: string
  readonly apiKey?: string
}

export interface TestSocket {
  readonly connectionId: string
  // biome-ignore lint/suspicious/noExplicitAny: frames are whatever the wire brings
  readonly first: any
  // biome-ignore lint/suspicious/noExplicitAny: frames are whatever the wire brings
  readonly frames: any[]
  readonly closed: Promise<{ code: number; reason: string }>
  /** Waits for a frame of this type that has not been returned before. */
  // biome-ignore lint/suspicious/noExplicitAny: frames are whatever the wire brings
  next(type: string, timeoutMs?: number): Promise<any>
  /** Frames of this type that came so far. */
  // biome-ignore lint/suspicious/noExplicitAny: frames are whatever the wire brings
  seen(type: string): any[]
  send(frame: unknown): void
  close(): void
}

export interface TestServerOptions {
  readonly env?: Record<string, string>
  /** A folder to go on with, instead of a fresh one. */
  readonly dataDir?: string
}

/** Starts a server on a free port. Its own errors go to standard error; refusals are not logged. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), "weir-test-"))
  const config = loadConfig({
    WEIR_PORT: "0",
    WEIR_DATA_DIR: dataDir,
    WEIR_API_KEY: testApiKey,
    WEIR_API_SECRET: testApiSecret,
    WEIR_ADMIN_TOKEN: testAdminToken,
    // Suites ask faster than anybody may; a test of the limits says on.
    WEIR_RATE_LIMITS: "off",
    ...options.env,
  })
  const log = createLogger({ level: "error", format: "json" })
  const server = await createServer({ config, masterKey: loadMasterKey(config).key, log })
  const url = server.listen()
  return {
    server,
    url,
    config,
    call: (method, path, callOptions) => call(url, method, path, callOptions),
    connect: (userId, connectOptions) => connect(url, userId, connectOptions),
    async close() {
      await server.close()
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** Signs any claims as a JWT; independent of the code under test. */
export function sign(claims: object, secret = testApiSecret, header: object = { alg: "HS256", typ: "JWT" }): string {
  const input = `${base64url(header)}.${base64url(claims)}`
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`
}

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url")
const nowSeconds = (): number => Math.floor(Date.now() / 1000)

export const userToken = (userId: string, claims: object = {}, secret?: string): string =>
  sign({ user_id: userId, iat: nowSeconds(), exp: nowSeconds() + 3600, ...claims }, secret)

export const serverToken = (claims: object = {}, secret?: string): string =>
  sign({ server: true, iat: nowSeconds(), ...claims }, secret)

export async function call(url: string, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const { as = serverToken(), body, apiKey = testApiKey, authType = "jwt", connectionId } = options
  const target = new URL(url + path)
  if (apiKey !== null) target.searchParams.set("api_key", apiKey)
  if (connectionId !== undefined) target.searchParams.set("connection_id", connectionId)
  const response = await fetch(target, {
    method,
    headers: {
      ...(as === null ? {} : { authorization: as }),
      ...(authType === null ? {} : { "stream-auth-type": authType }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get("content-type")?.startsWith("application/json")
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers }
}

export async function connect(url: string, userId: string, options: ConnectOptions = {}): Promise<TestSocket> {
  const key = options.apiKey ?? testApiKey
  const address = options.url ?? `${url.replace(/^http/, "ws")}/api/v2/connect?api_key=${key}&stream-auth-type=jwt`
  const socket = new WebSocket(address)
  // biome-ignore lint/suspicious/noExplicitAny: frames are whatever the wire brings
  const frames: any[] = []
  const returned = new Set<unknown>()
  const waiting = new Set<() => void>()
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.onclose = ({ code, reason }) => {
      resolve({ code, reason })
      for (const wake of waiting) wake()
    }
  })
  socket.onmessage = ({ data }) => {
    frames.push(JSON.parse(String(data)))
    for (const wake of waiting) wake()
  }
  socket.onopen = () => {
    if (options.url !== undefined) return
    const token = options.token ?? userToken(userId)
    socket.send(JSON.stringify({ token, user_details: { id: userId, ...options.details } }))
  }
  // biome-ignore lint/suspicious/noExplicitAny: frames are whatever the wire brings
  const nextWhere = (what: string, matches: (frame: any) => boolean, timeoutMs = 5_000): Promise<any> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const frame = frames.find((candidate) => !returned.has(candidate) && matches(candidate))
        if (frame === undefined && socket.readyState !== WebSocket.CLOSED) return
        clearTimeout(timer)
        waiting.delete(look)
        if (frame === undefined) {
          reject(new Error(`the socket closed before ${what}`))
          return
        }
        returned.add(frame)
        resolve(frame)
      }
      const timer = setTimeout(() => {
        waiting.delete(look)
        reject(new Error(`no ${what} within ${timeoutMs} ms; came: ${frames.map((frame) => frame.type).join(", ")}`))
      }, timeoutMs)
      waiting.add(look)
      look()
    })
  const first = await nextWhere("first frame", () => true)
  return {
    connectionId: first.connection_id ?? "",
    first,
    frames,
    closed,
    next: (type, timeoutMs) => nextWhere(type, (frame) => frame.type === type, timeoutMs),
    seen: (type) => frames.filter((frame) => frame.type === type),
    send: (frame) => socket.send(typeof frame === "string" ? frame : JSON.stringify(frame)),
    close: () => socket.close(),
  }
}

/** A fresh Postgres database, when the tests are told of a server; its `drop` takes it away again. */
export async function createPostgresDatabase(): Promise<{ url: string; drop(): Promise<void> } | null> {
  const serverUrl = process.env.WEIR_TEST_POSTGRES_URL
  if (!serverUrl) return null
  const name = `weir_test_${randomBytes(6).toString("hex")}`
  const admin = new SQL(serverUrl, { max: 1 })
  await admin.unsafe(`create database ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return {
    url: url.href,
    async drop() {
      await admin.unsafe(`drop database if exists ${name} with (force)`)
      await admin.close()
    },
  }
}
