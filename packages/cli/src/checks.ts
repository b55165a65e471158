// What `weir doctor` looks at. Each check answers with findings, or throws with a message that is the finding. They
// open their own connections, with a short time-out, and leave nothing behind.

import { Database } from "bun:sqlite"
import { createHmac, randomBytes } from "node:crypto"
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs"
import { dirname, join } from "node:path"
import { importSecret, verifyToken } from "@weir/server/authenticate/token"
import { type Config, maskUrl, masterKeyFileName } from "@weir/server/config/config"
import { loadMasterKey } from "@weir/server/config/secrets"
import { readTlsPair } from "@weir/server/request/tls"
import { RedisClient, SQL } from "bun"
import { cliLimits } from "./limits.ts"

export interface Finding {
  readonly check: string
  readonly status: "ok" | "warn" | "fail" | "skip"
  readonly detail: string
}

type Look = (config: Config, now: () => number) => Promise<Omit<Finding, "check">[]>

export const checks: Readonly<Record<string, Look>> = {
  runtime: lookAtRuntime,
  "data folder": lookAtDataFolder,
  "master key": lookAtMasterKey,
  database: lookAtDatabase,
  redis: lookAtRedis,
  certificate: lookAtCertificate,
  port: lookAtPort,
  speed: lookAtSpeed,
}

async function lookAtRuntime(): ReturnType<Look> {
  const [major = 0, minor = 0] = Bun.version.split(".").map(Number)
  const { bunMajorMin, bunMinorMin } = cliLimits
  const isRecent = major > bunMajorMin || (major === bunMajorMin && minor >= bunMinorMin)
  const found = `Bun ${Bun.version} on ${process.platform}/${process.arch}`
  if (isRecent) return [{ status: "ok", detail: found }]
  return [{ status: "fail", detail: `${found}; ${bunMajorMin}.${bunMinorMin} or later is needed: run "npm install"` }]
}

// The folder itself need not be there yet; then the nearest one above it must allow making it.
async function lookAtDataFolder({ dataDir }: Config): ReturnType<Look> {
  const exists = existsSync(dataDir)
  const folder = exists ? dataDir : nearestExisting(dataDir)
  if (!statSync(folder).isDirectory()) return [{ status: "fail", detail: `${folder} is not a folder` }]
  const probe = join(folder, `.weir-doctor-${process.pid}-${randomBytes(4).toString("hex")}`)
  if (exists) {
    const file = openSync(probe, "wx", 0o600)
    try {
      writeSync(file, "probe")
      fsyncSync(file)
    } finally {
      closeSync(file)
      unlinkSync(probe)
    }
    return [{ status: "ok", detail: `${dataDir} is writable` }]
  }
  mkdirSync(probe)
  rmdirSync(probe)
  return [{ status: "ok", detail: `${dataDir} is not there yet and can be made` }]
}

function nearestExisting(path: string): string {
  const parent = dirname(path)
  return existsSync(parent) || parent === path ? parent : nearestExisting(parent)
}

async function lookAtMasterKey(config: Config): ReturnType<Look> {
  const path = join(config.dataDir, masterKeyFileName)
  const databaseId = await databaseKeyId(config.database)
  if (config.masterKey === null && !existsSync(path)) {
    if (databaseId === null) return [{ status: "ok", detail: `${path} will be made at the first start` }]
    return [{ status: "fail", detail: `there is no ${path}, but the database belongs to the key ${databaseId}` }]
  }
  const { key, source, warnings } = loadMasterKey(config)
  const from = source === "env" ? "from WEIR_MASTER_KEY" : `from ${path}`
  const [first, ...others] = key.ids
  const ring = others.length === 0 ? "" : `; ${others.length + 1} keys, ${first} seals: see "weir master-key status"`
  if (databaseId !== null && !key.ids.includes(databaseId)) {
    return [{ status: "fail", detail: `${from}, but the database belongs to the key ${databaseId}` }]
  }
  if (warnings.length > 0) return warnings.map((detail) => ({ status: "warn", detail }))
  return [{ status: "ok", detail: `${from}${ring}` }]
}

/** Id of the key that the database belongs to; null before the first start. What else is wrong, another check says. */
async function databaseKeyId(database: Config["database"]): Promise<string | null> {
  const query = "select check_value from master_key_check where id = 1"
  try {
    if (database.kind === "sqlite") {
      if (!existsSync(database.path)) return null
      const file = new Database(database.path, { readonly: true })
      try {
        return (file.query(query).get() as { check_value: string } | null)?.check_value ?? null
      } finally {
        file.close()
      }
    }
    const sql = new SQL(database.url, { max: 1, connectionTimeout: cliLimits.checkTimeoutMs / 1000 })
    try {
      const [row] = await inTime(sql.unsafe(query), "the database does not answer")
      return (row as { check_value: string } | undefined)?.check_value ?? null
    } finally {
      await sql.close({ timeout: 1 })
    }
  } catch {
    return null
  }
}

async function lookAtDatabase({ database }: Config, now: () => number): ReturnType<Look> {
  return database.kind === "sqlite" ? lookAtSqlite(database.path) : lookAtPostgres(database.url, now)
}

function lookAtSqlite(path: string): Omit<Finding, "check">[] {
  if (!existsSync(path)) return [{ status: "ok", detail: `${path} will be made at the first start` }]
  const database = new Database(path, { readonly: true })
  try {
    // The first read of the file: it throws when the file is no database.
    database.query("pragma schema_version").get()
    const { version } = database.query("select sqlite_version() as version").get() as { version: string }
    return [{ status: "ok", detail: `SQLite ${version}, ${path}` }]
  } finally {
    database.close()
  }
}

