// From the environment to a typed configuration. Pure: it reads no file and opens no connection. Whatever is unknown,
// impossible or unsafe throws ConfigError with one line that says what to do about it; the process then does not start.

import { isIP } from "node:net"
import { join, resolve } from "node:path"
import { type MasterKey, masterKeysMax, parseMasterKey, splitMasterKeys } from "../base/crypto.ts"
import { nearest } from "../base/nearest.ts"
import { type Env, isForeignName, type Setting, type SettingName, settings } from "./env.ts"
import { configLimits } from "./limits.ts"
import { parseTrustProxy, type TrustProxy, trustNoProxy } from "./trust-proxy.ts"

export interface Config {
  /** Without brackets, also for IPv6. */
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** Absolute. */
  readonly dataDir: string
  readonly database: DatabaseConfig
  /** Null: one process, local bus. */
  readonly redisUrl: string | null
  /** The key that seals first, then those that open only. Null: they come from the file in the data folder (secrets.ts). */
  readonly masterKey: MasterKey | null
  /** Credentials of the first app; null: generated at the first start. */
  readonly firstApp: { readonly apiKey: string; readonly apiSecret: string } | null
  /** Null: operators log in, and there is no token. */
  readonly adminToken: string | null
  /** Absolute paths; null: plain HTTP. */
  readonly tls: { readonly certPath: string; readonly keyPath: string } | null
  readonly trustProxy: TrustProxy
  /** Where operators reach the deployment, such as `https://weir.example.com`; null: not said. */
  readonly publicOrigin: string | null
  /** Single sign-on of operators by OpenID Connect; null: there is none. */
  readonly sso: {
    readonly issuer: string
    readonly clientId: string
    readonly clientSecret: string
    readonly name: string
  } | null
  /** False: nobody is counted. */
  readonly rateLimits: boolean
  /** To whom the demo is open, as long as the first app is in development. */
  readonly demo: (typeof demoAccesses)[number]
  /** Webhooks may go to `http` URLs and to private addresses. */
  readonly webhookAllowPrivate: boolean
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
  /** Each setting as operators may see it: secrets masked. */
  readonly shown: readonly (SettingRow & Pick<Setting, "form">)[]
  /** Sentences for the log: allowed, but worth a look. */
  readonly warnings: readonly string[]
}

export type DatabaseConfig =
  | { readonly kind: "sqlite"; readonly path: string }
  | { readonly kind: "postgres"; readonly url: string }

const logLevels = ["debug", "info", "warn", "error"] as const
const logFormats = ["auto", "json", "pretty"] as const
const onOrOff = ["on", "off"] as const
const demoAccesses = ["local", "on", "off"] as const
const trueOrFalse = ["true", "false"] as const
export type LogLevel = (typeof logLevels)[number]
export type LogFormat = (typeof logFormats)[number]

/** The settings do not allow a start. The message is one line for the operator and holds no secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError"
  constructor(
    /** The setting at fault; of a mix, the one to look at first. */
    readonly setting: string,
    message: string,
  ) {
    super(message)
  }
}

