// The generators as the bench uses them, as processes of their own, against the bare peer: what they report must be
// true, and a server that refuses or loses frames must stop the run.

import { afterAll, beforeAll, expect, test } from "bun:test"
import { type Contender, runLoad, stopAll } from "../contender.ts"
import { sampleFixture } from "../fixture.ts"
import { startBare } from "../peers/bare/start.ts"
import { framePrefix, welcomePrefix } from "../weir.ts"
import type { ConnectJob, ConnectResult } from "./connect.ts"
import type { FanoutJob, FanoutResult } from "./fanout.ts"
import type { HttpJob, HttpResult } from "./http.ts"

let bare: Contender
beforeAll(async () => {
  bare = await startBare(sampleFixture)
})
afterAll(stopAll)

const host = "127.0.0.1"
const secret = "s".repeat(64)
const httpJob = (): HttpJob => ({
  host,
  port: bare.ports.http,
  serverPid: bare.pid,
  connections: 4,
  warmupMs: 50,
  durationMs: 300,
  path: "/",
  tokens: { secret, userIds: ["a"], count: 100, series: 1 },
  eachTokenOnce: false,
  expectedStatus: 200,
})
const fanoutJob = (): FanoutJob => ({
  host,
  port: bare.ports.fanout,
  serverPid: bare.pid,
  path: "/",
  welcomePrefix,
  sockets: 10,
  secret,
  series: 1,
  watcherIds: Array.from({ length: 10 }, (_, index) => `w${index}`),
  senderId: "a",
  watchPath: null,
  sendPath: "/",
  sendBody: "{}",
  sendStatus: 201,
  framePrefix,
  inFlight: 2,
  warmupMs: 50,
  durationMs: 300,
})

test("http: tokens that may be used once end the run when they are used up", async () => {
  const job = { ...httpJob(), warmupMs: 0, durationMs: 5_000, eachTokenOnce: true }
  // Few enough for a busy machine to use up in the time.
  const count = 4_000
  const result = await runLoad<HttpResult>("http", { ...job, tokens: { ...job.tokens, count } }, 5_000)
  expect(result.usedUp).toBe(true)
  expect(result.requests).toBeLessThanOrEqual(count)
  expect(result.requests).toBeGreaterThan(count * 0.95)
})

test("http: tokens that go round last for the whole time", async () => {
  const result = await runLoad<HttpResult>("http", httpJob(), 350)
  expect(result.usedUp).toBe(false)
  expect(result.elapsedMs).toBeGreaterThan(290)
  expect(result.requests).toBeGreaterThan(100)
  expect(result.latency.p50Us).toBeGreaterThan(0)
})

test("http: another status is an error with the answer in it", async () => {
  await expect(runLoad("http", { ...httpJob(), expectedStatus: 204 }, 350)).rejects.toThrow(
    /load generator http: status 200 instead of 204/,
  )
})

test("connect: each storm opens all of its sockets", async () => {
  const job: ConnectJob = {
    host,
    port: bare.ports.connect,
    serverPid: bare.pid,
    path: "/",
    welcomePrefix,
    sockets: 50,
    inFlight: 8,
    storms: 2,
    tokens: { secret, userIds: ["a", "b"], series: 1 },
    pauseMs: 10,
  }
  const result = await runLoad<ConnectResult>("connect", job, 1_000)
  expect(result.connects).toBe(100)
  expect(result.perSecond).toBeGreaterThan(0)
  await expect(runLoad("connect", { ...job, welcomePrefix: '{"type":"other"' }, 1_000)).rejects.toThrow(
    "first frame: {",
  )
})

test("fanout: every watcher hears every message", async () => {
  const result = await runLoad<FanoutResult>("fanout", fanoutJob(), 350)
  expect(result.deliveries).toBeGreaterThan(0)
  // Messages that were under way at either edge of the window may count on one side only.
  expect(Math.abs(result.deliveries - result.messages * 10)).toBeLessThanOrEqual(4 * 10)
  expect(result.frameBytes).toBe(Buffer.byteLength(sampleFixture.frame) + 4)
})

test("fanout: sockets that hear nothing are an error", async () => {
  const deaf = { ...fanoutJob(), framePrefix: '{"type":"never"' }
  await expect(runLoad("fanout", deaf, 350)).rejects.toThrow(
    /no message reached a watcher within the time \(\d+ other frames did\)/,
  )
})
