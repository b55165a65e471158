import { describe, expect, test } from "bun:test"
import { ApiError, type ErrorName, errorCatalogue, inputError, notFoundError } from "@weir/protocol"
import { expectEnvelope } from "../../test/fixtures.ts"
import { answer, preflight, refusal, shared } from "./respond.ts"

const plain = { status: 200, acceptsGzip: () => false }
const context = {
  operation: "SendMessage",
  startedMs: performance.now(),
  errorPages: "https://x/errors",
  decisionId: null,
}

describe("answers", () => {
  test("carry the output and the time, and the headers that browsers need", async () => {
    const response = answer({ a: 1 }, performance.now() - 5, { ...plain, status: 201 })
    expect(response.status).toBe(201)
    const body = (await response.json()) as { a: number; duration: string }
    expect(Object.keys(body)).toEqual(["a", "duration"])
    expect(Number.parseFloat(body.duration)).toBeGreaterThanOrEqual(5)
    expect(body.duration).toMatch(/^\d+\.\d\dms$/)
    expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8")
    expect(response.headers.get("access-control-allow-origin")).toBe("*")
    expect(response.headers.get("cache-control")).toBe("no-store")
    expect(response.headers.get("x-content-type-options")).toBe("nosniff")
    expect(response.headers.get("set-cookie")).toBeNull()
  })

  test("an empty output is an object with the time", async () => {
    expect(await answer({}, performance.now(), plain).json()).toEqual({ duration: expect.any(String) })
  })

  // One object holds the headers of all limited answers, so an answer must not change when the next one is made.
  test("carry what is left of the limit, each its own", () => {
    const states = [
      { limit: 60, remaining: 59, reset: 1_790_000_000 },
      { limit: 60, remaining: 58, reset: 1_790_000_000 },
      { limit: 1_000, remaining: 58, reset: 1_790_000_060 },
    ]
    const answers = states.map((limitState) => answer({}, performance.now(), { ...plain, limitState }))
    const unlimited = answer({}, performance.now(), plain)
    const shown = answers.map(({ headers }) => ({
      limit: Number(headers.get("x-ratelimit-limit")),
      remaining: Number(headers.get("x-ratelimit-remaining")),
      reset: Number(headers.get("x-ratelimit-reset")),
    }))
    expect(shown).toEqual(states)
    expect(unlimited.headers.has("x-ratelimit-limit")).toBe(false)
    const big = { text: "x".repeat(5000) }
    const packed = answer(big, performance.now(), { ...plain, limitState: states[0], acceptsGzip: () => true })
    expect(packed.headers.get("x-ratelimit-remaining")).toBe("59")
    expect(packed.headers.get("content-encoding")).toBe("gzip")
    const refused = refusal(inputError("a is wrong"), { ...context, limitState: states[2] })
    expect(refused.headers.get("x-ratelimit-reset")).toBe("1790000060")
  })

  test("are packed when the client takes it and they are worth it", async () => {
    const big = { text: "x".repeat(5000) }
    const packed = answer(big, performance.now(), { ...plain, acceptsGzip: () => true })
    expect(packed.headers.get("content-encoding")).toBe("gzip")
    expect(packed.headers.get("vary")).toBe("accept-encoding")
    const bytes = new Uint8Array(await packed.arrayBuffer())
    expect(bytes.length).toBeLessThan(1000)
    expect(JSON.parse(new TextDecoder().decode(Bun.gunzipSync(bytes)))).toMatchObject(big)
    expect(answer(big, performance.now(), plain).headers.get("content-encoding")).toBeNull()
    expect(
      answer({ a: 1 }, performance.now(), { ...plain, acceptsGzip: () => true }).headers.get("content-encoding"),
    ).toBeNull()
  })

  test("a shared output is encoded once, and each answer has its own time", async () => {
    let encodings = 0
    const output = shared({ toJSON: () => ({ n: ++encodings }) })
    for (let again = 0; again < 3; again++) {
      expect(await answer(output, performance.now(), plain).json()).toEqual({ n: 1, duration: expect.any(String) })
    }
  })

  test("headers that are set on one response are on no other", () => {
    answer({}, 0, plain).headers.set("x-one", "1")
    expect(answer({}, 0, plain).headers.get("x-one")).toBeNull()
  })

  test("the state of a limit is in the headers", () => {
    const { headers } = answer({}, 0, { ...plain, limitState: { limit: 10, remaining: 3, reset: 1_700_000_000 } })
    expect([
      headers.get("x-ratelimit-limit"),
      headers.get("x-ratelimit-remaining"),
      headers.get("x-ratelimit-reset"),
    ]).toEqual(["10", "3", "1700000000"])
  })
})

describe("refusals", () => {
  for (const kind of Object.keys(errorCatalogue) as ErrorName[]) {
    test(`${kind} is the whole envelope and nothing of what is for operators`, async () => {
      const error = new ApiError(kind, "because", { internal: "canary-internal", cause: new Error("canary-cause") })
      const response = refusal(error, context)
      expect(response.status).toBe(errorCatalogue[kind].status)
      const text = await response.text()
      expect(text).not.toContain("canary")
      expect(text).not.toContain("respond.test.ts")
      const body = JSON.parse(text)
      expectEnvelope(body)
      expect(body).toMatchObject({
        code: errorCatalogue[kind].code,
        message: 'SendMessage failed with error: "because"',
      })
      expect(response.headers.get("x-decision-id")).toBeNull()
    })
  }

  test("fields, the wait and the decision are told", async () => {
    const withFields = (await refusal(inputError("a is wrong", { a: "must be b" }), context).json()) as object
    expect(withFields).toMatchObject({ exception_fields: { a: "must be b" } })
    const limited = refusal(new ApiError("rateLimit", "too many", { retryAfterSeconds: 7 }), {
      ...context,
      decisionId: "id",
    })
    expect(limited.headers.get("retry-after")).toBe("7")
    expect(limited.headers.get("x-decision-id")).toBe("id")
  })

  test("case 20: absent and hidden are one text", () => {
    expect(notFoundError("call", "a:b").reason).toBe("Can't find call with id a:b")
  })
})

test("a preflight is answered for any origin, and grants what was asked for", () => {
  const asked = preflight(
    new Request("http://x/", {
      method: "OPTIONS",
      headers: { origin: "https://app.example", "access-control-request-headers": "authorization,x-my" },
    }),
  )
  expect(asked.status).toBe(204)
  expect(asked.headers.get("access-control-allow-headers")).toBe("authorization,x-my")
  for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"])
    expect(asked.headers.get("access-control-allow-methods")).toContain(method)
  expect(preflight(new Request("http://x/")).headers.get("access-control-allow-headers")).toContain("stream-auth-type")
  expect(asked.headers.get("access-control-allow-credentials")).toBeNull()
})
