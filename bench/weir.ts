// Starts Weir as an operator would, on an empty data folder, fills it through its API, and takes down what it says, so
// that the peers can say the same.

import { randomBytes } from "node:crypto"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Contender, startProcess, workerOf } from "./contender.ts"
import type { FixedAnswer, Fixture } from "./fixture.ts"
import { limits } from "./limits.ts"
import { serverToken, tokenMaker } from "./load/tokens.ts"

/** One process of Weir, on a data folder of its own. */
export interface NodeOptions {
  readonly apiKey: string
  readonly secret: string
  /** Of the management API; null: it is closed. */
  readonly adminToken: string | null
  /** Hexadecimal. Nodes of one deployment share it. */
  readonly masterKey: string
  /** A PostgreSQL database of its own instead of SQLite; null for SQLite in a new folder. */
  readonly databaseUrl: string | null
  /** Null: the node is the only one. */
  readonly redisUrl: string | null
  readonly rateLimits: boolean
  /** Hooks may have receivers on this machine; absent: they may not. */
  readonly webhookAllowPrivate?: boolean
  /** Started instead of the launcher; null: Weir as an operator starts it. */
  readonly program: string | null
}

export interface WeirOptions extends Pick<NodeOptions, "apiKey" | "secret" | "databaseUrl"> {
  /** Users `member-0` … `member-<users - 1>` are made; all of them are members of the channel of the small resource. */
  readonly users: number
  /** A channel is made for each, with the sender and as many members. */
  readonly watchers: readonly number[]
  /** What this one has in another way than the usual one of the bench. */
  readonly variant?: Partial<Pick<NodeOptions, "adminToken" | "rateLimits" | "webhookAllowPrivate" | "program">>
}

export interface StartedNode {
  readonly port: number
  /** Process whose processor time counts. */
  readonly pid: number
  output(): string
  stop(): Promise<void>
}

export interface StartedWeir {
  readonly weir: Contender
  readonly fixture: Fixture
  stop(): Promise<void>
}

/** Throws with Weir's own words when it does not start or refuses the set-up. */
export async function startWeir(options: WeirOptions): Promise<StartedWeir> {
  const node = await startNode({
    apiKey: options.apiKey,
    secret: options.secret,
    adminToken: null,
    masterKey: newMasterKey(),
    databaseUrl: options.databaseUrl,
    redisUrl: null,
    // The generators ask more often than any caller may. What counting costs is asked by itself, in rows f and h.
    rateLimits: false,
    program: null,
    ...options.variant,
  })
  const { port, pid } = node
  try {
    const { messageId, fixture } = await fill(port, options)
    const weir: Contender = {
      name: "weir",
      pid,
      ports: { http: port, connect: port, fanout: port },
      messageId,
      hearsAtOnce: false,
      looksAtTokens: true,
      channelFor,
    }
    return { weir, fixture, stop: node.stop }
  } catch (error) {
    await node.stop()
    throw withWords(error, node.output())
  }
}

export const newMasterKey = (): string => randomBytes(32).toString("hex")

/** Starts a node and waits until it is ready. Throws with its own words when it does not become so. */
export async function startNode(options: NodeOptions): Promise<StartedNode> {
  const launcher = join(cliFolder, "bin/weir.js")
  if (!existsSync(launcher)) throw new Error("packages/cli/bin/weir.js is not there: nothing to measure")
  const dataDir = mkdtempSync(join(tmpdir(), "weir-bench-"))
  const port = freePort()
  const env: Record<string, string> = {
    WEIR_PORT: String(port),
    WEIR_DATA_DIR: dataDir,
    WEIR_API_KEY: options.apiKey,
    WEIR_API_SECRET: options.secret,
    WEIR_LOG_LEVEL: "warn",
    WEIR_RATE_LIMITS: options.rateLimits ? "on" : "off",
    WEIR_MASTER_KEY: options.masterKey,
  }
  if (options.webhookAllowPrivate === true) env.WEIR_WEBHOOK_ALLOW_PRIVATE = "true"
  if (options.adminToken !== null) env.WEIR_ADMIN_TOKEN = options.adminToken
  if (options.databaseUrl !== null) env.WEIR_DATABASE_URL = options.databaseUrl
  if (options.redisUrl !== null) env.WEIR_REDIS_URL = options.redisUrl
  const node = Bun.which("node") ?? process.execPath
  // The launcher starts Bun in the same way (packages/cli/bin/weir.js).
  const ownProgram = [process.execPath, "--no-env-file", `--config=${join(cliFolder, "bin/bunfig.toml")}`]
  const command = options.program === null ? [node, launcher, "serve"] : [...ownProgram, options.program]
  const cleanUp = (): void => rmSync(dataDir, { recursive: true, force: true })
  const child = await startProcess("Weir", command, env, false, cleanUp)
  try {
    await waitUntilReady(port, child)
    return { port, pid: workerOf(child.pid), output: child.output, stop: child.stop }
  } catch (error) {
    await child.stop()
    throw withWords(error, child.output())
  }
}

function withWords(error: unknown, output: string): Error {
  const said = output.trim()
  return new Error(`${error instanceof Error ? error.message : error}${said === "" ? "" : `\nWeir said:\n${said}`}`)
}

const cliFolder = join(import.meta.dir, "../packages/cli")

export const memberId = (index: number): string => `member-${index}`
const channelFor = (watchers: number): string => `bench-${watchers}`

function freePort(): number {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() })
  const { port } = server
  server.stop(true)
  if (port === undefined) throw new Error("no free port")
  return port
}