/** Reads and checks every WEIR_* name of an environment. Throws ConfigError at the first fault. */
export function loadConfig(env: Env): Config {
  refuseUnknownNames(env)
  const value = (name: SettingName): string | null => settingValue(env, name)
  const dataDir = resolve(readPath("WEIR_DATA_DIR", value("WEIR_DATA_DIR") ?? "./data"))
  const config = {
    host: readHost(value("WEIR_HOST") ?? ""),
    port: readPort(value("WEIR_PORT") ?? ""),
    dataDir,
    database: readDatabase(value("WEIR_DATABASE_URL"), dataDir),
    redisUrl: readRedisUrl(value("WEIR_REDIS_URL")),
    masterKey: readMasterKey(value("WEIR_MASTER_KEY")),
    firstApp: readFirstApp(value("WEIR_API_KEY"), value("WEIR_API_SECRET")),
    adminToken: readAdminToken(value("WEIR_ADMIN_TOKEN")),
    tls: readTls(value("WEIR_TLS_CERT"), value("WEIR_TLS_KEY")),
    trustProxy: readTrustProxy(value("WEIR_TRUST_PROXY")),
    publicOrigin: readPublicOrigin(value("WEIR_PUBLIC_URL")),
    sso: readSso(
      value("WEIR_OIDC_ISSUER"),
      value("WEIR_OIDC_CLIENT_ID"),
      value("WEIR_OIDC_CLIENT_SECRET"),
      value("WEIR_OIDC_NAME"),
    ),
    rateLimits: readOneOf("WEIR_RATE_LIMITS", value("WEIR_RATE_LIMITS"), onOrOff) === "on",
    demo: readOneOf("WEIR_DEMO", value("WEIR_DEMO"), demoAccesses),
    webhookAllowPrivate:
      readOneOf("WEIR_WEBHOOK_ALLOW_PRIVATE", value("WEIR_WEBHOOK_ALLOW_PRIVATE"), trueOrFalse) === "true",
    log: {
      level: readOneOf("WEIR_LOG_LEVEL", value("WEIR_LOG_LEVEL"), logLevels),
      format: readOneOf("WEIR_LOG_FORMAT", value("WEIR_LOG_FORMAT"), logFormats),
    },
  }
  refuseUnsafeMixes(config)
  // Where no master key is given, a node that runs has made its file.
  const shown = describeSettings(env, () => true).map((row) => ({ ...row, form: settingOf(row.name).form }))
  return { ...config, shown, warnings: warningsOf(config) }
}

// A mistyped name would otherwise be a setting that silently does not hold.
function refuseUnknownNames(env: Env): void {
  const known: readonly string[] = settings.map((setting) => setting.name)
  for (const name of Object.keys(env)) {
    if (!name.toUpperCase().startsWith("WEIR_") || known.includes(name) || isForeignName(name)) continue
    if (env[name] === undefined) continue
    if (isServiceLink(name)) throw new ConfigError(name, `${name} is not a setting: ${serviceLinkHint}`)
    const suggestion = nearest(name, known, configLimits.suggestionEditsMax)
    const hint = suggestion === null ? '"weir config" lists all settings' : `did you mean ${suggestion}?`
    throw new ConfigError(name, `${name.slice(0, 80)} is not a setting; ${hint}`)
  }
}

// Kubernetes gives every pod variables for each service of its namespace, and a service called «weir» is likely.
const isServiceLink = (name: string): boolean => /^WEIR_(SERVICE_(HOST|PORT)|PORT_\d+_)/.test(name)
const serviceLinkHint =
  "it comes from a Kubernetes service named weir; set enableServiceLinks: false on the pod, or rename the service"

// An empty value is a variable that somebody forgot to fill in; taking it for absent would switch protection off.
function settingValue(env: Env, name: SettingName): string | null {
  const value = env[name]
  if (value === undefined) return settingOf(name).default
  if (value.trim() === "") throw new ConfigError(name, `${name} is set but empty; give it a value or remove it`)
  if (value.length > configLimits.valueCharsMax) {
    throw new ConfigError(name, `${name} is longer than ${configLimits.valueCharsMax} characters`)
  }
  return value
}

const settingOf = (name: SettingName): Setting => settings.find((setting) => setting.name === name) as Setting

function readHost(text: string): string {
  const host = text.replace(/^\[(.*)\]$/, "$1")
  const isName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(host) && host.length <= 253
  // Digits and dots alone would be a mistyped address, not a name.
  if (isIP(host) === 0 && (!isName || /^[\d.]+$/.test(host))) {
    throw new ConfigError("WEIR_HOST", `WEIR_HOST is ${quoted(text)}, which is neither an IP address nor a host name`)
  }
  return host
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port <= 65535) return port
  const hint = text.startsWith("tcp://") ? `: ${serviceLinkHint}` : ", which is not a port from 0 to 65535"
  throw new ConfigError("WEIR_PORT", `WEIR_PORT is ${quoted(text)}${hint}`)
}

function readPath(name: SettingName, text: string): string {
  if (text.includes("\0")) throw new ConfigError(name, `${name} is not a path`)
  // The shell expands ~, a service file or a container does not: a folder of that name is never meant.
  if (text.startsWith("~"))
    throw new ConfigError(name, `${name} begins with ~, which is not expanded here; write the whole path`)
  return text
}

