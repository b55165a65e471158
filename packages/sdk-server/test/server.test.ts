import { afterAll, beforeEach, describe, expect, test } from "bun:test"
import { jwtVerify } from "jose"
import { apiKey, apiSecret, startHandshakeServer } from "../../sdk-client/test/handshake-server.ts"
import { manualTimers } from "../../sdk-client/test/manual-timers.ts"
import manifest from "../package.json"
import { createWeirServer, limits, version } from "../src/index.ts"

const backend = startHandshakeServer()
afterAll(() => backend.stop())

beforeEach(() => {
  backend.requests.length = 0
  backend.rest = () => ({})
})

const options = { apiKey, apiSecret, baseUrl: backend.url }
const claimsOf = async (token: string) =>
  (await jwtVerify(token, new TextEncoder().encode(apiSecret), { currentDate: new Date(0) })).payload

test("a call goes out with a server token that is neither from the future nor for ever", async () => {
  await createWeirServer(options).users.upsert([{ id: "ann", role: "admin" }])
  const [seen] = backend.requests
  expect(seen?.body).toEqual({ users: { ann: { id: "ann", role: "admin" } } })
  expect(seen?.headers.get("x-stream-client")).toBe(`weir-sdk-server-${manifest.version}`)
  const claims = await claimsOf(seen?.headers.get("authorization") as string)
  const now = Date.now() / 1000
  expect(claims.server).toBe(true)
  expect(claims.user_id).toBeUndefined()
  expect(claims.iat).toBeWithin(now - 10, now - 4)
  expect((claims.exp as number) - (claims.iat as number)).toBe(limits.serverTokenLifeSeconds)
})

test("one server token serves many calls, for half of its life", async () => {
  const timers = manualTimers()
  const weir = createWeirServer({ ...options, timers })
  const tokens = () => new Set(backend.requests.map(({ headers }) => headers.get("authorization"))).size
  await Promise.all([weir.users.query(), weir.users.query(), weir.tasks.get("t")])
  await timers.advance((limits.serverTokenLifeSeconds * 1000) / 2 - 1)
  await weir.users.query()
  expect(tokens()).toBe(1)
  await timers.advance(1)
  await weir.users.query()
  expect(tokens()).toBe(2)
})

test("calls that are refused together because the token expired come back with one new token", async () => {
  const timers = manualTimers()
  const weir = createWeirServer({ ...options, timers })
  const seen: string[] = []
  await weir.users.query()
  const expired = backend.requests[0]?.headers.get("authorization")
  backend.rest = ({ headers }) => {
    seen.push(headers.get("authorization") as string)
    return seen.at(-1) === expired
      ? Response.json({ code: 40, message: "expired", StatusCode: 401, more_info: "" }, { status: 401 })
      : {}
  }
  // A token of the same second would be the same text.
  await timers.advance(1_000)
  await Promise.all([weir.users.query(), weir.users.query(), weir.users.query()])
  expect(seen).toHaveLength(6)
  expect(new Set(seen).size).toBe(2)
})

test("a refusal tells what an operator needs", async () => {
  backend.rest = () =>
    Response.json(
      {
        code: 17,
        message: 'SendMessage failed with error: "not allowed"',
        StatusCode: 403,
        more_info: "http://x/errors/17",
      },
      { status: 403, headers: { "x-decision-id": "d-9" } },
    )
  const weir = createWeirServer(options)
  await expect(weir.channels.sendMessage("messaging", "a", { text: "hi", user_id: "ann" })).rejects.toMatchObject({
    name: "WeirApiError",
    code: 17,
    status: 403,
    reason: "not allowed",
    moreInfo: "http://x/errors/17",
    decisionId: "d-9",
  })
  expect(backend.requests).toHaveLength(1)
})

describe("waiting for a task", () => {
  const task = (status: string) => ({ task_id: "t1", status, created_at: "", updated_at: "" })

  test("ends when it is completed", async () => {
    const states = ["waiting", "running", "completed"]
    backend.rest = () => task(states.shift() as string)
    const timers = manualTimers()
    const done = createWeirServer({ ...options, timers }).waitForTask("t1")
    let status = ""
    done.then((ended) => {
      status = ended.status
    })
    while (status === "") {
      await Bun.sleep(2)
      await timers.advance(limits.taskPollIntervalMs)
    }
    expect([status, backend.requests.length]).toEqual(["completed", 3])
  })

  test("rejects when it failed, with the reason", async () => {
    backend.rest = () => ({ ...task("failed"), error: { type: "x", description: "no such user" } })
    await expect(createWeirServer(options).waitForTask("t1")).rejects.toMatchObject({
      name: "WeirTaskError",
      message: "task t1 failed: no such user",
      task: { status: "failed" },
    })
  })

  test("rejects when it does not end in time", async () => {
    backend.rest = () => task("running")
    const outcome = createWeirServer(options).waitForTask("t1", { timeoutMs: 0 })
    await expect(outcome).rejects.toMatchObject({ task: { status: "running" } })
  })
})

test("tokens and webhooks of this app need no secret again", async () => {
  const weir = createWeirServer(options)
  expect(await claimsOf(weir.createToken("ann"))).toMatchObject({ user_id: "ann" })
  expect(await claimsOf(await weir.createCallTokenAsync({ callCids: ["default:a"] }))).toMatchObject({
    user_id: "!anon",
  })
  expect(weir.verifyWebhook("{}", "00")).toBe(false)
})

test("wrong options are refused at once", () => {
  expect(() => createWeirServer({ ...options, apiKey: "" })).toThrow(TypeError)
  expect(() => createWeirServer({ ...options, apiSecret: apiKey })).toThrow(TypeError)
  expect(() => createWeirServer({ ...options, baseUrl: "weir.example" })).toThrow(TypeError)
})

test("a browser gets no server: the secret is refused", () => {
  const global = globalThis as Record<string, unknown>
  global.window = {}
  global.document = {}
  try {
    expect(() => createWeirServer(options)).toThrow("browser")
  } finally {
    delete global.window
    delete global.document
  }
})

test("the version is the package's", () => {
  expect(version).toBe(manifest.version)
})
