import { describe, expect, test } from "bun:test"
import { resolve } from "node:path"
import { ConfigError, describeSettings, loadConfig, maskUrl } from "./config.ts"
import { settings } from "./env.ts"

const secret64 = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr"
const masterKeyHex = "8f1d4c0b7a6e59382716f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0"
const adminToken = "an-admin-token-of-forty-characters-12345"
const app = { WEIR_API_KEY: "abcdefgh1234", WEIR_API_SECRET: secret64 }
const tls = { WEIR_TLS_CERT: "cert.pem", WEIR_TLS_KEY: "key.pem" }

function refusal(env: Record<string, string | undefined>): ConfigError {
  try {
    loadConfig(env)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return error as ConfigError
  }
  throw new Error(`was not refused: ${JSON.stringify(env)}`)
}

describe("loadConfig", () => {
  test("an empty environment gives the documented defaults", () => {
    const { shown: _, ...config } = loadConfig({})
    expect({ ...config, trustProxy: config.trustProxy.mode }).toEqual({
      host: "127.0.0.1",
      port: 3030,
      dataDir: resolve("data"),
      database: { kind: "sqlite", path: resolve("data/weir.db") },
      redisUrl: null,
      masterKey: null,
      firstApp: null,
      adminToken: null,
      publicOrigin: null,
      sso: null,
      tls: null,
      trustProxy: "none",
      rateLimits: true,
      demo: "local",
      webhookAllowPrivate: false,
      log: { level: "info", format: "auto" },
      warnings: [],
    })
  })

  test("every setting is read", () => {
    const { shown: _, ...config } = loadConfig({
      ...app,
      ...tls,
      WEIR_HOST: "[::]",
      WEIR_PORT: "0",
      WEIR_DATA_DIR: "/var/lib/weir",
      WEIR_DATABASE_URL: "postgres://weir:p%40ss@db.internal:5432/weir?sslmode=require",
      WEIR_REDIS_URL: "rediss://cache.internal:6380/3",
      WEIR_MASTER_KEY: masterKeyHex,
      WEIR_ADMIN_TOKEN: adminToken,
      WEIR_TRUST_PROXY: "10.0.0.0/8, 192.0.2.7",
      WEIR_RATE_LIMITS: "off",
      WEIR_PUBLIC_URL: "https://Weir.example.com/",
      WEIR_OIDC_ISSUER: "https://login.example.com/realms/team",
      WEIR_OIDC_CLIENT_ID: "weir",
      WEIR_OIDC_CLIENT_SECRET: "client-secret",
      WEIR_DEMO: "on",
      WEIR_WEBHOOK_ALLOW_PRIVATE: "true",
      WEIR_LOG_LEVEL: "debug",
      WEIR_LOG_FORMAT: "json",
    })
    expect({ ...config, masterKey: config.masterKey?.ids.length, trustProxy: config.trustProxy.mode }).toEqual({
      host: "::",
      port: 0,
      dataDir: "/var/lib/weir",
      database: { kind: "postgres", url: "postgres://weir:p%40ss@db.internal:5432/weir?sslmode=require" },
      redisUrl: "rediss://cache.internal:6380/3",
      masterKey: 1,
      firstApp: { apiKey: "abcdefgh1234", apiSecret: secret64 },
      adminToken,
      publicOrigin: "https://weir.example.com",
      sso: {
        issuer: "https://login.example.com/realms/team",
        clientId: "weir",
        clientSecret: "client-secret",
        name: "login.example.com",
      },
      tls: { certPath: resolve("cert.pem"), keyPath: resolve("key.pem") },
      trustProxy: "listed",
      rateLimits: false,
      demo: "on",
      webhookAllowPrivate: true,
      log: { level: "debug", format: "json" },
      warnings: [
        "WEIR_RATE_LIMITS is off: nobody is counted, and whoever can connect can guess without end",
        "WEIR_WEBHOOK_ALLOW_PRIVATE is true: whoever may set a webhook can have this machine and its network called, and read the answers",
      ],
    })
  })

  test("names of others are left alone", () => {
    const others = { WEIR_TEST_POSTGRES_URL: "x", WEIR_VECTORS: "x", WEIR_URL: "x", PATH: "x", WEIRD: "x" }
    expect(loadConfig({ ...others, WEIR_GONE: undefined }).port).toBe(3030)
  })
})