function readDatabase(text: string | null, dataDir: string): DatabaseConfig {
  if (text === null) return { kind: "sqlite", path: join(dataDir, "weir.db") }
  const url = readUrl(
    "WEIR_DATABASE_URL",
    text,
    ["postgres:", "postgresql:"],
    "postgres://user:password@host:5432/weir",
  )
  if (url.pathname.length < 2) {
    throw new ConfigError("WEIR_DATABASE_URL", "WEIR_DATABASE_URL names no database; it ends like …@host:5432/weir")
  }
  return { kind: "postgres", url: text }
}

function readRedisUrl(text: string | null): string | null {
  if (text === null) return null
  const url = readUrl("WEIR_REDIS_URL", text, ["redis:", "rediss:"], "redis://host:6379")
  if (!/^\/?\d{0,3}$/.test(url.pathname)) {
    throw new ConfigError("WEIR_REDIS_URL", "WEIR_REDIS_URL has a path that is not the number of a database")
  }
  return text
}

// The value may hold a password, so no message repeats it.
function readUrl(name: SettingName, text: string, protocols: readonly string[], example: string): URL {
  const url = parseUrl(text)
  if (url !== null && protocols.includes(url.protocol) && url.hostname !== "") return url
  const hint = url === null ? "; special characters in a password must be percent-encoded" : ""
  throw new ConfigError(name, `${name} is not a URL like ${example}${hint}`)
}

function readMasterKey(text: string | null): MasterKey | null {
  if (text === null) return null
  const ring = parseMasterKey(text)
  if (ring !== null) return ring
  const keys = splitMasterKeys(text)
  const refuse = (message: string) => new ConfigError("WEIR_MASTER_KEY", message)
  if (keys.length > masterKeysMax) throw refuse(`WEIR_MASTER_KEY has ${keys.length} keys; at most ${masterKeysMax} go`)
  const at = keys.findIndex((key) => parseMasterKey(key) === null)
  if (at < 0) throw refuse("WEIR_MASTER_KEY names one key twice; each key stands there once")
  const name = keys.length === 1 ? "WEIR_MASTER_KEY" : `WEIR_MASTER_KEY: key ${at + 1} of ${keys.length}`
  throw refuse(
    `${name} has ${keys[at]?.length} characters and is not a key of ${masterKeyForm}; "openssl rand -hex 32" makes one`,
  )
}

const masterKeyForm = "32 bytes: 64 hexadecimal digits, or 43 characters of base64url"

function readFirstApp(apiKey: string | null, apiSecret: string | null): Config["firstApp"] {
  if (apiKey === null && apiSecret === null) return null
  if (apiKey === null)
    throw new ConfigError("WEIR_API_KEY", "WEIR_API_SECRET is set without WEIR_API_KEY; they go together")
  if (apiSecret === null)
    throw new ConfigError("WEIR_API_SECRET", "WEIR_API_KEY is set without WEIR_API_SECRET; they go together")
  if (!/^[a-z0-9]*$/.test(apiKey) || apiKey.length !== configLimits.apiKeyChars) {
    throw new ConfigError(
      "WEIR_API_KEY",
      `WEIR_API_KEY must be ${configLimits.apiKeyChars} characters of a-z0-9, this one has ${apiKey.length}`,
    )
  }
  if (!/^[a-z0-9]*$/.test(apiSecret)) {
    throw new ConfigError("WEIR_API_SECRET", "WEIR_API_SECRET has characters other than a-z0-9")
  }
  if (apiSecret.length < configLimits.apiSecretCharsMin || apiSecret.length > configLimits.apiSecretCharsMax) {
    throw new ConfigError(
      "WEIR_API_SECRET",
      `WEIR_API_SECRET has ${apiSecret.length} characters; ${configLimits.apiSecretCharsRecommended} are right, ${configLimits.apiSecretCharsMin} to ${configLimits.apiSecretCharsMax} are accepted`,
    )
  }
  return { apiKey, apiSecret }
}

// The characters are those of a bearer token (RFC 6750 §2.1), because any other could not be sent in its header.
function readAdminToken(text: string | null): string | null {
  if (text === null) return null
  if (!/^[\w.~+/-]+=*$/.test(text)) {
    throw new ConfigError("WEIR_ADMIN_TOKEN", "WEIR_ADMIN_TOKEN has characters other than A-Z a-z 0-9 - . _ ~ + / =")
  }
  if (text.length < configLimits.adminTokenCharsMin || text.length > configLimits.adminTokenCharsMax) {
    throw new ConfigError(
      "WEIR_ADMIN_TOKEN",
      `WEIR_ADMIN_TOKEN has ${text.length} characters; ${configLimits.adminTokenCharsMin} to ${configLimits.adminTokenCharsMax} are accepted`,
    )
  }
  return text
}

