// The master key changes under a deployment that serves: `weir master-key rotate` as a process, killed again and again
// between its steps and in the middle of them, while clients use their tokens and operators make new keys. On SQLite with
// one node, and on Postgres with two.

import { Database as SqliteFile } from "bun:sqlite"
import { afterAll, expect, test } from "bun:test"
import { randomInt } from "node:crypto"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { SQL } from "bun"
import { type MasterKey, parseMasterKey } from "../src/base/crypto.ts"
import { call, createPostgresDatabase, serverToken } from "../src/testing.ts"
import { asAdmin } from "./fixtures.ts"
import {
  endAllNodes,
  logOf,
  type NodeProcess,
  newFolder,
  newMasterKey,
  runNode,
  type Settings,
  startNode,
  until,
} from "./node-process.ts"

const bounds = {
  /** Runs of the first rotation that are killed, and of the second one, beside a node. */
  kills: 9,
  killsBesideNode: 2,
  /** Between two requests of one client, so that the rotation gets its turn on two cores. */
  pauseMs: 15,
} as const

const cli = join(import.meta.dir, "../../cli")
const postgres = await createPostgresDatabase()
const cleanUps: (() => unknown)[] = []
afterAll(async () => {
  await endAllNodes()
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
})
if (postgres !== null) cleanUps.push(postgres.drop)
else console.log("master-key.slow.test.ts: WEIR_TEST_POSTGRES_URL is not set, Postgres is skipped")

const idOf = (text: string): string => (parseMasterKey(text) as MasterKey).currentId
const linesOf = (dataDir: string): string[] => readFileSync(join(dataDir, "master.key"), "utf8").trim().split("\n")

interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** `weir master-key …` as a process; `kill` says after each line, and each few milliseconds, whether to end it. */
async function masterKey(settings: Settings, word: string, kill: (out: string) => boolean = () => false): Promise<Run> {
  const command = [process.execPath, "--no-env-file", `--config=${cli}/bin/bunfig.toml`, `${cli}/src/main.ts`]
  const child = Bun.spawn([...command, "master-key", word], {
    env: { PATH: process.env.PATH, ...settings },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  let out = ""
  const reading = (async () => {
    const decoder = new TextDecoder()
    for await (const chunk of child.stdout) out += decoder.decode(chunk, { stream: true })
  })()
  const watch = setInterval(() => {
    if (kill(out)) child.kill("SIGKILL")
  }, 1)
  const [code, err] = await Promise.all([child.exited, new Response(child.stderr).text(), reading])
  clearInterval(watch)
  return { code, out, err }
}

/** What lies in the database, past the nodes. */
async function sealedIds(settings: Settings): Promise<string[]> {
  const query = "select sealed from secrets union all select sealed from deployment_keys"
  const url = settings.WEIR_DATABASE_URL
  if (url === undefined) {
    const file = new SqliteFile(join(settings.WEIR_DATA_DIR as string, "weir.db"), { readonly: true })
    try {
      return (file.query(query).all() as { sealed: string }[]).map(({ sealed }) => sealed.split(".")[1] as string)
    } finally {
      file.close()
    }
  }
  const sql = new SQL(url, { max: 1 })
  try {
    return Array.from(await sql.unsafe(query), ({ sealed }: { sealed: string }) => sealed.split(".")[1] as string)
  } finally {
    await sql.close()
  }
}

interface Load {
  /** Keys that were made, with their secrets. */
  readonly keys: Map<string, string>
  /** What nobody may meet because of a rotation. */
  readonly unexpected: string[]
  /** While it is true, a node may leave somebody without an answer. */
  mayDie: boolean
  answered(): number
  stop(): Promise<void>
}

/** Operators who make keys and walk secrets through their states, and backends that use every key that there is. */
function startLoad(nodes: () => readonly NodeProcess[]): Load {
  const keys: Load["keys"] = new Map()
  const unexpected: string[] = []
  let answered = 0
  let isStopped = false
  const load: Load = {
    keys,
    unexpected,
    mayDie: false,
    answered: () => answered,
    async stop() {
      isStopped = true
      await Promise.all(running)
    },
  }
  const ask = async (method: string, path: string, options: Parameters<typeof call>[3]) => {
    const all = nodes()
    const node = all[randomInt(all.length || 1)]
    if (node === undefined) return null
    try {
      const answer = await call(node.url, method, path, options)
      if (answer.status >= 400) unexpected.push(`${method} ${path} ${JSON.stringify(answer.body)}`)
      answered++
      return answer
    } catch (error) {
      if (!load.mayDie) unexpected.push(`${method} ${path} ${(error as Error).message}`)
      return null
    }
  }
  const loop = async (step: () => Promise<unknown>): Promise<void> => {
    while (!isStopped) {
      await step()
      await Bun.sleep(bounds.pauseMs)
    }
  }
  const operator = async (): Promise<void> => {
    const apps = await ask("GET", "/api/admin/v1/apps", asAdmin)
    const app = apps?.body.apps?.[0]?.id
    if (app === undefined) return
    if (keys.size < 80) {
      const made = await ask("POST", `/api/admin/v1/apps/${app}/keys`, { ...asAdmin, body: { label: "made" } })
      if (made?.status === 201) keys.set(made.body.key.api_key, made.body.secret)
      return
    }
    const [apiKey] = [...keys.keys()].slice(randomInt(keys.size))
    const path = `/api/admin/v1/apps/${app}/keys/${apiKey}/secrets`
    const added = await ask("POST", path, { ...asAdmin, body: { label: "passes", state: "active" } })
    if (added?.status !== 201) return
    const one = `${path}/${added.body.secret.kid}`
    const retiring = await ask("PATCH", one, { ...asAdmin, body: { state: "retiring" } })
    if (retiring?.status === 200) await ask("PATCH", one, { ...asAdmin, body: { state: "revoked" } })
  }
  const backend = async (): Promise<void> => {
    const [entry] = [...keys].slice(keys.size === 0 ? 0 : randomInt(keys.size))
    if (entry === undefined) return
    await ask("GET", "/api/v2/app", { apiKey: entry[0], as: serverToken({}, entry[1]) })
  }
  const running = [loop(operator), loop(backend), loop(backend)]
  return load
}

/** Every key that was made works on this node. */
async function expectKeys(node: NodeProcess, keys: ReadonlyMap<string, string>): Promise<void> {
  const statuses = new Map<string, number>()
  for (const [apiKey, secret] of keys) {
    const { status } = await call(node.url, "GET", "/api/v2/app", { apiKey, as: serverToken({}, secret) })
    statuses.set(apiKey, status)
  }
  expect([...statuses].filter(([, status]) => status !== 200)).toEqual([])
}

/**
 * Rotates with processes of which the first ones are killed: every second one after the first line that it says, which
 * is after a step, the others at any moment. `inBetween` happens after each kill.
 */
async function rotateThroughKills(
  settings: Settings,
  kills: number,
  inBetween: (kill: number) => Promise<void>,
): Promise<Run[]> {
  const runs: Run[] = []
  for (let kill = 0; ; kill++) {
    const killAtMs = performance.now() + randomInt(50, 600)
    const isDue = (out: string) => (kill % 2 === 0 ? out.includes("\n") : performance.now() > killAtMs)
    const run = await masterKey(settings, "rotate", kill < kills ? isDue : undefined)
    runs.push(run)
    if (run.code === 0) return runs
    expect([run.code, run.err]).toEqual([137, ""])
    await inBetween(kill)
  }
}

async function rotateUnderLoad(settings: Settings, nodesCount: number): Promise<void> {
  const dataDir = settings.WEIR_DATA_DIR as string
  const nodes: NodeProcess[] = []
  for (let n = 0; n < nodesCount; n++) nodes.push(await startNode({ ...settings, WEIR_RATE_LIMITS: "off" }))
  const [firstText = ""] = linesOf(dataDir)
  const load = startLoad(() => nodes)
  try {
    await until("there are keys", () => load.keys.size > 20)

    // Nobody is told of it, and nobody notices.
    const runs = await rotateThroughKills(settings, bounds.kills, async () => undefined)
    expect(runs.length).toBeGreaterThan(3)
    expect(load.unexpected).toEqual([])
    const answeredSoFar = load.answered()
    await until("clients go on", () => load.answered() > answeredSoFar + 20)
    const [secondText = "", ...more] = linesOf(dataDir)
    expect(more).toEqual([])
    expect(secondText).not.toBe(firstText)
    expect(statSync(join(dataDir, "master.key")).mode & 0o777).toBe(0o600)
    expect(readdirSync(dataDir).filter((name) => name.startsWith("master.key"))).toEqual(["master.key"])
    expect(new Set(await sealedIds(settings))).toEqual(new Set([idOf(secondText)]))

    // Once more, and a node dies with it: it starts again on what it finds.
    const inLastRun = await rotateThroughKills(settings, bounds.killsBesideNode, async (kill) => {
      if (kill !== 0) return
      load.mayDie = true
      await (nodes.shift() as NodeProcess).end("SIGKILL")
      nodes.push(await startNode({ ...settings, WEIR_RATE_LIMITS: "off" }))
    })
    expect(inLastRun.length).toBeGreaterThan(1)
    expect(load.unexpected).toEqual([])
    const [thirdText = "", ...rest] = linesOf(dataDir)
    expect(rest).toEqual([])
    expect(new Set(await sealedIds(settings))).toEqual(new Set([idOf(thirdText)]))

    await load.stop()
    for (const node of nodes) await expectKeys(node, load.keys)
    for (const node of nodes) {
      expect(await node.end("SIGTERM")).toBe(0)
      expect(logOf(node.output()).filter(({ level }) => level === "error")).toEqual([])
      for (const text of [firstText, secondText, thirdText]) expect(node.output()).not.toContain(text)
    }
    for (const run of [...runs, ...inLastRun])
      for (const text of [firstText, secondText, thirdText]) expect(run.out + run.err).not.toContain(text)

    // A node that has never seen another key than the last one opens everything, receipts' key included.
    const last = await startNode(settings)
    await expectKeys(last, load.keys)
    const status = await masterKey(settings, "status")
    expect(status.out).toMatch(new RegExp(`^ {2}${idOf(thirdText)} +current, seals here, \\d+ values$`, "m"))
    expect(status.out).toContain("next: nothing; everything is sealed with the one key")
    expect(await last.end("SIGTERM")).toBe(0)

    // The keys that came before are of no use any more.
    const stale = await runNode({ ...settings, WEIR_MASTER_KEY: firstText })
    expect(stale.code).toBe(1)
    expect(stale.err).toMatch(/^weir: this database belongs to another master key: its current one is [^\n]+\n$/)
    const misordered = await runNode({ ...settings, WEIR_MASTER_KEY: `${firstText},${thirdText}` })
    expect(misordered.err).toMatch(/^weir: the first master key of this node, [^\n]+ is retired: [^\n]+\n$/)
  } finally {
    await load.stop()
  }
}

test.concurrent(
  "case 49: killed at each step on SQLite, a rotation loses nothing and nobody notices",
  () => rotateUnderLoad({ WEIR_DATA_DIR: newFolder() }, 1),
  180_000,
)

if (postgres !== null) {
  const { url } = postgres
  test.concurrent("case 49: the same on Postgres with two nodes that share the file", async () => {
    const redis = process.env.WEIR_TEST_REDIS_URL
    const settings = { WEIR_DATA_DIR: newFolder(), WEIR_DATABASE_URL: url }
    await rotateUnderLoad(redis ? { ...settings, WEIR_REDIS_URL: redis } : settings, redis ? 2 : 1)
  }, 180_000)
}

test("where the key is a setting, the operator is led through it, and a node that was forgotten keeps it from going on", async () => {
  const [old, next] = [newMasterKey(), newMasterKey()]
  const settings = { WEIR_DATA_DIR: newFolder() }
  const withKeys = (...keys: string[]): Settings => ({ ...settings, WEIR_MASTER_KEY: keys.join() })
  const restarted = async (node: NodeProcess, ...keys: string[]): Promise<NodeProcess> => {
    expect(await node.end("SIGTERM")).toBe(0)
    return startNode(withKeys(...keys))
  }
  let node = await startNode(withKeys(old))
  const all: string[] = []
  const rotate = async (...keys: string[]): Promise<Run> => {
    const run = await masterKey(withKeys(...keys), "rotate")
    all.push(run.out, run.err)
    return run
  }
  expect(await rotate(old)).toMatchObject({ code: 0, err: "", out: expect.stringContaining("openssl rand -hex 32") })
  expect(await rotate(old, next)).toMatchObject({
    code: 1,
    err: expect.stringContaining(`can open with ${idOf(next)} yet`),
  })
  node = await restarted(node, old, next)
  expect(await rotate(old, next)).toMatchObject({ code: 0, out: expect.stringContaining("Now put it first") })
  expect(await rotate(next, old)).toMatchObject({ code: 1, err: expect.stringContaining(`seals with ${idOf(next)}`) })
  node = await restarted(node, next, old)
  const done = await rotate(next, old)
  expect(done).toMatchObject({ code: 0, err: "", out: expect.stringContaining("leave only that key") })
  expect(new Set(await sealedIds(settings))).toEqual(new Set([idOf(next)]))
  node = await restarted(node, next)
  expect((await call(node.url, "GET", "/api/v2/app")).status).toBe(200)
  for (const text of all) for (const key of [old, next]) expect(text).not.toContain(key)
}, 60_000)