describe("unknown names stop the start", () => {
  test.each([
    ["WEIR_PROT", "WEIR_PROT is not a setting; did you mean WEIR_PORT?"],
    ["WEIR_TLS_CRT", "WEIR_TLS_CRT is not a setting; did you mean WEIR_TLS_CERT?"],
    ["WEIR_APISECRET", "WEIR_APISECRET is not a setting; did you mean WEIR_API_SECRET?"],
    ["weir_host", "weir_host is not a setting; did you mean WEIR_HOST?"],
    ["WEIR_COFFEE_STRENGTH", 'WEIR_COFFEE_STRENGTH is not a setting; "weir config" lists all settings'],
  ])("%s", (name, message) => {
    const error = refusal({ [name]: "anything" })
    expect(error.message).toBe(message)
    expect(error.setting).toBe(name)
  })

  // A Kubernetes service called weir puts these into every pod of its namespace.
  test.each([
    ["WEIR_SERVICE_HOST", "10.0.0.1"],
    ["WEIR_SERVICE_PORT_HTTP", "3030"],
    ["WEIR_PORT_3030_TCP_ADDR", "10.0.0.1"],
    ["WEIR_PORT", "tcp://10.0.0.1:3030"],
  ])("service link %s is explained", (name, value) => {
    expect(refusal({ [name]: value }).message).toContain("enableServiceLinks: false")
  })
})

describe("values that stop the start", () => {
  test.each([
    ["WEIR_HOST", "256.1.1.1"],
    ["WEIR_HOST", "127.1"],
    ["WEIR_HOST", "http://localhost"],
    ["WEIR_HOST", "a b"],
    ["WEIR_PORT", "65536"],
    ["WEIR_PORT", "-1"],
    ["WEIR_PORT", "3030 "],
    ["WEIR_PORT", "0x10"],
    ["WEIR_PORT", "3e3"],
    ["WEIR_DATA_DIR", "~/weir"],
    ["WEIR_DATA_DIR", "a\0b"],
    ["WEIR_DATABASE_URL", "mysql://h/d"],
    ["WEIR_DATABASE_URL", "./file.db"],
    ["WEIR_DATABASE_URL", "postgres://host"],
    ["WEIR_DATABASE_URL", "postgres://host/"],
    ["WEIR_DATABASE_URL", "postgres:///weir"],
    ["WEIR_REDIS_URL", "http://h"],
    ["WEIR_REDIS_URL", "redis://h/cache"],
    ["WEIR_MASTER_KEY", "short"],
    ["WEIR_MASTER_KEY", masterKeyHex.slice(2)],
    ["WEIR_MASTER_KEY", `${masterKeyHex} `],
    ["WEIR_MASTER_KEY", `${masterKeyHex},`],
    ["WEIR_MASTER_KEY", `${masterKeyHex},${masterKeyHex}`],
    ["WEIR_MASTER_KEY", Array.from({ length: 9 }, (_, n) => `${n}`.repeat(64)).join()],
    ["WEIR_ADMIN_TOKEN", adminToken.slice(0, 31)],
    ["WEIR_ADMIN_TOKEN", `${adminToken} `],
    ["WEIR_ADMIN_TOKEN", `${adminToken}é`],
    ["WEIR_ADMIN_TOKEN", "a".repeat(513)],
    ["WEIR_TRUST_PROXY", "yes"],
    ["WEIR_TRUST_PROXY", "10.0.0.0/33"],
    ["WEIR_TRUST_PROXY", "10.0.0.0/8/8"],
    ["WEIR_TRUST_PROXY", "10.0.0.0/"],
    ["WEIR_TRUST_PROXY", "0.0.0.0/0"],
    ["WEIR_TRUST_PROXY", "::/0"],
    ["WEIR_TRUST_PROXY", "10.0.0.1,"],
    ["WEIR_TRUST_PROXY", "proxy.internal"],
    ["WEIR_TRUST_PROXY", Array.from({ length: 65 }, (_, n) => `10.0.0.${n}`).join()],
    ["WEIR_RATE_LIMITS", "false"],
    ["WEIR_WEBHOOK_ALLOW_PRIVATE", "yes"],
    ["WEIR_LOG_LEVEL", "verbose"],
    ["WEIR_LOG_LEVEL", "INFO"],
    ["WEIR_LOG_FORMAT", "xml"],
    ["WEIR_LOG_FORMAT", "x".repeat(5000)],
  ])("%s=%j", (name, value) => {
    const error = refusal({ [name]: value })
    expect(error.setting).toBe(name)
    // One clear line: it names the setting, is short enough to read and is one line.
    expect(error.message).toStartWith(name)
    expect(error.message.length).toBeLessThan(300)
    expect(error.message).not.toInclude("\n")
  })

  // A variable that was left empty by mistake must not switch protection off.
  test.each(settings.map(({ name }) => name))("%s set but empty", (name) => {
    expect(refusal({ [name]: "" }).message).toBe(`${name} is set but empty; give it a value or remove it`)
    expect(refusal({ [name]: "  " }).setting).toBe(name)
  })

  test.each([
    ["WEIR_API_KEY", { WEIR_API_KEY: "abcdefgh123" }],
    ["WEIR_API_KEY", { WEIR_API_KEY: "abcdefgh12345" }],
    ["WEIR_API_KEY", { WEIR_API_KEY: "ABCDEFGH1234" }],
    ["WEIR_API_SECRET", { WEIR_API_SECRET: secret64.slice(0, 31) }],
    ["WEIR_API_SECRET", { WEIR_API_SECRET: `${secret64.slice(1)}A` }],
    ["WEIR_API_SECRET", { WEIR_API_SECRET: "a".repeat(257) }],
  ])("%s in %j", (name, change) => {
    const error = refusal({ ...app, ...change })
    expect(error.setting).toBe(name)
    expect(error.message).toStartWith(name)
  })

  test("no message repeats a secret", () => {
    const secrets: Record<string, string> = {
      WEIR_API_SECRET: "Sesame-Open",
      WEIR_MASTER_KEY: "Sesame-Open",
      WEIR_ADMIN_TOKEN: "Sesame-Open",
      WEIR_DATABASE_URL: "postgres://weir:Sesame-Open@host",
      WEIR_REDIS_URL: "rediss://weir:Sesame-Open@host/cache",
    }
    for (const [name, value] of Object.entries(secrets)) {
      const error = refusal(name === "WEIR_API_SECRET" ? { ...app, [name]: value } : { [name]: value })
      expect(error.message).not.toContain("Sesame")
    }
  })
})

