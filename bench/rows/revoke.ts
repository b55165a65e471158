// Rows (i): how long a revocation takes, on two nodes that share PostgreSQL and Redis, and on one with SQLite.

import { randomBytes } from "node:crypto"
import { SQL } from "bun"
import { runLoad, startProcess } from "../contender.ts"
import type { RevokeJob, RevokeResult } from "../load/revoke.ts"
import { quantilesOf, type TimeRow, type Times, timeRowOf } from "../times.ts"
import { connectPath, newMasterKey, startNode, welcomePrefix } from "../weir.ts"
import type { LoadContext } from "./load.ts"

/** Where databases can be made and the bus is. */
export interface Backends {
  /** A PostgreSQL server whose user may make databases. */
  readonly postgresUrl: string
  readonly redisUrl: string
}

const adminToken = "bench-admin-token-0123456789abcdef"
/** «Within a second», from the request to the last socket. */
const closedMsMax = 1_000
const connectsInFlight = 32
/** Handshakes, pauses, and what the machine makes of them. */
const runMs = 120_000

/** Two nodes, if there is something for them to share, then one. */
export async function measureRevocations(context: LoadContext, backends: Backends | null): Promise<TimeRow[]> {
  const rows: TimeRow[] = []
  if (backends !== null) {
    const result = await onTwoNodes(context, backends)
    const where = "two nodes"
    rows.push(...rowsOf(["i1", "i2"], where, result, "bus, there and back", result.busMs ?? []))
  }
  const result = await onOneNode(context)
  rows.push(...rowsOf(["i3", "i4"], "one node", result, "a committed write", result.writeMs))
  return rows
}

function rowsOf(
  [closedId, receiptId]: readonly [string, string],
  where: string,
  { closedMs, receiptMs, lagMs, writeMs, sockets }: RevokeResult,
  baseline: string,
  baselineMs: readonly number[],
): TimeRow[] {
  const detail = {
    sockets,
    revocations: closedMs.length,
    receiptLagP50Ms: quantilesOf(lagMs).p50,
    writeP50Ms: quantilesOf(writeMs).p50,
  }
  const base: Times[] = [{ ...quantilesOf(baselineMs), detail: {} }]
  const plan = { unit: "ms", subject: "weir", baseline } as const
  const what = `revoke a user, ${sockets.toLocaleString("en-US")} sockets on ${where}`
  const closed: Times = { ...quantilesOf(closedMs), detail }
  const receipt: Times = { ...quantilesOf(receiptMs), detail }
  const aim = { of: "p99", max: closedMsMax } as const
  return [
    timeRowOf({ ...plan, id: closedId, what: `${what}: last socket closed`, aim }, [closed], base),
    timeRowOf({ ...plan, id: receiptId, what: `${what}: receipt`, aim: null }, [receipt], base),
  ]
}

async function onTwoNodes(context: LoadContext, { postgresUrl, redisUrl }: Backends): Promise<RevokeResult> {
  const database = await createDatabase(postgresUrl)
  try {
    const masterKey = newMasterKey()
    const channel = `weir-bench:${randomBytes(8).toString("hex")}`
    const parts = { ...context, masterKey, databaseUrl: database.url, redisUrl }
    const echo = await startProcess("the bus's echo", [process.execPath, echoPath, redisUrl, channel], {}, true)
    const first = await start(parts)
    const second = await start(parts)
    const result = await run(context, [first.port, second.port], { url: redisUrl, channel })
    await Promise.all([first, second, echo].map((child) => child.stop()))
    return result
  } finally {
    await database.drop()
  }
}

async function onOneNode(context: LoadContext): Promise<RevokeResult> {
  const node = await start({ ...context, masterKey: newMasterKey(), databaseUrl: null, redisUrl: null })
  const result = await run(context, [node.port], null)
  await node.stop()
  return result
}

type NodeParts = Pick<Parameters<typeof startNode>[0], "apiKey" | "secret" | "masterKey" | "databaseUrl" | "redisUrl">
const start = ({ apiKey, secret, masterKey, databaseUrl, redisUrl }: NodeParts) =>
  startNode({ apiKey, secret, masterKey, databaseUrl, redisUrl, adminToken, rateLimits: false, program: null })

function run({ settings, apiKey, secret }: LoadContext, ports: number[], bus: RevokeJob["bus"]): Promise<RevokeResult> {
  const job: RevokeJob = {
    host: "127.0.0.1",
    ports,
    path: connectPath(apiKey),
    welcomePrefix,
    apiKey,
    secret,
    adminToken,
    sockets: settings.revocationSockets,
    inFlight: connectsInFlight,
    revocations: settings.revocationsMeasured,
    pauseMs: settings.revocationPauseMs,
    settleMs: settings.revocationSettleMs,
    bus,
  }
  return runLoad<RevokeResult>("revoke", job, runMs)
}

const echoPath = `${import.meta.dir}/../load/bus-echo.ts`

async function createDatabase(serverUrl: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `weir_bench_${randomBytes(6).toString("hex")}`
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