async function lookAtPostgres(url: string, now: () => number): Promise<Omit<Finding, "check">[]> {
  const sql = new SQL(url, { max: 1, connectionTimeout: cliLimits.checkTimeoutMs / 1000 })
  try {
    await inTime(sql.unsafe("select 1"), `${maskUrl(url)} does not answer`)
    const askedAt = now()
    const [row] = await inTime(
      sql.unsafe(`select current_setting('server_version_num')::int as version,
                         (extract(epoch from clock_timestamp()) * 1000)::double precision as now`),
      `${maskUrl(url)} does not answer`,
    )
    const answeredAt = now()
    const major = Math.floor(row.version / 10_000)
    const isRecent = major >= cliLimits.postgresMajorMin
    const tooOld = isRecent ? "" : `; ${cliLimits.postgresMajorMin} or later is needed`
    return [
      { status: isRecent ? "ok" : "fail", detail: `PostgreSQL ${major}, ${maskUrl(url)}${tooOld}` },
      skewFinding(row.now - (askedAt + answeredAt) / 2, (answeredAt - askedAt) / 2),
    ]
  } finally {
    await sql.close({ timeout: 1 })
  }
}

/** `skewMs` is how far the database's clock is ahead of ours; the answer's way makes it uncertain. */
function skewFinding(skewMs: number, uncertaintyMs: number): Omit<Finding, "check"> {
  const certainMs = Math.max(0, Math.abs(skewMs) - uncertaintyMs)
  const detail = `its clock is ${Math.abs(Math.round(skewMs))} ms ${skewMs < 0 ? "behind" : "ahead of"} this one`
  if (certainMs > cliLimits.clockSkewMsMax) return { status: "fail", detail: `${detail}; set both by NTP` }
  return { status: certainMs > cliLimits.clockSkewMsWarn ? "warn" : "ok", detail }
}

async function lookAtRedis({ redisUrl }: Config, now: () => number): ReturnType<Look> {
  if (redisUrl === null) return [{ status: "skip", detail: "not used: one process" }]
  const client = new RedisClient(redisUrl, {
    connectionTimeout: cliLimits.checkTimeoutMs,
    autoReconnect: false,
    maxRetries: 0,
  })
  try {
    await inTime(client.connect(), `${maskUrl(redisUrl)} does not answer`)
    const askedAt = now()
    await inTime(client.send("PING", []), `${maskUrl(redisUrl)} does not answer`)
    return [{ status: "ok", detail: `${maskUrl(redisUrl)} answers in ${now() - askedAt} ms` }]
  } finally {
    client.close()
  }
}

async function lookAtCertificate({ tls }: Config, now: () => number): ReturnType<Look> {
  if (tls === null) return [{ status: "skip", detail: "not used: plain HTTP" }]
  const { names, expiresAt } = readTlsPair(tls.certPath, tls.keyPath)
  const daysLeft = Math.floor((expiresAt - now()) / 86_400_000)
  const end = new Date(expiresAt).toISOString().slice(0, 10)
  if (expiresAt <= now()) return [{ status: "fail", detail: `${names} expired on ${end}` }]
  const isSoon = daysLeft < cliLimits.certificateDaysWarn
  return [{ status: isSoon ? "warn" : "ok", detail: `${names}, until ${end} (${daysLeft} days)` }]
}

async function lookAtPort({ host, port, tls }: Config): ReturnType<Look> {
  if (port === 0) return [{ status: "ok", detail: "any free port" }]
  const name = `${host}:${port}`
  try {
    Bun.listen({ hostname: host, port, socket: { data() {} } }).stop(true)
    return [{ status: "ok", detail: `${name} is free` }]
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== "EADDRINUSE") return [{ status: "fail", detail: `${name} cannot be opened: ${message}` }]
    if (!(await answersHealth(host, port, tls !== null))) {
      return [{ status: "fail", detail: `${name} is taken by another program` }]
    }
    return [{ status: "warn", detail: `${name} is taken; a Weir seems to be running there` }]
  }
}

async function answersHealth(host: string, port: number, isTls: boolean): Promise<boolean> {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host.includes(":") ? `[${host}]` : host
  try {
    const response = await fetch(`${isTls ? "https" : "http"}://${reachable}:${port}/healthz`, {
      signal: AbortSignal.timeout(cliLimits.checkTimeoutMs),
      // The port is this machine's own, and the certificate need not name the address that we ask.
      tls: { rejectUnauthorized: false },
      redirect: "manual",
    })
    return response.status === 200
  } catch {
    return false
  }
}

// Verifying a token is most of the work of letting a caller in, so it says how strong a machine is. Every token is
// another one, because the server keeps those it has seen.
async function lookAtSpeed(): ReturnType<Look> {
  const secret = randomBytes(32).toString("hex")
  const keys = [{ kid: null, alg: "HS256", key: importSecret(secret), state: "active" }] as const
  const tokens = Array.from({ length: 2000 }, (_, index) => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ user_id: `user-${index}`, iat: 0, exp: 2 ** 32 })}`
    return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
  })
  const endAt = performance.now() + cliLimits.verifyMeasureMs
  const startedAt = performance.now()
  let verified = 0
  while (performance.now() < endAt) {
    for (const token of tokens) verifyToken(token, keys, "doctor")
    verified += tokens.length
  }
  const perSecond = verified / ((performance.now() - startedAt) / 1000)
  const rounded = Number(perSecond.toPrecision(2)).toLocaleString("en-US")
  return [{ status: "ok", detail: `${rounded} user tokens verified per second (HS256, one core)` }]
}

/** The promise's value, or an error with this message when it takes longer than a check may. */
async function inTime<T>(promise: Promise<T>, message: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${message} within ${cliLimits.checkTimeoutMs} ms`)),
      cliLimits.checkTimeoutMs,
    )
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}