describe("mixes that stop the start", () => {
  test.each([
    ["a certificate without its key", { WEIR_TLS_CERT: "c" }, "WEIR_TLS_KEY"],
    ["a key without its certificate", { WEIR_TLS_KEY: "k" }, "WEIR_TLS_CERT"],
    ["an API key without secret", { WEIR_API_KEY: app.WEIR_API_KEY }, "WEIR_API_SECRET"],
    ["an API secret without key", { WEIR_API_SECRET: secret64 }, "WEIR_API_KEY"],
    ["Redis beside the embedded database", { WEIR_REDIS_URL: "redis://h" }, "WEIR_REDIS_URL"],
    ["plain HTTP on all addresses", { WEIR_HOST: "0.0.0.0" }, "WEIR_HOST"],
    ["plain HTTP on all IPv6 addresses", { WEIR_HOST: "::" }, "WEIR_HOST"],
    ["plain HTTP on a LAN address", { WEIR_HOST: "192.168.1.5" }, "WEIR_HOST"],
    ["plain HTTP on a host name", { WEIR_HOST: "chat.example.com" }, "WEIR_HOST"],
    ["plain HTTP on a name like localhost", { WEIR_HOST: "localhost.example.com" }, "WEIR_HOST"],
    ["a proxy that is switched off", { WEIR_HOST: "0.0.0.0", WEIR_TRUST_PROXY: "false" }, "WEIR_HOST"],
  ])("%s", (_, env, setting) => {
    expect(refusal(env).setting).toBe(setting)
  })

  test.each([
    ["loopback", { WEIR_HOST: "127.0.0.1" }],
    ["another loopback", { WEIR_HOST: "127.9.9.9" }],
    ["localhost", { WEIR_HOST: "localhost" }],
    ["IPv6 loopback", { WEIR_HOST: "::1" }],
    ["IPv6 loopback in full", { WEIR_HOST: "[0:0:0:0:0:0:0:1]" }],
    ["TLS", { WEIR_HOST: "0.0.0.0", ...tls }],
    ["TLS in front", { WEIR_HOST: "0.0.0.0", WEIR_TRUST_PROXY: "10.1.2.3" }],
    ["Redis with Postgres", { WEIR_REDIS_URL: "redis://h", WEIR_DATABASE_URL: "postgresql://h/d" }],
  ])("%s is allowed", (_, env) => {
    expect(loadConfig(env).warnings).toEqual([])
  })

  test("what is allowed but worth a look is a warning", () => {
    expect(loadConfig({ ...app, WEIR_API_SECRET: secret64.slice(0, 32) }).warnings).toEqual([
      "WEIR_API_SECRET has 32 characters; 64 random ones are recommended",
    ])
    expect(loadConfig({ WEIR_HOST: "0.0.0.0", WEIR_TRUST_PROXY: "true" }).warnings).toHaveLength(1)
    expect(loadConfig({ WEIR_TRUST_PROXY: "true" }).warnings).toEqual([])
  })
})

