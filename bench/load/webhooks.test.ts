// The pieces of the rows about webhooks as the bench uses them: what they count must be true.

import { afterAll, afterEach, expect, test } from "bun:test"
import { loadCore, runLoad, type StartedProcess, startProcess, stopAll } from "../contender.ts"
import { sampleFixture } from "../fixture.ts"
import { startBare } from "../peers/bare/start.ts"
import type { FetchLoopJob } from "../peers/fetch-loop.ts"
import type { MessagesJob, MessagesResult } from "./messages.ts"
import type { ReceiverResult, SampleRequest } from "./receiver.ts"
import { createRequestReader } from "./request.ts"

afterAll(stopAll)
const host = "127.0.0.1"
const started: StartedProcess[] = []
afterEach(async () => {
  for (const child of started.splice(0)) await child.stop()
})

const start = async (path: string, core?: number): Promise<Record<string, number>> => {
  const child = await startProcess(
    path,
    [process.execPath, `${import.meta.dir}/${path}`],
    {},
    true,
    () => undefined,
    core,
  )
  started.push(child)
  return child.ready
}
const json = async (url: string, init: RequestInit = {}): Promise<unknown> => (await fetch(url, init)).json()

test("receiver: counts by webhook-id, goes down and comes back at the same port", async () => {
  const { port, control } = await start("receiver.ts", loadCore)
  const at = `http://${host}:${control}`
  const deliver = (id: string) =>
    fetch(`http://${host}:${port}/hook`, { method: "POST", headers: { "Webhook-Id": id, "x-more": "a:b" }, body: "{}" })
  await json(`${at}/begin?distinct=2`, { method: "POST" })
  expect((await deliver("msg_1")).status).toBe(200)
  expect((await deliver("msg_1")).status).toBe(200)
  const early = (await json(`${at}/end?timeoutMs=50`)) as ReceiverResult
  expect(early).toMatchObject({ requests: 2, distinct: 1 })

  await json(`${at}/down`, { method: "POST" })
  expect(await deliver("msg_2").then(String, () => "refused")).toBe("refused")
  await json(`${at}/up`, { method: "POST" })
  expect((await deliver("msg_2")).status).toBe(200)
  const result = (await json(`${at}/end?timeoutMs=5000`)) as ReceiverResult
  expect(result).toMatchObject({ requests: 3, distinct: 2 })
  const sample = (await json(`${at}/sample`)) as SampleRequest
  expect(sample.body).toBe("{}")
  expect(sample.headers["x-more"]).toBe("a:b")
})

test("fetch loop: sends as many as it should, each with an id of its own", async () => {
  const { port, control } = await start("receiver.ts", loadCore)
  const { control: loop } = await start("../peers/fetch-loop.ts")
  for (const signs of [false, true]) {
    await json(`http://${host}:${control}/begin?distinct=100`, { method: "POST" })
    const sample = { headers: { "webhook-id": "msg_123", "content-type": "application/json" }, body: '{"a":"ä"}' }
    const job: FetchLoopJob = { url: `http://${host}:${port}/hook`, sample, count: 100, inFlight: 8, signs }
    await json(`http://${host}:${loop}/run`, { method: "POST", body: JSON.stringify(job) })
    const result = (await json(`http://${host}:${control}/end?timeoutMs=5000`)) as ReceiverResult
    expect(result).toMatchObject({ requests: 100, distinct: 100 })
    const last = (await json(`http://${host}:${control}/sample`)) as SampleRequest
    expect(last.body).toBe(sample.body)
    expect("x-signature" in last.headers).toBe(signs)
  }
})

test("messages: at a set rate, and as fast as they are answered", async () => {
  const bare = await startBare(sampleFixture)
  const job: MessagesJob = {
    host,
    port: bare.ports.fanout,
    serverPid: bare.pid,
    path: "/",
    body: "{}",
    secret: "s".repeat(64),
    senderId: "a",
    expectedStatus: 201,
    connections: 4,
    warmupMessages: 10,
    messages: 100,
    ratePerSecond: 200,
  }
  const slow = await runLoad<MessagesResult>("messages", job, 2_000)
  expect(slow.messages).toBe(100)
  expect(slow.perSecond).toBeLessThan(400)
  expect(slow.p50Ms).toBeGreaterThan(0)
  expect(slow.p99Ms).toBeGreaterThanOrEqual(slow.p50Ms)
  const fast = await runLoad<MessagesResult>("messages", { ...job, ratePerSecond: null, messages: 2_000 }, 2_000)
  expect(fast.perSecond).toBeGreaterThan(slow.perSecond)
  await expect(runLoad("messages", { ...job, expectedStatus: 200 }, 2_000)).rejects.toThrow("status 201 instead of 200")
})

test("request reader: requests that come in pieces and together", () => {
  const text = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nwebhook-id: msg_1\r\n\r\nabc"
  for (const size of [1, 7, text.length, text.length * 2]) {
    const seen: string[] = []
    const reader = createRequestReader((request) => seen.push(`${request.header("webhook-id")} ${request.body}`))
    const bytes = Buffer.from(text + text)
    for (let at = 0; at < bytes.length; at += size) reader.feed(bytes.subarray(at, at + size))
    expect(seen).toEqual(["msg_1 abc", "msg_1 abc"])
  }
  expect(() => createRequestReader(() => undefined).feed(Buffer.from("POST / HTTP/1.1\r\nhost: h\r\n\r\n"))).toThrow(
    "a request without Content-Length",
  )
})