function readTls(cert: string | null, key: string | null): Config["tls"] {
  if (cert === null && key === null) return null
  if (cert === null)
    throw new ConfigError("WEIR_TLS_CERT", "WEIR_TLS_KEY is set without WEIR_TLS_CERT; they go together")
  if (key === null) throw new ConfigError("WEIR_TLS_KEY", "WEIR_TLS_CERT is set without WEIR_TLS_KEY; they go together")
  return { certPath: resolve(readPath("WEIR_TLS_CERT", cert)), keyPath: resolve(readPath("WEIR_TLS_KEY", key)) }
}

function readTrustProxy(text: string | null): TrustProxy {
  if (text === null) return trustNoProxy
  try {
    return parseTrustProxy(text)
  } catch (error) {
    throw new ConfigError("WEIR_TRUST_PROXY", `WEIR_TRUST_PROXY ${(error as RangeError).message}`)
  }
}

// An origin and no more: the dashboard stands at its own path, and passkeys belong to the host's name.
function readPublicOrigin(text: string | null): string | null {
  if (text === null) return null
  const url = readUrl("WEIR_PUBLIC_URL", text, ["https:", "http:"], "https://weir.example.com")
  const isBare = url.pathname === "/" && url.search === "" && url.username === "" && url.password === ""
  if (!isBare) throw new ConfigError("WEIR_PUBLIC_URL", "WEIR_PUBLIC_URL has more than scheme, host and port")
  if (url.protocol === "http:" && !isLoopback(url.hostname.replace(/^\[(.*)\]$/, "$1"))) {
    throw new ConfigError(
      "WEIR_PUBLIC_URL",
      "WEIR_PUBLIC_URL must begin with https://; browsers keep no login otherwise",
    )
  }
  return url.origin
}

function readSso(
  issuer: string | null,
  clientId: string | null,
  clientSecret: string | null,
  name: string | null,
): Config["sso"] {
  if (issuer === null) {
    const given = [
      ["WEIR_OIDC_CLIENT_ID", clientId],
      ["WEIR_OIDC_CLIENT_SECRET", clientSecret],
      ["WEIR_OIDC_NAME", name],
    ].find(([, value]) => value !== null)
    if (given === undefined) return null
    throw new ConfigError("WEIR_OIDC_ISSUER", `${given[0]} is set without WEIR_OIDC_ISSUER; they go together`)
  }
  const url = readUrl("WEIR_OIDC_ISSUER", issuer, ["https:", "http:"], "https://login.example.com/realms/team")
  if (url.protocol === "http:" && !isLoopback(url.hostname.replace(/^\[(.*)\]$/, "$1"))) {
    throw new ConfigError("WEIR_OIDC_ISSUER", "WEIR_OIDC_ISSUER must begin with https://")
  }
  if (clientId === null)
    throw new ConfigError("WEIR_OIDC_CLIENT_ID", "WEIR_OIDC_ISSUER is set without WEIR_OIDC_CLIENT_ID")
  if (clientSecret === null) {
    throw new ConfigError("WEIR_OIDC_CLIENT_SECRET", "WEIR_OIDC_ISSUER is set without WEIR_OIDC_CLIENT_SECRET")
  }
  return { issuer, clientId, clientSecret, name: name ?? url.hostname }
}

function readOneOf<T extends string>(name: SettingName, text: string | null, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === text)
  if (choice !== undefined) return choice
  throw new ConfigError(name, `${name} is ${quoted(text ?? "")}; it can be ${choices.join(", ")}`)
}

