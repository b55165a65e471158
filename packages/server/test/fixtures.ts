// What the tests of routes share: a server on each database, callers of every kind, and the checks that hold for
// every refusal.

import { expect } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { connect as connectTcp } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type ErrorName, errorCatalogue } from "@weir/protocol"
import type { Clock } from "../src/base/clock.ts"
import { createLogger } from "../src/base/log.ts"
import { loadConfig } from "../src/config/config.ts"
import { loadMasterKey } from "../src/config/secrets.ts"
import { createServer } from "../src/server.ts"
import {
  type Answer,
  call,
  connect,
  createPostgresDatabase,
  serverToken,
  startTestServer,
  type TestServer,
  testAdminToken,
  testApiKey,
  testApiSecret,
  userToken,
} from "../src/testing.ts"

export type DatabaseKind = "sqlite" | "postgres"

/** The databases that this run has; the tests of what depends on one run on each. */
export const databaseKinds: readonly DatabaseKind[] = process.env.WEIR_TEST_POSTGRES_URL
  ? ["sqlite", "postgres"]
  : ["sqlite"]
if (databaseKinds.length === 1) console.log("WEIR_TEST_POSTGRES_URL is not set, Postgres is skipped")

/** Starts a server on a fresh database of the kind; closing it takes the database away. */
export async function startOn(kind: DatabaseKind, env: Record<string, string> = {}): Promise<TestServer> {
  const database = kind === "postgres" ? await createPostgresDatabase() : null
  const settings = database === null ? env : { ...env, WEIR_DATABASE_URL: database.url }
  const server = await startTestServer({ env: settings }).catch(async (error) => {
    await database?.drop()
    throw error
  })
  return {
    ...server,
    async close() {
      await server.close()
      await database?.drop()
    },
  }
}

export interface WatchedServer extends TestServer {
  /** Everything that the server has logged so far, down to the least severe line. */
  readonly log: readonly string[]
}

