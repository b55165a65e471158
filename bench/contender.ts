// Whoever does the same job beside Weir. Each is a process of its own, held to the first core; the load generators are
// held to the second, so that a server never pays for its clients.

import { existsSync, readdirSync, readFileSync } from "node:fs"
import { limits } from "./limits.ts"
import type { ConnectJob } from "./load/connect.ts"
import type { FanoutJob } from "./load/fanout.ts"
import type { HttpJob } from "./load/http.ts"
import type { MessagesJob } from "./load/messages.ts"
import type { RevokeJob } from "./load/revoke.ts"

/** The last two are Weir as well: with rate limits, and without a record of refusals. */
export type ContenderName = "bare" | "weir" | "handmade" | "limited" | "unrecorded" | "uncounted"

export interface Contender {
  readonly name: ContenderName
  /** Process whose processor time counts. */
  readonly pid: number
  readonly ports: { readonly http: number; readonly connect: number; readonly fanout: number }
  /** Id of a message that every member may read. */
  readonly messageId: string
  /** A socket hears messages as soon as it is open, and need not ask to watch. */
  readonly hearsAtOnce: boolean
  /** It does not look at tokens, so it needs no supply of new ones. */
  readonly looksAtTokens: boolean
  /** Channel for this many watchers. */
  channelFor(watchers: number): string
}

export const serverCore = 0
export const loadCore = 1

/** Whether processes can be held to a core here: Linux with taskset(1) and at least two cores. */
export const canPin =
  process.platform === "linux" && navigator.hardwareConcurrency >= 2 && Bun.which("taskset") !== null

/** The command, held to one core where the system can do that. */
export const pinned = (core: number, command: readonly string[]): string[] =>
  canPin ? ["taskset", "-c", String(core), ...command] : [...command]

export interface StartedProcess {
  readonly pid: number
  /** First line of standard output that is a JSON object; null for a process that says nothing. */
  readonly ready: Record<string, number>
  /** What it said, cut to the last `limits.outputCharsMax` characters. */
  output(): string
  readonly exitCode: number | null
  stop(): Promise<void>
}

const running = new Set<StartedProcess>()

/** Stops whatever is still running. For the end of the program, whichever way it comes. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()))
}

/**
 * Starts a server on its core, or what stands on the other side of one on the load's. With `waitForReady` it must print one line of JSON before anything else is done.
 * Throws with its output when it ends or stays silent for `limits.startTimeoutMs`. `cleanUp` runs after its end.
 */
export async function startProcess(
  name: string,
  command: readonly string[],
  env: Record<string, string>,
  waitForReady: boolean,
  cleanUp: () => void = () => {},
  core = serverCore,
): Promise<StartedProcess> {
  const child = Bun.spawn(pinned(core, command), {
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  let said = ""
  const ready = Promise.withResolvers<Record<string, number>>()
  const hear = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder()
    for await (const chunk of stream) {
      said = (said + decoder.decode(chunk, { stream: true })).slice(-limits.outputCharsMax)
      const line = said.split("\n").find((text) => text.startsWith("{") && text.endsWith("}"))
      if (line !== undefined) ready.resolve(JSON.parse(line))
    }
  }
  const heard = Promise.all([hear(child.stdout), hear(child.stderr)])
  const started: StartedProcess = {
    pid: child.pid,
    ready: {},
    output: () => said,
    get exitCode() {
      return child.exitCode
    },
    async stop() {
      if (!running.delete(started)) return
      child.kill("SIGTERM")
      const killing = setTimeout(() => child.kill("SIGKILL"), limits.stopTimeoutMs)
      await child.exited
      clearTimeout(killing)
      cleanUp()
    },
  }
  running.add(started)
  if (!waitForReady) return started
  const outcome = await Promise.race([
    ready.promise,
    heard.then(() => null),
    Bun.sleep(limits.startTimeoutMs).then(() => null),
  ])
  if (outcome === null) {
    await started.stop()
    throw new Error(`${name} did not start; it said:\n${said.trim() || "(nothing)"}`)
  }
  return Object.assign(started, { ready: outcome })
}

/** The process that does the work: the last descendant of a launcher that only passes signals on. */
export function workerOf(pid: number): number {
  if (!existsSync("/proc/self/stat")) return pid
  const parents = new Map<number, number>()
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "latin1")
      // proc(5): the parent is the second field after the bracketed name.
      parents.set(Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]), Number(entry))
    } catch {
      // The process has ended since the folder was listed.
    }
  }
  let worker = pid
  for (let child = parents.get(worker); child !== undefined; child = parents.get(worker)) worker = child
  return worker
}

/** Runs one load generator on its core. Throws with its own words when it fails. */
export async function runLoad<Result>(
  generator: string,
  job: HttpJob | ConnectJob | FanoutJob | MessagesJob | RevokeJob,
  timeMs: number,
): Promise<Result> {
  const child = Bun.spawn(pinned(loadCore, [process.execPath, `${import.meta.dir}/load/${generator}.ts`]), {
    stdin: new Blob([JSON.stringify(job)]),
    stdout: "pipe",
    stderr: "pipe",
  })
  const timer = setTimeout(() => child.kill("SIGKILL"), timeMs + limits.runGraceMs)
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  clearTimeout(timer)
  if (exitCode !== 0) throw new Error(`load generator ${generator}: ${stderr.trim() || `exit code ${exitCode}`}`)
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Result
}