function refuseUnsafeMixes(config: Omit<Config, "warnings" | "shown">): void {
  if (config.redisUrl !== null && config.database.kind === "sqlite") {
    throw new ConfigError(
      "WEIR_REDIS_URL",
      "WEIR_REDIS_URL is for several nodes, and several nodes cannot share the embedded database; set WEIR_DATABASE_URL too",
    )
  }
  if (config.sso !== null && config.publicOrigin === null) {
    throw new ConfigError(
      "WEIR_PUBLIC_URL",
      "WEIR_OIDC_ISSUER is set without WEIR_PUBLIC_URL: the provider must know where to send operators back to",
    )
  }
  if (!isLoopback(config.host) && config.tls === null && config.trustProxy.mode === "none") {
    throw new ConfigError(
      "WEIR_HOST",
      `WEIR_HOST ${config.host} would take tokens over plain HTTP; set WEIR_TLS_CERT and WEIR_TLS_KEY, or WEIR_TRUST_PROXY if TLS ends in front`,
    )
  }
}

const isLoopback = (host: string): boolean =>
  host.toLowerCase() === "localhost" || (isIP(host) === 4 ? host.startsWith("127.") : isIPv6Loopback(host))

// Every spelling of ::1 is the same address; the URL parser writes them all alike (RFC 5952).
const isIPv6Loopback = (host: string): boolean =>
  isIP(host) === 6 && !host.includes("%") && new URL(`http://[${host}]`).hostname === "[::1]"

function warningsOf(config: Omit<Config, "warnings" | "shown">): string[] {
  const warnings: string[] = []
  const secretChars = config.firstApp?.apiSecret.length ?? configLimits.apiSecretCharsRecommended
  if (secretChars < configLimits.apiSecretCharsRecommended) {
    warnings.push(
      `WEIR_API_SECRET has ${secretChars} characters; ${configLimits.apiSecretCharsRecommended} random ones are recommended`,
    )
  }
  if (!config.rateLimits) {
    warnings.push("WEIR_RATE_LIMITS is off: nobody is counted, and whoever can connect can guess without end")
  }
  if (config.webhookAllowPrivate) {
    warnings.push(
      "WEIR_WEBHOOK_ALLOW_PRIVATE is true: whoever may set a webhook can have this machine and its network called, and read the answers",
    )
  }
  if (config.trustProxy.mode === "any" && !isLoopback(config.host)) {
    warnings.push(
      "WEIR_TRUST_PROXY is true: whoever can connect can claim any address; list the proxies if others can reach this port",
    )
  }
  return warnings
}

// A `/`, `?` or `#` that stands in a password as it is ends the address too early, and a part of the password then
// counts as the path. An `@` after that point gives it away.
function parseUrl(text: string): URL | null {
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  return url.hash === "" && !`${url.pathname}${url.search}`.includes("@") ? url : null
}

export interface SettingRow {
  readonly name: SettingName
  /** For display: secrets masked, passwords taken out of URLs. */
  readonly value: string
  readonly source: "env" | "default" | "file"
  readonly doc: string
}

/**
 * What `weir config` prints: each setting, its value with secrets masked, and where the value comes from. Works on
 * environments that loadConfig refuses, because that is when people look. `fileExists` answers for the master key.
 */
export function describeSettings(env: Env, fileExists: (path: string) => boolean): SettingRow[] {
  return settings.map(({ name, default: fallback, absent, shown, doc }: Setting & { name: SettingName }) => {
    const value = env[name]
    if (value !== undefined) return { name, value: shownValue(value, shown), source: "env", doc }
    if (name === "WEIR_MASTER_KEY") {
      const path = join(resolve(env.WEIR_DATA_DIR ?? "./data"), masterKeyFileName)
      return {
        name,
        value: fileExists(path) ? path : `(${absent})`,
        source: fileExists(path) ? "file" : "default",
        doc,
      }
    }
    return { name, value: fallback ?? `(${absent})`, source: "default", doc }
  })
}

/** Name of the master key's file in the data folder. */
export const masterKeyFileName = "master.key"

function shownValue(value: string, shown: Setting["shown"]): string {
  if (shown === "masked") return `(set, ${value.length} characters)`
  return shown === "without-password" ? maskUrl(value) : value
}

/** A URL without its password and without query values that look like secrets; «(set)» when it is not a URL. */
export function maskUrl(text: string): string {
  const url = parseUrl(text)
  if (url === null) return "(set, not a URL)"
  if (url.password !== "") url.password = "***"
  for (const name of [...url.searchParams.keys()]) {
    if (/pass|secret|token|key/i.test(name)) url.searchParams.set(name, "***")
  }
  return url.toString()
}

const quoted = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
