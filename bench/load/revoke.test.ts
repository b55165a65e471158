// The generator for revocation against a node as an operator starts it: its numbers must come from sockets that were
// really closed, and what is refused must stop the run.

import { afterAll, beforeAll, expect, test } from "bun:test"
import { randomBytes } from "node:crypto"
import { runLoad, stopAll } from "../contender.ts"
import { connectPath, newMasterKey, type StartedNode, startNode, welcomePrefix } from "../weir.ts"
import type { RevokeJob, RevokeResult } from "./revoke.ts"

const apiKey = "benchbench00"
const secret = randomBytes(32).toString("hex")
const adminToken = "bench-admin-token-0123456789abcdef"

let node: StartedNode
beforeAll(async () => {
  const own = { databaseUrl: null, redisUrl: null, rateLimits: false, program: null }
  node = await startNode({ apiKey, secret, adminToken, masterKey: newMasterKey(), ...own })
}, 30_000)
afterAll(stopAll)

const job = (over: Partial<RevokeJob> = {}): RevokeJob => ({
  host: "127.0.0.1",
  ports: [node.port],
  path: connectPath(apiKey),
  welcomePrefix,
  apiKey,
  secret,
  adminToken,
  sockets: 12,
  inFlight: 4,
  revocations: 3,
  pauseMs: 0,
  settleMs: 0,
  bus: null,
  ...over,
})

test("an operator whose token is wrong is an error with the answer in it", async () => {
  const wrong = job({ adminToken: "another-admin-token-0123456789abcd" })
  await expect(runLoad("revoke", wrong, 10_000)).rejects.toThrow(/revocations was refused with 401/)
}, 20_000)

test("too few sockets for the users are an error", async () => {
  await expect(runLoad("revoke", job({ sockets: 2 }), 10_000)).rejects.toThrow("2 sockets are too few for 3 users")
}, 20_000)

test("each revocation has a time for its socket, its receipt and the write beside it", async () => {
  const result = await runLoad<RevokeResult>("revoke", job(), 20_000)
  for (const times of [result.closedMs, result.receiptMs, result.writeMs]) {
    expect(times).toHaveLength(3)
    for (const time of times) expect(time).toBeGreaterThan(0)
  }
  for (const [index, time] of result.lagMs.entries())
    expect(time).toBeLessThanOrEqual(Math.ceil(result.receiptMs[index] ?? 0))
  expect(result.busMs).toBeNull()
  expect(result.sockets).toBe(12)
}, 30_000)
