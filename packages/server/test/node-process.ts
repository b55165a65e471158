// A node as an operator runs it: a process of its own with settings from its environment. A test can read what it said,
// stop it, and kill it.

import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { connect as connectTcp, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { testAdminToken, testApiKey, testApiSecret } from "../src/testing.ts"

const cli = join(import.meta.dir, "../../cli")
const startTimeoutMs = 20_000

export interface NodeProcess {
  readonly pid: number
  /** Origin that it listens on, with the address of the loopback. */
  readonly url: string
  /** Everything that it wrote to standard output and standard error so far. */
  output(): string
  /** Sends a signal and resolves with the exit code; a killed process has 128 and the number of its signal. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number>
}

export interface NodeOptions {
  /**
   * `direct`: the program itself, so that a signal meets it at once. `launcher`: through Node, as npm starts it.
   */
  readonly through?: "direct" | "launcher"
}

/** Settings by name; undefined takes one of the test's own away. */
export type Settings = Readonly<Record<string, string | undefined>>

const running = new Set<NodeProcess>()

const folders: (() => void)[] = []

/** For afterAll: nothing that a test started may outlive it, nor the folders that newFolder made. */
export async function endAllNodes(): Promise<void> {
  await Promise.all(Array.from(running, (node) => node.end("SIGKILL")))
  for (const remove of folders.splice(0)) remove()
}

/** A new folder that is taken away by the function that comes with it. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "weir-node-"))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** The path of a new folder, such as for a node's data. endAllNodes takes it away. */
export function newFolder(): string {
  const { path, remove } = temporaryFolder()
  folders.push(remove)
  return path
}

export const newMasterKey = (): string => randomBytes(32).toString("hex")

/** Starts a node on a free port and waits until it listens. Throws with its output when it ends instead. */
export async function startNode(settings: Settings, options: NodeOptions = {}): Promise<NodeProcess> {
  const { child, output, ended } = spawn(settings, options)
  const node = {
    pid: child.pid,
    url: "",
    output,
    async end(signal: "SIGTERM" | "SIGKILL") {
      child.kill(signal)
      const code = await ended
      running.delete(node)
      return code
    },
  }
  running.add(node)
  const endMs = performance.now() + startTimeoutMs
  while (node.url === "") {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > endMs) {
      await node.end("SIGKILL")
      throw new Error(`the node did not start; it said:\n${output()}`)
    }
    const line = logOf(output()).find(({ message }) => message === "listening")
    if (line !== undefined) node.url = String(line.url).replace("0.0.0.0", "127.0.0.1")
    else await Bun.sleep(10)
  }
  return node
}

/** Runs a node that is expected to end by itself. */
export async function runNode(
  settings: Settings,
  options: NodeOptions = {},
): Promise<{ code: number; out: string; err: string }> {
  const { child, streams, ended } = spawn(settings, options)
  const timer = setTimeout(() => child.kill("SIGKILL"), startTimeoutMs)
  const code = await ended
  clearTimeout(timer)
  return { code, ...streams }
}

function spawn(settings: Settings, { through = "direct" }: NodeOptions) {
  const direct = [process.execPath, "--no-env-file", `--config=${cli}/bin/bunfig.toml`, `${cli}/src/main.ts`, "serve"]
  const command = through === "direct" ? direct : ["node", `${cli}/bin/weir.js`, "serve"]
  const child = Bun.spawn(command, {
    env: {
      PATH: process.env.PATH,
      WEIR_PORT: "0",
      WEIR_LOG_FORMAT: "json",
      WEIR_API_KEY: testApiKey,
      WEIR_API_SECRET: testApiSecret,
      WEIR_ADMIN_TOKEN: testAdminToken,
      WEIR_RATE_LIMITS: "off",
      ...settings,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  const streams = { out: "", err: "" }
  const read = async (stream: ReadableStream<Uint8Array>, name: "out" | "err"): Promise<void> => {
    const decoder = new TextDecoder()
    for await (const chunk of stream) streams[name] += decoder.decode(chunk, { stream: true })
  }
  const reading = Promise.all([read(child.stdout, "out"), read(child.stderr, "err")])
  const ended = Promise.all([child.exited, reading]).then(([code]) => code)
  return { child, streams, output: () => streams.out + streams.err, ended }
}

/** The lines of the log among everything else that was written. */
export function logOf(output: string): Record<string, unknown>[] {
  return output.split("\n").flatMap((line) => {
    if (!line.startsWith("{") || !line.endsWith("}")) return []
    return [JSON.parse(line) as Record<string, unknown>]
  })
}

/** What a first start without given credentials shows to its operator. */
export async function printedCredentials(node: NodeProcess): Promise<{ apiKey: string; secret: string }> {
  await until("the secret is printed", () => printedSecret.test(node.output()))
  const apiKey = /^ {2}API key +([a-z0-9]{12})$/m.exec(node.output())?.[1] ?? ""
  const secret = printedSecret.exec(node.output())?.[1] ?? ""
  return { apiKey, secret }
}

export const printedSecret = /^ {2}secret +([a-z0-9]{64}) /m

/** Waits until `holds` answers true and gives the milliseconds that it took. Throws after `timeoutMs`. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<number> {
  const startMs = performance.now()
  while (!(await holds())) {
    if (performance.now() - startMs > timeoutMs) throw new Error(`${what} did not come true within ${timeoutMs} ms`)
    await Bun.sleep(20)
  }
  return performance.now() - startMs
}

export interface RawConnection {
  readonly socket: Socket
  /** What the server sent so far. */
  received(): string
  isClosed(): boolean
}

/** A bare TCP connection, for clients that behave as no client should. */
export async function openRaw(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const socket = connectTcp(Number(port), hostname)
  let received = ""
  let isClosed = false
  socket.on("data", (data) => {
    received += data.toString("latin1")
  })
  socket.on("close", () => {
    isClosed = true
  })
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve)
    socket.once("error", reject)
  })
  // A reset is one of the ends that a test expects.
  socket.on("error", () => {})
  return { socket, received: () => received, isClosed: () => isClosed }
}

/** The request that turns a bare connection into a socket. */
export const upgradeRequest = (url: string, apiKey = testApiKey): string =>
  [
    `GET /api/v2/connect?api_key=${apiKey}&stream-auth-type=jwt HTTP/1.1`,
    `Host: ${new URL(url).host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "\r\n",
  ].join("\r\n")
