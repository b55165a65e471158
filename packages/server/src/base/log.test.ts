import { expect, test } from "bun:test"
import { limits } from "./limits.ts"
import { createLogger, type LoggerOptions, redact } from "./log.ts"

function linesOf(options: Partial<LoggerOptions>, write: (log: ReturnType<typeof createLogger>) => void): string[] {
  const lines: string[] = []
  write(
    createLogger({
      level: "debug",
      format: "json",
      now: () => 1_700_000_000_000,
      write: (line) => lines.push(line),
      ...options,
    }),
  )
  return lines
}

const token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoiam9obiJ9.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0"

test("a line is one JSON object with time, level and message first", () => {
  const lines = linesOf({}, (log) => log.info("listening", { url: "http://127.0.0.1:3030", port: 3030 }))
  expect(lines).toEqual([
    '{"time":"2023-11-14T22:13:20.000Z","level":"info","message":"listening","url":"http://127.0.0.1:3030","port":3030}\n',
  ])
})

test("fields cannot pass for the line's own members", () => {
  const [line] = linesOf({}, (log) => log.warn("true", { level: "error", message: "false", time: 0 }))
  expect(JSON.parse(line as string)).toEqual({ time: "2023-11-14T22:13:20.000Z", level: "warn", message: "true" })
})

test("lines below the level are not written", () => {
  const lines = linesOf({ level: "warn" }, (log) => {
    log.debug("a")
    log.info("b")
    log.warn("c")
    log.error("d")
  })
  expect(lines.map((line) => JSON.parse(line).message)).toEqual(["c", "d"])
})

test("secrets are masked by the name of their member, at any depth", () => {
  const fields = {
    Authorization: token,
    api_secret: "s3cr3t-a",
    nested: [{ userToken: "s3cr3t-b", password: 53_723_417, cookie: ["s3cr3t-c"] }],
    headers: new Map([["stream-authorization", "s3cr3t-d"]]),
    masterKey: { hex: "s3cr3t-e" },
    api_key: "shown",
  }
  const text = JSON.stringify(redact(fields))
  expect(text).not.toContain("s3cr3t")
  expect(text).not.toContain("53723417")
  expect(text).not.toContain(token)
  expect(text).toContain('"api_key":"shown"')
})

// The socket's URL may carry a token or a JSON document with one (contract/auth.md), and error texts quote URLs.
test("secrets are masked inside strings: query parameters, passwords of URLs, JWTs", () => {
  const [line] = linesOf({}, (log) =>
    log.info(`refused ${token}`, {
      url: "wss://host/connect?api_key=abc&authorization=s3cr3t-a&json=%7B%22s3cr3t-b%22%7D&v=1#x",
      database: "cannot reach postgres://weir:s3cr3t-c@db:5432/weir and redis://:s3cr3t-d@cache:6379",
      cause: new Error(`bad token ${token.slice(0, 60)}`, { cause: new Error("GET /x?user_token=s3cr3t-e failed") }),
    }),
  )
  expect(line).not.toContain("s3cr3t")
  expect(line).not.toContain("eyJ")
  for (const kept of ["api_key=abc", "&v=1#x", "@db:5432/weir", "@cache:6379", "bad token", "GET /x?user_token="]) {
    expect(line).toContain(kept)
  }
})

test("a secret at the place where a long text is cut does not survive in part", () => {
  const text = `${"x".repeat(limits.logStringCharsMax - 20)} ${token}`
  const shown = redact(text) as string
  expect(shown).not.toContain("eyJ")
  expect(shown.length).toBeLessThanOrEqual(limits.logStringCharsMax + 1)
})

test("a line is bounded, whatever is put in", () => {
  const wide = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`k${i}`, i]))
  const circular: Record<string, unknown> = { wide }
  circular.self = circular
  const deep = [[[[[[[["deep"]]]]]]]]
  const long = Array.from({ length: 100 }, () => "y".repeat(100_000))
  const [line] = linesOf({}, (log) =>
    log.info("big", { bytes: new Uint8Array(9), circular, deep, cause: new Error("why"), long }),
  )
  expect((line as string).length).toBeLessThan(limits.logTextCharsMax + 4_000)
  // The greed of one value leaves room for the others.
  for (const kept of ["[9 bytes]", "k49", '"message":"why"']) expect(line).toContain(kept)
  expect(line).not.toContain("k50")
})

test("what JSON cannot hold is written as text", () => {
  const shown = redact({ n: 10n, nan: Number.NaN, date: new Date(0), set: new Set([1]), run: () => 1, none: undefined })
  expect(JSON.stringify(shown)).toBe(
    '{"n":"10","nan":"NaN","date":"1970-01-01T00:00:00.000Z","set":[1],"run":"[function]"}',
  )
})

test("an error shows its name, message, code, stack and cause", () => {
  const error = Object.assign(new TypeError("outer", { cause: "inner" }), { code: "E_OUTER" })
  expect(redact(error)).toMatchObject({ name: "TypeError", message: "outer", code: "E_OUTER", cause: "inner" })
  expect((redact(error) as { stack: string }).stack).toContain("log.test.ts")
})

// A user id may hold line ends or terminal commands; neither may forge a line nor move the operator's cursor.
test("nothing in a value can begin a new line or command a terminal", () => {
  for (const format of ["json", "pretty"] as const) {
    const evil = "a\nb\r\u001b[2Jc\u009b2Jd\u2028e\u007f"
    const [line] = linesOf({ format }, (log) => log.info(`m ${evil}`, { [`k${evil}`]: evil }))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours of the pretty form
    const body = (line as string).slice(0, -1).replaceAll(/\u001b\[(?:0|2|36)m/g, "")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    expect(body).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
    expect(line).toEndWith("\n")
  }
})

test("what cannot be rendered or written does not stop the caller", () => {
  const hostile = {
    get value(): string {
      throw new Error("no")
    },
  }
  const [line] = linesOf({}, (log) => log.info("x", { hostile }))
  expect(JSON.parse(line as string)).toMatchObject({ level: "info", message: "x" })
  const log = createLogger({
    level: "info",
    format: "json",
    write() {
      throw new Error("EPIPE")
    },
  })
  expect(() => log.error("x")).not.toThrow()
})
