// The real launcher on the real Node, as npm starts it: arguments in, standard output, standard error and exit code
// out. Long tables of cases call the same program without the launcher (`called`), which saves a start for each.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { jwtVerify } from "jose"
import { run } from "../src/main.ts"

const launcher = join(import.meta.dir, "../bin/weir.js")
const secret = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr"
const otherSecret = [...secret].reverse().join("")

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-cli-"))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Outcome {
  code: number
  out: string
  err: string
}

async function weir(words: string[], env: Record<string, string> = {}, input = ""): Promise<Outcome> {
  const child = Bun.spawn(["node", launcher, ...words], {
    cwd: folder,
    env: { PATH: process.env.PATH as string, ...env },
    stdin: Buffer.from(input),
    stdout: "pipe",
    stderr: "pipe",
  })
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, out, err }
}

async function called(words: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const out: string[] = []
  const err: string[] = []
  const code = await run(words, {
    env,
    print: (line) => out.push(`${line}\n`),
    complain: (line) => err.push(`${line}\n`),
    readInput: async () => "",
    now: Date.now,
  })
  return { code, out: out.join(""), err: err.join("") }
}

describe("help and mistakes", () => {
  test("--help lists every command and says nothing on standard error", async () => {
    const { code, out, err } = await weir(["--help"])
    expect({ code, err }).toEqual({ code: 0, err: "" })
    for (const name of ["serve", "config", "token create <user_id>", "token inspect <token>", "doctor"]) {
      expect(out).toContain(`\n  ${name}`)
    }
  })

  test("no command at all shows the help and is a usage error", async () => {
    const { code, out } = await weir([])
    expect(code).toBe(2)
    expect(out).toContain("Usage: weir <command>")
  })

  test("--version names the package's version and Bun's", async () => {
    const { version } = await Bun.file(join(import.meta.dir, "../package.json")).json()
    expect(await weir(["--version"])).toEqual({ code: 0, out: `weir ${version} (Bun ${Bun.version})\n`, err: "" })
  })

  test.each([
    [["serve"], "Usage: weir serve [options]", "WEIR_PORT"],
    [["config"], "Usage: weir config [options]", "--json"],
    [["token", "create"], "Usage: weir token create <user_id> [options]", "--expires-in <time>"],
    [["token", "inspect"], "Usage: weir token inspect <token> [options]", "Nothing is sent anywhere"],
    [["doctor"], "Usage: weir doctor [options]", "Exit code 1"],
    [["token"], "token create <user_id>", "token inspect <token>"],
  ])("%p --help", async (words, usage, detail) => {
    const { code, out, err } = await called([...words, "--help"])
    expect({ code, err }).toEqual({ code: 0, err: "" })
    expect(out).toContain(usage)
    expect(out).toContain(detail)
  })

  test("the launcher passes a usage error on", async () => {
    const { code, out, err } = await weir(["sevre"])
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).toBe('weir: "sevre" is not a command; did you mean "weir serve"?\n')
  })

  test.each([
    [["sevre"], 'weir: "sevre" is not a command; did you mean "weir serve"?'],
    [["token", "inspct"], 'weir: "token inspct" is not a command; did you mean "weir token inspect"?'],
    [["espresso"], 'weir: "espresso" is not a command; "weir --help" lists them'],
    [["config", "--jsn"], "weir config: Unknown option '--jsn'"],
    [["config", "extra"], 'weir config: unexpected argument "extra"'],
    [["serve", "--port", "1"], "weir serve: Unknown option '--port'"],
    [["token", "create"], "weir token create: <user_id> is missing"],
    [["token", "create", "a", "b"], 'weir token create: unexpected argument "b"'],
    [["token", "create", "not an id"], 'weir token create: "not an id" is not a user id'],
    [["token", "create", "ann", "--expires-in", "soon"], 'weir token create: --expires-in "soon" is not a time'],
    [["token", "create", "ann", "--expires-in", "4000d"], 'weir token create: --expires-in "4000d" is not a time'],
    [["token", "create", "ann", "--role", "host"], "weir token create: --role says something only together with"],
    [["token", "create", "ann", "--calls", "standup"], 'weir token create: "standup" is not a call'],
  ])("%p is a usage error", async (words, message) => {
    const { code, out, err } = await called(words, { WEIR_API_SECRET: secret })
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).toStartWith(message)
  })

  // Bun would read both by itself; a bunfig.toml can even run code.
  test("nothing of a .env or bunfig.toml in the current folder counts", async () => {
    writeFileSync(join(folder, ".env"), "WEIR_PORT=4040\n")
    writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./stranger.ts"]\n')
    writeFileSync(join(folder, "stranger.ts"), 'console.log("a stranger")\n')
    const { code, out } = await weir(["config"])
    for (const name of [".env", "bunfig.toml", "stranger.ts"]) rmSync(join(folder, name))
    expect(code).toBe(0)
    expect(out).toMatch(/^WEIR_PORT +3030 +default$/m)
    expect(out).not.toContain("a stranger")
  })
})