describe("trusted proxies", () => {
  const trusts = (value: string, peer: string) => loadConfig({ WEIR_TRUST_PROXY: value }).trustProxy.trusts(peer)

  test.each([
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.0.0.0/8", "::ffff:10.1.2.3", true],
    ["10.0.0.0/8", "::ffff:11.1.2.3", false],
    ["192.0.2.7", "192.0.2.7", true],
    ["192.0.2.7", "192.0.2.8", false],
    ["fd00::/8, 192.0.2.7", "fd12:3456::1", true],
    ["fd00::/8, 192.0.2.7", "192.0.2.7", true],
    ["fd00::/8", "fe80::1", false],
    ["2001:db8::1", "2001:0db8:0:0::1", true],
    ["192.0.2.7", "", false],
    ["192.0.2.7", "unknown", false],
    ["true", "203.0.113.9", true],
    ["false", "127.0.0.1", false],
  ])("%j and peer %j: %p", (value, peer, expected) => {
    expect(trusts(value, peer)).toBe(expected)
  })

  test("nobody is trusted unless named", () => {
    expect(loadConfig({}).trustProxy.trusts("127.0.0.1")).toBe(false)
  })
})

describe("describeSettings", () => {
  const noFile = () => false

  test("shows every setting, its source and no secret", () => {
    const env = {
      ...app,
      WEIR_DATABASE_URL: "postgres://weir:Sesame@h/d?password=Sesame&sslmode=require",
      WEIR_MASTER_KEY: masterKeyHex,
      WEIR_ADMIN_TOKEN: adminToken,
    }
    const rows = describeSettings(env, noFile)
    expect(rows.map((row) => row.name)).toEqual(settings.map((setting) => setting.name))
    const shown = JSON.stringify(rows)
    for (const secret of [secret64, masterKeyHex, adminToken, "Sesame"]) expect(shown).not.toContain(secret)
    const row = (name: string) => rows.find((candidate) => candidate.name === name)
    expect(row("WEIR_API_KEY")).toMatchObject({ value: "abcdefgh1234", source: "env" })
    expect(row("WEIR_API_SECRET")).toMatchObject({ value: "(set, 64 characters)", source: "env" })
    expect(row("WEIR_DATABASE_URL")?.value).toBe("postgres://weir:***@h/d?password=***&sslmode=require")
    expect(row("WEIR_PORT")).toMatchObject({ value: "3030", source: "default" })
    expect(row("WEIR_REDIS_URL")).toMatchObject({ value: "(one process, local bus)", source: "default" })
  })

  test("the master key's file is a source of its own", () => {
    const path = resolve("/srv/weir/master.key")
    const rowOf = (fileExists: (path: string) => boolean) =>
      describeSettings({ WEIR_DATA_DIR: "/srv/weir" }, fileExists).find((row) => row.name === "WEIR_MASTER_KEY")
    expect(rowOf((asked) => asked === path)).toMatchObject({ value: path, source: "file" })
    expect(rowOf(noFile)).toMatchObject({ source: "default" })
  })

  // Passwords with / ? # in them make another URL of the text; then nothing of it may be shown.
  test.each(["not a url", "postgres://u:1#Sesame@h/d", "postgres://u:1/Sesame@h/d", "postgres://u:1?Sesame@h/d"])(
    "nothing is shown of %s",
    (text) => {
      expect(maskUrl(text)).toBe("(set, not a URL)")
      expect(refusal({ WEIR_DATABASE_URL: text }).message).toContain("percent-encoded")
    },
  )

  test("each setting has one line of documentation and either a default or a word on its absence", () => {
    for (const setting of settings) {
      expect(setting.doc).toMatch(/^[A-Z].*\.$/)
      expect(setting.doc).not.toInclude("\n")
      expect((setting.default === null) !== (setting.absent === null)).toBe(true)
    }
  })
})