async function waitUntilReady(port: number, child: { readonly exitCode: number | null }): Promise<void> {
  const endMs = Date.now() + limits.startTimeoutMs
  while (Date.now() < endMs) {
    if (child.exitCode !== null) throw new Error(`Weir ended with exit code ${child.exitCode} before it was ready`)
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null)
    if (response?.ok) return
    await Bun.sleep(50)
  }
  throw new Error(`Weir did not become ready within ${limits.startTimeoutMs} ms`)
}

/** Users, channels and one message; then each of the three jobs once, to take down the answers. */
async function fill(port: number, options: WeirOptions): Promise<{ messageId: string; fixture: Fixture }> {
  const { apiKey, secret, users } = options
  const call = async (path: string, token: string, body?: object): Promise<{ answer: FixedAnswer; json: unknown }> => {
    const separator = path.includes("?") ? "&" : "?"
    const response = await fetch(`http://127.0.0.1:${port}${path}${separator}api_key=${apiKey}`, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        authorization: token,
        "stream-auth-type": "jwt",
        "accept-encoding": "identity",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(limits.requestTimeoutMs),
    })
    const said = await response.text()
    if (!response.ok) {
      throw new Error(`${path} was refused with ${response.status}: ${said.slice(0, limits.quotedCharsMax)}`)
    }
    return {
      answer: { status: response.status, headers: fixedHeaders(response.headers), body: said },
      json: JSON.parse(said),
    }
  }

  const server = serverToken(secret)
  const everybody = Array.from({ length: users }, (_, index) => memberId(index))
  for (const ids of inParts(everybody)) {
    const entries = ids.map((id) => [id, { id, name: `Member ${id.slice(id.indexOf("-") + 1)}` }])
    await call("/api/v2/users", server, { users: Object.fromEntries(entries) })
  }
  const makeChannel = async (id: string, members: readonly string[]): Promise<void> => {
    const [first = [], ...rest] = inParts(members)
    const data = { created_by_id: memberId(0), members: first }
    await call(`/api/v2/chat/channels/messaging/${id}/query`, server, { data, state: false })
    for (const ids of rest) await call(`/api/v2/chat/channels/messaging/${id}`, server, { add_members: ids })
  }
  await makeChannel(resourceChannel, everybody)
  for (const watchers of options.watchers) await makeChannel(channelFor(watchers), everybody.slice(0, watchers + 1))

  const sender = tokenMaker({ secret, userIds: [memberId(0)], count: 1, series: 0 })(0)
  const sending = await call(`/api/v2/chat/channels/messaging/${resourceChannel}/message`, sender, messageBody)
  const messageId = (sending.json as { message: { id: string } }).message.id
  const resource = await call(`/api/v2/chat/messages/${messageId}`, sender)
  const { welcome, frame } = await listen(port, options, (connectionId) =>
    call(`/api/v2/chat/channels/messaging/${resourceChannel}/query?connection_id=${connectionId}`, sender, {
      watch: true,
      state: false,
      presence: false,
    }).then(() => call(`/api/v2/chat/channels/messaging/${resourceChannel}/message`, sender, messageBody)),
  )
  return { messageId, fixture: { resource: resource.answer, sent: sending.answer, welcome, frame } }
}

/** Opens a socket as member-0, lets `watchAndSend` do its part, and answers with the welcome and the message's frame. */
function listen(
  port: number,
  { apiKey, secret }: WeirOptions,
  watchAndSend: (connectionId: string) => Promise<unknown>,
): Promise<{ welcome: string; frame: string }> {
  const done = Promise.withResolvers<{ welcome: string; frame: string }>()
  const timer = setTimeout(() => {
    done.reject(
      new Error(`no frame beginning with ${framePrefix}; heard: ${heard.join(" ").slice(0, limits.quotedCharsMax)}`),
    )
  }, limits.handshakeTimeoutMs)
  const heard: string[] = []
  const token = tokenMaker({ secret, userIds: [memberId(0)], count: 1, series: 0 })(0)
  const socket = new WebSocket(`ws://127.0.0.1:${port}${connectPath(apiKey)}`)
  socket.onopen = () => socket.send(JSON.stringify({ token, user_details: { id: memberId(0) } }))
  socket.onclose = ({ code, reason }) => done.reject(new Error(`Weir closed a socket with ${code} ${reason}`))
  socket.onmessage = ({ data }) => {
    const text = String(data)
    heard.push(text)
    if (heard.length === 1) {
      if (!text.startsWith(welcomePrefix)) return done.reject(new Error(`first frame: ${text}`))
      const { connection_id } = JSON.parse(text) as { connection_id: string }
      watchAndSend(connection_id).catch(done.reject)
    } else if (text.startsWith(framePrefix)) {
      done.resolve({ welcome: heard[0] as string, frame: text })
    }
  }
  return done.promise.finally(() => {
    clearTimeout(timer)
    socket.onclose = null
    socket.close()
  })
}

function fixedHeaders(headers: Headers): Record<string, string> {
  const fixed: Record<string, string> = {}
  for (const [name, value] of headers) if (!ownHeaders.has(name)) fixed[name] = value
  return fixed
}

function inParts(ids: readonly string[]): string[][] {
  const parts: string[][] = []
  for (let at = 0; at < ids.length; at += limits.usersPerRequestMax)
    parts.push(ids.slice(at, at + limits.usersPerRequestMax))
  return parts
}

/** Every server sets these itself. */
const ownHeaders = new Set(["date", "content-length", "connection", "keep-alive", "transfer-encoding"])
const resourceChannel = "bench"
export const messageBody = { message: { text: "The quick brown fox jumps over the lazy dog, again and again." } }
export const connectPath = (apiKey: string): string => `/api/v2/connect?api_key=${apiKey}&stream-auth-type=jwt`
export const welcomePrefix = '{"type":"connection.ok"'
export const framePrefix = '{"type":"message.new"'