describe("weir config", () => {
  test("prints values with their source, and no secret", async () => {
    const env = {
      WEIR_PORT: "4040",
      WEIR_API_KEY: "abcdefgh1234",
      WEIR_API_SECRET: secret,
      WEIR_ADMIN_TOKEN: otherSecret,
      WEIR_MASTER_KEY: "5".repeat(64),
      WEIR_DATABASE_URL: "postgres://weir:Sesame@db.internal/weir",
    }
    const { code, out, err } = await weir(["config"], env)
    expect({ code, err }).toEqual({ code: 0, err: "" })
    expect(out).toMatch(/^WEIR_PORT +4040 +env$/m)
    expect(out).toMatch(/^WEIR_HOST +127\.0\.0\.1 +default$/m)
    expect(out).toMatch(/^WEIR_API_SECRET +\(set, 64 characters\) +env$/m)
    expect(out).toMatch(/^WEIR_DATABASE_URL +postgres:\/\/weir:\*\*\*@db\.internal\/weir +env$/m)
    const json = await weir(["config", "--json"], env)
    expect(JSON.parse(json.out)).toMatchObject({ error: null, warnings: [] })
    for (const masked of [secret, otherSecret, "Sesame", "5".repeat(64)]) expect(out + json.out).not.toContain(masked)
  })

  test("the master key's file is a source", async () => {
    const dataDir = join(folder, "config-data")
    mkdirSync(dataDir)
    writeFileSync(join(dataDir, "master.key"), `${"5".repeat(64)}\n`, { mode: 0o600 })
    const { out } = await weir(["config"], { WEIR_DATA_DIR: dataDir })
    expect(out).toMatch(/^WEIR_MASTER_KEY +\S+master\.key +file$/m)
    expect(out).not.toContain("5".repeat(64))
  })
})

describe("settings that stop the start", () => {
  const refused: [string, Record<string, string>, string][] = [
    ["an unknown name", { WEIR_PROT: "3030" }, "weir: WEIR_PROT is not a setting; did you mean WEIR_PORT?"],
    ["plain HTTP for everybody", { WEIR_HOST: "0.0.0.0" }, "weir: WEIR_HOST 0.0.0.0 would take tokens over plain HTTP"],
    ["half a certificate", { WEIR_TLS_CERT: "cert.pem" }, "weir: WEIR_TLS_CERT is set without WEIR_TLS_KEY"],
    ["half of the credentials", { WEIR_API_KEY: "abcdefgh1234" }, "weir: WEIR_API_KEY is set without WEIR_API_SECRET"],
    ["Redis beside SQLite", { WEIR_REDIS_URL: "redis://h" }, "weir: WEIR_REDIS_URL is for several nodes"],
  ]

  test.each(refused)("%s: config shows them all the same, then says so", async (_, env, message) => {
    const { code, out, err } = await called(["config"], env)
    expect(code).toBe(1)
    expect(out).toContain("WEIR_LOG_LEVEL")
    expect(err).toStartWith(message)
    expect(err.trim()).not.toInclude("\n")
  })

  test.each(refused)("%s: serve says so in one line and leaves nothing behind", async (_, env, message) => {
    const before = readdirSync(folder)
    const { code, out, err } = await weir(["serve"], env)
    expect(code).not.toBe(0)
    expect(out).toBe("")
    expect(err).toStartWith(message)
    expect(err.trim()).not.toInclude("\n")
    expect(readdirSync(folder)).toEqual(before)
  })
})