/** Starts a server whose log is kept, and whose time may be the test's. */
export async function startWatched(
  options: { env?: Record<string, string>; clock?: Clock } = {},
): Promise<WatchedServer> {
  const dataDir = mkdtempSync(join(tmpdir(), "weir-test-"))
  const config = loadConfig({
    WEIR_PORT: "0",
    WEIR_DATA_DIR: dataDir,
    WEIR_API_KEY: testApiKey,
    WEIR_API_SECRET: testApiSecret,
    WEIR_ADMIN_TOKEN: testAdminToken,
    WEIR_RATE_LIMITS: "off",
    ...options.env,
  })
  const lines: string[] = []
  const log = createLogger({ level: "debug", format: "json", write: (line) => lines.push(line) })
  const server = await createServer({ config, masterKey: loadMasterKey(config).key, log, clock: options.clock })
  const url = server.listen()
  return {
    server,
    url,
    config,
    log: lines,
    call: (method, path, callOptions) => call(url, method, path, callOptions),
    connect: (userId, connectOptions) => connect(url, userId, connectOptions),
    async close() {
      await server.close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

export const asAdmin = { as: `Bearer ${testAdminToken}`, apiKey: null, authType: null } as const
export const nowSeconds = (): number => Math.floor(Date.now() / 1000)

export interface OtherApp {
  readonly id: number
  readonly apiKey: string
  readonly secret: string
}

/** Another app on the same server. */
export async function createApp(server: TestServer, name = "other"): Promise<OtherApp> {
  const { status, body } = await server.call("POST", "/api/admin/v1/apps", { ...asAdmin, body: { name } })
  expect(status).toBe(201)
  return { id: body.app.id, apiKey: body.key.api_key, secret: body.secret }
}

/** Makes users with a server call. */
export async function createUsers(server: TestServer, ...users: (string | { id: string })[]): Promise<void> {
  const all = users.map((user) => (typeof user === "string" ? { id: user } : user))
  const body = { users: Object.fromEntries(all.map((user) => [user.id, user])) }
  expect((await server.call("POST", "/api/v2/users", { body })).status).toBe(201)
}

/** A guest and its token. */
export async function createGuest(server: TestServer, id = "visitor"): Promise<{ id: string; token: string }> {
  const { body } = await server.call("POST", "/api/v2/guest", { as: null, authType: null, body: { user: { id } } })
  return { id: body.user.id, token: body.access_token }
}

/** The answer is a complete envelope of this error (contract/auth.md §5.1), and nothing else. */
export function expectRefusal({ status, body, headers }: Answer, kind: ErrorName, field?: string): void {
  const entry = errorCatalogue[kind]
  expect({ status, code: body.code, message: body.message }).toEqual({
    status: entry.status,
    code: entry.code,
    message: body.message,
  })
  expectEnvelope(body)
  expect(headers.get("content-type")).toBe("application/json; charset=utf-8")
  expect(headers.get("access-control-allow-origin")).toBe("*")
  if ([401, 403, 404].includes(status)) expect(headers.get("x-decision-id")).toMatch(/^[0-9a-f-]{36}$/)
  if (field !== undefined) expect(Object.keys(body.exception_fields ?? {})).toContain(field)
}

const envelopeMembers = ["code", "message", "StatusCode", "duration", "more_info", "details"]
const optionalMembers = ["exception_fields", "unrecoverable"]

// biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
export function expectEnvelope(body: any): void {
  expect(envelopeMembers.filter((name) => !Object.hasOwn(body, name))).toEqual([])
  expect(Object.keys(body).filter((name) => ![...envelopeMembers, ...optionalMembers].includes(name))).toEqual([])
  const entry = Object.values(errorCatalogue).find(({ code }) => code === body.code)
  expect(body.StatusCode).toBe(entry?.status)
  expect(body.message).toMatch(/^\w+ failed with error: ".+"$/s)
  expect(body.duration).toMatch(/^\d+\.\d\dms$/)
  expect(body.more_info).toMatch(new RegExp(`^https?://[^/]+/errors/${body.code}$`))
  expect(body.details).toEqual([])
  expect(body.unrecoverable).toBe(entry?.retry === "never" ? true : undefined)
  for (const text of Object.values(body.exception_fields ?? {})) expect(text).toBeString()
}

/** A refusal without what differs from call to call. */
export const withoutDuration = ({ status, body }: Answer): string =>
  JSON.stringify({ status, body: { ...body, duration: "" } })

/** Hidden: to this caller the thing that is there looks, byte for byte, like one that is not. */
export function expectHidden(there: Answer, absent: Answer, thereId: string, absentId: string): void {
  expectRefusal(there, "notFound")
  expect(withoutDuration(there).replaceAll(thereId, absentId)).toBe(withoutDuration(absent))
}

export interface Credentials {
  readonly as: string | null
  readonly apiKey?: string | null
  readonly authType?: string | null
}

/** Callers who prove nothing, by name, and what each is told. */
export const strangers = (other: OtherApp): readonly (readonly [string, Credentials, ErrorName])[] => {
  const now = nowSeconds()
  return [
    ["no key", { as: serverToken(), apiKey: null }, "accessKey"],
    ["unknown key", { as: serverToken(), apiKey: "zzzzzzzzzzzz" }, "accessKey"],
    ["no auth type", { as: serverToken(), authType: null }, "accessKey"],
    ["unknown auth type", { as: serverToken(), authType: "basic" }, "accessKey"],
    ["no token", { as: null }, "authentication"],
    ["malformed token", { as: "not.a-token" }, "authentication"],
    ["wrong secret", { as: userToken("jessica", {}, "w".repeat(64)) }, "tokenSignature"],
    ["expired", { as: userToken("jessica", { iat: now - 20, exp: now - 1 }) }, "tokenExpired"],
    ["not valid yet", { as: userToken("jessica", { nbf: now + 60 }) }, "tokenNotValidYet"],
    ["issued in the future", { as: userToken("jessica", { iat: now + 60 }) }, "tokenBeforeIssuedAt"],
    [
      "feeds-scope token",
      { as: serverToken({ server: undefined, resource: "*", action: "*", feed_id: "*" }) },
      "authentication",
    ],
    ["other app's user token", { as: userToken("jessica", {}, other.secret) }, "tokenSignature"],
    ["other app's server token", { as: serverToken({}, other.secret) }, "tokenSignature"],
    ["own token at the other app's key", { as: serverToken(), apiKey: other.apiKey }, "tokenSignature"],
  ]
}

const firstBytesMs = 5_000

/** Sends bytes as they are and answers whatever comes back, until the end or `quietMs` after the last of it. */
export function rawHttp(url: string, parts: readonly (string | Uint8Array)[], quietMs = 150): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connectTcp(Number(port), hostname)
    let text = ""
    let quiet: ReturnType<typeof setTimeout>
    const done = (): void => {
      clearTimeout(quiet)
      socket.destroy()
      resolve(text)
    }
    const listen = (): void => {
      clearTimeout(quiet)
      quiet = setTimeout(done, text === "" ? firstBytesMs : quietMs)
    }
    socket.on("error", (error) => (text === "" ? reject(error) : done()))
    socket.on("close", done)
    socket.on("data", (data) => {
      text += data.toString("latin1")
      listen()
    })
    socket.on("connect", async () => {
      for (const part of parts) {
        if (socket.destroyed) return
        if (!socket.write(part)) await new Promise<void>((go) => socket.once("drain", go).once("close", () => go()))
      }
      listen()
    })
  })
}