test("serve answers on the port that it names, and SIGTERM to the launcher ends it with 0", async () => {
  const child = Bun.spawn(["node", launcher, "serve"], {
    cwd: folder,
    env: {
      PATH: process.env.PATH as string,
      WEIR_PORT: "0",
      WEIR_DATA_DIR: join(folder, "served"),
      WEIR_LOG_FORMAT: "json",
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  try {
    const url = await firstUrlIn(child.stdout, child.stderr)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    child.kill("SIGTERM")
    expect(await child.exited).toBe(0)
  } finally {
    // Not SIGKILL: that would end the launcher and leave the server behind.
    child.kill("SIGTERM")
  }
}, 20_000)

/** The first http URL on either stream. */
async function firstUrlIn(...streams: ReadableStream<Uint8Array>[]): Promise<string> {
  let text = ""
  return Promise.any(
    streams.map(async (stream) => {
      for await (const chunk of stream as ReadableStream<Uint8Array> & AsyncIterable<Uint8Array>) {
        text += Buffer.from(chunk).toString()
        const match = /https?:\/\/127\.0\.0\.1:\d+/.exec(text)
        if (match !== null) return match[0]
      }
      throw new Error(`no URL in: ${text}`)
    }),
  )
}

describe("weir token", () => {
  test("create prints a token that jose takes, and nothing else", async () => {
    const { code, out, err } = await weir(["token", "create", "ann"], { WEIR_API_SECRET: secret })
    expect({ code, err }).toEqual({ code: 0, err: "" })
    expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)
    const { payload, protectedHeader } = await jwtVerify(out.trim(), Buffer.from(secret))
    expect(protectedHeader).toEqual({ alg: "HS256", typ: "JWT" })
    expect(Object.keys(payload).toSorted()).toEqual(["exp", "iat", "user_id"])
    expect(payload.user_id).toBe("ann")
    expect((payload.exp as number) - (payload.iat as number)).toBe(86_400)
    expect(Math.abs((payload.iat as number) - Date.now() / 1000)).toBeLessThan(10)
  })

  test("create takes a lifetime, a secret by option, calls and a role", async () => {
    const words = ["token", "create", "ann", "--expires-in", "never", "--api-secret", secret]
    const { out } = await weir([...words, "--calls", "default:a,audio_room:b", "--role", "host", "--json"])
    const { token, claims } = JSON.parse(out)
    const { payload } = await jwtVerify(token, Buffer.from(secret))
    expect(payload).toEqual(claims)
    expect(payload).toEqual({
      user_id: "ann",
      iat: expect.any(Number),
      call_cids: ["default:a", "audio_room:b"],
      role: "host",
    })
  })

  test.each([
    ["no secret", {}, /no API secret: set WEIR_API_SECRET/],
    ["a short secret", { WEIR_API_SECRET: "tooshort" }, /the API secret cannot be used/],
  ])("create without a usable secret fails: %s", async (_, env, message) => {
    const { code, out, err } = await called(["token", "create", "ann"], env)
    expect({ code, out }).toEqual({ code: 1, out: "" })
    expect(err).toMatch(message)
    expect(err).not.toContain("tooshort")
  })

  const signed = (claims: object, header: object = { alg: "HS256", typ: "JWT" }, key = secret): string => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const input = `${encode(header)}.${encode(claims)}`
    return `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`
  }
  const now = () => Math.floor(Date.now() / 1000)

  test("a token made by create is accepted by inspect", async () => {
    const created = await weir(["token", "create", "ann", "--expires-in", "2h"], { WEIR_API_SECRET: secret })
    const { code, out } = await weir(["token", "inspect", created.out.trim()], { WEIR_API_SECRET: secret })
    expect(code).toBe(0)
    expect(out).toMatch(/^kind +user token of ann$/m)
    expect(out).toMatch(/^time +expires .*Z \(in 1 h 59 m\)$/m)
    expect(out).toMatch(/^signature +valid$/m)
    expect(out).toMatch(/^verdict +accepted$/m)
  })

  test("inspect reads standard input, with or without Bearer", async () => {
    const token = signed({ user_id: "ann", exp: now() + 60 })
    const { code, out } = await weir(["token", "inspect", "-"], { WEIR_API_SECRET: secret }, `Bearer ${token}\n`)
    expect(code).toBe(0)
    expect(out).toMatch(/^verdict +accepted$/m)
    const tooLong = await weir(["token", "inspect", "-"], {}, "x".repeat(100_000))
    expect(tooLong.code).toBe(1)
    expect(tooLong.err).toContain("more than 65536 bytes")
  })

  test("without the secret nothing is proved, and inspect says so", async () => {
    const { code, out } = await called(["token", "inspect", signed({ user_id: "ann" }, undefined, otherSecret)])
    expect(code).toBe(0)
    expect(out).toMatch(/^signature +not checked \(set WEIR_API_SECRET/m)
    expect(out).toMatch(/^verdict +unknown$/m)
    expect(out).toMatch(/^time +never expires$/m)
  })

  test.each([
    ["another secret", () => signed({ user_id: "ann" }, undefined, otherSecret), "not valid", 43],
    ["an expired token", () => signed({ user_id: "ann", exp: now() - 60 }), "valid", 40],
    ["a token of later", () => signed({ user_id: "ann", nbf: now() + 60 }), "valid", 41],
    ["a token from the future", () => signed({ user_id: "ann", iat: now() + 60 }), "valid", 42],
    ["no algorithm", () => signed({ user_id: "ann" }, { alg: "none" }), "not checked", 5],
  ])("inspect refuses %s as the server would", async (_, token, signature, code) => {
    const outcome = await called(["token", "inspect", token(), "--json"], { WEIR_API_SECRET: secret })
    expect(outcome.code).toBe(1)
    const report = JSON.parse(outcome.out)
    expect(report).toMatchObject({ signature, verdict: "refused", reason: { code } })
    expect(report.claims.user_id).toBe("ann")
  })

  test("an expired token is refused without the secret too", async () => {
    const { code, out } = await called(["token", "inspect", signed({ user_id: "ann", exp: 1 })])
    expect(code).toBe(1)
    expect(out).toMatch(/^verdict +refused: the token is expired \(code 40\)$/m)
  })

  test.each([
    ["server token", { server: true }, "server token"],
    ["server token without a word", {}, "server token"],
    ["call token", { user_id: "ann", call_cids: ["default:a"] }, "call token for 1 calls"],
    ["Feeds v2 token", { resource: "feed", action: "read", feed_id: "x" }, "feed token (Feeds v2)"],
  ])("inspect tells a %s", async (_, claims, kind) => {
    const { out } = await called(["token", "inspect", signed(claims), "--json"])
    expect(JSON.parse(out).kind).toBe(kind)
  })

  test("milliseconds instead of seconds are called out", async () => {
    const { out } = await called(["token", "inspect", signed({ user_id: "ann", exp: 8.64e12 + 1, iat: "today" })])
    expect(out).toContain("exp is 8640000000001, which is not a time in seconds")
    expect(out).toContain('iat is "today", which is not a time in seconds')
  })

  test("what is no JWT is one line of error", async () => {
    const { code, out, err } = await called(["token", "inspect", "hello"])
    expect({ code, out }).toEqual({ code: 1, out: "" })
    expect(err).toStartWith("weir: this is not a JWT")
  })
})

describe("weir doctor", () => {
  const statusOf = (out: string) =>
    Object.fromEntries(JSON.parse(out).findings.map((f: { check: string; status: string }) => [f.check, f.status]))

  test("finds nothing wrong on a new folder and leaves nothing behind", async () => {
    const dataDir = join(folder, "new", "data")
    const { code, out } = await weir(["doctor", "--json"], { WEIR_DATA_DIR: dataDir, WEIR_PORT: "0" })
    expect(statusOf(out)).toEqual({
      settings: "ok",
      runtime: "ok",
      "data folder": "ok",
      "master key": "ok",
      database: "ok",
      redis: "skip",
      certificate: "skip",
      port: "ok",
      speed: "ok",
    })
    expect(code).toBe(0)
    expect(existsSync(join(folder, "new"))).toBe(false)
  })

  test("prints a line for each check, with the measured speed", async () => {
    const { out } = await weir(["doctor"], { WEIR_PORT: "0" })
    expect(out).toMatch(/^ok {4}speed +[\d,]+ user tokens verified per second/m)
  })

  test("finds what is broken", async () => {
    const dataDir = join(folder, "broken")
    mkdirSync(dataDir)
    writeFileSync(join(dataDir, "master.key"), "damaged", { mode: 0o600 })
    writeFileSync(join(dataDir, "weir.db"), "this is no database, and long enough to be looked at".repeat(20))
    writeFileSync(join(dataDir, "cert.pem"), "no certificate")
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: (socket) => void socket.end() } })
    const { code, out } = await weir(["doctor", "--json"], {
      WEIR_DATA_DIR: dataDir,
      WEIR_PORT: String(taken.port),
      WEIR_TLS_CERT: join(dataDir, "cert.pem"),
      WEIR_TLS_KEY: join(dataDir, "cert.pem"),
    })
    expect(code).toBe(1)
    expect(statusOf(out)).toMatchObject({
      "data folder": "ok",
      "master key": "fail",
      database: "fail",
      certificate: "fail",
      port: "fail",
    })
  })

  test("a wrong setting is the only finding", async () => {
    const { code, out } = await weir(["doctor"], { WEIR_PROT: "1" })
    expect(code).toBe(1)
    expect(out).toBe("fail  settings  WEIR_PROT is not a setting; did you mean WEIR_PORT?\n")
  })

  test("a database and a Redis that are not there are findings without their passwords", async () => {
    using closed = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })
    const port = closed.port
    closed.stop(true)
    const { code, out } = await weir(["doctor", "--json"], {
      WEIR_DATA_DIR: join(folder, "away"),
      WEIR_PORT: "0",
      WEIR_DATABASE_URL: `postgres://weir:Sesame@127.0.0.1:${port}/weir`,
      WEIR_REDIS_URL: `redis://:Sesame@127.0.0.1:${port}`,
    })
    expect(code).toBe(1)
    expect(statusOf(out)).toMatchObject({ database: "fail", redis: "fail", speed: "ok" })
    expect(out).not.toContain("Sesame")
  })

  const postgresUrl = process.env.WEIR_TEST_POSTGRES_URL
  const redisUrl = process.env.WEIR_TEST_REDIS_URL
  if (!postgresUrl || !redisUrl) {
    console.log("weir doctor against Postgres and Redis: skipped, needs WEIR_TEST_POSTGRES_URL and WEIR_TEST_REDIS_URL")
  }
  test.skipIf(!postgresUrl || !redisUrl)("reaches Postgres and Redis and compares clocks", async () => {
    const { code, out } = await weir(["doctor"], {
      WEIR_DATA_DIR: join(folder, "reached"),
      WEIR_PORT: "0",
      WEIR_DATABASE_URL: postgresUrl as string,
      WEIR_REDIS_URL: redisUrl as string,
    })
    expect(code).toBe(0)
    expect(out).toMatch(/^ok {4}database +PostgreSQL \d+, postgres/m)
    expect(out).toMatch(/^ok {4}database +its clock is \d+ ms (behind|ahead of) this one$/m)
    expect(out).toMatch(/^ok {4}redis +redis\S+ answers in \d+ ms$/m)
  })
})
